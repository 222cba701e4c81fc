"""A participant's EEG as a raw recording: BrainVision, with the markers that LEMON's recordings have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_fusion.recordings.montage import ELECTRODES_1020_17
from monai_fusion.recordings.options import SAMPLING_HZ
from monai_fusion.sample_cohort.options import SampleCohortOptions
from monai_fusion.sample_cohort.participant import SyntheticParticipant
from monai_fusion.sample_cohort.scalograms import simulate_eeg

BLOCK_SEGMENTS = 6  # a minute, as in LEMON; the conditions alternate
MARKERS = {"EO": 200, "EC": 210}
SWITCH = 1  # S  1, at the end of each block
EVERY = int(2 * SAMPLING_HZ)  # samples from one of a block's markers to the next
PAUSE = int(2 * SAMPLING_HZ)  # between two blocks
RESOLUTION_UV = 0.1


def write_raw_recording(path: Path, participant: SyntheticParticipant, options: SampleCohortOptions) -> None:
    """Write ``NAME.vhdr``, ``NAME.vmrk`` and ``NAME.eeg``.

    Its segments are those of `simulate_eeg`, blocks of up to six of a condition in turn, with two seconds between.

    Args:
        path: The ``.vhdr``.
        participant: Whose.
        options: The cohort's.
    """
    import pybv  # an extra

    pieces: list[NDArray[np.float64]] = []
    events: list[dict[str, Any]] = []
    at = 0
    for condition, segments in _blocks(options):
        block = np.concatenate([simulate_eeg(participant, options, condition, each) for each in segments], axis=1)
        onsets = range(at, at + block.shape[1], EVERY)
        events += [{"onset": onset, "duration": 1, "description": MARKERS[condition]} for onset in onsets]
        at += block.shape[1]
        events.append({"onset": at, "duration": 1, "description": SWITCH})
        at += PAUSE
        pieces += [block, block[:, -2 : -PAUSE - 2 : -1]]  # no jump: the block's end, backwards
    pybv.write_brainvision(
        data=np.concatenate(pieces, axis=1) * 1e-6,  # it takes volts
        sfreq=SAMPLING_HZ,
        ch_names=list(ELECTRODES_1020_17),
        fname_base=path.stem,
        folder_out=str(path.parent),
        overwrite=True,
        events=events,
        resolution=RESOLUTION_UV,
        unit="µV",
        fmt="binary_int16",
    )


def _blocks(options: SampleCohortOptions) -> Iterator[tuple[str, range]]:
    for first in range(0, options.segments_per_condition, BLOCK_SEGMENTS):
        for condition in options.conditions:
            yield condition, range(first, min(first + BLOCK_SEGMENTS, options.segments_per_condition))
