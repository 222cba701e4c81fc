"""Several folders of recordings, as of several sites: the one folder that paths start from, and who is in two of them.

A datalist has one data_root. It is the deepest folder that holds all of them, and all paths are relative to it. Windows
has one tree for each drive: a file on another drive than data_root is written with its drive, ``E:/site2/eeg/...``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath, PureWindowsPath

from monai_fusion.errors import Problem
from monai_fusion.wording import counted

_DRIVE = re.compile(r"[A-Za-z]:(?=/|$)|//[^/]+/[^/]+(?=/|$)")


def absolute(path: Path) -> Path:
    """Absolute by name only, so that links stay as the user wrote them."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve would follow links


def outermost(folders: Sequence[Path]) -> tuple[Path, ...]:
    """The folders, each once, without those within others of them: subfolders are searched anyway."""
    written = {absolute(folder): folder for folder in reversed(folders)}
    every = dict.fromkeys(map(absolute, folders))
    return tuple(
        written[one] for one in every if not any(one != other and one.is_relative_to(other) for other in every)
    )


def common_folder(folders: Sequence[Path]) -> Path:
    """The deepest folder that holds all the folders, or all those that are on the drive of the first, absolute."""
    every = list(map(absolute, folders))
    drive = every[0].drive.casefold()
    return Path(os.path.commonpath([folder for folder in every if folder.drive.casefold() == drive]))


def in_two_folders(files: Mapping[str, Sequence[Path]], folders: Sequence[Path], field: str) -> Iterator[Problem]:
    """Participants with files in two of the folders: the user must choose, or rename one.

    Args:
        files: Absolute paths by participant.
        folders: The folders, none in another.
        field: ``eeg`` or ``mri``.
    """
    if len(folders) < 2:
        return
    places = list(map(absolute, folders))
    for name, paths in files.items():
        first: dict[Path | None, Path] = {}
        for path in paths:
            first.setdefault(next((place for place in places if path.is_relative_to(place)), None), path)
        if len(first) > 1:
            seen = f"{counted(len(first), 'folder')} have files: {' and '.join(map(str, first.values()))}"
            advice = f"which are meant? Leave out one --{field}-dir, or rename those of another participant"
            yield Problem(name, field, seen, "files in one", advice)


def drive_of(text: str) -> str:
    """The drive that a path with forward slashes begins with, ``E:`` or ``//server/share``; empty if with none."""
    found = _DRIVE.match(text)
    return found.group() if found else ""


def is_on_another_drive(text: str, root: PurePath) -> bool:
    """Whether a path cannot be written relative to a folder of Windows, since it is on another drive."""
    if text[1:2] != ":" and not text.startswith(("/", "\\")):  # most paths: parsing thousands of them takes its time
        return False
    drive, own = (PureWindowsPath(path).drive.casefold() for path in (text, root))
    return bool(drive and own) and PureWindowsPath(text).is_absolute() and drive != own
