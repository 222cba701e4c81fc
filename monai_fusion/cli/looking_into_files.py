"""What the commands that look into the files of a datalist share: check and page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monai_fusion.cores import usable_cores
from monai_fusion.messages import hide_bars

if TYPE_CHECKING:
    from monai_fusion.datalist.contents.checking import Look, RecordingOpener
    from monai_fusion.datalist.examination import Examination
    from monai_fusion.datalist.reporting import Finding
    from monai_fusion.datalist.trained_model import FileReading

_MOST_WORKERS = 8  # more of them wait for the disk, and each holds a volume


def opener_of(files: FileReading, look: Look | None = None) -> RecordingOpener:
    """What opens the files with ``--deep``."""
    from monai_fusion.datalist.contents.checking import RecordingOpener

    return RecordingOpener(files.eeg_shape, files.assume_orientation, files.percentiles_over, look)


def placeholders_in(examination: Examination) -> list[Finding]:
    """Warnings about files that are there but hold no recording, without opening any that may."""
    from monai_fusion.datalist.contents.placeholders import placeholders
    from monai_fusion.datalist.contents.recording_files import recordings_to_open, with_lines

    return with_lines(placeholders(recordings_to_open(examination)), examination)


def unlike_scalograms(examination: Examination) -> list[Finding]:
    """Scalograms that were made in different ways, as the files beside them state."""
    from monai_fusion.datalist.contents.recording_files import recordings_to_open, with_lines
    from monai_fusion.datalist.contents.sidecars import unlike

    return with_lines(unlike(recordings_to_open(examination)), examination)


def look_into_files(examination: Examination, opener: RecordingOpener, workers: int | None) -> list[Finding]:
    """What is wrong with the files of a datalist, each opened; shows a progress bar."""
    from tqdm import tqdm

    from monai_fusion.datalist.contents.checking import check_contents
    from monai_fusion.datalist.contents.recording_files import recordings_to_open

    recordings = recordings_to_open(examination)
    with tqdm(total=len(recordings), desc="Opening files", unit="file", leave=False, disable=hide_bars()) as bar:
        return check_contents(
            examination, recordings, opener, workers or min(usable_cores(), _MOST_WORKERS), bar.update
        )
