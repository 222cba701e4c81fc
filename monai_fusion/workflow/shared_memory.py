"""Whether /dev/shm has room for the batches that data loading processes hand over."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

logger = logging.getLogger(__name__)

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 # Linux's, which torch uses; nothing is written to it here
_MB = 1e6


def warn_of_small_shared_memory(loader: object, folder: Path = SHARED_MEMORY) -> None:
    """Warn if the batches in transit may not fit into shared memory, which is 64 MB in a Docker container.

    Args:
        loader: The engine's data loader; there is no warning for one without processes of its own, or outside Linux.
        folder: Where shared memory is.
    """
    if not isinstance(loader, DataLoader) or loader.num_workers == 0 or not _is_looked_at(folder):
        return
    free = shared_memory_free(folder)
    batch = bytes_in_batch(loader)
    ahead = loader.prefetch_factor or 2
    needed = batch * ahead * loader.num_workers
    if free < needed:
        logger.warning(
            "shared memory (/dev/shm) has %.0f MB left, the batches in transit take up to %.0f MB (%d processes x %d"
            " batches of %.0f MB): if it runs out, add --num_workers 0, or start the container with --shm-size %.0fg",
            *(free / _MB, needed / _MB, loader.num_workers, ahead, batch / _MB, max(1, -(-2 * needed // 1e9))),
        )


def shared_memory_free(folder: Path = SHARED_MEMORY) -> int:
    """Return how many more bytes it can hold."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def bytes_in_batch(loader: DataLoader[Any]) -> int:
    """Return how many bytes the tensors of a batch have, from one participant; 0 if that one cannot be read."""
    try:
        item = loader.dataset[next(iter(loader.sampler))]
    except Exception:  # the run itself will report what is wrong with it
        return 0
    return sum(tensor.nbytes for tensor in _tensors_in(item)) * (loader.batch_size or 1)


def _is_looked_at(folder: Path) -> bool:
    return sys.platform == "linux" and folder.is_dir()


def _tensors_in(item: Any) -> Iterable[torch.Tensor]:
    if isinstance(item, torch.Tensor):
        yield item
    elif isinstance(item, Mapping):
        for value in item.values():
            yield from _tensors_in(value)
    elif isinstance(item, list | tuple):
        for value in item:
            yield from _tensors_in(value)
