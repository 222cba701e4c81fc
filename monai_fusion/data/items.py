"""The items of the datasets, made from the participants' records only when they are requested.

A cohort has up to a hundred EEG segments a participant: a dictionary for each, pickled to every spawned worker, would
be megabytes. The sequences here hold the records alone.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, overload

from monai_fusion.datalist import ParticipantRecord
from monai_fusion.keys import EEG, LABEL, MRI, PARTICIPANT_ID


class _Items(Sequence[dict[str, Any]]):
    """A read-only sequence of items; subclasses define their number and content."""

    records: tuple[ParticipantRecord, ...]

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...

    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(index, slice):
            return [self._item(position) for position in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"item {index} of {len(self)}")
        return self._item(index % len(self))

    def _item(self, index: int) -> dict[str, Any]:
        raise NotImplementedError


class SegmentItems(_Items):
    """One item for each EEG segment: ``{eeg: path, participant_id, label}``, participant after participant."""

    def __init__(self, records: Sequence[ParticipantRecord]) -> None:
        self.records = tuple(record for record in records if record.eeg)
        self.starts = [0, *accumulate(len(record.eeg) for record in self.records)]

    def __len__(self) -> int:
        return self.starts[-1]

    def _item(self, index: int) -> dict[str, Any]:
        owner = bisect_right(self.starts, index) - 1
        record = self.records[owner]
        return {EEG: str(record.eeg[index - self.starts[owner]]), **_identity(record)}


class VolumeItems(_Items):
    """One item for each participant who has an MRI: ``{mri: path, participant_id, label}``."""

    def __init__(self, records: Sequence[ParticipantRecord]) -> None:
        self.records = tuple(record for record in records if record.mri is not None)

    def __len__(self) -> int:
        return len(self.records)

    def _item(self, index: int) -> dict[str, Any]:
        record = self.records[index]
        return {MRI: str(record.mri), **_identity(record)}


def _identity(record: ParticipantRecord) -> dict[str, Any]:
    identity: dict[str, Any] = {PARTICIPANT_ID: record.participant_id}
    if record.label is not None:  # inference has no labels, and None cannot be collated
        identity[LABEL] = record.label
    return identity
