"""The training step: MONAI's own, or on a GPU its recording as a CUDA graph."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from monai.engines import IterationEvents
from monai.utils import CommonKeys
from torch import Tensor

from monai_fusion import ranks
from monai_fusion.causes import causes_of
from monai_fusion.datalist.availability import BOTH_REQUIRED, ModalityPolicy
from monai_fusion.errors import InputError, Problem, RunFailed
from monai_fusion.keys import EEG, LABEL, MRI
from monai_fusion.training.accumulation import batches_in_step
from monai_fusion.training.captured_step import CapturedStep, CudaGraph, Recorder, StepInputs

logger = logging.getLogger(__name__)

WARM_UP = 2
"""Steps of a stage that run as usual before the recording: the first ones load libraries and choose kernels."""


class TrainingStep:
    """What a `SupervisedTrainer` does in an iteration (its ``iteration_update``).

    A step of a small batch takes a GPU as long as Python needs to launch its kernels one by one. If the step is static,
    forward pass, loss and backward pass are recorded once in each stage, as a CUDA graph, and launched at once from
    then on. Clipping, the optimiser and all handlers run as usual, and so does an epoch's last, smaller batch. The
    numbers are those of a step without a graph.

    Args:
        cuda_graphs: Whether steps are recorded; None for wherever that is possible.
        device: Where the training runs.
        precision: As `resolve_precision` returns it.
        use: Which recordings a participant may lack.
        recorder: Makes the recorder of a step; None for CUDA graphs.

    Attributes:
        obstacle: Why no steps are recorded; None if they are.

    Raises:
        InputError: ``cuda_graphs`` is True, and steps cannot be recorded; in a training, if that shows only there.
    """

    def __init__(
        self,
        cuda_graphs: bool | None,
        device: str | torch.device,
        precision: str = "float32",
        use: ModalityPolicy = BOTH_REQUIRED,
        recorder: Callable[[], Recorder] | None = None,
    ) -> None:
        self._device = torch.device(device)
        self.obstacle = None if recorder is not None else _obstacle(self._device, precision, use)
        self._required = cuda_graphs is True
        if self._required and self.obstacle is not None:
            raise _refusal(self.obstacle)
        if cuda_graphs is False:
            self.obstacle = "--cuda_graphs false"
        self._new_recorder = recorder or self._cuda_graph
        self._stream: torch.cuda.Stream | None = None
        self._captured: CapturedStep | None = None
        self._engine: Any = None  # whose inferer and loss the recording has
        self._shapes: tuple[torch.Size, ...] = ()
        self._steps = 0

    def __str__(self) -> str:
        """``on``, or ``off`` with the reason."""
        return "on" if self.obstacle is None else f"off ({self.obstacle})"

    def __call__(self, engine: Any, batchdata: Mapping[str, Any]) -> dict[str, Any]:
        """Train on a batch; returns what `SupervisedTrainer` returns, of a recorded step without autograd's history."""
        captured = self._captured_for(engine, batchdata)
        if captured is not None:
            return _replay(engine, batchdata, captured)
        with self._beside():
            return _as_usual(engine, batchdata)

    def _captured_for(self, engine: Any, batchdata: Mapping[str, Any]) -> CapturedStep | None:
        """The recording that computes this batch, made now if it is time; None if it runs as usual."""
        if self.obstacle is not None:
            return None
        shapes = tuple(batchdata[name].shape for name in (EEG, MRI, LABEL))
        if engine is not self._engine or (self._captured and not self._captured.is_current(engine.network)):
            self._engine = engine
            self._forget(())  # another trainer, or a new stage
        if self._shapes and shapes[-1] < self._shapes[-1]:
            return None  # an epoch's last batch
        if shapes != self._shapes:
            self._forget(shapes)
        if self._captured is None:
            if self._steps < WARM_UP:
                self._steps += 1
                return None
            self._captured = self._record(engine, batchdata)
        return self._captured

    def _forget(self, shapes: tuple[torch.Size, ...]) -> None:
        self._captured, self._shapes, self._steps = None, shapes, 0

    def _record(self, engine: Any, batchdata: Mapping[str, Any]) -> CapturedStep | None:
        engine.state.output = None  # the last step's, with autograd's nodes of the same parameters
        engine.network.train()

        def compute(inputs: StepInputs) -> tuple[Mapping[str, Tensor], Tensor]:
            pred = engine.inferer(inputs.eeg, engine.network, inputs.mri)
            return pred, engine.loss_function(pred, inputs.label).mean()

        inputs = _prepared(engine, batchdata)
        try:
            return CapturedStep(self._new_recorder(), compute, engine.network, inputs, engine.accumulation_steps)
        except RuntimeError as error:
            self._give_up(error)
            return None

    def _give_up(self, error: RuntimeError) -> None:
        causes = [*causes_of(error)]
        if stop := next((cause for cause in causes if not isinstance(cause, Exception)), None):
            raise stop  # Ctrl-C, which broke the recording
        if any(isinstance(cause, torch.OutOfMemoryError) for cause in causes):
            self.obstacle = "the GPU's memory does not suffice for a recorded step"
        else:
            first = str(causes[-1]).partition("\n")[0]  # torch ends a broken recording with an error of its own
            self.obstacle = f"this network or loss cannot be recorded: {first}"
        if self._required:
            raise _refusal(self.obstacle) from error
        if torch.cuda.is_available():
            torch.cuda.synchronize(self._device if self._device.type == "cuda" else None)
            torch.cuda.empty_cache()
        logger.warning("CUDA graphs: %s", self)

    def _cuda_graph(self) -> Recorder:
        return CudaGraph(self._side_stream())

    def _side_stream(self) -> torch.cuda.Stream:
        if self._stream is None:
            self._stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return self._stream

    def _beside(self) -> AbstractContextManager[Any]:
        """Until a step is recorded, steps run on the stream of the recording: libraries keep memory for each stream."""
        if self.obstacle is not None or self._captured is not None or self._new_recorder != self._cuda_graph:
            return nullcontext()
        return _BesideTheMainStream(self._side_stream())


class _BesideTheMainStream:
    """Run on another stream, after what is queued and before what follows."""

    def __init__(self, stream: torch.cuda.Stream) -> None:
        self._stream = stream
        self._context = torch.cuda.stream(stream)

    def __enter__(self) -> None:
        self._stream.wait_stream(torch.cuda.current_stream(self._stream.device))
        self._context.__enter__()  # type: ignore[no-untyped-call]  # torch leaves it untyped

    def __exit__(self, *error: Any) -> None:
        self._context.__exit__(*error)
        torch.cuda.current_stream(self._stream.device).wait_stream(self._stream)


def _refusal(obstacle: str) -> InputError:
    advice = "auto records the steps where that is possible"
    return InputError(Problem("--cuda_graphs", seen=f"true, but {obstacle}", wanted="auto", advice=advice))


def _obstacle(device: torch.device, precision: str, use: ModalityPolicy) -> str | None:
    """Why the steps of a training are not static, or None."""
    if device.type != "cuda":
        return f"the device is {device}, and only GPUs have CUDA graphs"
    if ranks.world_size() > 1:
        return "several processes train together"
    if use.allows_missing:
        return "participants may lack a recording"
    if precision == "float16":
        return "the scaling of the loss in float16 reads a value in each step"
    return None


def _as_usual(engine: Any, batchdata: Mapping[str, Any]) -> dict[str, Any]:
    output: dict[str, Any] = engine._iteration(engine, batchdata)  # what runs without an iteration_update
    return output


def _prepared(engine: Any, batchdata: Mapping[str, Any]) -> StepInputs:
    eeg, label, (mri,), _ = engine.prepare_batch(
        batchdata, engine.state.device, engine.non_blocking, **engine.to_kwargs
    )
    return StepInputs(eeg, mri, label)


def _replay(engine: Any, batchdata: Mapping[str, Any], captured: CapturedStep) -> dict[str, Any]:
    """`SupervisedTrainer._iteration` with the recorded forward and backward pass."""
    inputs = _prepared(engine, batchdata)
    if not engine.network.training:  # after a validation; the recording itself does not look
        engine.network.train()
    if (engine.state.iteration - 1) % (engine.state.epoch_length or 1) % engine.accumulation_steps == 0:
        engine.optimizer.zero_grad(set_to_none=True)
    pred, loss = captured(inputs)
    engine.state.output = {CommonKeys.IMAGE: inputs.eeg, CommonKeys.LABEL: inputs.label, CommonKeys.PRED: pred}
    engine.fire_event(IterationEvents.FORWARD_COMPLETED)
    engine.state.output[CommonKeys.LOSS] = loss
    engine.fire_event(IterationEvents.LOSS_COMPLETED)
    if engine.state.output[CommonKeys.PRED] is not pred or engine.state.output[CommonKeys.LOSS] is not loss:
        raise RunFailed(
            "a handler replaced the predictions or the loss of a recorded step, which then has no effect",
            "train with --cuda_graphs false",
        )
    engine.fire_event(IterationEvents.BACKWARD_COMPLETED)
    if batches_in_step(engine):
        engine.optimizer.step()
    engine.fire_event(IterationEvents.MODEL_COMPLETED)
    output: dict[str, Any] = engine.state.output
    return output
