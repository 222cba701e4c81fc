"""Reads a datalist, and reports all its problems at once."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from monai_fusion.datalist import rules
from monai_fusion.datalist.file_endings import wrong_endings
from monai_fusion.datalist.file_finder import FileFinder
from monai_fusion.datalist.json_text import JsonFile, parse_bytes, read_json_file
from monai_fusion.datalist.other_systems import on_other_systems
from monai_fusion.datalist.paths import natural_key, on_disk
from monai_fusion.datalist.records import Datalist, ParticipantRecord
from monai_fusion.datalist.reporting import WHOLE_FILE, DatalistError, Finding, findings_in_order
from monai_fusion.datalist.schema import SECTIONS, DatalistFile
from monai_fusion.datalist.validation import Row, validate
from monai_fusion.errors import Problem
from monai_fusion.spelling import equal_in_nfc
from monai_fusion.wording import counted, did_you_mean, one_of, quoted, shortened

_LOST_SHOWN = 3


@dataclass(frozen=True, slots=True)
class ParticipantFiles:
    """A row and the files it means, relative to data_root: ``eeg`` each once in no order."""

    row: Row
    eeg: frozenset[str]
    mri: str | None

    def needed(self, fields: Sequence[str]) -> dict[str, Collection[str]]:
        """The files of these fields."""
        files = {"eeg": self.eeg, "mri": frozenset() if self.mri is None else frozenset({self.mri})}
        return {field: files[field] for field in fields}


@dataclass(frozen=True, slots=True)
class Examination:
    """A datalist after the check, valid or not.

    Attributes:
        path: The file.
        head: Its fields other than the sections, as far as they could be read.
        data_root: The folder that paths start from, absolute.
        sections: The sections that were looked at.
        participants: Their rows that could be read and are not excluded.
        problems: Everything that is wrong, by kind and line.
        warnings: What is worth a look, and does not keep the datalist from being used.
        json: The file as it was read.
        left_out: The rows of the sections with an ``exclude`` reason.
        lost: What is missing of participants whom a run may lose, by id: no problem then.
        in_part: ... of those who have other EEG files, which it may use.
    """

    path: Path
    head: DatalistFile
    data_root: Path
    sections: tuple[str, ...]
    participants: tuple[ParticipantFiles, ...]
    problems: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    json: JsonFile
    left_out: tuple[Row, ...] = ()
    lost: Mapping[str, tuple[Finding, ...]] = field(default_factory=dict, hash=False)
    in_part: Mapping[str, tuple[Finding, ...]] = field(default_factory=dict, hash=False)

    def datalist(self) -> Datalist:
        """The datalist as the training code needs it.

        Raises:
            DatalistError: There are problems.
        """
        if self.problems:
            raise DatalistError(self.problems, heading=str(self.path))
        records = [self._record(participant) for participant in self.participants]
        by_section = {
            section: tuple(record for record in records if record.section == section) for section in self.sections
        }
        name, classes = self.head.name or self.path.stem, tuple(self.head.classes)
        groups = tuple(self.head.group_by)
        return Datalist(
            self.path, name, self.head.target, classes, self.data_root, by_section, self.json.content, groups
        )

    def _record(self, participant: ParticipantFiles) -> ParticipantRecord:
        entry, classes = participant.row.entry, self.head.classes
        return ParticipantRecord(
            participant_id=entry.participant_id,
            label=classes.index(entry.label) if entry.label in classes else None,
            eeg=tuple(self.data_root / file for file in sorted(participant.eeg, key=natural_key)),
            mri=None if participant.mri is None else self.data_root / participant.mri,
            section=participant.row.section,
            extra={**({} if entry.fold is None else {"fold": entry.fold}), **entry.further},
            lost=_lost_text(self.lost.get(entry.participant_id, ())),
            not_used=_lost_text(self.in_part.get(entry.participant_id, ())),
        )


def read_datalist(
    path: str | os.PathLike[str],
    sections: Sequence[str] | None = None,
    *,
    require_labels: bool = True,
    require_files: bool = True,
    modalities: str = "both",
    may_be_empty: Sequence[str] = (),
    may_lose: bool = False,
) -> Datalist:
    """Read and check a datalist, and find its files.

    Args:
        path: The JSON file.
        sections: Those that are needed: each must hold a participant, and only their labels and files are looked
            at. ``None`` reads all three, of which some may be empty. In any case, no participant may be
            in two sections.
        require_labels: Every participant needs a label; ``False`` for inference, where the class is unknown.
        require_files: Every path must exist and every pattern find a file; with ``False`` a path that does not exist
            is kept, and a pattern that finds nothing gives no file.
        modalities: ``eeg`` or ``mri`` if the files of the other recording need not be there: what the datalist says of
            them is kept as it is.
        may_be_empty: Those of ``sections`` that need not hold a participant.
        may_lose: Participants whose files are not there are kept, unless that is all of them, with the reason in
            `ParticipantRecord.lost`; or in `ParticipantRecord.not_used`, if only some EEG files of several are not.

    Returns:
        The participants of the sections that were read, without those that have an ``exclude`` reason.

    Raises:
        DatalistError: An `InputError` with all problems found, by kind and line.
    """
    asked = Requirements(
        sections,
        require_labels,
        require_files,
        modalities=modalities,
        may_be_empty=tuple(may_be_empty),
        may_lose=may_lose,
    )
    return examine(read_json_file(Path(path)), Path(path), asked).datalist()


def check_datalist(
    path: str | os.PathLike[str],
    sections: Sequence[str] | None = None,
    *,
    require_labels: bool = True,
    require_files: bool = True,
    modalities: str = "both",
) -> list[Problem]:
    """All problems that `read_datalist` would raise, as a list; empty if the datalist is valid."""
    asked = Requirements(sections, require_labels, require_files, modalities=modalities)
    return list(examine(read_json_file(Path(path)), Path(path), asked).problems)


def examine_datalist(
    path: str | os.PathLike[str],
    sections: Sequence[str] | None = None,
    *,
    require_labels: bool = True,
    require_files: bool = True,
    complete: bool = False,
) -> Examination:
    """What `read_datalist` and `check_datalist` do, with the result and the problems together.

    Args:
        path: The JSON file.
        sections: As for `read_datalist`.
        require_labels: As for `read_datalist`.
        require_files: As for `read_datalist`.
        complete: Every section that the file writes must hold participants of every class, as before a training; a
            file without a section may be meant for something else. With the field ``fold`` validation may be empty.
    """
    asked = Requirements(sections, require_labels, require_files, complete)
    return examine(read_json_file(Path(path)), Path(path), asked)


@dataclass(frozen=True, slots=True)
class Requirements:
    """What is asked of a datalist: the arguments of `examine_datalist` and `read_datalist`."""

    sections: Sequence[str] | None = None
    labels: bool = True
    files: bool = True
    complete: bool = False
    modalities: str = "both"
    may_be_empty: Sequence[str] = ()
    may_lose: bool = False


def examine(file: JsonFile, path: Path, asked: Requirements) -> Examination:
    """Examine a datalist that was read already.

    Args:
        file: From `read_json_file`.
        path: Where the file is, or will be: data_root is relative to it.
        asked: What is asked of it.
    """
    wanted = tuple(section for section in SECTIONS if asked.sections is None or section in asked.sections)
    findings = [*_unknown_sections(asked.sections or ()), *file.findings]
    head, rows, misfits = validate(file.value) if file.readable else (DatalistFile(), [], [])
    findings += misfits
    rows = [_with_the_class(row, head.classes) for row in rows]

    def line_of(row: Row) -> int | None:
        return file.places.line(row.place)

    in_use = [row for row in rows if row.entry.exclude is None]
    looked_at = [row for row in in_use if row.section in wanted]
    findings += rules.repeated_participants(in_use, line_of)
    findings += rules.similar_participants(in_use, line_of)
    findings += rules.torn_groups(in_use, head.group_by)
    if not rules.repeated_classes(head.classes):  # else it is not known which labels are right
        findings += _about_labels(head, rows, looked_at, misfits, asked.labels)
    findings += rules.without_recordings(looked_at)

    root = folder_of(path, head.data_root)
    lost: dict[str, tuple[Finding, ...]] = {}
    in_part: dict[str, tuple[Finding, ...]] = {}
    needed = ("eeg", "mri") if asked.modalities == "both" else (asked.modalities,)
    finder = FileFinder(root, in_use, line_of, needed, asked.may_lose)
    participants = tuple(ParticipantFiles(row, finder.eeg(row), finder.mri(row)) for row in looked_at)
    if any(finding.place == ("data_root",) for finding in misfits):  # then every file is missing for one reason
        findings += finder.refusals
    elif asked.files and looked_at and not os.path.isdir(root):  # noqa: PTH112 - is_dir raises for a path too long
        seen = f"{quoted(head.data_root)}: there is no folder {shortened(str(root))}"
        findings += [Finding(WHOLE_FILE, "data_root", seen, group="files", place=("data_root",)), *finder.refusals]
    else:
        lost = _lost(finder.missing, looked_at) if asked.may_lose else {}
        missing = {each for of_one in lost.values() for each in of_one}
        findings += [each for each in finder.findings if each not in missing] if asked.files else finder.refusals
        if there := _there_in_part(participants, lost, finder):
            in_part = {name: lost.pop(name) for name in there}
            participants = tuple(
                replace(each, eeg=there.get(each.row.participant_id, each.eeg)) for each in participants
            )
        if asked.files:
            findings += wrong_endings([(each.row, each.needed(needed)) for each in participants], finder.is_file)
    findings += _backslashes(head, finder)
    findings += on_other_systems((found.row, *found.eeg, found.mri) for found in participants)
    if file.readable and not misfits:  # a section may be empty only because its rows could not be read
        findings += _about_sections(file.value, head, rows, looked_at, asked)
    ordered = findings_in_order(_with_lines(findings, file))
    errors = tuple(finding for finding in ordered if not finding.warning)
    warnings = tuple(finding for finding in ordered if finding.warning)
    left_out = tuple(row for row in rows if row.entry.exclude is not None and row.section in wanted)
    return Examination(path, head, root, wanted, participants, errors, warnings, file, left_out, lost, in_part)


def _lost(missing: Sequence[Finding], looked_at: Sequence[Row]) -> dict[str, tuple[Finding, ...]]:
    """What is missing, by participant; nothing if that is all of them: then the datalist or its folder is wrong."""
    found: dict[str, list[Finding]] = {}
    for each in missing:
        found.setdefault(str(each.participant_id), []).append(each)
    return {} if len(found) == len(looked_at) else {name: tuple(findings) for name, findings in found.items()}


def _there_in_part(
    participants: Sequence[ParticipantFiles], lost: Mapping[str, Sequence[Finding]], finder: FileFinder
) -> dict[str, frozenset[str]]:
    """The EEG files that are there of participants who lack only other EEG files, by id."""
    found: dict[str, frozenset[str]] = {}
    for each in participants:
        missing = lost.get(each.row.participant_id, ())
        if missing and all(finding.field == "eeg" for finding in missing):
            found[each.row.participant_id] = frozenset(filter(finder.is_file, each.eeg))
    return {name: files for name, files in found.items() if files}


def _lost_text(findings: Sequence[Finding]) -> str:
    """The reasons in one line, for a table that may be passed on: no folders but those that the datalist names."""
    shown = [
        str(Problem("", each.field, each.seen, advice=each.advice if each.advice.startswith("did you mean") else ""))
        for each in findings[:_LOST_SHOWN]
    ]
    more = len(findings) - len(shown)
    return "; ".join([*shown, *([f"and {more} more"] if more else [])])


def folder_of(path: Path, data_root: str) -> Path:
    """The absolute folder that the paths of the datalist at ``path`` are relative to.

    It is made absolute by name only, see `file_finder.FileFinder`; composed and decomposed letters are equal.
    """
    return on_disk(Path(os.path.abspath(path.parent / data_root.replace("\\", "/"))))  # noqa: PTH100


def _unknown_sections(sections: Sequence[str]) -> Iterator[Finding]:
    for section in sections:
        if section not in SECTIONS:
            advice = did_you_mean(section, SECTIONS)
            yield Finding("section", seen=quoted(section), wanted=one_of(SECTIONS), advice=advice)


def _with_the_class(row: Row, classes: Sequence[str]) -> Row:
    """The row with its label written as the class is, where only composed and decomposed letters differ."""
    label = row.entry.label
    if label is None or label.isascii() or (name := equal_in_nfc(label, classes)) in (None, label):
        return row
    return replace(row, entry=row.entry.model_copy(update={"label": name}))


def _about_labels(
    head: DatalistFile, rows: Sequence[Row], looked_at: Sequence[Row], misfits: Sequence[Finding], required: bool
) -> Iterator[Finding]:
    if head.classes:
        yield from rules.wrong_labels(looked_at, head.classes, required)
    elif any("classes" in finding.field + finding.advice for finding in misfits):
        return
    elif required and looked_at and all(row.entry.label is None for row in looked_at):
        yield rules.no_labels(looked_at, "one of the classes")
    elif not required:
        yield from rules.labels_without_classes(looked_at)
    elif rows:
        yield Finding(WHOLE_FILE, "classes", "missing", 'the class names, such as ["M", "F"]')


def _about_sections(
    document: dict[str, object],
    head: DatalistFile,
    rows: Sequence[Row],
    looked_at: Sequence[Row],
    asked: Requirements,
) -> Iterator[Finding]:
    """Sections without participants, or without those of one class."""
    if asked.sections is not None:
        needed = [section for section in SECTIONS if section in asked.sections]
    else:
        yield from rules.no_participants(looked_at)
        folds = rules.has_folds(rows)
        written = [section for section in SECTIONS if section in document and (section != "validation" or not folds)]
        needed = written if asked.complete and looked_at else []
    excluded = [row.section for row in rows if row.entry.exclude is not None]
    others = [row.section for row in rows if row.entry.exclude is None] if asked.sections is not None else []
    must_not_be_empty = [section for section in needed if section not in asked.may_be_empty]
    yield from rules.empty_sections(looked_at, must_not_be_empty, excluded, others)
    known = all(row.entry.label in head.classes for row in looked_at)  # else a label has to be corrected first
    if asked.labels and known:
        yield from rules.missing_classes(looked_at, head.classes, needed or ("training",))


def _backslashes(head: DatalistFile, finder: FileFinder) -> Iterator[Finding]:
    """Backslashes work here, but not in other programs that read the list on Linux or macOS."""
    advice = "write / (also on Windows), or let check --fix do it: other programs need it"
    if finder.backslashes:
        row, field = finder.backslashes[0]
        seen = f"{counted(len(finder.backslashes), 'path')} with \\, the first one here"
        finding = row.finding(field, seen, "/", advice, group="files")
        yield replace(finding, warning=True)
    elif "\\" in head.data_root:
        seen, place = quoted(head.data_root), ("data_root",)
        yield Finding(WHOLE_FILE, "data_root", seen, "/", advice, group="files", place=place, warning=True)


def _with_lines(findings: Sequence[Finding], file: JsonFile) -> Iterator[Finding]:
    for finding in findings:
        line = file.places.line(finding.place) if finding.place and finding.line is None else None
        yield finding if line is None else finding.at_line(line)


def everyone_in(datalist: Datalist) -> tuple[ParticipantRecord, ...]:
    """Return all participants of a datalist that was read for some parts only; those parts if the others are wrong.

    Recordings of the other parts need not be there.
    """
    examined = examine(parse_bytes(datalist.content), datalist.path, Requirements(labels=False, files=False))
    by_section = datalist.by_section if examined.problems else examined.datalist().by_section
    return tuple(record for records in by_section.values() for record in records)


def parts_of(datalist: Datalist) -> dict[str, str]:
    """Return the part of each participant of a datalist, as `everyone_in` reads them."""
    return {record.participant_id: record.section for record in everyone_in(datalist)}
