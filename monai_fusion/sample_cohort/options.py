"""What a sample cohort may be asked to be. Light to import: the command line reads this and nothing heavier."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Literal

from monai_fusion.errors import InputError, Problem

CONDITIONS = ("EO", "EC")
MAX_PARTICIPANTS = 99_999  # as many as the six digits of a participant id leave room for
MAX_EFFECT = 4.0  # beyond it the largest heads would leave the field of view


@dataclass(frozen=True)
class SampleCohortOptions:
    """A synthetic cohort, described completely: equal options (``overwrite`` apart) give bit-identical arrays.

    The draws of a participant depend on ``seed`` and on the participant's place in the list alone, so a cohort of 20 is
    the first 20 of a cohort of 60 and a third segment leaves the first two as they were.

    Attributes:
        participants: How many participants there are, those with one modality included.
        size: ``small`` (70 x 96 x 102 MRIs at 2.5 mm) or ``full`` (176 x 240 x 256 at 1 mm).
        seed: The seed of every random draw, 0 or more.
        eeg_effect: Distance between the classes' means of the EEG's latent score, in its standard deviations (0 to 4).
        mri_effect: The same of the MRI's latent score.
        segments_per_condition: EEG segments of 10 s for each participant and condition.
        conditions: The EEG conditions written: ``EO`` (eyes open), ``EC`` (eyes closed) or both.
        only_eeg: How many participants have no MRI.
        only_mri: How many participants have no EEG.
        mixed_orientations: Store the MRIs as RAS, LAS or LPI at random; if not, all as RAS.
        dtype: What the MRIs' voxels are stored as: ``int16``, ``float32``, or ``mixed`` at random.
        fewer_females: Fraction by which females are fewer than males: 0.25 gives 3 females to 4 males.
        overwrite: Replace a sample cohort that is already in the folder; other files are never touched.
    """

    participants: int = 60
    size: Literal["small", "full"] = "small"
    seed: int = 1337
    eeg_effect: float = 2.5
    mri_effect: float = 3.0
    segments_per_condition: int = 2
    conditions: tuple[str, ...] = CONDITIONS
    only_eeg: int = 0
    only_mri: int = 0
    mixed_orientations: bool = False
    dtype: Literal["int16", "float32", "mixed"] = "int16"
    fewer_females: float = 0.0
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Refuses what cannot be made, all of it at once (InputError)."""
        problems = [
            Problem("sample cohort", field, f"{getattr(self, field)!r}", wanted)
            for field, is_right, wanted in self._requirements()
            if not is_right
        ]
        if problems:
            raise InputError(problems)

    def _requirements(self) -> list[tuple[str, bool, str]]:
        """(field, whether its value is possible, what would be) for every option."""
        effect = f"a number from 0 to {MAX_EFFECT:g}"
        return [
            ("participants", 1 <= self.participants <= MAX_PARTICIPANTS, f"1 to {MAX_PARTICIPANTS}"),
            ("size", self.size in ("small", "full"), "'small' or 'full'"),
            ("seed", self.seed >= 0, "0 or more"),
            ("eeg_effect", 0 <= self.eeg_effect <= MAX_EFFECT, effect),
            ("mri_effect", 0 <= self.mri_effect <= MAX_EFFECT, effect),
            ("segments_per_condition", self.segments_per_condition >= 1, "1 or more"),
            (
                "conditions",
                len(self.conditions) == len(set(self.conditions)) >= 1 and set(self.conditions) <= set(CONDITIONS),
                "'EO', 'EC' or both, each once",
            ),
            ("only_eeg", self.only_eeg >= 0, "0 or more"),
            (
                "only_mri",
                0 <= self.only_mri <= max(0, self.participants - max(0, self.only_eeg)),
                f"0 or more, with only_eeg = {self.only_eeg} at most the {self.participants} participants",
            ),
            ("dtype", self.dtype in ("int16", "float32", "mixed"), "'int16', 'float32' or 'mixed'"),
            ("fewer_females", 0 <= self.fewer_females < 1, "a fraction from 0 to less than 1"),
        ]

    @property
    def best_balanced_accuracy(self) -> dict[str, float]:
        """The highest balanced accuracy that any classifier can have, with ``eeg``, ``mri`` and ``both``.

        A score is N(-d/2, 1) in one class and N(+d/2, 1) in the other, independent of the other modality's given the
        class: the best threshold is 0, the best pair of weights is (d1, d2), and Phi(d / 2) of each class is right.
        """
        phi = NormalDist().cdf
        return {
            "eeg": phi(self.eeg_effect / 2),
            "mri": phi(self.mri_effect / 2),
            "both": phi(math.hypot(self.eeg_effect, self.mri_effect) / 2),
        }

    def to_json(self) -> dict[str, Any]:
        """The options that determine the cohort, as ``cohort.json`` holds them."""
        options = asdict(self)
        del options["overwrite"]
        return {**options, "conditions": list(self.conditions)}
