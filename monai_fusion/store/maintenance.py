"""Maintaining a store: what it contains, whether it is sound, and how to free disk space.

It only ever removes files that the store itself wrote: it recognises them by their place and the form of their name,
and neither reads nor changes any other file in the same folder. Imports neither torch nor monai.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monai_fusion.fingerprint import digest_of
from monai_fusion.opening import NotReadableError
from monai_fusion.reading import read_json_object
from monai_fusion.store.entries import DamagedEntryError, EntryKey, read_entry
from monai_fusion.store.file_index import FILE_NAME, SourceIndex, read_source
from monai_fusion.store.stored_chain import LAYOUT, layout_folder
from monai_fusion.wording import cut

logger = logging.getLogger(__name__)

_CHAIN = re.compile(r"[0-9a-f]{16}")
_ENTRY = re.compile(r"([0-9a-f]{32})\.npy")
_LEFTOVER = re.compile(r"\.[0-9a-f]{16}\.part|[0-9a-f]{32}\.claim")
_LEFT_BEHIND_AFTER_S = 3600.0
_LARGEST_JSON = 1 << 24


@dataclass(frozen=True)
class Entry:
    """One file of the store.

    Attributes:
        path: Its place.
        size: In bytes.
        used: When it was last read, or written if the file system does not record reading; seconds since 1970.
    """

    path: Path
    size: int
    used: float

    @property
    def content(self) -> str:
        """The content hash of the source."""
        return self.path.stem


@dataclass(frozen=True)
class ChainStatus:
    """The entries of one chain of transforms.

    Attributes:
        name: The name of its folder.
        description: What the chain is, in a line.
        entries: Its entries.
    """

    name: str
    description: str
    entries: tuple[Entry, ...]

    @property
    def size(self) -> int:
        """Bytes of all entries."""
        return sum(entry.size for entry in self.entries)


@dataclass(frozen=True)
class StoreStatus:
    """What a store holds.

    Attributes:
        folder: Its folder.
        chains: Its chains.
        last_run: ``{"finished", "files", "reused"}`` of the last run that used it; empty if unknown.
        other_layouts: Folders of other versions of the store, which this version neither reads nor touches.
    """

    folder: Path
    chains: tuple[ChainStatus, ...]
    last_run: dict[str, Any]
    other_layouts: tuple[str, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries of all chains."""
        return tuple(entry for chain in self.chains for entry in chain.entries)


@dataclass
class Verification:
    """The faults that were found; empty lists mean that the store is sound.

    Attributes:
        checked: How many entries were read.
        damaged: Entries whose checksum is wrong, or which belong to another file or chain, and why; those that are
            files were removed and will be prepared again.
        sources: How many source files were read.
        replaced: Sources whose bytes changed although size, times and inode did not; the index has been corrected.
        unreadable: Sources and entries that cannot be read; they were kept.
    """

    checked: int = 0
    damaged: dict[Path, str] = field(default_factory=dict)
    sources: int = 0
    replaced: list[Path] = field(default_factory=list)
    unreadable: list[Path] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether nothing was wrong."""
        return not (self.damaged or self.replaced or self.unreadable)


def status_of(folder: str | os.PathLike[str]) -> StoreStatus:
    """Return what a store holds; empty for a folder that is not a store."""
    layout = layout_folder(folder)
    last_run = read_json_object(layout / "last_run.json", _LARGEST_JSON, follow=False) or {}
    others = [path.name for path in _listed(layout.parent) if re.fullmatch(r"v\d+", path.name) and path.name != LAYOUT]
    return StoreStatus(layout.parent, tuple(_chains(layout)), last_run, tuple(sorted(others)))


def verify(folder: str | os.PathLike[str], sources: Iterable[Path] = ()) -> Verification:
    """Compare key and checksum of every entry, and hash sources again even if their size and times are unchanged.

    Args:
        folder: The store's folder.
        sources: Source files; the store does not know where they are.
    """
    found = Verification()
    for entry in status_of(folder).entries:
        found.checked += 1
        try:
            read_entry(entry.path, EntryKey(entry.content, entry.path.parent.name))
        except FileNotFoundError:
            continue  # another process prunes the store at the same time
        except (DamagedEntryError, NotReadableError) as error:
            found.damaged[entry.path] = getattr(error, "strerror", "") or str(error)
            with suppress(OSError):
                entry.path.unlink()
        except OSError:
            found.unreadable.append(entry.path)
    index = SourceIndex(folder)
    for source in sources:
        found.sources += 1
        try:
            known = index.look_up(source)
            reading = read_source(source)
        except OSError:
            found.unreadable.append(source)
            continue
        if known is not None and known.fresh and known.content != reading.content:
            found.replaced.append(source)
            index.remember(source, reading)
    return found


def choose_for_pruning(
    status: StoreStatus, older_than_s: float | None = None, max_size: int | None = None
) -> list[Entry]:
    """Return the entries to remove: those not used for that time, then the least recently used beyond the size."""
    by_use = sorted(status.entries, key=lambda entry: entry.used)
    latest = time.time() - older_than_s if older_than_s is not None else float("-inf")
    chosen = [entry for entry in by_use if entry.used < latest]
    kept = by_use[len(chosen) :]
    if max_size is not None:
        size = sum(entry.size for entry in kept)
        for entry in kept:
            if size <= max_size:
                break
            chosen.append(entry)
            size -= entry.size
    return chosen


def prune(status: StoreStatus, chosen: Iterable[Entry]) -> int:
    """Remove entries, files that killed processes left behind, and chains' folders that are then empty.

    Returns:
        How many entries were removed. On Windows, an entry that another process has open stays.
    """
    removed = 0
    for entry in chosen:
        try:
            entry.path.unlink()
        except OSError:
            continue
        removed += 1
    layout = layout_folder(status.folder)
    for folder in [layout, *(layout / chain.name for chain in status.chains)]:
        for path in _listed(folder):
            # Other processes prune, fill and tidy up at the same time: a file that is gone or in use by now is theirs.
            with suppress(OSError):
                if _LEFTOVER.fullmatch(path.name) and time.time() - path.lstat().st_mtime > _LEFT_BEHIND_AFTER_S:
                    path.unlink()
    for chain in status.chains:
        folder = layout / chain.name
        if [path.name for path in _listed(folder)] == ["chain.json"]:
            with suppress(OSError):
                (folder / "chain.json").unlink()
                folder.rmdir()
    if (layout / FILE_NAME).is_file():
        try:
            SourceIndex(status.folder).compact(entry.content for chain in _chains(layout) for entry in chain.entries)
        except OSError as error:
            logger.debug("could not tidy up the index of source files: %s", error)
    return removed


def _chains(layout: Path) -> Iterator[ChainStatus]:
    for folder in sorted(_listed(layout)):
        if not _CHAIN.fullmatch(folder.name) or folder.is_symlink():
            continue
        entries = []
        for path in _listed(folder):
            if _ENTRY.fullmatch(path.name) and not path.is_symlink():
                with suppress(OSError):  # removed in the meantime
                    seen = path.lstat()
                    entries.append(Entry(path, seen.st_size, max(seen.st_atime, seen.st_mtime)))
        described = read_json_object(folder / "chain.json", _LARGEST_JSON, follow=False) or {}
        if not digest_of(described).startswith(folder.name):
            described = {}  # the description of another chain, or a damaged one
        yield ChainStatus(folder.name, _describe(described), tuple(entries))


def _describe(chain: dict[str, Any]) -> str:
    """``LoadVolumed(orientation=RAS) > ... [numpy 2.4.6, ...]``; omits keys and switches that are off."""
    try:
        parts = []
        for transform in chain["transforms"]:
            shown = [
                f"{name}={_short(value)}"
                for name, value in transform["parameters"].items()
                if name not in ("keys", "allow_missing_keys") and not name.startswith("_") and value is not None
            ]
            parts.append(f"{transform['class'].rpartition('.')[2]}({', '.join(shown)})")
        if "kept_as" in chain:
            parts.append(_short(chain["kept_as"]))
        libraries = ", ".join(f"{name} {version}" for name, version in sorted(chain["libraries"].items()))
        return f"{' > '.join(parts)} [{libraries}]"
    except (KeyError, TypeError, AttributeError):
        return "unknown"


def _short(value: object) -> str:
    return cut("x".join(map(str, value)) if isinstance(value, list) else str(value), at_most=40)


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
