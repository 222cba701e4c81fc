"""From the paths and patterns in a datalist to the files they mean.

Each folder is listed once, however many participants have files in it, and a pattern looks only at the names that
begin as it does. Upper and lower case are different on every platform: a datalist that works on Windows works on a
cluster as well. What was probably meant is offered where only they differ. Composed and decomposed letters are
equal (`spelling.nfc`), and what is returned is the name as the disk has it.
"""

from __future__ import annotations

import fnmatch
import os
import re
from bisect import bisect_left
from collections.abc import Container, Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path, PureWindowsPath

from monai_fusion.datalist.roots import drive_of, is_on_another_drive
from monai_fusion.spelling import by_nfc, cleaned, nfc

_MAGIC = re.compile(r"[*?\[]")
_NUMBER = re.compile(r"([0-9]+)")
_LEADING_ZEROS = re.compile(r"0+(?=[0-9])")
_BETWEEN_WORDS = re.compile(r"[\s._-]+")
ID_END = re.compile(r"[_.]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CONTROL_NAMES = {"\t": "a tab", "\n": "a line break", "\r": "a line break", "\b": "a backspace", "\f": "a form feed"}


def natural_key(text: str) -> tuple[list[str | tuple[int, str]], str]:
    """Sorts ``seg2`` before ``seg10``; the text itself decides between ``seg1`` and ``seg01``."""
    parts: list[str | tuple[int, str]] = list(_NUMBER.split(text))
    # As numbers are compared, also those of thousands of digits, which Python makes no number of.
    parts[1::2] = [(len(digits), digits) for digits in (str(part).lstrip("0") for part in parts[1::2])]
    return parts, text


def is_pattern(path: str) -> bool:
    """Whether ``path`` holds one of the characters ``*``, ``?`` and ``[`` of a pattern."""
    return _MAGIC.search(path) is not None


def below_root(text: str, root: Path | None = None) -> tuple[str, str]:
    """``text`` as a plain path below data_root with forward slashes, and why it cannot be one (empty if it can).

    The check is by name: a link inside data_root may lead elsewhere, as git-annex's do.

    Args:
        text: The path.
        root: The data_root. On Windows a path on another drive, which cannot be relative to it, stays as it is.
    """
    if not text.strip():
        return "", "write the path, or null if there is no file"
    if control := _CONTROL.search(text):
        name = _CONTROL_NAMES.get(control[0])
        if name is None:
            return "", f"it holds {'a NUL' if control[0] == chr(0) else 'a control character'}: write the path again"
        return "", f"it holds {name}: in JSON a single backslash begins a special character, write / instead"
    path = text.replace("\\", "/")
    if root is not None and is_on_another_drive(path, root):
        drive = drive_of(path)
        below, reason = below_root(path[len(drive) :].lstrip("/"))
        return f"{drive}/{below}", reason
    if path.startswith("/") or PureWindowsPath(path).drive:
        return "", "write it relative to data_root"
    steps: list[str] = []
    for step in path.split("/"):
        if step == "..":
            if not steps:
                return "", "it leaves data_root: set data_root to a folder that holds all the files"
            steps.pop()
        elif step == "**":
            return "", "** is not understood here: write the folders out, or use * for one of them"
        elif step not in ("", "."):
            steps.append(step)
    if not steps:
        return "", "it names a folder, not a file"
    return "/".join(steps), ""


class _Listing:
    """The names in one folder; a folder that is not there, cannot be read or cannot be named so has none."""

    def __init__(self, folder: Path | None) -> None:
        self.entries: dict[str, os.DirEntry[str]] = {}
        if folder is not None:
            with suppress(OSError, ValueError), os.scandir(folder) as entries:
                self.entries = {entry.name: entry for entry in entries}

    @cached_property
    def names(self) -> list[str]:
        """The names in NFC, each once, in ascending order."""
        return sorted({nfc(name) for name in self.entries})

    @cached_property
    def _otherwise(self) -> dict[str, list[str]]:
        """How names of `names` are written on the disk, if otherwise or in two ways."""
        return {} if all(map(str.isascii, self.entries)) else by_nfc(self.entries)

    @cached_property
    def without_case(self) -> dict[str, str]:
        return {nfc(name.casefold()): self.written(name)[0] for name in self.names}

    @cached_property
    def by_reduced_name(self) -> dict[str, str]:
        return {_reduced(name): self.written(name)[0] for name in self.names}

    def written(self, name: str) -> list[str]:
        """How a name of `names` is written on the disk; two files may differ in nothing but that."""
        return self._otherwise.get(name) or [name]

    def equal(self, name: str) -> list[str]:
        """The entries whose names are equal to ``name`` in NFC."""
        return self._otherwise.get(nfc(name)) or ([name] if name in self.entries else [])

    def beginning(self, text: str) -> list[str]:
        """The names that begin so."""
        text = nfc(text)
        start = end = bisect_left(self.names, text)
        while end < len(self.names) and self.names[end].startswith(text):
            end += 1
        return [written for name in self.names[start:end] for written in self.written(name)]

    def matching(self, pattern: str) -> Iterator[str]:
        """The names that match a shell pattern, upper and lower case are different."""
        pattern = nfc(pattern)
        beginning = pattern[: match.start()] if (match := _MAGIC.search(pattern)) else pattern
        end = pattern[len(beginning) + 1 :]
        only_one_star = pattern[len(beginning) : len(beginning) + 1] == "*" and not is_pattern(end)
        for index in range(bisect_left(self.names, beginning), len(self.names)):
            name = self.names[index]
            if not name.startswith(beginning):
                break
            if only_one_star:  # by far the commonest; a regular expression for each participant takes most of the time
                if name.endswith(end) and len(name) >= len(beginning) + len(end):
                    yield from self.written(name)
            elif fnmatch.fnmatchcase(name, pattern):
                yield from self.written(name)


class FilesBelow:
    """The files below one folder, by paths relative to it with forward slashes, as `below_root` returns them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._listings: dict[str, _Listing] = {}

    def is_file(self, path: str) -> bool:
        """Whether there is such a file, its name and its folders' names written exactly so."""
        folder, _, name = path.rpartition("/")
        entry = self._listing(folder).entries.get(name)
        try:
            return entry is not None and entry.is_file()
        except OSError:  # a link that leads in a circle, or a path too long
            return False

    def is_folder(self, path: str) -> bool:
        """Whether there is such a folder, written exactly so."""
        parent, _, name = path.rpartition("/")
        return _is_folder(self._listing(parent).entries.get(name))

    def named(self, path: str) -> list[str]:
        """The file that a plain path means; several if none is written exactly so and they are equal in NFC."""
        if self.is_file(path):
            return [path]
        start, steps = _steps(path)
        places = [start]
        for step in steps:
            places = [_join(place, name) for place in places for name in self._listing(place).equal(step)]
        return [place for place in places if self.is_file(place)]

    def matching(self, pattern: str) -> list[str]:
        """The files that a pattern (or a plain path) means, in no particular order."""
        if found := self.named(pattern):  # also a name that happens to hold a bracket
            return found
        start, (*folders, name) = _steps(pattern)
        places = [start]
        for step in folders:
            # Where links lead in circles, each step would multiply the places that are one.
            deepest = {self._identity(deeper): deeper for place in places for deeper in self._folders(place, step)}
            places = list(deepest.values())
        return [
            joined
            for place in places
            for match in self._listing(place).matching(name)
            if self.is_file(joined := _join(place, match))
        ]

    def same_but_for_case(self, path: str) -> str | None:
        """The file or folder that differs from ``path`` in upper and lower case only, if there is one."""
        found, steps = _steps(path)
        for step in steps:
            listing = self._listing(found)
            name = step if step in listing.entries else listing.without_case.get(nfc(nfc(step).casefold()))
            if name is None:
                return None
            found = _join(found, name)
        return found

    def folders_beside(self, folder: str) -> list[str]:
        """The folders in the same place as ``folder``, which need not be there itself."""
        parent = folder.rpartition("/")[0]
        if parent and not self.is_folder(parent):
            return []
        return [_join(parent, name) for name, entry in self._listing(parent).entries.items() if _is_folder(entry)]

    def similar(self, path: str, participant_id: str, participants: Container[str]) -> str | None:
        """A file, or a pattern that finds some, that was probably meant by a path or pattern that finds nothing.

        It is in the same folder, and its name differs in upper and lower case, leading zeros, characters between words,
        invisible characters or the ending ``.gz`` only, or it begins with the participant's id.

        Args:
            path: The path or pattern.
            participant_id: Whose file it should be.
            participants: All ids in NFC; files of others are not offered.
        """
        folder, _, name = path.rpartition("/")
        if is_pattern(folder):
            return None
        right_folder = self.same_but_for_case(folder) if folder else ""
        if right_folder is None:
            return None
        listing = self._listing(right_folder)
        if not is_pattern(name):
            meant = listing.by_reduced_name.get(_reduced(name))
            named_after = "" if meant is None else nfc(ID_END.split(meant, maxsplit=1)[0])
            if meant is not None and (named_after == nfc(participant_id) or named_after not in participants):
                return _join(right_folder, meant)
        own = [file for character in "_." for file in listing.beginning(participant_id + character)]
        own = [file for file in own if self.is_file(_join(right_folder, file))]
        if not own:
            return None
        if len(own) == 1 and not is_pattern(name):
            return _join(right_folder, own[0])
        ending = name[name.rfind(".") :] if "." in name else ""
        pattern = f"{participant_id}_*{ending}"
        return _join(right_folder, pattern) if is_pattern(name) and any(listing.matching(pattern)) else None

    def _listing(self, folder: str) -> _Listing:
        found = self._listings.get(folder)
        if found is not None:
            return found
        # By way of the parents' names, because Windows and macOS would also open EEG where the folder is eeg; step by
        # step, because a link to its own folder makes paths of any depth.
        path, steps = _steps(folder)
        if path not in self._listings:
            self._listings[path] = _Listing(self.root / f"{path}/" if path else self.root)
        found = self._listings[path]
        for step in steps:
            exists = step in found.entries
            path = _join(path, step)
            if path not in self._listings:
                self._listings[path] = _Listing(self.root / path if exists else None)
            found = self._listings[path]
            if not found.entries:
                break
        return found

    def _identity(self, folder: str) -> str:
        """The folder that a link leads to; what is no link is itself."""
        parent, _, name = folder.rpartition("/")
        entry = self._listing(parent).entries.get(name)
        return os.path.realpath(entry.path) if entry is not None and entry.is_symlink() else folder

    def _folders(self, place: str, step: str) -> Iterator[str]:
        listing = self._listing(place)
        if equal := listing.equal(step):
            yield from (_join(place, name) for name in equal)
        elif is_pattern(step):
            yield from (_join(place, name) for name in listing.matching(step) if _is_folder(listing.entries[name]))


def on_disk(path: Path) -> Path:
    """An absolute path as the disk has it, where its folders' names are written there in other letters equal in NFC."""
    if os.path.lexists(path) or str(path).isascii():
        return path
    found = Path(path.anchor)
    for step in path.parts[1:]:
        equal = [step] if os.path.lexists(found / step) else _Listing(found).equal(step)
        if len(equal) != 1:
            return path
        found /= equal[0]
    return found


def _steps(path: str) -> tuple[str, list[str]]:
    """Where a path starts, the data_root ("") or a drive, and its steps from there."""
    drive = drive_of(path)
    below = path[len(drive) :].removeprefix("/")
    return drive, below.split("/") if below else []


def _is_folder(entry: os.DirEntry[str] | None) -> bool:
    try:
        return entry is not None and entry.is_dir()
    except OSError:  # as for a file
        return False


def _reduced(name: str) -> str:
    """What is left of a file's name without what is easily mistyped: case, zeros, characters between words, ``.gz``."""
    return _BETWEEN_WORDS.sub("", _LEADING_ZEROS.sub("", cleaned(name).casefold().removesuffix(".gz")))


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
