"""Reading small files that somebody else may have made: a run folder may come from anywhere, and may be damaged.

Only regular files are opened, and only up to a size that such a file may have. A named pipe does not hang, a sparse
file of gigabytes is not read, and what is nested thousands deep ends in a sentence, not in a crash.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

if TYPE_CHECKING:
    from pydantic import BaseModel

Model = TypeVar("Model", bound="BaseModel")

MIB = 2**20
MOST_BYTES = 64 * MIB
"""Far more than any JSON file or table of a run; its arrays may be larger."""
MOST_LEVELS = 64
"""Of nested JSON: what a run writes has fewer than ten."""

_KINDS = {
    stat.S_IFDIR: "is a folder",
    stat.S_IFIFO: "is a named pipe",
    stat.S_IFSOCK: "is a socket",
    stat.S_IFCHR: "is a device",
    stat.S_IFBLK: "is a device",
}


class NotReadableError(OSError):
    """Something lies there that is no such file; ``strerror`` says what, without the path."""


@contextmanager
def open_regular(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a regular file for reading; links to one are followed.

    Raises:
        NotReadableError: It is a folder, a named pipe or the like, or its name is none.
        OSError: It is not there, or may not be read.
    """
    # Without O_NONBLOCK, opening a named pipe waits for somebody who writes to it. O_BINARY is Windows's.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except ValueError as error:  # a NUL in the name
        raise NotReadableError(errno.EINVAL, "no name of a file", str(path)) from error
    except PermissionError as error:
        if Path(path).is_dir():  # Windows opens no folders
            raise NotReadableError(errno.EISDIR, "is a folder", str(path)) from error
        raise
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise NotReadableError(errno.EINVAL, _KINDS.get(stat.S_IFMT(mode), "is no file"), str(path))
    with os.fdopen(descriptor, "rb") as stream:
        yield stream


def read_bytes(path: str | os.PathLike[str], most: int = MOST_BYTES) -> bytes:
    """Read a regular file of at most so many bytes.

    Raises:
        NotReadableError: It is no regular file, or larger.
        OSError: It is not there, or cannot be read.
    """
    with open_regular(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        content = stream.read(most + 1) if size <= most else b""
    if size > most or len(content) > most:
        raise NotReadableError(errno.EFBIG, f"{max(size, len(content)):,} bytes are too many", str(path))
    return content


def read_json(path: str | os.PathLike[str], most: int = MOST_BYTES) -> Any:
    """Read a JSON file whose values can be printed, walked and written again.

    Raises:
        NotReadableError: It is no regular file, or larger than ``most`` bytes.
        OSError: It is not there, or cannot be read.
        ValueError: It is not JSON, nested more than `MOST_LEVELS` deep, or holds half a character.
    """
    try:
        content = json.loads(read_bytes(path, most))
    except RecursionError:
        raise ValueError("nested too deep") from None
    levels, layer = 0, [content]
    while layer:  # level by level, because a function that calls itself is what such a file breaks
        layer = [inner for value in layer for inner in _inside(value)]
        levels += 1
        if levels > MOST_LEVELS:
            raise ValueError("nested too deep")
    return content


def read_json_object(path: str | os.PathLike[str], most: int = MOST_BYTES) -> dict[str, Any] | None:
    """Read the object that a JSON file holds; None if there is no such file, or it holds something else."""
    try:
        content = read_json(path, most)
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def read_model(path: str | os.PathLike[str], model: type[Model]) -> Model | None:
    """Read the object that a JSON file holds, as a model of pydantic; None if it is not there or not such a one."""
    content = read_json_object(path)
    try:
        return None if content is None else model.model_validate_json(json.dumps(content))
    except ValueError:  # pydantic's ValidationError is one
        return None


def reason_of(error: Exception) -> str:
    """Say in a few words why a file was not read; nothing of its content."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, UnicodeDecodeError):
        return "not text in UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON from line {error.lineno} on"
    return str(error)


def _inside(value: Any) -> list[Any]:
    if isinstance(value, str):
        value.encode()  # half a surrogate pair can be written nowhere; UnicodeEncodeError is a ValueError
        return []
    if isinstance(value, dict):
        return [*value, *value.values()]
    return value if isinstance(value, list) else []
