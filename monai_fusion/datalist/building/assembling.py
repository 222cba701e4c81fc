"""Writes the rows of a new datalist: paths below one data_root, as short as they can be without meaning more."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from monai_fusion.datalist.building.scanning import EEG_ENDINGS, Recordings
from monai_fusion.datalist.choosing import path_below
from monai_fusion.datalist.examination import folder_of
from monai_fusion.datalist.paths import FilesBelow
from monai_fusion.datalist.roots import absolute, common_folder, drive_of
from monai_fusion.datalist.saving.document import Document, DocumentRow
from monai_fusion.errors import InputError, Problem

# Paths are made absolute and relative by name only: links stay as the user wrote them, and `read_datalist` and
# monai.data.load_decathlon_datalist join them by name as well. pathlib's resolve() would follow the links.


def root_for(folders: Sequence[Path], wanted: Path | None, older: Document | None) -> Path:
    """The data_root: the wanted one, or the deepest folder that holds all the folders and that of the older datalist.

    On Windows, files on another drive than the first folder's need not be below it.

    Raises:
        InputError: The wanted one does not hold them all.
    """
    every = [root_of(older)] if older is not None else []
    common = common_folder([*every, *folders])
    if wanted is None:
        return common
    root = absolute(wanted)
    if not common.is_relative_to(root):
        raise InputError(Problem("--data-root", seen=str(root), wanted=f"a folder that holds {common}"))
    return root


def rows_from(root: Path, older: Document) -> Iterator[DocumentRow]:
    """The rows of an older datalist with paths that start from ``root``, which is its data_root or holds it."""
    steps = root_of(older).relative_to(root).parts
    for row in older.rows:
        yield DocumentRow(row.section, {**row.fields, **dict(_moved(row, "/".join(steps)))}) if steps else row


def _moved(row: DocumentRow, folder: str) -> Iterator[tuple[str, Any]]:
    for field in ("eeg", "mri"):
        value = row.fields.get(field)
        if isinstance(value, list):
            yield field, [_below(folder, path) for path in value]
        elif value is not None:
            yield field, _below(folder, value)


def _below(folder: str, path: str) -> str:
    return path if drive_of(path.replace("\\", "/")) else f"{folder}/{path}"


def root_of(document: Document) -> Path:
    """The data_root of a datalist that was read, absolute."""
    return folder_of(document.path, str(document.fields.get("data_root", ".")))


def below(root: Path, path: Path) -> str:
    """A file's path as a datalist has it: with its drive if that is another one."""
    return path_below(root, path).as_posix()


def from_folder(folder: Path, root: Path) -> str:
    """``root`` seen from the datalist's folder; absolute if it is on another drive."""
    try:
        return Path(os.path.relpath(root, folder)).as_posix()
    except ValueError:
        return root.as_posix()


def row_of(
    participant_id: str, label: str | None, recordings: Recordings, files: FilesBelow, further: Mapping[str, object]
) -> dict[str, Any]:
    """The fields of a participant's row, with paths below the folder of ``files``."""
    eeg = [below(files.root, path) for path in recordings.eeg.get(participant_id, ())]
    mri = [below(files.root, path) for path in recordings.mri.get(participant_id, ())]
    return {
        "participant_id": participant_id,
        "label": label,
        "eeg": _pattern_or_paths(eeg, files) if eeg else None,
        "mri": mri[0] if mri else None,
        **further,
    }


def _pattern_or_paths(paths: Sequence[str], files: FilesBelow) -> str | list[str]:
    """One pattern if it means exactly these files, so that a row stays short and easy to edit.

    Tried are what the names have in common up to their first ``_``, and up to the last that they have in common.
    """
    if len(paths) == 1:
        return paths[0]
    folder = paths[0].rpartition("/")[0]
    names = [path.rpartition("/")[2] for path in paths]
    common = os.path.commonprefix(names)  # noqa: RUF071 - letter by letter is what a pattern needs
    for beginning in dict.fromkeys((common[: common.find("_") + 1], common[: common.rfind("_") + 1])):
        pattern = f"{folder}/{beginning}*{EEG_ENDINGS[0]}".removeprefix("/")
        if beginning and set(files.matching(pattern)) == set(paths):
            return pattern
    return list(paths)
