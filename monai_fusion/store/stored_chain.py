"""Preprocessed recordings on disk: one file for each source file and chain of deterministic transforms.

An entry is found by what determines its numbers (:mod:`monai_fusion.fingerprint`): the bytes of the source file and the
chain. Copies, moves and renames of a source stay hits; a replaced file or a changed parameter is a miss. Entries are
written atomically (mode 0600), never changed afterwards, and hold numbers only: no participant id, no header of the
source.

An entry says itself whose it is (:mod:`monai_fusion.store.entries`). That is looked at whenever a dataset is filled,
and whenever the entry is read; its checksum is compared when a process first uses it (0.2 ms for an MRI), when the
file is another than it was then, and, for all entries, by ``monai-fusion cache verify``. What fails is prepared again.

Layout: ``FOLDER/v3/sources.bin`` (what was seen of each source, :mod:`monai_fusion.store.file_index`),
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
        # Hashes of the stamps that entries had when their checksum was right; a stamp itself would be 200 bytes.
        self._right: dict[str, int] = {}
        self._wrong: dict[str, str] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what this process has checked: others check for themselves, and are sent less."""
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
            logger.warning("preparing again: the stored entry %s is unreadable (%s)", content, error)
            if not is_scarcity(error):
                self._wrong[content] = getattr(error, "state", "damaged")
            return None
        self._wrong.pop(content, None)  # somebody has repaired it
        if stamp.settled(now):
            self._right[content] = hash(stamp)
        return array

    def state(self, content: str) -> str:
        """Return what stands in an entry's place, as far as its seal and past readings tell.

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
        """Write an entry, unless a sound one is there already.

        Raises:
            OSError: The disk is full or read-only, or a folder stands there; nothing is left behind.
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
            # Windows does not replace a file that another process has open: that process was as quick, and right.
            self._wrong.pop(content, None)
            if self.state(content) != "sound":
                raise

    def _key(self, content: str) -> EntryKey:
        return EntryKey(content, self.digest)

    def _describe_once(self) -> None:
        path = self.folder / "chain.json"
        if not path.exists():  # what it says is for people: entries hold their key themselves
            make_private(self.folder)
            text = json.dumps(self._description, indent=1, sort_keys=True)
            write_atomically(path, text.encode(), private=True)


def layout_folder(folder: str | os.PathLike[str]) -> Path:
    """Return the folder that holds a store's files; those of other versions stand beside it and are left alone."""
    return Path(folder).absolute() / LAYOUT


def make_private(folder: Path) -> None:
    """Create a folder of the store, and the store's own folder, so that only the owner may look into them."""
    layout = folder if folder.name == LAYOUT else folder.parent
    layout.parent.parent.mkdir(parents=True, exist_ok=True)  # what lies above the store has the user's usual mode
    for path in (layout.parent, layout, folder):
        path.mkdir(mode=0o700, exist_ok=True)
