"""Walks through a folder of recordings: hidden names apart, and what is linked is there, as in a file browser."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from monai_fusion.wording import a_few, counted, quoted


class Walk:
    """The files below a folder, those in linked folders included; hidden files and folders are left aside.

    Every folder is entered once: first the folders themselves, then the linked ones, so that a file has the path
    without a link if there is one. A link to a folder that holds it, or that holds the folder of the search, leads in a
    circle and is not entered. Paths stay as they are written; links in them are not replaced.

    Args:
        folder: Where to look, absolute.
        beginning: Of the names in the folder itself only those that begin so, upper and lower case alike.

    Attributes:
        notes: What could not be entered; complete once `files` is through.
    """

    def __init__(self, folder: Path, beginning: str = "") -> None:
        self._folder = folder
        self._beginning = beginning.casefold()
        self._unreadable: list[Path] = []
        self._nowhere: list[Path] = []
        self._upwards: list[Path] = []

    @property
    def notes(self) -> tuple[str, ...]:
        """Folders that are named there, and whose files are not known."""
        kinds = (
            (self._unreadable, "folder", "that cannot be read (ask for the permission)"),
            (self._nowhere, "link", "to what is not here (a disk that is not mounted?)"),
            (self._upwards, "link", "not followed, to a folder that holds this one"),
        )
        return tuple(
            f"{counted(len(paths), noun)} {why}: {a_few(quoted(self._below(path)) for path in paths)}"
            for paths, noun, why in kinds
            if paths
        )

    def files(self) -> Iterator[Path]:
        """The files, and links whose file is not there, in no particular order."""
        known = {_identity(self._folder)}
        here, linked = deque([self._folder]), deque[Path]()
        while here or linked:
            if here:
                place = here.popleft()
            else:
                place = linked.popleft()
                if _identity(place) in known or self._leads_upwards(place):
                    continue
                known.add(_identity(place))
            for entry in self._entries(place):
                path = place / entry.name
                if _is_folder(entry):
                    if _is_link(entry):
                        linked.append(path)
                    else:
                        known.add(_identity(path))
                        here.append(path)
                elif entry.is_symlink() and not path.suffix and _is_dangling(path):
                    self._nowhere.append(path)
                else:
                    yield path

    def _entries(self, place: Path) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(place) as found:
                entries = [entry for entry in found if not entry.name.startswith(".")]
        except OSError:
            self._unreadable.append(place)
            return []
        if place == self._folder:
            entries = [entry for entry in entries if entry.name.casefold().startswith(self._beginning)]
        return sorted(entries, key=lambda entry: entry.name)

    def _leads_upwards(self, link: Path) -> bool:
        target = _real(link)
        if _real(self._folder).is_relative_to(target):
            if _real(self._folder) != target:
                self._upwards.append(link)
            return True
        return _real(link.parent).is_relative_to(target)

    def _below(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix() if path != self._folder else str(path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads in a circle
        return False


def _is_link(entry: os.DirEntry[str]) -> bool:
    """Whether it is a link; on Windows a junction is one too, which Python 3.11 takes for a folder."""
    if entry.is_symlink():
        return True
    tag = getattr(entry.stat(follow_symlinks=False), "st_reparse_tag", 0)
    return bool(tag) and tag == getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", None)


def is_annexed(link: Path) -> bool:
    """Whether a link leads into git-annex's store, from which a file can be fetched that is not here."""
    try:
        return "annex" in link.readlink().parts
    except OSError:
        return False


def _is_dangling(link: Path) -> bool:
    """Whether a link's target is not there; those of git-annex are files, and reported elsewhere."""
    return not link.exists() and not is_annexed(link)


def _identity(folder: Path) -> object:
    """What two paths of one folder have in common."""
    if os.name == "nt":  # where inode numbers are not to be relied on: network drives have none
        return os.path.normcase(_real(folder))
    try:
        found = folder.stat()
    except OSError:
        return folder
    return found.st_dev, found.st_ino


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
