"""What MNE would follow without end in a damaged FIF recording: tags that lead back, and parts that name each other.

A FIF file is a chain of tags of 16 bytes and their content, numbers with the highest byte first; a directory at its end
lists them. A recording of more than 2 GB is split into files, each of which names the next one.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from pathlib import Path

from monai_fusion.errors import InputError, Problem
from monai_fusion.opening import open_regular

# Kinds of tags, as in MNE's FIFF constants.
_DIRECTORY_POINTER, _DIRECTORY, _BLOCK_BEGINS, _BLOCK_ENDS = 101, 102, 104, 105
_ROLE, _FILE_NUMBER, _FILE_NAME = 115, 117, 118
_BLOCK_OF_REFERENCE = 118
_NEXT_FILE = 2
_HEAD = struct.Struct(">iIIi")
_NUMBERED = re.compile(r"-\d+(?=\.)")
_LONGEST_NAME = 4096

_Tag = tuple[int, int, int]  # kind, size, position


def refuse_circles(path: Path, opened: Path) -> None:
    """Refuse a recording that MNE would read without end, or part of which lies in another folder.

    Args:
        path: The first file, as the user knows it.
        opened: Where it is; another one if it had to be unpacked.

    Raises:
        InputError: Its tags lead back, or its files do; or it names a file outside its folder.
    """
    passed = {opened.resolve()}
    part = opened
    while (name := _next_part(part, path)) is not None:
        following = opened.parent / name
        if Path(name).name != name:
            seen = "its next part lies in another folder"
            raise InputError(Problem(str(path), seen=seen, advice="put all parts into one folder, and save it again"))
        if not following.is_file():
            return  # MNE says so
        if following.resolve() in passed:
            seen = f"{following.name} is named as the part that follows itself"
            raise InputError(Problem(str(path), seen=seen, advice="was a part renamed? Save the recording again"))
        passed.add(following.resolve())
        part = following


def _next_part(path: Path, where: Path) -> str | None:
    """The name of the file that continues this one, as MNE reads it; None if nothing does."""
    found: str | None = None
    with open_regular(path) as stream:
        is_inside = False
        for kind, size, at in _tags(where, stream):
            if kind == _BLOCK_BEGINS:
                is_inside = _number(stream, at) == _BLOCK_OF_REFERENCE
                found = None if is_inside else found
            elif kind == _BLOCK_ENDS:
                if is_inside and found is not None:
                    return found
                is_inside = False
            elif is_inside and kind == _ROLE and _number(stream, at) != _NEXT_FILE:
                is_inside, found = False, None
            elif is_inside and kind == _FILE_NAME:
                found = _content(stream, at, min(size, _LONGEST_NAME)).decode("latin-1")
            elif is_inside and kind == _FILE_NUMBER and found is None:
                stem, dot, rest = path.name.partition(".")
                found = f"{_NUMBERED.sub('', f'{stem}.')[:-1]}-{_number(stream, at)}{dot}{rest}"
    return found


def _tags(path: Path, stream: io.FileIO) -> Iterator[_Tag]:
    """The tags as the directory lists them, or one after the other where there is none."""
    second = next((tag for place, tag in enumerate(_chain(path, stream)) if place == 1), None)
    place = _number(stream, second[2]) if second is not None and second[0] == _DIRECTORY_POINTER else 0
    head = _head(stream, place) if place > 0 else None
    if head is None or head[0] != _DIRECTORY or not head[2]:
        yield from _chain(path, stream)
        return
    for kind, _, size, at in _HEAD.iter_unpack(_whole(_content(stream, place, head[2]))):
        if at >= 0:
            yield kind, size, at


def _whole(content: bytes) -> bytes:
    return content[: len(content) // _HEAD.size * _HEAD.size]


def _chain(path: Path, stream: io.FileIO) -> Iterator[_Tag]:
    at = 0
    while (head := _head(stream, at)) is not None:
        kind, _, size, follows = head
        yield kind, size, at
        if follows < 0:
            return
        before, at = at, follows or at + _HEAD.size + size
        if at <= before:
            seen = f"damaged at byte {before:,}: what follows lies before it"
            raise InputError(Problem(str(path), seen=seen, advice="copy it again"))


def _head(stream: io.FileIO, at: int) -> tuple[int, int, int, int] | None:
    stream.seek(at)
    content = stream.read(_HEAD.size) or b""
    return _HEAD.unpack(content) if len(content) == _HEAD.size else None


def _content(stream: io.FileIO, at: int, size: int) -> bytes:
    stream.seek(at + _HEAD.size)
    return stream.read(size) or b""


def _number(stream: io.FileIO, at: int) -> int:
    content = _content(stream, at, 4)
    return int.from_bytes(content, "big", signed=True) if len(content) == 4 else 0
