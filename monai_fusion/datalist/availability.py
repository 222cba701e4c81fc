"""Which recordings of the participants a run uses, and whether it takes people who lack one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from monai_fusion.datalist.records import ParticipantRecord
from monai_fusion.errors import InputError, Problem
from monai_fusion.wording import did_you_mean

Pattern = Literal["both", "eeg", "mri"]
PATTERNS: tuple[Pattern, ...] = ("both", "eeg", "mri")
TITLES: dict[Pattern, str] = {"both": "both recordings", "eeg": "EEG only", "mri": "MRI only"}


def pattern_of(record: ParticipantRecord) -> Pattern | None:
    """Return which recordings a participant has; None for neither."""
    if record.eeg and record.mri is not None:
        return "both"
    return "eeg" if record.eeg else "mri" if record.mri is not None else None


def count_patterns(records: Iterable[ParticipantRecord]) -> dict[Pattern, int]:
    """Count the participants by the recordings they have, in the order of `PATTERNS`."""
    counts = Counter(map(pattern_of, records))
    return {pattern: counts[pattern] for pattern in PATTERNS}


def check_modalities(value: object) -> None:
    """Refuse what is not one of `PATTERNS`.

    Raises:
        InputError: It is not.
    """
    if value not in PATTERNS:
        advice = did_you_mean(str(value), PATTERNS, repr)
        raise InputError(Problem("modalities", seen=repr(value), wanted=f"one of {', '.join(PATTERNS)}", advice=advice))


def keep(record: ParticipantRecord, modalities: str) -> ParticipantRecord:
    """Return a participant with only the recordings of ``modalities``, one of `PATTERNS`."""
    if modalities == "both":
        return record
    return replace(record, mri=None) if modalities == "eeg" else replace(record, eeg=())


@dataclass(frozen=True, slots=True)
class RecordingUse:
    """What a run uses of its participants' recordings.

    Attributes:
        modalities: ``both``, or the one recording that is used: everybody's other one is treated as absent.
        allow_missing: Whether people who lack a recording take part. Without it only those do who have both, also where
            one of them is not used, so that runs that are compared have the same people.
        dropout: Chance that one recording of somebody who has both is hidden, each time a training draws them.

    Raises:
        InputError: A value is not one of these.
    """

    modalities: Pattern = "both"
    allow_missing: bool = False
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        check_modalities(self.modalities)
        is_number = isinstance(self.dropout, int | float) and not isinstance(self.dropout, bool)
        if not (is_number and 0 <= self.dropout < 1):
            wanted = "a number from 0 to less than 1"
            advice = "0.2 hides one recording of every fifth participant, in each epoch of others"
            raise InputError(Problem("modality_dropout", seen=repr(self.dropout), wanted=wanted, advice=advice))

    @property
    def may_lack(self) -> bool:
        """Whether somebody's recording can be absent: the network then needs something to put in its place."""
        return self.allow_missing or self.dropout > 0 or self.modalities != "both"

    def choose(
        self, records: Iterable[ParticipantRecord]
    ) -> tuple[tuple[ParticipantRecord, ...], tuple[ParticipantRecord, ...]]:
        """Split participants into those who take part, without the recordings that are not used, and the others."""
        used: list[ParticipantRecord] = []
        others: list[ParticipantRecord] = []
        for record in records:
            kept = keep(record, self.modalities)
            if pattern_of(kept) is not None and (self.allow_missing or pattern_of(record) == "both"):
                used.append(kept)
            else:
                others.append(record)
        return tuple(used), tuple(others)


BOTH = RecordingUse()
"""Both recordings, of those who have both."""


def unseen_absence(use: RecordingUse, records: Iterable[ParticipantRecord]) -> list[Pattern]:
    """Return the recordings, ``eeg`` or ``mri``, whose absence a training on these participants never meets."""
    counts = count_patterns(use.choose(records)[0])
    if use.dropout > 0 and counts["both"]:
        return []
    others: dict[Pattern, Pattern] = {"eeg": "mri", "mri": "eeg"}  # who lacks the one has the other alone
    return [name for name, other in others.items() if not counts[other]]
