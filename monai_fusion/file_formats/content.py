"""What both readers share: recordings as paths or as bytes that were read already, and how they are refused."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from monai_fusion.errors import InputError, Problem


class FileContent(str):
    """A path, as a text, that carries the bytes which were read from it.

    The preprocessed store is keyed by the bytes of a file. It reads them once and hands the very bytes that it hashed
    to the transform that decodes them, so that a file that is replaced meanwhile cannot come between. A transform that
    knows nothing of this opens the path; `was_used` then is False, and the store compares the file with the hash again.

    Args:
        path: The file.
        content: Its bytes, [n] uint8.

    Attributes:
        path: The file.
        was_used: Whether the bytes have been asked for.
    """

    path: Path
    was_used: bool
    _content: npt.NDArray[np.uint8]

    def __new__(cls, path: str | os.PathLike[str], content: npt.NDArray[np.uint8]) -> Self:
        """Make the text; a ``str`` cannot be changed afterwards."""
        text = super().__new__(cls, os.fspath(path))
        text.path = Path(path)
        text._content = content
        text.was_used = False
        return text

    @property
    def content(self) -> npt.NDArray[np.uint8]:
        """The file's bytes, [n] uint8."""
        self.was_used = True
        return self._content

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> FileContent:
        """Read a file whole.

        Raises:
            OSError: It cannot be read.
        """
        return cls(path, np.fromfile(path, dtype=np.uint8))

    @property
    def size(self) -> int:
        """How many bytes the file has."""
        return self.content.size

    def beginning(self, most: int) -> bytes:
        """The first bytes."""
        return self.content[:most].tobytes()

    def bytes(self, most: int | None = None) -> npt.NDArray[np.uint8]:
        """All bytes, or this number of them: [n] uint8, a view."""
        return self.content[:most]


@dataclass(frozen=True)
class FileOnDisk:
    """The same of a file of which no more is read than is asked for: a header may show that the rest is of no use.

    Attributes:
        path: The file.
        size: How many bytes it has.
    """

    path: Path
    size: int

    @classmethod
    def find(cls, path: Path) -> FileOnDisk:
        """Look a file up.

        Raises:
            OSError: It cannot be.
        """
        return cls(path, path.stat().st_size)

    def beginning(self, most: int) -> bytes:
        """The first bytes."""
        with self.path.open("rb") as stream:
            return stream.read(most)

    def bytes(self, most: int | None = None) -> npt.NDArray[np.uint8]:
        """All bytes, or this number of them: [n] uint8."""
        return np.fromfile(self.path, dtype=np.uint8, count=-1 if most is None else most)


class UnusableFileError(Exception):
    """Why a file cannot be used, before it is known whose it is; arguments as of `Problem`."""

    def __init__(self, seen: str, wanted: str = "", advice: str = "") -> None:
        super().__init__(seen, wanted, advice)

    def of(self, file: Path, field: str) -> InputError:
        """The error that users see."""
        return InputError(Problem(str(file), field, *self.args))


def require_file(path: str | os.PathLike[str], field: str) -> Path:
    """Return ``path`` as a ``Path``.

    Raises:
        InputError: If it does not exist or is no file.
    """
    file = Path(path)
    if file.is_file():
        return file
    seen = "a folder" if file.is_dir() else "no such file" if not file.exists() else "a device or pipe"
    raise InputError(Problem(str(file), field, seen, "a file", "check the path in the datalist and its data_root"))
