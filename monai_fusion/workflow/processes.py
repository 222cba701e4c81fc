"""The processes of `torchrun`: how they find each other, and how one of them reports an error for all."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from ignite.distributed import utils as ignite_ranks

from monai_fusion import ranks
from monai_fusion.errors import InputError, Problem
from monai_fusion.fingerprint import digest_of

logger = logging.getLogger(__name__)

OVERLAY = "multi_gpu_train.yaml"
_TOLD = {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}
_SPEAKING_S = 10.0  # how long a process waits for another one that prints the same message
_LOST_CONTACT = ("closed by peer", "reset by peer", "broken pipe", "timed out", "remote process exited", "aborted")


def process_count() -> int:
    """Return how many processes `torchrun`, or a cluster's launcher with the same variables, started; 1 without it."""
    return int(os.environ["WORLD_SIZE"]) if os.environ.keys() >= _TOLD else 1


def refuse_several() -> None:
    """Make sure that one process runs a config for one process.

    Raises:
        InputError: `torchrun` started several, which would all write the same files.
    """
    if process_count() > 1:
        advice = f"add {OVERLAY} after train.yaml; everything else runs without torchrun"
        raise InputError(
            Problem("--config_file", seen=f"is for one process, but torchrun started {process_count()}", advice=advice)
        )


def join(device: str | torch.device, batch_size: int, timeout_minutes: float) -> None:
    """Let the processes of `torchrun` find each other; from here on, all but the first print only errors.

    Without `torchrun`, or if it started only one process, the function does nothing.

    Args:
        device: Where the network runs: ``cpu``, or ``cuda`` for one GPU per process.
        batch_size: Participants in a batch over all processes.
        timeout_minutes: A process gives up after so long without an answer of the others.

    Raises:
        InputError: The device or the batch size does not fit the number of processes.
    """
    if process_count() == 1 or ranks.is_distributed():
        return
    chosen = torch.device(device)
    if problems := [*_unsuitable_device(chosen), *_unsuitable_batch(batch_size, process_count())]:
        raise InputError(problems)
    on_gpu = chosen.type == "cuda"
    if on_gpu:
        torch.cuda.set_device(_local_rank())  # from now on "cuda" is this process's own
    # Objects and signals go over the CPU in both cases. Windows has no NCCL.
    backend = f"cpu:gloo,cuda:{'nccl' if dist.is_nccl_available() else 'gloo'}" if on_gpu else "gloo"
    hook = sys.excepthook
    dist.init_process_group(backend, timeout=timedelta(minutes=timeout_minutes))
    sys.excepthook = hook  # torch wraps it, and so loses its message, before it ends the process
    _settle_ignite()
    if not ranks.is_main():
        logging.disable(logging.WARNING)


def leave() -> None:
    """Leave the group when all processes have arrived here; does nothing in a single process."""
    if ranks.is_distributed():
        dist.barrier()
        dist.destroy_process_group()


def same_for_all(identity: Mapping[str, Any]) -> None:
    """Make sure that all processes were started for the same training. Every process must call this.

    Raises:
        InputError: A value differs from the first process's; raised on every process.
    """
    first, *others = ranks.gather({name: digest_of(value) for name, value in identity.items()})
    problems = [
        Problem(name, seen=f"differs between process 0 and process {number}")
        for number, other in enumerate(others, 1)
        for name in first
        if other.get(name) != first[name]
    ]
    if problems:
        raise InputError(problems, heading="all processes need the same command and the same files")


@contextmanager
def say_once(message: str) -> Iterator[bool]:
    """Yield whether this process prints a message: the first one that has it does, and the others wait for that."""
    store = _store()
    if store is None:
        yield True
        return
    key = digest_of(message)
    mine = store.add(f"{key}/claimed", 1) == 1
    yield mine
    if mine:
        store.set(f"{key}/printed", "")
    else:
        with suppress(RuntimeError):
            store.wait([f"{key}/printed"], timedelta(seconds=_SPEAKING_S))


def note_failure(message: str) -> None:
    """Leave a message for `torchrun`, which shows it in its own report."""
    if path := os.environ.get("TORCHELASTIC_ERROR_FILE"):
        extra = {"py_callstack": message, "timestamp": str(int(time.time()))}
        with suppress(OSError):
            Path(path).write_text(json.dumps({"message": {"message": message, "extraInfo": extra}}), encoding="utf-8")


def lost_contact(error: BaseException | None) -> str:
    """Return the text of an error that the end of another process has caused; empty for this process's own errors."""
    if not ranks.is_distributed():
        return ""
    while error is not None:
        text = str(error)
        of_group = isinstance(error, dist.DistError) or (type(error) is RuntimeError and "gloo" in text)
        if of_group and any(sign in text.lower() for sign in _LOST_CONTACT):
            return text.splitlines()[0].split(". ")[0]
        error = error.__cause__ or error.__context__
    return ""


def _local_rank() -> int:
    return int(os.environ.get("LOCAL_RANK", 0))


def _unsuitable_device(device: torch.device) -> list[Problem]:
    if device.type != "cuda":
        return []
    if device.index is not None:
        return [Problem("--device", seen=str(device), wanted="cuda", advice="each process uses a GPU of its own")]
    here, gpus = int(os.environ.get("LOCAL_WORLD_SIZE", 1)), torch.cuda.device_count()
    if here > gpus:
        return [Problem("--nproc_per_node", seen=str(here), wanted=f"at most {gpus}, the GPUs of this machine")]
    return []


def _unsuitable_batch(batch_size: int, count: int) -> list[Problem]:
    if batch_size % count == 0 and batch_size >= count:
        return []
    wanted = f"a multiple of the {count} processes, each of which takes an equal part of the batch"
    advice = f"e.g. {-(-batch_size // count) * count}"
    return [Problem("--batch_size", seen=str(batch_size), wanted=wanted, advice=advice)]


def _settle_ignite() -> None:
    """Pass the processes to ignite once, now that all have joined.

    Otherwise ignite determines them again whenever a caller asks for a rank, and all ranks must take part in that.
    Under Slurm it replaces LOCAL_RANK, which torchrun has set, by srun's number of the task.
    """
    slurm = os.environ.pop("SLURM_JOB_ID", None)
    try:
        ignite_ranks.sync()
    finally:
        if slurm is not None:
            os.environ["SLURM_JOB_ID"] = slurm


def _store() -> Any:
    """The table that torchrun keeps for its processes, which outlives each of them; None without torchrun."""
    if process_count() == 1 or os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return None
    try:
        store = dist.TCPStore(  # type: ignore[attr-defined] # torch offers it without __all__
            *(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])),
            is_master=False,
            timeout=timedelta(seconds=_SPEAKING_S),
        )
    except RuntimeError:
        return None
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return dist.PrefixStore(f"monai_fusion/messages/{attempt}", store)  # type: ignore[attr-defined] # likewise
