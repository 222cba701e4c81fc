"""Writing files that are either there in full or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import IO


def write_atomically(path: Path, content: bytes | Callable[[IO[bytes]], object], *, private: bool = False) -> None:
    """Write a file under a temporary name in its own folder, then rename it.

    Args:
        path: Where the file shall stand; an older one is replaced. Its folder must exist.
        content: The bytes, or a function that writes them to the open stream.
        private: Whether only the owner may read it (mode 0600); otherwise the user's umask decides.

    Raises:
        OSError: The disk is full or read-only; nothing is left behind then.
    """
    temporary = path.parent / f".{secrets.token_hex(8)}.part"
    mode = 0o600 if private else 0o666
    try:
        with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as stream:
            if callable(content):
                content(stream)
            else:
                stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
