"""Preprocessed recordings on disk: one file for each source file and chain of deterministic transforms.

The store finds an entry by what determines its numbers (:mod:`monai_fusion.fingerprint`): the bytes of the source file
and the chain. Copies, moves and renames of a source stay hits; a replaced file or a changed parameter is a miss.
Entries are written atomically (mode 0600), never changed afterwards, and hold numbers only: no participant id, no
header of the source.

An entry records its own source and chain (:mod:`monai_fusion.store.entries`). The store checks them whenever it fills
a dataset, and whenever it reads the entry; it compares the checksum when a process first uses the entry (0.2 ms for an
MRI), when the file has changed since then, and, for all entries, in ``monai-fusion cache verify``. An entry that fails
is prepared again.

Layout: ``FOLDER/v3/sources.bin`` (the index of source files, :mod:`monai_fusion.store.file_index`),
``FOLDER/v3/last_run.json``, ``FOLDER/v3/<chain>/chain.json`` (what the chain is) and
``FOLDER/v3/<chain>/<content>.npy``.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from monai_fusion.files import write_atomically
from monai_fusion.fingerprint import describe_chain, digest_of
from monai_fusion.opening import is_scarcity
from monai_fusion.store.entries import DamagedEntryError, EntryKey, look_at_entry, read_entry, write_entry

logger = logging.getLogger(__name__)

LAYOUT = "v3"
OLDER_LAYOUTS = ("v1", "v2")
_NO_SUCH_FILE = (FileNotFoundError, NotADirectoryError)


class StoredChain:
    """The entries of one chain of transforms.

    Args:
        folder: The store's folder; created when the first entry is written.
        transforms: The deterministic transforms, in order.
        dtype: The type in which results are kept.
    """

    def __init__(self, folder: str | os.PathLike[str], transforms: Sequence[object], dtype: str = "float32") -> None:
        self._description = describe_chain(transforms) | ({} if dtype == "float32" else {"kept_as": dtype})
        self.digest = digest_of(self._description)
        self.store = layout_folder(folder)
        self.folder = self.store / self.digest[:16]
        # Hashes of the stamps that entries had when their checksum matched; a stamp itself would take 200 bytes.
        self._right: dict[str, int] = {}
        self._wrong: dict[str, str] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what this process has checked: other processes check for themselves, and receive less data."""
        return {**self.__dict__, "_right": {}, "_wrong": {}}

    def entry(self, content: str) -> Path:
        """Return the path of the entry for a source with this content hash, whether it exists or not."""
        return self.folder / f"{content}.npy"

    def read(self, content: str) -> npt.NDArray[Any] | None:
        """Read an entry into memory of its own, or return None when it is missing or damaged.

        The first time in a process, and when the file has changed since, its checksum is compared as well.
        """
        now = time.time_ns()
        try:
            array, stamp = read_entry(self.entry(content), self._key(content), self._right.get(content))
        except _NO_SUCH_FILE:
            return None
        except (OSError, DamagedEntryError) as error:
            logger.warning("preparing again: cannot use the stored entry %s (%s)", content, error)
            if not is_scarcity(error):
                self._wrong[content] = getattr(error, "state", "damaged")
            return None
        self._wrong.pop(content, None)  # another process has repaired it
        if stamp.settled(now):
            self._right[content] = hash(stamp)
        return array

    def state(self, content: str) -> str:
        """Return the state of an entry, as far as its seal and past readings show it.

        Returns:
            ``sound``, ``missing``, ``damaged``, ``misplaced`` (the entry of another source or chain) or ``outdated``
            (of an older format).
        """
        if content in self._wrong:
            return self._wrong[content]
        try:
            look_at_entry(f"{self.folder}{os.sep}{content}.npy", self._key(content))
        except _NO_SUCH_FILE:
            return "missing"
        except OSError:
            return "damaged"
        except DamagedEntryError as error:
            return error.state
        return "sound"

    def write(self, content: str, array: npt.NDArray[Any]) -> None:
        """Write an entry, unless a sound one exists already.

        Raises:
            OSError: The disk is full or read-only, or a folder is in its place; nothing is left behind.
        """
        try:
            self._write(content, array)
        except FileNotFoundError:  # `cache prune` has removed the chain's empty folder in between
            self._write(content, array)
        self._wrong.pop(content, None)

    def _write(self, content: str, array: npt.NDArray[Any]) -> None:
        self._describe_once()
        if self.state(content) == "sound":
            return
        key = self._key(content)
        try:
            write_atomically(self.entry(content), lambda stream: write_entry(stream, array, key), private=True)
        except PermissionError:
            # Windows does not replace a file that another process has open: that process may have written a sound one.
            self._wrong.pop(content, None)
            if self.state(content) != "sound":
                raise

    def _key(self, content: str) -> EntryKey:
        return EntryKey(content, self.digest)

    def _describe_once(self) -> None:
        path = self.folder / "chain.json"
        if not path.exists():  # it is for human readers: entries hold their key themselves
            make_private(self.folder)
            text = json.dumps(self._description, indent=1, sort_keys=True)
            write_atomically(path, text.encode(), private=True)


def layout_folder(folder: str | os.PathLike[str]) -> Path:
    """Return the folder that holds a store's files; folders of other versions beside it are left alone."""
    return Path(folder).absolute() / LAYOUT


def make_private(folder: Path) -> None:
    """Create a folder of the store, and the store's own folder, so that only the owner can read them."""
    layout = folder if folder.name == LAYOUT else folder.parent
    layout.parent.parent.mkdir(parents=True, exist_ok=True)  # folders above the store get the user's usual mode
    for path in (layout.parent, layout, folder):
        path.mkdir(mode=0o700, exist_ok=True)
