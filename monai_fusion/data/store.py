"""Preprocessed recordings on disk: one memory-mapped array for each source file and chain of deterministic transforms.

An entry is found by what determines its numbers (:mod:`monai_fusion.fingerprint`): the bytes of the source file and the
chain. Copies, moves and renames of a source stay hits; a replaced file or a changed parameter is a miss. Entries are
written atomically (mode 0600), never changed afterwards, and hold numbers only: no participant id, no header of the
source.

Layout: ``FOLDER/v1/index.json`` (what was seen of each source), ``FOLDER/v1/<chain>/chain.json`` (what the chain is)
and ``FOLDER/v1/<chain>/<content>.npy``.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from monai_fusion.files import write_atomically
from monai_fusion.fingerprint import content_hash, describe_chain, digest_of

logger = logging.getLogger(__name__)

LAYOUT = "v1"
# A file this young may still change without its modification time showing it (FAT keeps 2 s).
_SETTLED_AFTER_NS = 2_000_000_000


class StoredChain:
    """The entries of one chain of transforms.

    Args:
        folder: The store's folder; created when the first entry is written.
        transforms: The deterministic transforms, in order.
    """

    def __init__(self, folder: str | os.PathLike[str], transforms: Sequence[object]) -> None:
        self._description = describe_chain(transforms)
        self.digest = digest_of(self._description)
        self.folder = Path(folder).absolute() / LAYOUT / self.digest[:16]
        self._warned = False

    def entry(self, content: str) -> Path:
        """Return the path of the entry for a source with this content hash, whether it exists or not."""
        return self.folder / f"{content}.npy"

    def read(self, content: str) -> npt.NDArray[Any] | None:
        """Map an entry into memory (copy-on-write), or return None when it is missing or unreadable."""
        path = self.entry(content)
        try:
            array: npt.NDArray[Any] = np.load(path, mmap_mode="c", allow_pickle=False)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, EOFError) as error:
            logger.warning("preparing again: the stored entry %s is unreadable (%s)", path.name, error)
            return None
        return array

    def has(self, content: str) -> bool:
        """Whether a readable entry exists."""
        return self.read(content) is not None

    def write(self, content: str, array: npt.NDArray[Any]) -> bool:
        """Write an entry; on a full or read-only disk say so once and return False."""
        try:
            self._describe_once()
            write_atomically(
                self.entry(content), lambda stream: np.save(stream, array, allow_pickle=False), private=True
            )
        except OSError as error:
            if not self._warned:
                logger.warning("going on without the store for new files: cannot write to %s (%s)", self.folder, error)
                self._warned = True
            return False
        return True

    def _describe_once(self) -> None:
        path = self.folder / "chain.json"
        if not path.exists():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            text = json.dumps(self._description, indent=1, sort_keys=True)
            write_atomically(path, text.encode(), private=True)


class SourceIndex:
    """Content hashes of source files, remembered by size, modification time and inode.

    The index only saves time: when it is lost or disagrees with the file, the bytes are hashed again.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._path = Path(folder).absolute() / LAYOUT / "index.json"
        self._known = self._load()
        self._changed: dict[str, list[Any]] = {}
        self._lock = threading.Lock()

    def content_of(self, source: str | os.PathLike[str]) -> str:
        """Return the content hash of a source file, reading it only if it may have changed.

        Raises:
            OSError: The file cannot be read.
        """
        path = Path(source).absolute()
        name = digest_of(str(path))  # hashed: paths may contain names of people
        status = path.stat()
        stamp = [status.st_size, status.st_mtime_ns, status.st_ino]
        known = self._known.get(name)
        if known is not None and known[:3] == stamp:
            return str(known[3])
        content = content_hash(path)
        if time.time_ns() - status.st_mtime_ns > _SETTLED_AFTER_NS:
            with self._lock:
                self._known[name] = self._changed[name] = [*stamp, content]
        return content

    def save(self) -> None:
        """Add what was learned to the index on disk; a store that cannot be written stays without it."""
        if not self._changed:
            return
        merged = self._load() | self._changed
        text = json.dumps(merged, separators=(",", ":"))
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self._path, text.encode(), private=True)
        except OSError as error:
            logger.debug("the index of sources was not saved: %s", error)
        self._changed.clear()

    def _load(self) -> dict[str, list[Any]]:
        try:
            known = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}
