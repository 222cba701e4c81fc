"""The processes that train together: the number of this one, and the values on which all agree.

A *rank* is a process of `torchrun` with a device of its own; rank 0 alone writes. Without a process group there is one
rank, and every function here returns at once. If every rank must call a function, because it waits for the others, its
docstring states this.

`ignite.distributed` offers much of this, but contacts all ranks whenever one of them needs its number.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist

from monai_fusion.cores import usable_cores
from monai_fusion.errors import InputError

T = TypeVar("T")


def is_distributed() -> bool:
    """Whether this process belongs to a process group."""
    return dist.is_available() and dist.is_initialized()


def rank() -> int:
    """Return the number of this process, from 0."""
    return dist.get_rank() if is_distributed() else 0


def world_size() -> int:
    """Return the number of processes that train together."""
    return dist.get_world_size() if is_distributed() else 1


def is_main() -> bool:
    """Whether this is the process that writes files and prints messages."""
    return rank() == 0


def on_this_machine() -> int:
    """Return how many of the processes share this machine's cores."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", 1)) if is_distributed() else 1


def own_cores() -> int:
    """Return how many cores this process has to itself: the machine's, shared among its processes; at least 1."""
    return max(1, usable_cores() // on_this_machine())


def machines() -> int:
    """Return on how many machines `torchrun` started the processes."""
    return int(os.environ.get("GROUP_WORLD_SIZE", 1)) if is_distributed() else 1


def gather(value: T) -> list[T]:
    """Return the values of all ranks in their order, on every rank. Every rank must call this."""
    if world_size() == 1:
        return [value]
    values: list[Any] = [None] * world_size()
    dist.all_gather_object(values, value)
    return cast(list[T], values)


def max_over_ranks(value: int) -> int:
    """Return the largest of all ranks' values, on every rank. Every rank must call this."""
    if world_size() == 1:
        return value
    shared = torch.tensor(value, dtype=torch.int64)
    dist.all_reduce(shared, op=dist.ReduceOp.MAX)
    return int(shared)


def average_(tensors: Iterable[torch.Tensor]) -> None:
    """Replace floating-point tensors on this rank's device, in one exchange, by their means over all ranks.

    Afterwards they hold the same bits on every rank. Every rank must call this, with tensors of the same shapes.
    """
    found = list(tensors)
    if world_size() == 1 or not found:
        return
    flat = torch.cat([tensor.detach().float().flatten() for tensor in found])
    dist.all_reduce(flat)
    flat /= world_size()
    parts = torch.split(flat, [tensor.numel() for tensor in found])
    with torch.no_grad():
        for tensor, part in zip(found, parts, strict=True):
            tensor.copy_(part.view_as(tensor))


def main_first(action: Callable[[], T]) -> T:
    """Let rank 0 act, and return its result on every rank. Every rank must call this.

    Raises:
        InputError: Raised by rank 0's action, on every rank. Any other error ends rank 0, and with it the job.
    """
    outcome: T | InputError | None = None
    if is_main():
        try:
            outcome = action()
        except InputError as error:
            outcome = error
    outcome = gather(outcome)[0]
    if isinstance(outcome, InputError):
        raise outcome
    return cast(T, outcome)


def interleave(shares: Sequence[Sequence[T]]) -> list[T]:
    """Merge what rank r of W did with the items r, r + W, r + 2 W ...: the items in their original order."""
    longest = max(len(share) for share in shares)
    return [share[place] for place in range(longest) for share in shares if place < len(share)]
