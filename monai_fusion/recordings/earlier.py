"""What an earlier run left of a recording: finished, to be replaced, or made from another recording."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_fusion.errors import InputError, Problem
from monai_fusion.output_folder import remove_all
from monai_fusion.reading import read_json_object
from monai_fusion.recordings.sidecars import Origin
from monai_fusion.sidecar import ENDING, MOST_BYTES, is_sidecar, is_whole
from monai_fusion.wording import a_few


@dataclass(frozen=True, slots=True)
class Earlier:
    """The sidecars of a recording's stem that are there.

    Attributes:
        out: The folder.
        own: Those of this recording, ``{path: content}``; also of another stem, where the same file had another name
            beside fewer recordings (``sub-07`` before there was a second task, then ``sub-07_task-rest``).
        foreign: Those of others.
    """

    out: Path
    own: dict[Path, dict[str, Any]]
    foreign: dict[Path, dict[str, Any]]

    @classmethod
    def read(cls, out: Path, stem: str, origin: Origin) -> Earlier:
        """Read the sidecars of a stem: ``STEM_CONDITION_scalogram.json``."""
        own: dict[Path, dict[str, Any]] = {}
        foreign: dict[Path, dict[str, Any]] = {}
        participant = stem.partition("_")[0]
        for path in sorted(out.iterdir()) if out.is_dir() else ():
            if not (path.name.startswith(f"{participant}_") and path.name.endswith(ENDING)):
                continue
            condition = path.name.removeprefix(f"{stem}_").removesuffix(ENDING)
            is_ours = path.name == f"{stem}_{condition}{ENDING}" and condition.isalnum()
            content = read_json_object(path, MOST_BYTES) or {}
            if is_ours:
                (own if is_sidecar(content) and origin.is_of(content) else foreign)[path] = content
            elif is_sidecar(content) and origin.is_at(content):
                own[path] = content
        return cls(out, own, foreign)

    def finished(self, sidecars: Sequence[Path], digest: str) -> list[dict[str, Any]] | None:
        """The sidecars' contents if all that would be written is there already, made in the same way; else None."""
        if not sidecars or set(self.own) != set(sidecars):
            return None
        contents = [self.own[path] for path in sidecars]
        whole = all(
            is_whole(content) and content.get("MadeWith") == digest and self._has_all(content) for content in contents
        )
        return contents if whole else None

    def _has_all(self, content: dict[str, Any]) -> bool:
        sizes = [_size(self.out / name) for name in _listed(content)]
        return all(size == content.get("FileBytes") for size in sizes)

    def refuse_foreign(self, sidecars: Iterable[Path], planned: Iterable[str], overwrite: bool) -> None:
        """Refuse to replace what no earlier run has made of this recording.

        Raises:
            InputError: A file of that name is there, and `overwrite` is not wanted.
        """
        if overwrite:
            return
        if made_of := [self.foreign[path] for path in sidecars if path in self.foreign]:
            sources = made_of[0].get("Sources")
            first = (
                sources[0].get("File")
                if isinstance(sources, list) and sources and isinstance(sources[0], dict)
                else None
            )
            seen = f"holds scalograms of the same names, made from another recording ({first or 'unknown'})"
            advice = "rename one of the recordings, name another folder, or give --overwrite"
            raise InputError(Problem(str(self.out), seen=seen, advice=advice))
        ours = {name for content in self.own.values() for name in _listed(content)}
        if there := [name for name in planned if name not in ours and (self.out / name).exists()]:
            advice = "no sidecar says where they come from: name another folder, or give --overwrite"
            raise InputError(Problem(str(self.out), seen=f"holds {a_few(there)} already", advice=advice))

    def make_room(self, planned: Iterable[str], sidecars: Sequence[Path]) -> int:
        """Remove what earlier runs have made of this recording; nothing that no sidecar of ours lists.

        Args:
            planned: Files that will be written: they are replaced, not removed.
            sidecars: The sidecars that will be written.

        Returns:
            How many scalograms were removed that will not be written again.

        Raises:
            InputError: One cannot be removed; all are where they were.
        """
        keep = set(planned)
        # With --overwrite, also what another recording's sidecar lists that is replaced.
        replaced = [self.foreign[path] for path in sidecars if is_sidecar(self.foreign.get(path))]
        listed = {name for content in (*self.own.values(), *replaced) for name in _listed(content)}
        stale = [self.out / name for name in sorted(listed - keep) if (self.out / name).exists()]
        remove_all([*stale, *(path for path in self.own if path not in set(sidecars))])
        return len(stale)


def _listed(content: dict[str, Any]) -> list[str]:
    """The files that a sidecar lists: names of scalograms only, whatever else stands there."""
    files = content.get("Files")
    return [name for name in files if isinstance(name, str) and _is_scalogram(name)] if isinstance(files, list) else []


def _is_scalogram(name: str) -> bool:
    """Whether it can be a name that we gave: no path."""
    stem, mark, number = name.removesuffix(".npy").rpartition("_seg")
    return (
        bool(mark)
        and number.isdigit()
        and Path(name).name == name
        and name == f"{stem}_seg{number}.npy"
        and "\\" not in name
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
