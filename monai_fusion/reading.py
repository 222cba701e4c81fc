"""Reads small files that others may have made: a run folder may come from anywhere, and may be damaged.

Only regular files are opened, and only up to a size that such a file may have. A named pipe does not hang, a sparse
file of gigabytes is not read, and what is nested thousands deep ends in a sentence, not in a crash.
"""

from __future__ import annotations

import errno
import io
import json
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from monai_fusion.opening import NotReadableError, open_regular

if TYPE_CHECKING:
    from pydantic import BaseModel

Model = TypeVar("Model", bound="BaseModel")

MIB = 2**20
MOST_BYTES = 64 * MIB
"""Far more than any JSON file or table of a run; its arrays may be larger."""
MOST_LEVELS = 64
"""Of nested JSON: what a run writes has fewer than ten."""


def read_bytes(path: str | os.PathLike[str], most: int = MOST_BYTES, *, follow: bool = True) -> bytes:
    """Read a regular file of at most this many bytes; with ``follow`` it may be a link to one.

    Raises:
        NotReadableError: It is no regular file, or larger.
        OSError: It is not there, or cannot be read.
    """
    with io.BufferedReader(open_regular(path, follow=follow)) as stream:
        size = os.fstat(stream.fileno()).st_size
        content = stream.read(most + 1) if size <= most else b""
    if size > most or len(content) > most:
        raise NotReadableError(errno.EFBIG, f"{max(size, len(content)):,} bytes are too many", str(path))
    return content


def read_json(path: str | os.PathLike[str], most: int = MOST_BYTES, *, follow: bool = True) -> Any:
    """Read a JSON file whose values can be printed, walked and written again; with ``follow`` it may be a link to one.

    Raises:
        NotReadableError: It is no regular file, or larger than ``most`` bytes.
        OSError: It is not there, or cannot be read.
        ValueError: It is not JSON, nested more than `MOST_LEVELS` deep, or holds half a character.
    """
    return parse_json(read_bytes(path, most, follow=follow))


def parse_json(text: str | bytes) -> Any:
    """Parse JSON of others, as `read_json` does.

    Raises:
        ValueError: It is not JSON, nested more than `MOST_LEVELS` deep, or holds half a character.
    """
    try:
        content = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None
    levels, layer = 0, [content]
    while layer:  # level by level, because a function that calls itself is what such a file breaks
        layer = [inner for value in layer for inner in _inside(value)]
        levels += 1
        if levels > MOST_LEVELS:
            raise ValueError("nested too deep")
    return content


def read_json_object(
    path: str | os.PathLike[str], most: int = MOST_BYTES, *, follow: bool = True
) -> dict[str, Any] | None:
    """Read the object that a JSON file holds; None if there is no such file, or it holds something else."""
    try:
        content = read_json(path, most, follow=follow)
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


def texts_in(value: Any) -> Iterator[str]:
    """All texts in a value of JSON, the names of fields too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield str(name)
            yield from texts_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts_in(inner)
