"""What ``monai-fusion datalist check`` finds: problems and warnings of a datalist and, opened, of its files."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from monai_fusion.cli.covariate_table import CovariateTable, covariates_by_class
from monai_fusion.cli.lengths import three_lengths
from monai_fusion.cli.unlike_model import unlike_the_training
from monai_fusion.errors import InputError, Problem
from monai_fusion.messages import hide_bars

if TYPE_CHECKING:
    from monai_fusion.datalist.contents.checking import Look, RecordingOpener
    from monai_fusion.datalist.examination import Examination
    from monai_fusion.datalist.reporting import Finding

_MOST_WORKERS = 8  # more of them wait for the disk, and each holds a volume


@dataclass(frozen=True, slots=True)
class Found:
    """What a check found.

    Attributes:
        problems: What keeps a run from starting.
        warnings: What does not.
        hollow: Warnings of files that hold no recording, by their names and sizes alone.
        covariates: Head volume and other numbers by class, if the files were opened and have no problem.
    """

    problems: Sequence[Finding]
    warnings: Sequence[Finding]
    hollow: Sequence[Finding] = ()
    covariates: CovariateTable | None = None


def found_unopened(examination: Examination) -> Found:
    """What is found without opening recordings.

    Args:
        examination: Of the datalist itself.
    """
    problems, warnings = _of_the_datalist(examination)
    return Found(problems, warnings, placeholders_in(examination))


def found_opened(
    examination: Examination, opener: RecordingOpener, workers: int | None, cache_dir: Path | None, model: Path | None
) -> Found:
    """What is found with all recordings opened; shows a progress bar.

    Args:
        examination: Of the datalist itself.
        opener: Opens them.
        workers: How many at a time; None for the number that suits the machine.
        cache_dir: The preprocessed store, which keeps the numbers.
        model: A trained model, with whose training the recordings are compared.

    Raises:
        InputError: The model's profile is not one that a training writes.
    """
    problems, warnings = _of_the_datalist(examination)
    wrong, doubtful = _parted(look_into_files(examination, opener, workers))
    problems, warnings = [*problems, *wrong], [*warnings, *doubtful]
    if problems:
        return Found(problems, warnings)
    orientation = opener.assume_orientation
    covariates = covariates_by_class(examination.datalist(), orientation, cache_dir)
    warnings += covariates.warnings
    if model is not None:
        warnings += unlike_the_training(examination.datalist(), model, opener.eeg_shape, orientation, cache_dir)
    return Found(problems, warnings, covariates=covariates)


def _of_the_datalist(examination: Examination) -> tuple[list[Finding], list[Finding]]:
    problems, warnings = _parted(unlike_scalograms(examination))
    return [*examination.problems, *problems], [*examination.warnings, *warnings]


def _parted(findings: Iterable[Finding]) -> tuple[list[Finding], list[Finding]]:
    """Problems, and warnings."""
    every = list(findings)
    return [each for each in every if not each.warning], [each for each in every if each.warning]


def opener_of(
    eeg_shape: str, assume_orientation: str | None, percentiles_over: str, look: Look | None = None
) -> RecordingOpener:
    """What opens the files with ``--deep``, its options checked before anything is read."""
    from monai_fusion.contrast import OVER
    from monai_fusion.datalist.contents.checking import RecordingOpener
    from monai_fusion.file_formats.nifti import check_axis_codes

    if assume_orientation is not None:
        check_axis_codes(assume_orientation, "", "--assume-orientation")
    if percentiles_over not in OVER:
        raise InputError(Problem("--percentiles-over", seen=repr(percentiles_over), wanted=" or ".join(OVER)))
    frequency, time, electrode = three_lengths(eeg_shape, "--eeg-shape")
    return RecordingOpener((frequency, time, electrode), assume_orientation, percentiles_over, look)


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

    from monai_fusion.cores import usable_cores
    from monai_fusion.datalist.contents.checking import check_contents
    from monai_fusion.datalist.contents.recording_files import recordings_to_open

    recordings = recordings_to_open(examination)
    hidden = hide_bars(not sys.stderr.isatty())
    with tqdm(total=len(recordings), desc="Opening files", unit="file", leave=False, disable=hidden) as bar:
        return check_contents(
            examination, recordings, opener, workers or min(usable_cores(), _MOST_WORKERS), bar.update
        )
