"""Running an engine so that what ends it early is said and noted."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Mapping
from typing import Any, Protocol

import torch
from ignite.engine import Engine, Events
from monai.engines import Evaluator

from monai_fusion.errors import RunFailed, causes_of

# How torch and the libraries under it say that no memory is left, besides `torch.OutOfMemoryError`.
_NO_MEMORY = (
    "CUDA error: out of memory",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "DefaultCPUAllocator",
)
# What to lower first where memory runs out: in training, and where all segments of a participant are encoded.
_KNOBS = {"training": ("batch_size", "mri_size"), "evaluation": ("segments_at_once", "mri_size")}
_GIB = 2**30


class Record(Protocol):
    """What notes how a run went, e.g. a `RunManifest`."""

    def begin(self) -> None:
        """The run starts."""

    def finish(self, engine: Engine, error: BaseException | None) -> None:
        """The run is over; ``error`` is what ended it early."""


def run_engine(engine: Any, knobs: Mapping[str, Any], record: Record | None = None) -> None:
    """Run a trainer or an evaluator.

    Args:
        engine: The engine; MONAI's `Trainer` or `Evaluator`.
        knobs: The values of ``batch_size``, ``segments_at_once`` and ``mri_size``, as far as they exist, for the
            message when memory runs out.
        record: Is told when the run begins and how it ends.

    Raises:
        RunFailed: Memory ran out (the message says where, the peak, and which knob to lower), or the disk is full.
    """
    if record is not None:
        record.begin()
    try:
        engine.run()
    except BaseException as error:
        failure = _named(error, engine, knobs)
        if record is not None:
            with contextlib.suppress(OSError):  # a full disk: its message is the one that counts
                record.finish(engine, failure or error)
        if failure is None:
            raise
        raise failure from error
    if record is not None:
        record.finish(engine, None)


def peak_gpu_memory() -> int | None:
    """Return the most bytes that tensors of this process took on one GPU so far; None if it uses none."""
    if not torch.cuda.is_available():
        return None
    return max(torch.cuda.max_memory_allocated(device) for device in range(torch.cuda.device_count())) or None


def _named(error: BaseException, engine: Any, knobs: Mapping[str, Any]) -> RunFailed | None:
    for cause in causes_of(error):
        if _is_out_of_memory(cause):
            return _memory_failure(engine, knobs)
        if isinstance(cause, OSError) and cause.errno == errno.ENOSPC:
            advice = "make room and go on with --resume true: what was written before is complete"
            return RunFailed(f"no space left to write to{f': {cause.filename}' if cause.filename else ''}", advice)
    return None


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _NO_MEMORY)


def _memory_failure(engine: Any, knobs: Mapping[str, Any]) -> RunFailed:
    # A trainer that validates is in the handlers of the end of its epoch.
    evaluates = isinstance(engine, Evaluator) or engine.last_event_name == Events.EPOCH_COMPLETED
    doing = "evaluation" if evaluates else "training"
    device = torch.device(engine.state.device)
    where = "GPU memory" if device.type == "cuda" else "memory"
    peak = peak_gpu_memory() if device.type == "cuda" else None
    seen = ""
    if peak is not None:
        total = torch.cuda.get_device_properties(device).total_memory
        seen = f"; peak {peak / _GIB:.1f} GiB of {total / _GIB:.1f} GiB"
    lower = [f"--{name} (now {knobs[name]})" for name in _KNOBS[doing] if name in knobs]
    advice = f"lower {' or '.join(lower)}" if lower else "take smaller batches or volumes"
    others = "; nvidia-smi says which other programs hold memory of this GPU" if device.type == "cuda" else ""
    stage = f"{'validation' if evaluates else doing}, epoch {engine.state.epoch}"
    if isinstance(engine, Evaluator):
        stage = doing
    return RunFailed(f"out of {where} in {stage}{seen}", f"{advice}{others}")
