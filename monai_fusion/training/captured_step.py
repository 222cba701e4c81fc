"""Forward pass, loss and backward pass of a batch, recorded once and replayed without Python between the kernels."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn


class Recorder(Protocol):
    """Records what a function computes, and computes it again with the contents that its tensors have then."""

    def record(self, work: Callable[[], None]) -> None:
        """Call the function once to record it; what it computes then does not count."""

    def replay(self) -> None:
        """Compute again."""


class CudaGraph:
    """A `Recorder` of the kernels that a function launches on a GPU (`torch.cuda.CUDAGraph`).

    Dropout draws from torch's generator as it stands at the replay: the same numbers as without a graph.

    Args:
        stream: The stream on which the function's kernels ran before.
    """

    def __init__(self, stream: torch.cuda.Stream) -> None:
        self._graph = torch.cuda.CUDAGraph()
        self._stream = stream

    def record(self, work: Callable[[], None]) -> None:
        """Record; nothing runs on the GPU.

        Raises:
            RuntimeError: The function does what a graph cannot hold, for instance waits for the GPU.
        """
        device = self._stream.device  # cuda:1 need not be torch's current device, which a recording is made on
        stream = torch.cuda.current_stream(device)
        with torch.cuda.device(device):
            try:
                # Other threads (pinned memory, the next batch) go on calling CUDA: only this one's calls are checked.
                with (
                    _no_garbage_collection(),
                    torch.cuda.graph(self._graph, stream=self._stream, capture_error_mode="thread_local"),
                ):
                    work()
            except RuntimeError:
                torch.cuda.set_stream(stream)  # torch leaves it at the recording's
                # ... and its generator as if the recording went on: a copy of its state does not.
                generator = torch.cuda.default_generators[stream.device_index]
                generator.graphsafe_set_state(generator.clone_state())
                raise

    def replay(self) -> None:
        """Launch all kernels at once."""
        self._graph.replay()


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Collect now, and not in between: a graph that is deleted while another one is recorded spoils the recording."""
    gc.collect()
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class StepInputs(NamedTuple):
    """What a step computes with, on the device.

    Attributes:
        eeg: [B, electrodes, F, T] float32.
        mri: [B, 1, T, H, W] float32.
        label: [B] int64.
    """

    eeg: Tensor
    mri: Tensor
    label: Tensor


class CapturedStep:
    """The recorded step of a network as it is now: it ends with the stage, or when frozen weights change.

    A recording reads and writes fixed places in memory: it has inputs, outputs and gradients of its own, and uses the
    memory of the network's parameters, statistics and inference forms.

    Args:
        recorder: Records the step.
        compute: From a batch to its predictions and its loss.
        network: The network that trains, in training mode.
        inputs: A batch of the size that will be replayed; its contents do not count.
        accumulation_steps: The loss is divided by this before the backward pass.

    Raises:
        RuntimeError: The step cannot be recorded; the network's gradients are then as before.
    """

    def __init__(
        self,
        recorder: Recorder,
        compute: Callable[[StepInputs], tuple[Mapping[str, Tensor], Tensor]],
        network: nn.Module,
        inputs: StepInputs,
        accumulation_steps: int = 1,
    ) -> None:
        self._recorder = recorder
        self._accumulates = accumulation_steps > 1
        self._inputs = StepInputs(*map(torch.clone, inputs))
        self._outputs: dict[str, Tensor] = {}
        self._network = network
        everything = list(network.parameters())
        self._required = [(each, each.requires_grad) for each in everything]
        fixed: list[Tensor] = [each for each in everything if not each.requires_grad]
        fixed += [buffer for module in network.modules() if not module.training for buffer in module.buffers(False)]
        self._versions = [(each, each._version) for each in fixed]
        # The copies of frozen blocks whose memory the recording reads; here they also stay alive.
        self._forms: list[tuple[Callable[[], dict[str, nn.Module]], dict[str, nn.Module]]] = [
            (getattr(module, _FORMS), getattr(module, _FORMS)())
            for module in network.modules()
            if hasattr(module, _FORMS)
        ]
        # BatchNorm's running statistics of the blocks that train: a replay changes them without autograd's notice.
        self._statistics = [
            buffer for module in network.modules() if module.training for buffer in module.buffers(recurse=False)
        ]
        trained = [each for each in everything if each.requires_grad]
        before = [each.grad for each in trained]
        for each in trained:
            each.grad = None

        def work() -> None:
            pred, loss = compute(self._inputs)
            torch.autograd.backward(loss / accumulation_steps if self._accumulates else loss)
            # Detached: their history would keep memory of the forward pass.
            self._outputs = {**{name: value.detach() for name, value in pred.items()}, _LOSS: loss.detach()}

        try:
            recorder.record(work)
            self._gradients = [(each, each.grad) for each in trained if each.grad is not None]
        finally:
            for each, gradient in zip(trained, before, strict=True):
                each.grad = gradient

    def is_current(self, network: nn.Module) -> bool:
        """Whether the network still computes what was recorded: the same parameters train, and the others are as then.

        Args:
            network: The network that the trainer uses now.
        """
        return (
            network is self._network
            and all(each.requires_grad == required for each, required in self._required)
            and all(each._version == version for each, version in self._versions)
            and all(_same(forms(), then) for forms, then in self._forms)
        )

    def __call__(self, inputs: StepInputs) -> tuple[dict[str, Tensor], Tensor]:
        """Compute a batch, and add its gradients to those that the parameters have.

        Args:
            inputs: A batch of the recorded shapes.

        Returns:
            The predictions and the loss, without history, in memory of their own.
        """
        for kept, given in zip(self._inputs, inputs, strict=True):
            kept.copy_(given, non_blocking=True)
        self._recorder.replay()
        torch.autograd.graph.increment_version(self._statistics)
        for parameter, gradient in self._gradients:
            if parameter.grad is not None:
                parameter.grad.add_(gradient)
            else:  # the recording's own memory, unless the next batch's gradients are added to it
                parameter.grad = gradient.clone() if self._accumulates else gradient
        pred = {name: value.clone() for name, value in self._outputs.items()}
        return pred, pred.pop(_LOSS)


def _same(forms: dict[str, nn.Module], then: dict[str, nn.Module]) -> bool:
    """Whether the forms of then are still in use. Those of blocks that train come and go with each validation."""
    return all(forms.get(name) is form for name, form in then.items())


_LOSS = "loss of the step"
_FORMS = "inference_forms"  # of an encoder whose frozen blocks run as copies, such as `MRIEncoder`
