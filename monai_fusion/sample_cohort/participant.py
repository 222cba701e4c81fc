"""Who is in a sample cohort: class, age, latent scores and files of every participant, before anything is rendered."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from pathlib import PurePosixPath

import numpy as np

from monai_fusion.sample_cohort.options import SampleCohortOptions

MALE, FEMALE = "M", "F"
FIRST_ID = 900_001  # LEMON's ids are 010xxx and 032xxx: a synthetic participant is never mistaken for one of them
AGE_BINS = ("20-25", "25-30", "30-35", "55-60", "60-65", "65-70", "70-75", "75-80")  # LEMON's two age groups
ORIENTATIONS = ("RAS", "LAS", "LPI")
MEAN_AGE, AGE_SD, YOUNGEST, OLDEST = 45, 12, 18, 90  # of the ages in years, with options.confound
LOG_SCALE = -0.03  # log of the head's linear size per unit of the latent score: as in life, F have the smaller heads
NUISANCE_SIZE_SD = 0.03  # of the log of the head's linear size where the class has no part in it
RAW_ENDINGS = (".vhdr", ".vmrk", ".eeg")


class Stream(IntEnum):
    """What a random number is for: every use has a stream of its own, so that none shifts another's draws."""

    CLASS_ORDER = 0
    LATENTS = 1
    TABLE = 2
    STORAGE = 3
    EEG_TRAITS = 4
    EEG_SEGMENT = 5
    MRI = 6
    HEAD_SIZE = 7


def generator(seed: int, index: int, stream: Stream, *more: int) -> np.random.Generator:
    """The generator of one use for one participant, independent of all others."""
    return np.random.default_rng([seed, index, stream, *more])


@dataclass(frozen=True)
class SyntheticParticipant:
    """One synthetic participant.

    Attributes:
        index: The place in the cohort, from 0.
        participant_id: ``sub-900001`` for the first.
        gender: ``M`` or ``F``.
        age: A 5-year bin, independent of all else; with ``options.confound`` years, which go with the class.
        eeg_score: The latent score that the EEG shows: N(-d/2, 1) for M, N(+d/2, 1) for F.
        mri_score: The same for the MRI, independent given the class.
        orientation: The axis codes that the MRI is stored with.
        dtype: The type that its voxels are stored as, ``int16`` or ``float32``.
        eeg_files: The scalograms by (condition, segment), relative to the cohort's folder; empty if there is no EEG.
        mri_file: The MRI, relative to the cohort's folder, or None.
        raw_files: The raw EEG recording's files, its ``.vhdr`` first, in place of `eeg_files`; else empty.
    """

    index: int
    participant_id: str
    gender: str
    age: str
    eeg_score: float
    mri_score: float
    orientation: str
    dtype: str
    eeg_files: dict[tuple[str, int], PurePosixPath]
    mri_file: PurePosixPath | None
    raw_files: tuple[PurePosixPath, ...] = ()


def gender(index: int, options: SampleCohortOptions) -> str:
    """The class of a participant: of every first 2 n the wanted share is female, and each pair's order is by chance."""
    share = (1 - options.fewer_females) / (2 - options.fewer_females)

    def is_female(place: int) -> bool:
        return int((place + 1) * share + 0.5) > int(place * share + 0.5)

    swapped = bool(generator(options.seed, index // 2, Stream.CLASS_ORDER).integers(2))
    return FEMALE if is_female(index ^ 1 if swapped else index) else MALE


def _age(index: int, side: float, options: SampleCohortOptions) -> str:
    """A bin by chance, or years that are normal in each class and correlate with the class as wanted."""
    table = generator(options.seed, index, Stream.TABLE)
    if options.age_correlation is None:
        return str(table.choice(AGE_BINS))
    r = options.age_correlation
    # The class, -1/2 or +1/2, has a variance of 1/4: this distance of the means gives the correlation r.
    distance = 2 * r / math.sqrt(1 - r * r)
    spread = math.sqrt(1 + distance**2 / 4)
    years = MEAN_AGE + AGE_SD * (distance * side + table.standard_normal()) / spread
    return str(round(min(max(years, YOUNGEST), OLDEST)))


def describe(index: int, options: SampleCohortOptions) -> SyntheticParticipant:
    """Participant ``index`` of the cohort, whatever its size.

    The first ``only_eeg`` have no MRI, the next ``only_mri`` no EEG.
    """
    participant_id = f"sub-{FIRST_ID + index:06d}"
    its_gender = gender(index, options)
    eeg_noise, mri_noise = generator(options.seed, index, Stream.LATENTS).standard_normal(2)
    side = 0.5 if its_gender == FEMALE else -0.5
    storage = generator(options.seed, index, Stream.STORAGE)
    orientation = ORIENTATIONS[storage.integers(len(ORIENTATIONS))] if options.mixed_orientations else "RAS"
    drawn_dtype = ("int16", "float32")[storage.integers(2)]
    has_mri = index >= options.only_eeg
    has_eeg = not options.only_eeg <= index < options.only_eeg + options.only_mri
    segments = [(condition, k) for condition in options.conditions for k in range(options.segments_per_condition)]
    return SyntheticParticipant(
        index=index,
        participant_id=participant_id,
        gender=its_gender,
        age=_age(index, side, options),
        eeg_score=float(options.eeg_effect * side + eeg_noise),
        mri_score=float(options.mri_effect * side + mri_noise),
        orientation=orientation,
        dtype=drawn_dtype if options.dtype == "mixed" else options.dtype,
        eeg_files={
            (condition, k): PurePosixPath("eeg", f"{participant_id}_{condition}_seg{k}.npy")
            for condition, k in (segments if has_eeg and not options.raw_eeg else [])
        },
        mri_file=PurePosixPath("mri", f"{participant_id}_T1w.nii.gz") if has_mri else None,
        raw_files=tuple(PurePosixPath("raw", f"{participant_id}{ending}") for ending in RAW_ENDINGS)
        if has_eeg and options.raw_eeg
        else (),
    )


def log_head_size(participant: SyntheticParticipant, options: SampleCohortOptions) -> float:
    """The log of the head's linear size, less its mean: the score's doing, or chance where the signal is local."""
    if options.mri_signal == "local":
        chance = generator(options.seed, participant.index, Stream.HEAD_SIZE).standard_normal()
        return NUISANCE_SIZE_SD * float(chance)
    return LOG_SCALE * participant.mri_score
