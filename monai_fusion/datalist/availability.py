"""Which recordings of its participants a run uses, and whether participants with one recording take part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from monai_fusion.datalist.records import ParticipantRecord
from monai_fusion.errors import InputError, Problem
from monai_fusion.wording import did_you_mean

AvailableModalities = Literal["both", "eeg", "mri"]
AVAILABLE_MODALITIES: tuple[AvailableModalities, ...] = ("both", "eeg", "mri")
TITLES: dict[AvailableModalities, str] = {"both": "both recordings", "eeg": "EEG only", "mri": "MRI only"}


def modalities_of(record: ParticipantRecord) -> AvailableModalities | None:
    """Return which recordings a participant has; None for neither."""
    if record.eeg and record.mri is not None:
        return "both"
    return "eeg" if record.eeg else "mri" if record.mri is not None else None


def count_by_modalities(records: Iterable[ParticipantRecord]) -> dict[AvailableModalities, int]:
    """Count the participants by the recordings they have, in the order of `AVAILABLE_MODALITIES`."""
    counts = Counter(map(modalities_of, records))
    return {each: counts[each] for each in AVAILABLE_MODALITIES}


def check_modalities(value: object) -> None:
    """Refuse what is not one of `AVAILABLE_MODALITIES`.

    Raises:
        InputError: It is not.
    """
    if value not in AVAILABLE_MODALITIES:
        advice = did_you_mean(str(value), AVAILABLE_MODALITIES, repr)
        raise InputError(
            Problem("modalities", seen=repr(value), wanted=f"one of {', '.join(AVAILABLE_MODALITIES)}", advice=advice)
        )


def restricted_to(record: ParticipantRecord, modalities: str) -> ParticipantRecord:
    """Return a participant with only the recordings of ``modalities``, one of `AVAILABLE_MODALITIES`."""
    if modalities == "both":
        return record
    return replace(record, mri=None) if modalities == "eeg" else replace(record, eeg=(), not_used="")


@dataclass(frozen=True, slots=True)
class ModalityPolicy:
    """What a run uses of its participants' recordings.

    Attributes:
        modalities: ``both``, or the one recording that is used: the other one is treated as missing.
        allow_missing: Whether participants with one recording take part. Without it, only participants with both do,
            also where one of the two is not used, so that runs that are compared have the same participants.
        dropout: Probability that one recording of a participant with both is hidden, each time a training draws it.

    Raises:
        InputError: A value is not one of these.
    """

    modalities: AvailableModalities = "both"
    allow_missing: bool = False
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        check_modalities(self.modalities)
        is_number = isinstance(self.dropout, int | float) and not isinstance(self.dropout, bool)
        if not (is_number and 0 <= self.dropout < 1):
            wanted = "a number from 0 to less than 1"
            advice = "0.2 hides one recording of every fifth participant, of others in each epoch"
            raise InputError(Problem("modality_dropout", seen=repr(self.dropout), wanted=wanted, advice=advice))

    @property
    def allows_missing(self) -> bool:
        """Whether a recording can be missing: the network then needs something to put in its place."""
        return self.allow_missing or self.dropout > 0 or self.modalities != "both"

    def select(
        self, records: Iterable[ParticipantRecord]
    ) -> tuple[tuple[ParticipantRecord, ...], tuple[ParticipantRecord, ...]]:
        """Split participants into those who take part, without the recordings that are not used, and the others."""
        used: list[ParticipantRecord] = []
        others: list[ParticipantRecord] = []
        for record in records:
            kept = restricted_to(record, self.modalities)
            if modalities_of(kept) is not None and (self.allow_missing or modalities_of(record) == "both"):
                used.append(kept)
            else:
                others.append(record)
        return tuple(used), tuple(others)


BOTH_REQUIRED = ModalityPolicy()
"""Both recordings, of those who have both."""


def modalities_never_missing(use: ModalityPolicy, records: Iterable[ParticipantRecord]) -> list[AvailableModalities]:
    """Return the recordings, ``eeg`` or ``mri``, whose absence a training on these participants never meets."""
    counts = count_by_modalities(use.select(records)[0])
    if use.dropout > 0 and counts["both"]:
        return []
    others: dict[AvailableModalities, AvailableModalities] = {
        "eeg": "mri",
        "mri": "eeg",
    }  # a participant without one has only the other
    return [name for name, other in others.items() if not counts[other]]
