"""The datalist as the training code sees it: participants with their class index and existing files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ParticipantRecord:
    """One participant of one section.

    Attributes:
        participant_id: The id, once in the whole datalist.
        label: Index into the datalist's classes; ``None`` where no label is known (inference only).
        eeg: The EEG scalograms in natural order (``seg2`` before ``seg10``); empty for a participant without EEG.
        mri: The T1 MRI; ``None`` for a participant without.
        section: ``training``, ``validation`` or ``test``.
        extra: The row's further fields (age, site, fold ...), as they are in the file.
        lost: Why recordings that the datalist names cannot be used, if the check of the datalist has found it and was
            to go on; empty otherwise. The paths are then those that were looked for.
        not_used: Why EEG of the participant is not among the files, if a prediction is to go on without it; else empty.
    """

    participant_id: str
    label: int | None
    eeg: tuple[Path, ...]
    mri: Path | None
    section: str
    extra: Mapping[str, object] = field(default_factory=dict, hash=False)
    lost: str = ""
    not_used: str = ""

    @property
    def files(self) -> tuple[Path, ...]:
        """All recordings there are: the EEG scalograms, then the MRI."""
        return self.eeg if self.mri is None else (*self.eeg, self.mri)


@dataclass(frozen=True, slots=True)
class Datalist:
    """A datalist that was read and found valid; participants with an ``exclude`` reason are not in it.

    Attributes:
        path: The file it was read from.
        name: The cohort's name; the file's name if it has none.
        target: What is classified, e.g. ``gender``.
        classes: Class names: ``classes[record.label]``.
        data_root: The folder that the file's paths start from, absolute.
        by_section: The records of every section that was read, in the file's order.
        content: The bytes that were read: code that needs more of the file than these sections takes it from here, so
            that a run never sees two states of it.
        group_by: Fields, such as family, whose groups the split kept in one part.
    """

    path: Path
    name: str
    target: str
    classes: tuple[str, ...]
    data_root: Path
    by_section: Mapping[str, tuple[ParticipantRecord, ...]] = field(hash=False)
    content: bytes = field(default=b"", repr=False, compare=False)
    group_by: tuple[str, ...] = ()

    @property
    def sections(self) -> tuple[str, ...]:
        """The sections that hold at least one participant, in the order training, validation, test."""
        return tuple(section for section, records in self.by_section.items() if records)

    @property
    def all_records(self) -> tuple[ParticipantRecord, ...]:
        """The participants of all sections that were read, in the file's order."""
        return tuple(record for records in self.by_section.values() for record in records)

    def records(self, section: str) -> tuple[ParticipantRecord, ...]:
        """The participants of ``training``, ``validation`` or ``test``, in the file's order; possibly none.

        Raises:
            KeyError: The datalist was not read for this section.
        """
        if section not in self.by_section:
            raise KeyError(f"{section!r} was not read from {self.path}: only {', '.join(self.by_section)}")
        return self.by_section[section]
