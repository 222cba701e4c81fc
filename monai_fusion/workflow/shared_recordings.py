"""One recording in two parts of a datalist, under whatever names: what a model has learned would be tested on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from monai_fusion.datalist import SECTIONS, Datalist, ParticipantRecord, read_datalist
from monai_fusion.datalist.availability import ModalityPolicy
from monai_fusion.datalist.reporting import DatalistError
from monai_fusion.errors import InputError, Problem
from monai_fusion.fingerprint import content_hash
from monai_fusion.store.file_index import SourceIndex, contents_of

_Store = str | os.PathLike[str] | None
_File = tuple[ParticipantRecord, Path, str]


def refuse_shared_recordings(cohort: Datalist, taking_part: Sequence[ParticipantRecord], cache_dir: _Store) -> None:
    """Compare the recordings of a run by content; those of one participant may be in one part only.

    Args:
        cohort: The datalist, for the message.
        taking_part: The participants of all parts that the run uses, with the recordings that it uses.
        cache_dir: The store, whose index knows the contents of prepared recordings; None reads the files.

    Raises:
        InputError: Participants of different parts share recordings: all such pairs.
    """
    pairs = _shared(_with_contents(taking_part, cache_dir))
    _refuse(cohort, pairs)


def refuse_recordings_of_other_parts(
    cohort: Datalist, evaluated: Sequence[ParticipantRecord], use: ModalityPolicy, cache_dir: _Store
) -> None:
    """Compare the recordings of an evaluated part with those of the datalist's other parts.

    Only files that were prepared in this store are compared: its index knows most of their contents. (For all other
    cases a model's recipe has the digests of its own training: `monai_fusion.runs.training_overlap`.)

    Args:
        cohort: The datalist, read for the evaluated part.
        evaluated: Its participants.
        use: Which recordings are used.
        cache_dir: The store; without one there is nothing to compare with.

    Raises:
        InputError: As in `refuse_shared_recordings`.
    """
    others = [section for section in SECTIONS if section not in cohort.by_section]
    if cache_dir is None or not others:
        return
    try:
        whole = read_datalist(cohort.path, require_labels=False, require_files=False)
    except DatalistError:  # the parts that are not evaluated may be wrong
        return
    records, _ = use.select(record for section in others for record in whole.records(section))
    known = list(_known_contents(records, cache_dir))
    if known:  # otherwise the evaluated files need not be read for it
        _refuse(cohort, _shared([*known, *_with_contents(evaluated, cache_dir)]))


def _with_contents(records: Iterable[ParticipantRecord], cache_dir: _Store) -> Iterator[_File]:
    files = [(record, path) for record in records for path in record.files]
    contents = contents_of((path for _, path in files), cache_dir)
    for (record, path), content in zip(files, contents, strict=True):
        yield record, path, content


def _known_contents(records: Iterable[ParticipantRecord], cache_dir: str | os.PathLike[str]) -> Iterator[_File]:
    index = SourceIndex(cache_dir)
    for record in records:
        for path in record.files:
            known = index.look_up(path) if path.exists() else None
            if known is not None:
                yield record, path, known.content if known.fresh else content_hash(path)


def _shared(files: Iterable[_File]) -> list[list[tuple[_File, _File]]]:
    """For each pair of participants of different parts, the files with the same content."""
    first_in: dict[tuple[str, str], _File] = {}
    pairs: dict[tuple[str, str], list[tuple[_File, _File]]] = {}
    for file in files:
        record, _, content = file
        for section in SECTIONS:
            other = first_in.get((section, content))
            if other is not None and section != record.section:
                pairs.setdefault((other[0].participant_id, record.participant_id), []).append((other, file))
        first_in.setdefault((record.section, content), file)
    return list(pairs.values())


def _refuse(cohort: Datalist, pairs: Sequence[Sequence[tuple[_File, _File]]]) -> None:
    """Raise InputError with a problem for each pair."""
    problems = []
    for (one, other), *more in pairs:
        (record, path, _), (of, of_path, _) = other, one
        further = f" (and {len(more)} more)" if more else ""
        seen = (
            f"{_name(path, cohort)} in {record.section} has the same content as {_name(of_path, cohort)} of"
            f" {of.participant_id} in {of.section}{further}"
        )
        advice = "find out whose it is, and keep each person in one part"
        field = "mri" if path == record.mri else "eeg"
        problems.append(Problem(record.participant_id, field, seen, "recordings of one part only", advice))
    if problems:
        raise InputError(problems, heading=str(cohort.path))


def _name(path: Path, cohort: Datalist) -> str:
    try:
        return path.relative_to(cohort.data_root).as_posix()
    except ValueError:
        return str(path)
