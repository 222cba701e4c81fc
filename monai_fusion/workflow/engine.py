"""Running an engine so that the reason of an early end is reported and recorded."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from typing import Any, Protocol

import torch
from ignite.engine import Engine, Events
from monai.engines import Evaluator

from monai_fusion.causes import causes_of
from monai_fusion.errors import RunFailed
from monai_fusion.runs.environment import peak_gpu_memory
from monai_fusion.training.interruption import is_killed_worker, signals_ignored
from monai_fusion.workflow.gpu_reasons import is_out_of_memory
from monai_fusion.workflow.reasons import failure_behind
from monai_fusion.workflow.shared_memory import warn_of_small_shared_memory

logger = logging.getLogger(__name__)

# What to lower first if memory runs out: in training, and when all segments of a participant are encoded.
_KNOBS = {"training": ("batch_size", "mri_size"), "evaluation": ("eval_batch_size", "segment_batch_size", "mri_size")}
_GIB = 2**30


class Record(Protocol):
    """Records the course of a run, e.g. a `RunManifest`."""

    def begin(self) -> None:
        """The run starts."""

    def finish(self, engine: Engine, error: BaseException | None) -> None:
        """The run is over; ``error`` ended it early."""


def run_engine(engine: Any, knobs: Mapping[str, Any], record: Record | None = None) -> None:
    """Run a trainer or an evaluator.

    Args:
        engine: The engine; MONAI's `Trainer` or `Evaluator`.
        knobs: The values of ``batch_size``, ``eval_batch_size``, ``segment_batch_size`` and ``mri_size``, as far as
            they exist, for the message when memory runs out.
        record: Records when the run begins and how it ends.

    Raises:
        RunFailed: Memory ran out (the message names the place, the peak, and the knob to lower), or shared memory, open
            files or the disk; or a file cannot be written.
    """
    warn_of_small_shared_memory(getattr(engine, "data_loader", None))
    if record is not None:
        record.begin()
    try:
        engine.run()
    except BaseException as error:
        if getattr(engine.state, "stopped_by", None) is not None and is_killed_worker(error):
            logger.info("the data loading processes received the signal, too: this epoch's steps are dropped")
            if record is not None:
                record.finish(engine, None)
            return
        failure = _named(error, engine, knobs)
        if record is not None:
            # A full disk, a folder that is gone: that message is the important one. A third Ctrl-C waits.
            with signals_ignored(), contextlib.suppress(OSError):
                record.finish(engine, failure or error)
        if failure is None:
            raise
        raise failure from error
    if record is not None:
        record.finish(engine, None)


def _named(error: BaseException, engine: Any, knobs: Mapping[str, Any]) -> RunFailed | None:
    if any(map(is_out_of_memory, causes_of(error))):
        return _memory_failure(engine, knobs)
    if isinstance(engine, Evaluator):
        return failure_behind(error)
    return failure_behind(error, again="resume with --resume true")


def _memory_failure(engine: Any, knobs: Mapping[str, Any]) -> RunFailed:
    # A trainer that validates runs the handlers of the end of its epoch.
    evaluates = isinstance(engine, Evaluator) or engine.last_event_name == Events.EPOCH_COMPLETED
    doing = "evaluation" if evaluates else "training"
    device = torch.device(engine.state.device)
    where = "GPU memory" if device.type == "cuda" else "memory"
    peak = peak_gpu_memory() if device.type == "cuda" else None
    seen = ""
    if peak is not None:
        total = torch.cuda.get_device_properties(device).total_memory
        seen = f"; peak {peak / _GIB:.1f} GiB of {total / _GIB:.1f} GiB"
    lower = [f"--{name} (now {knobs[name]})" for name in _KNOBS[doing] if knobs.get(name, 1) != 1]
    *first, last = lower or ["use smaller batches or volumes"]
    advice = f"{'lower ' if lower else ''}{', '.join(first)}{' or ' if first else ''}{last}"
    if device.type == "cuda" and getattr(getattr(engine, "data_loader", None), "held", False):
        advice += ", or add --device_data false: the training data are on the GPU"
    others = "; nvidia-smi lists the other programs that use this GPU's memory" if device.type == "cuda" else ""
    stage = f"{'validation' if evaluates else doing}, epoch {engine.state.epoch}"
    if isinstance(engine, Evaluator):
        stage = doing
    return RunFailed(f"out of {where} in {stage}{seen}", f"{advice}{others}")
