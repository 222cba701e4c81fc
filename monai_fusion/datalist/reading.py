"""Reads a datalist, and says everything that is wrong with it at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_fusion.datalist import rules
from monai_fusion.datalist.files import natural_key
from monai_fusion.datalist.finding import FileFinder
from monai_fusion.datalist.json_text import read_json
from monai_fusion.datalist.records import Datalist, ParticipantRecord
from monai_fusion.datalist.schema import SECTIONS, DatalistFile
from monai_fusion.datalist.validation import Row, validate
from monai_fusion.datalist.wording import did_you_mean, one_of, quoted
from monai_fusion.errors import InputError, Problem


@dataclass(frozen=True, slots=True)
class ParticipantFiles:
    """A row and the files it means, relative to data_root: ``eeg`` each once in no order."""

    row: Row
    eeg: frozenset[str]
    mri: str | None


@dataclass(frozen=True, slots=True)
class Examination:
    """A datalist after the check, right or wrong.

    Attributes:
        path: The file.
        head: Its fields other than the sections, as far as they could be read.
        data_root: The folder that paths start from, absolute.
        sections: The sections that were looked at.
        participants: Their rows that could be read and are not excluded.
        problems: Everything that is wrong.
    """

    path: Path
    head: DatalistFile
    data_root: Path
    sections: tuple[str, ...]
    participants: tuple[ParticipantFiles, ...]
    problems: tuple[Problem, ...]

    def datalist(self) -> Datalist:
        """The datalist as the training code needs it.

        Raises:
            InputError: There are problems.
        """
        if self.problems:
            raise InputError(self.problems, heading=str(self.path))
        records = [self._record(participant) for participant in self.participants]
        by_section = {
            section: tuple(record for record in records if record.section == section) for section in self.sections
        }
        name = self.head.name or self.path.stem
        return Datalist(self.path, name, self.head.target, tuple(self.head.classes), self.data_root, by_section)

    def _record(self, participant: ParticipantFiles) -> ParticipantRecord:
        entry, classes = participant.row.entry, self.head.classes
        return ParticipantRecord(
            participant_id=entry.participant_id,
            label=classes.index(entry.label) if entry.label in classes else None,
            eeg=tuple(self.data_root / file for file in sorted(participant.eeg, key=natural_key)),
            mri=None if participant.mri is None else self.data_root / participant.mri,
            section=participant.row.section,
            extra=dict(entry.model_extra or {}),
        )


def read_datalist(
    path: str | os.PathLike[str],
    sections: Sequence[str] | None = None,
    *,
    require_labels: bool = True,
    require_files: bool = True,
) -> Datalist:
    """Read and check a datalist, and find its files.

    Args:
        path: The JSON file.
        sections: Those that are needed: each must hold a participant, and only their labels and files are looked
            at. ``None`` reads all three, of which some may be empty. Whatever is asked for, no participant may stand
            in two sections.
        require_labels: Every participant needs a label; ``False`` for inference on people whose class is not known.
        require_files: Every path must exist and every pattern find a file; with ``False`` a path that does not exist
            is kept, and a pattern that finds nothing gives no file.

    Returns:
        The participants of the sections that were read, without those that have an ``exclude`` reason.

    Raises:
        InputError: With all problems found, in the order of the file's sections.
    """
    return examine_datalist(path, sections, require_labels=require_labels, require_files=require_files).datalist()


def check_datalist(
    path: str | os.PathLike[str],
    sections: Sequence[str] | None = None,
    *,
    require_labels: bool = True,
    require_files: bool = True,
) -> list[Problem]:
    """All that `read_datalist` would raise, as a list; empty if the datalist is right."""
    return list(examine_datalist(path, sections, require_labels=require_labels, require_files=require_files).problems)


def examine_datalist(
    path: str | os.PathLike[str],
    sections: Sequence[str] | None = None,
    *,
    require_labels: bool = True,
    require_files: bool = True,
) -> Examination:
    """What `read_datalist` and `check_datalist` do, with the result and the problems together."""
    path = Path(path)
    wanted = tuple(section for section in SECTIONS if sections is None or section in sections)
    problems = list(_unknown_sections(sections or ()))
    document, unreadable = read_json(path)
    head, rows, misfits = (DatalistFile(), [], []) if unreadable and document is None else validate(document)
    problems += [*unreadable, *misfits]

    in_use = [row for row in rows if row.entry.exclude is None]
    looked_at = [row for row in in_use if row.section in wanted]
    problems += rules.repeated_participants(in_use)
    if head.classes:
        problems += rules.wrong_labels(looked_at, head.classes, require_labels)
    elif require_labels and rows and not any("classes" in problem.field + problem.advice for problem in problems):
        problems.append(Problem("datalist", "classes", "missing", 'the class names, such as ["M", "F"]'))
    problems += rules.without_recordings(looked_at)

    root = Path(os.path.abspath(path.parent / head.data_root.replace("\\", "/")))  # noqa: PTH100 - FileFinder says why
    finder = FileFinder(root)
    if require_files and looked_at and not root.is_dir():
        problems.append(Problem("datalist", "data_root", f"{quoted(head.data_root)}: there is no folder {root}"))
        require_files = False
    participants = tuple(ParticipantFiles(row, finder.eeg(row), finder.mri(row)) for row in looked_at)
    problems += finder.problems if require_files else finder.refusals
    if not problems:  # with any, a section may be empty only because its rows could not be read
        problems += rules.empty_sections(looked_at, None if sections is None else wanted)
        if require_labels:
            problems += rules.classes_nobody_learns(looked_at, head.classes)
    return Examination(path, head, root, wanted, participants, tuple(problems))


def _unknown_sections(sections: Sequence[str]) -> Iterator[Problem]:
    for section in sections:
        if section not in SECTIONS:
            advice = did_you_mean(section, SECTIONS)
            yield Problem("section", seen=quoted(section), wanted=one_of(SECTIONS), advice=advice)
