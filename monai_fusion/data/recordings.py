"""`EEGDataset` and `MRIDataset`: one item per file, prepared once and served from the store."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from typing import Any, ClassVar

import numpy as np
import torch
from monai.data import CacheDataset
from monai.transforms import Compose
from tqdm import tqdm

from monai_fusion import ranks
from monai_fusion.data.preprocessing import TITLES
from monai_fusion.errors import InputError, Problem, input_error_behind
from monai_fusion.keys import EEG, MRI
from monai_fusion.messages import hide_bars
from monai_fusion.store.filling import FillReport, fill, of_participant
from monai_fusion.store.preparing import PreparationChain
from monai_fusion.store.runners import Runner, Threads
from monai_fusion.store.storage_types import encode

logger = logging.getLogger(__name__)


class RecordingDataset(CacheDataset):
    """A `CacheDataset` of one kind of recording whose cache is the store on disk.

    The chain runs once for each file; the store keeps its result, which is read when an item is requested. Without a
    store, the results stay in memory, as in `CacheDataset`.

    Args:
        data: Items with the path of a recording, ``participant_id`` and, where known, ``label``.
        chain: The transforms computed once, one of `Preprocessing`'s chains.
        augmentation: The transforms computed each time, mostly random ones.
        num_workers: Threads that prepare files; None for one per core.
        progress: Whether to show a progress bar while files are prepared.
        runner: Where files are prepared; None for ``num_workers`` threads.
        **kwargs: Further arguments of `CacheDataset` (``cache_rate``, ``cache_num``).

    Attributes:
        report: What was done when the dataset was filled.

    Raises:
        InputError: Files that cannot be read or are not what they should be; all of them, with their participants.
    """

    recording: ClassVar[str]

    def __init__(
        self,
        data: Sequence[dict[str, Any]],
        chain: PreparationChain,
        augmentation: Sequence[Callable[..., Any]] = (),
        num_workers: int | None = None,
        progress: bool = True,
        runner: Runner | None = None,
        **kwargs: Any,
    ) -> None:
        self._chain = chain
        self._augmented = bool(augmentation)
        self._runner = runner
        self.report = FillReport()
        compose = Compose([*chain.transforms, *augmentation])
        progress = progress and ranks.is_main()
        super().__init__(data, compose, num_workers=num_workers or ranks.own_cores(), progress=progress, **kwargs)

    @property
    def title(self) -> str:
        """The name of the recordings."""
        return TITLES[self.recording]

    @property
    def chain_digest(self) -> str | None:
        """The digest of the deterministic transforms, 32 hexadecimal digits; None without a store."""
        return self._chain.stored.digest if self._chain.stored else None

    @property
    def prepared(self) -> int:
        """How many files were prepared, not reused, when the dataset was filled."""
        return self.report.prepared

    def __getstate__(self) -> dict[str, Any]:
        """Leave out how the dataset was filled: a spawned worker only reads entries."""
        return {**self.__dict__, "_runner": None}

    def _fill_cache(self, indices: Sequence[int] | None = None) -> list[Any]:
        wanted = range(self.cache_num) if indices is None else indices
        # For all items, the data itself, which makes an item on request: a list would hold all of them.
        whole = len(wanted) == len(self.data)
        items: Sequence[dict[str, Any]] = self.data if whole else [self.data[index] for index in wanted]
        runner = self._runner or Threads(self.num_workers)
        if self._chain.stored is None:
            return self._fill_memory(items)
        contents, self.report = fill(self._chain, items, runner, self.title, self.progress)
        # A rerun need not report for each part again that there was nothing to do.
        logger.log(logging.INFO if self.report.prepared else logging.DEBUG, "%s: %s", self.title, self.report)
        return contents

    def _fill_memory(self, items: Sequence[dict[str, Any]]) -> list[Any]:
        with ThreadPoolExecutor(self.num_workers) as pool:
            results = pool.map(self._try_to_compute, items)
            disable = hide_bars(None if self.progress else True)
            shown = list(tqdm(results, total=len(items), desc=f"preparing {self.title}", leave=False, disable=disable))
        if problems := [problem for _, found in shown for problem in found]:
            raise InputError(problems, heading=f"{self.title} files")
        return [item for item, _ in shown]

    def _try_to_compute(self, item: dict[str, Any]) -> tuple[dict[str, Any], tuple[Problem, ...]]:
        try:
            return self._with_array(item, self._chain.compute(item)), ()
        except (InputError, RuntimeError) as error:  # MONAI wraps what a transform raises into RuntimeError
            cause = input_error_behind(error)
            if cause is None:
                raise
            return item, of_participant(cause.problems, item)

    def _with_array(self, item: dict[str, Any], array: np.ndarray) -> dict[str, Any]:
        return {**item, self.recording: torch.from_numpy(array)}

    def _transform(self, index: int) -> Any:
        if index % len(self) >= self.cache_num:
            return super()._transform(index)
        if self._chain.stored is None:
            item = deepcopy(self._cache[index]) if self._augmented else self._cache[index]
        else:  # an entry is read into memory of its own each time: augmentation may change it
            array = self._chain.load(self._cache[index])
            if array is None:  # damaged or deleted after the dataset was filled, or the disk was full
                array = self._prepare_again(index)
            item = self._with_array(self.data[index], array)
        return self.transform(item, start=len(self._chain.transforms)) if self._augmented else item

    def _prepare_again(self, index: int) -> np.ndarray:
        array, content = self._chain.read_and_compute(self.data[index])
        if content != self._cache[index]:
            logger.warning("%s: %s changed since the run began", self.title, self.data[index][self.recording])
        return array

    def kept(self, index: int) -> np.ndarray:
        """Return a recording as it is kept, before augmentation: in the type of the store, or float32.

        It is float32 in spite of another type of the store where that type cannot hold its values.
        """
        if self._chain.stored is None:
            return encode(self._cache[index][self.recording].numpy(), self._chain.dtype)
        array = self._chain.load_kept(self._cache[index])
        return encode(self._prepare_again(index), self._chain.dtype) if array is None else array

    def name_of(self, index: int) -> str:
        """The file of a recording."""
        return str(self.data[index][self.recording])

    @property
    def kept_dtype(self) -> str:
        """The type in which recordings are kept."""
        return self._chain.dtype

    @property
    def augmentation(self) -> Sequence[Any]:
        """The transforms computed in each draw."""
        return self.transform.transforms[len(self._chain.transforms) :]

    def draw(self, index: int, seed: int) -> dict[str, Any]:
        """Return item ``index`` with its random transforms seeded by ``seed``."""
        self.transform.set_random_state(seed=seed)
        item: dict[str, Any] = self[index]
        return item


class EEGDataset(RecordingDataset):
    """One item for each EEG segment: ``eeg`` [electrode, frequency, time] float32, ``label``, ``participant_id``."""

    recording = EEG


class MRIDataset(RecordingDataset):
    """One item for each MRI: ``mri`` [channels, T, H, W] float32, ``label``, ``participant_id``.

    Args:
        channels: 1, or 3 for a network that insists on video input: an expanded view, never a copy.
    """

    recording = MRI

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
