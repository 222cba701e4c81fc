"""`EEGDataset` and `MRIDataset`: one item a file, prepared once and served from the store."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from monai.data import CacheDataset
from monai.transforms import Compose, RandomizableTrait, Transform
from tqdm import tqdm

from monai_fusion.data.store import SourceIndex, StoredChain
from monai_fusion.errors import InputError, Problem, input_error_behind
from monai_fusion.keys import EEG, MRI, PARTICIPANT_ID

logger = logging.getLogger(__name__)


class _RecordingDataset(CacheDataset):
    """A `CacheDataset` of one kind of recording whose cache is the store on disk.

    The transforms up to the first random one run once for each file; their result is kept in ``cache_dir`` and mapped
    into memory when an item is asked for. Without ``cache_dir`` the results stay in memory, as in `CacheDataset`.

    Args:
        data: Items with the path of a recording, ``participant_id`` and, where known, ``label``.
        transform: Deterministic transforms (from a path to a tensor), then random ones.
        cache_dir: Folder of the store, shared by any number of datasets, runs and processes.
        num_workers: Threads that prepare files; None for one a core.
        progress: Whether to show a progress bar while files are prepared.
        **kwargs: Further arguments of `CacheDataset` (``cache_rate``, ``cache_num``).

    Attributes:
        prepared: How many files were prepared, not reused, when the dataset was filled.

    Raises:
        InputError: Files that cannot be read or are not what they should be; all of them, with their participants.
    """

    recording: ClassVar[str]
    title: ClassVar[str]

    def __init__(
        self,
        data: Sequence[dict[str, Any]],
        transform: Sequence[Callable[..., Any]] | Compose,
        cache_dir: str | os.PathLike[str] | None = None,
        num_workers: int | None = None,
        progress: bool = True,
        **kwargs: Any,
    ) -> None:
        compose = transform if isinstance(transform, Compose) else Compose(transform)
        self._first_random = compose.get_index_of_first(
            lambda t: isinstance(t, RandomizableTrait) or not isinstance(t, Transform)
        )
        self._chain: StoredChain | None = None
        self._index: SourceIndex | None = None
        if cache_dir is not None:
            self._chain = StoredChain(cache_dir, compose.transforms[: self._first_random])
            self._index = SourceIndex(cache_dir)
        workers = num_workers or os.cpu_count() or 1
        # A mapped entry is copy-on-write: random transforms need no deep copy to leave it untouched.
        super().__init__(data, compose, num_workers=workers, progress=progress, copy_cache=cache_dir is None, **kwargs)

    @property
    def chain_digest(self) -> str | None:
        """What the deterministic transforms are, as 32 hexadecimal digits; None without a store."""
        return self._chain.digest if self._chain else None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the index out: a spawned worker only reads entries."""
        return {**self.__dict__, "_index": None}

    def _fill_cache(self, indices: Sequence[int] | None = None) -> list[Any]:
        wanted = range(self.cache_num) if indices is None else indices
        started = time.perf_counter()
        self.prepared = 0
        problems: list[Problem] = []
        filled: list[Any] = []
        with ThreadPoolExecutor(self.num_workers) as pool:
            results = pool.map(self._try_cache_item, wanted)
            shown = tqdm(results, total=len(wanted), desc=f"preparing {self.title}", leave=False, disable=_bar(self))
            for entry, found in shown:
                filled.append(entry)
                problems.extend(found)
        if self._index is not None:
            self._index.save()
        if problems:
            raise InputError(problems, heading=f"{self.title} files")
        if self._chain is not None:
            seconds = time.perf_counter() - started
            reused = len(filled) - self.prepared
            level = logging.INFO if self.prepared else logging.DEBUG  # a rerun need not say it for each part again
            logger.log(level, "%s: prepared %d files, reused %d, %.1f s", self.title, self.prepared, reused, seconds)
        return filled

    def _try_cache_item(self, index: int) -> tuple[Any, tuple[Problem, ...]]:
        try:
            return self._load_cache_item(index), ()
        except (InputError, RuntimeError) as error:  # MONAI wraps what a transform raises into RuntimeError
            cause = input_error_behind(error)
            if cause is None:
                raise
            return None, tuple(_of_participant(problem, self.data[index]) for problem in cause.problems)

    def _load_cache_item(self, idx: int) -> Any:
        """Return what `_cache` keeps for an item: the content hash with a store, else the prepared item itself."""
        if self._chain is None or self._index is None:
            return super()._load_cache_item(idx)
        source = self.data[idx][self.recording]
        try:
            content = self._index.content_of(source)
        except OSError as error:
            raise InputError(_unreadable(source, self.recording, error)) from error
        if not self._chain.has(content):
            array = self._prepare(idx)
            if self._index.content_of(source) != content:
                raise InputError(Problem(Path(source).name, self.recording, "the file changed while it was being read"))
            self._chain.write(content, array)
            self.prepared += 1
        return content

    def _prepare(self, index: int) -> np.ndarray:
        """Run the deterministic transforms on a source file."""
        item = self.transform(dict(self.data[index]), end=self._first_random, threading=True)
        return np.ascontiguousarray(torch.as_tensor(item[self.recording]).numpy())

    def _transform(self, index: int) -> Any:
        if self._chain is None or not index % len(self) < self.cache_num:
            return super()._transform(index)
        array = self._chain.read(self._cache[index])
        if array is None:  # damaged or deleted after it was filled, or the disk was full
            array = self._prepare(index)
        item = {**self.data[index], self.recording: torch.from_numpy(array)}
        if self._first_random is None:
            return item
        return self.transform(item, start=self._first_random)

    def draw(self, index: int, seed: int) -> dict[str, Any]:
        """Return item ``index`` with its random transforms seeded by ``seed``."""
        self.transform.set_random_state(seed=seed)
        item: dict[str, Any] = self[index]
        return item


class EEGDataset(_RecordingDataset):
    """One item for each EEG segment: ``eeg`` [electrode, frequency, time] float32, ``label``, ``participant_id``."""

    recording = EEG
    title = "EEG"


class MRIDataset(_RecordingDataset):
    """One item for each MRI: ``mri`` [channels, T, H, W] float32, ``label``, ``participant_id``.

    Args:
        channels: 1, or 3 for a network that insists on video input: an expanded view, never a copy.
    """

    recording = MRI
    title = "MRI"

    def __init__(self, *args: Any, channels: int = 1, **kwargs: Any) -> None:
        if channels not in (1, 3):
            raise ValueError(f"channels must be 1 or 3, got {channels}")
        self.channels = channels
        super().__init__(*args, **kwargs)

    def _transform(self, index: int) -> Any:
        item = super()._transform(index)
        if self.channels == 1:
            return item
        volume = item[MRI]
        return {**item, MRI: volume.expand(self.channels, *volume.shape[1:])}


def _bar(dataset: CacheDataset) -> bool | None:
    """What tqdm's ``disable`` takes: None shows the bar on terminals only."""
    return None if dataset.progress else True


def _of_participant(problem: Problem, item: dict[str, Any]) -> Problem:
    """Let a problem with a file begin with the participant it belongs to."""
    return replace(problem, where=f"{item[PARTICIPANT_ID]} {problem.field} {problem.where}", field="")


def _unreadable(source: str, recording: str, error: OSError) -> Problem:
    return Problem(source, recording, error.strerror or str(error), "a readable file")
