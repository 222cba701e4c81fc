"""Writes the rows of a new datalist: paths below one data_root, as short as they can be without meaning more."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from monai_fusion.datalist.document import Document
from monai_fusion.datalist.files import FilesBelow
from monai_fusion.datalist.reading import folder_of
from monai_fusion.datalist.scanning import EEG_ENDINGS, absolute
from monai_fusion.errors import InputError, Problem

# Paths are made absolute and relative by name only: links stay as the user wrote them, and `read_datalist` and
# monai.data.load_decathlon_datalist join them by name as well. pathlib's resolve() would follow the links.


def root_for(folders: Sequence[Path], wanted: Path | None, older: Document | None) -> Path:
    """The data_root: the wanted one, or that of the older datalist, or the deepest folder that holds all the folders.

    Raises:
        InputError: The folders are not all below it.
    """
    every = [str(absolute(folder)) for folder in folders]
    try:
        common = Path(os.path.commonpath(every))
    except ValueError:  # two drives of a Windows machine
        advice = "a datalist has one data_root"
        raise InputError(Problem("folders", seen=" and ".join(every), wanted="on one drive", advice=advice)) from None
    if older is not None:
        root = root_of(older)
        if wanted is not None and absolute(wanted) != root:
            seen = str(absolute(wanted))
            raise InputError(Problem("--data-root", seen=seen, wanted=f"{root}, as in {older.path}"))
    elif wanted is None:
        return common
    else:
        root = absolute(wanted)
    if not common.is_relative_to(root):
        where = "--data-root" if older is None else f"data_root of {older.path}"
        raise InputError(Problem(where, seen=str(root), wanted=f"a folder that holds {common}"))
    return root


def root_of(document: Document) -> Path:
    """The data_root of a datalist that was read, absolute."""
    return folder_of(document.path, str(document.fields.get("data_root", ".")))


def below(root: Path, path: Path) -> str:
    """A file's path as a datalist has it."""
    return path.relative_to(root).as_posix()


def from_folder(folder: Path, root: Path) -> str:
    """``root`` seen from the datalist's folder; absolute if it is on another drive."""
    try:
        return Path(os.path.relpath(root, folder)).as_posix()
    except ValueError:
        return root.as_posix()


def pattern_or_paths(paths: Sequence[str], files: FilesBelow) -> str | list[str]:
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
