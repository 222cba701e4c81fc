"""Prepared recordings on the device of the training, or on their way to it, in the type in which they are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from tqdm import tqdm

from monai_fusion import ranks
from monai_fusion.data.recordings import RecordingDataset
from monai_fusion.errors import InputError, Problem
from monai_fusion.messages import hide_bars

_HALF = 32768  # uint16 travels as int16, less this: few operations of a device take uint16
_TYPES = {"float32": torch.float32, "float16": torch.float16, "uint16": torch.int16}


class Request(NamedTuple):
    """The recordings of a batch, while they are fetched.

    Attributes:
        rows: What `Source.take` needs on the device; None for nothing.
        values: The recordings in the processor's memory, ``[n, ...]``; None if the device has them.
        filled: Each ends when a recording is in ``values``; see `StreamedRecordings`.
    """

    rows: np.ndarray | None = None
    values: torch.Tensor | None = None
    filled: Sequence[Future[np.ndarray | None]] = ()


class Source(Protocol):
    """Gives the recordings of one kind, by their places in their dataset.

    Attributes:
        shape: The shape of each recording.
    """

    shape: tuple[int, ...]

    def request(self, places: Sequence[int]) -> Request:
        """Begin to fetch the recordings of a batch."""

    def take(self, request: Request, rows: torch.Tensor | None) -> torch.Tensor:
        """Return them as float32 in memory of their own ``[n, ...]``, on the device; ``rows`` as in the request."""


class HeldRecordings:
    """All recordings of a dataset, or some of them, in one tensor on a device; read when it is made.

    Args:
        dataset: The prepared recordings of one kind.
        places: Which of them, in this order; None for all.
        device: Where they are held.
        progress: Whether to show a progress bar.

    Attributes:
        shape: The shape of each recording.
        values: All of them ``[N, ...]``, as they are kept (uint16 less 32768, as int16).

    Raises:
        InputError: The recordings differ in shape, or one cannot be read.
    """

    def __init__(
        self,
        dataset: RecordingDataset,
        places: Sequence[int] | None,
        device: torch.device,
        progress: bool = True,
    ) -> None:
        wanted = range(len(dataset)) if places is None else places
        self._rows = None if places is None else {place: row for row, place in enumerate(places)}
        first = dataset.kept(wanted[0])
        self.shape = first.shape
        self._dtype = dataset.kept_dtype
        self.values = torch.empty(len(wanted), *first.shape, dtype=_TYPES[self._dtype], device=device)
        if not self._fill(dataset, wanted, progress):  # a value that the type cannot hold
            self._dtype = "float32"
            self.values = torch.empty(len(wanted), *first.shape, device=device)
            self._fill(dataset, wanted, progress)

    def request(self, places: Sequence[int]) -> Request:
        """Return the rows of the recordings."""
        known = self._rows
        return Request(np.array(places if known is None else [known[place] for place in places], dtype=np.int64))

    def take(self, request: Request, rows: torch.Tensor | None) -> torch.Tensor:
        """Gather the rows."""
        assert rows is not None  # noqa: S101 # the request has them
        return as_floats(self.values.index_select(0, rows), self._dtype)

    def between(self, first: int, end: int) -> torch.Tensor:
        """Return the recordings of consecutive rows as float32; without a copy if they are held as such."""
        return as_floats(self.values[first:end], self._dtype)

    def _fill(self, dataset: RecordingDataset, places: Sequence[int], progress: bool) -> bool:
        """Read everything, and return whether all of it is of the type."""

        def read(row: int) -> bool:
            array = _kept(dataset, places[row], self.shape)
            fits = str(array.dtype) == self._dtype or self._dtype == "float32"
            if fits:
                self.values[row].copy_(_as_held(array, self._dtype))
            return fits

        with ThreadPoolExecutor(ranks.own_cores()) as pool:
            try:
                title = f"reading {dataset.title}"
                found = pool.map(read, range(len(places)))
                bar = tqdm(found, total=len(places), desc=title, leave=False, disable=hide_bars(not progress or None))
                return all(bar)
            finally:
                pool.shutdown(cancel_futures=True)  # after an error or Ctrl-C, the rest need not be read


class StreamedRecordings:
    """Recordings that threads read from the store for each batch; they travel while the device computes.

    Args:
        dataset: The prepared recordings of one kind.
        device: Where batches are needed.
        pool: The threads; None reads in the caller.

    Attributes:
        shape: The shape of each recording.
    """

    def __init__(self, dataset: RecordingDataset, device: torch.device, pool: ThreadPoolExecutor | None) -> None:
        self._dataset, self._device, self._pool = dataset, device, pool
        self._dtype = dataset.kept_dtype
        self.shape = dataset.kept(0).shape
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call] # of torch

    def request(self, places: Sequence[int]) -> Request:
        """Begin to read; a recording whose values the type cannot hold becomes its future's result instead."""
        pinned = self._stream is not None
        values = torch.empty(len(places), *self.shape, dtype=_TYPES[self._dtype], pin_memory=pinned)
        begin = self._pool.submit if self._pool is not None else _done
        return Request(None, values, [begin(self._read, *pair) for pair in zip(places, values, strict=True)])

    def take(self, request: Request, rows: torch.Tensor | None) -> torch.Tensor:
        """Wait until everything is read, and send it."""
        others = {row: found for row, each in enumerate(request.filled) if (found := each.result()) is not None}
        assert request.values is not None  # noqa: S101 # the request has them
        batch = as_floats(self._sent(request.values), self._dtype)
        for row, array in others.items():
            batch[row] = torch.from_numpy(array).to(self._device)
        return batch

    def _sent(self, values: torch.Tensor) -> torch.Tensor:
        if self._stream is None:
            return values.to(self._device)
        with torch.cuda.stream(self._stream):  # beside the step that computes
            sent = values.to(self._device, non_blocking=True)
        current = torch.cuda.current_stream(self._device)
        current.wait_stream(self._stream)
        sent.record_stream(current)
        return sent

    def _read(self, place: int, target: torch.Tensor) -> np.ndarray | None:
        array = _kept(self._dataset, place, self.shape)
        if str(array.dtype) != self._dtype:
            return array
        target.copy_(_as_held(array, self._dtype))
        return None


def _kept(dataset: RecordingDataset, place: int, shape: tuple[int, ...]) -> np.ndarray:
    array = dataset.kept(place)
    if array.shape != shape:
        seen = f"its shape is {array.shape}, that of the first one {shape}"
        raise InputError(Problem(dataset.name_of(place), seen=seen, wanted="one shape for all"))
    return array


def _done(function: Callable[..., Any], *arguments: Any) -> Future[Any]:
    """Call a function at once."""
    future: Future[Any] = Future()
    future.set_result(function(*arguments))
    return future


def bytes_of(dataset: RecordingDataset, count: int) -> int:
    """Return how much memory some recordings of a dataset take as they are kept; reads one of them."""
    return dataset.kept(0).nbytes * count if count else 0


def as_floats(values: torch.Tensor, dtype: str) -> torch.Tensor:
    """Return held values as float32, with the numbers of `monai_fusion.store.storage_types.decode`."""
    if dtype == "uint16":
        return values.to(torch.float32).add_(_HALF).mul_(float(np.float32(1) / np.float32(65535)))
    return values.to(torch.float32)


def _as_held(array: np.ndarray, dtype: str) -> torch.Tensor:
    if dtype == "uint16":
        return torch.from_numpy(array.view(np.int16) ^ np.int16(-_HALF))
    return torch.from_numpy(array)
