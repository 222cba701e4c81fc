"""What a sample cohort may be asked to be. Light to import: the command line reads this and nothing heavier."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from monai_fusion.errors import InputError, Problem
from monai_fusion.options.declared import Option

CONDITIONS = ("EO", "EC")
MAX_PARTICIPANTS = 99_999  # as many as the six digits of a participant id leave room for
MAX_CORRELATION = 0.95
MAX_EFFECT = 4.0  # beyond it the largest heads would leave the field of view


@dataclass(frozen=True)
class SampleCohortOptions:
    """A synthetic cohort, described completely: equal options (``overwrite`` apart) give bit-identical arrays.

    The draws of a participant depend on ``seed`` and on the participant's place in the list alone, so a cohort of 20 is
    the first 20 of a cohort of 60 and a third segment leaves the first two as they were.
    """

    participants: Annotated[int, Option("Number of participants, including those with one recording.")] = 60
    size: Annotated[
        Literal["small", "full"],
        Option("MRIs of 70 x 96 x 102 at 2.5 mm, or 176 x 240 x 256 at 1 mm.", metavar="small|full", section="MRI"),
    ] = "small"
    seed: Annotated[int, Option("Equal options and seed give equal recordings.")] = 1337
    eeg_effect: Annotated[
        float,
        Option("Distance of the classes in the EEG, in standard deviations (0 to 4).", section="EEG"),
    ] = 2.5
    mri_effect: Annotated[
        float, Option("Distance of the classes in the MRI, in standard deviations (0 to 4).", section="MRI")
    ] = 3.0
    eeg_signal: Annotated[
        Literal["global", "topography"],
        Option(
            "Where the EEG's effect is: more beta everywhere, or more beta at C and P and as much less at F, so that"
            " the mean over electrodes does not show it.",
            metavar="global|topography",
            section="EEG",
        ),
    ] = "global"
    mri_signal: Annotated[
        Literal["size", "local", "both"],
        Option(
            "Where the MRI's effect is: the head's size, a contrast in the deep grey matter, or both. With local,"
            " head sizes differ by chance and the mean intensity does not show the effect.",
            metavar="size|local|both",
            section="MRI",
        ),
    ] = "both"
    confound: Annotated[
        str,
        Option(
            "age=0.5: write an age in years whose correlation with being F is 0.5 (-0.95 to 0.95).",
            metavar="age=R",
            shown_default="5-year age bins, independent of all else",
        ),
    ] = ""
    segments_per_condition: Annotated[
        int, Option("EEG segments of 10 s per participant and condition.", section="EEG")
    ] = 2
    conditions: Annotated[
        tuple[str, ...],
        Option("Only eyes open (EO) or eyes closed (EC).", metavar="EO|EC", shown_default="both", section="EEG"),
    ] = CONDITIONS
    raw_eeg: Annotated[
        bool,
        Option("Write EEGs as BrainVision recordings (OUT/raw), for monai-fusion scalogram.", section="EEG"),
    ] = False
    only_eeg: Annotated[int, Option("Number of participants without an MRI.")] = 0
    only_mri: Annotated[int, Option("Number of participants without an EEG.")] = 0
    mixed_orientations: Annotated[
        bool, Option("Store MRIs as RAS, LAS or LPI at random, not all as RAS.", section="MRI")
    ] = False
    dtype: Annotated[
        Literal["int16", "float32", "mixed"],
        Option("Data type of the MRIs' values.", metavar="int16|float32|mixed", section="MRI"),
    ] = "int16"
    fewer_females: Annotated[float, Option("0.25: a quarter fewer females than males.")] = 0.0
    overwrite: Annotated[
        bool, Option("Replace a sample cohort in OUT; never touches other files.", section="Output")
    ] = False

    def __post_init__(self) -> None:
        """Refuses what cannot be made, all of it at once (InputError)."""
        problems = [
            Problem("sample cohort", f"--{field.replace('_', '-')}", f"{getattr(self, field)!r}", wanted)
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
            ("eeg_signal", self.eeg_signal in ("global", "topography"), "'global' or 'topography'"),
            ("mri_signal", self.mri_signal in ("size", "local", "both"), "'size', 'local' or 'both'"),
            ("confound", self._is_confound(), f"age=R with R from -{MAX_CORRELATION:g} to {MAX_CORRELATION:g}"),
            (
                "conditions",
                len(self.conditions) == len(set(self.conditions)) >= 1 and set(self.conditions) <= set(CONDITIONS),
                "'EO', 'EC' or both, each once",
            ),
            ("only_eeg", self.only_eeg >= 0, "0 or more"),
            (
                "only_mri",
                0 <= self.only_mri <= max(0, self.participants - max(0, self.only_eeg)),
                f"0 or more, with --only-eeg {self.only_eeg} at most the {self.participants} participants",
            ),
            ("dtype", self.dtype in ("int16", "float32", "mixed"), "'int16', 'float32' or 'mixed'"),
            ("fewer_females", 0 <= self.fewer_females < 1, "a fraction from 0 to less than 1"),
        ]

    def _is_confound(self) -> bool:
        if not self.confound:
            return True
        field, _, number = self.confound.partition("=")
        try:
            return field == "age" and abs(float(number)) <= MAX_CORRELATION
        except ValueError:
            return False

    @property
    def age_correlation(self) -> float | None:
        """The correlation of the age in years with being F; None for age bins that are independent of all else."""
        return float(self.confound.partition("=")[2]) if self.confound else None

    @property
    def best_balanced_accuracy(self) -> dict[str, float]:
        """The highest balanced accuracy that any classifier can have, with ``eeg``, ``mri`` and ``both``.

        A score is N(-d/2, 1) in one class and N(+d/2, 1) in the other, independent of the other modality's given the
        class: the best threshold is 0, the best pair of weights is (d1, d2), and Phi(d / 2) of each class is right.
        """
        from statistics import NormalDist  # the command line, which reads the options, need not wait for it

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
