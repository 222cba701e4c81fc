"""What both readers share: recordings as paths or as bytes that were read already."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from monai_fusion.errors import InputError, Problem


@dataclass(frozen=True)
class FileContent(os.PathLike[str]):
    """A file's bytes together with where they were read.

    The preprocessed store is keyed by the bytes of a file. It reads them once and hands the very bytes that it hashed
    to the transform that decodes them, so that a file that is replaced meanwhile cannot come between. Transforms that
    take it instead of a path say so with the class attribute ``decodes_content = True``; others get the path.

    Attributes:
        path: The file.
        content: Its bytes, [n] uint8.
    """

    path: Path
    content: npt.NDArray[np.uint8]

    def __fspath__(self) -> str:
        return str(self.path)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> FileContent:
        """Read a file whole.

        Raises:
            OSError: It cannot be read.
        """
        file = Path(path)
        return cls(file, np.fromfile(file, dtype=np.uint8))


def require_file(path: str | os.PathLike[str], field: str) -> Path:
    """Return ``path`` as a ``Path``.

    Raises:
        InputError: If it does not exist or is no file.
    """
    file = Path(path)
    if file.is_file():
        return file
    seen = "a folder" if file.is_dir() else "no such file"
    raise InputError(Problem(str(file), field, seen, "a file", "check the path in the datalist and its data_root"))
