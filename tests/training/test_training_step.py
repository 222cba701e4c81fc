"""A recorded step trains the same network, bit by bit, as the step itself."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from ignite.engine import Events
from torch import Tensor

from monai_fusion.losses import AlignedCrossEntropy
from monai_fusion.training import TrainingStep
from monai_fusion.training.captured_step import CapturedStep, StepInputs
from monai_fusion.training.training_step import WARM_UP
from tests.training.recorded_steps import NetWithStatistics, Rerun, batches, recorded, train, trainer_of


@pytest.mark.parametrize("accumulate", [1, 2, 3])
def test_the_numbers_are_those_of_the_step_without_a_recording(accumulate: int) -> None:
    """Two stages, dropout, BatchNorm, clipping, a last batch that is smaller, and steps of several batches."""
    torch.manual_seed(0)
    network = NetWithStatistics()
    other = copy.deepcopy(network)
    step, made = recorded(network)
    state, losses = train(network, step, accumulate)
    expected, expected_losses = train(other, None, accumulate)
    assert losses == expected_losses
    for name, value in expected.items():
        assert torch.equal(state[name], value), name
    # Stage A: 2 epochs of 4 full batches, stage B: 1 epoch. The first two of each and the small ones run as usual.
    assert [each.replays for each in made] == [2 * 4 - WARM_UP, 4 - WARM_UP]


def test_a_resumed_training_records_again_and_has_the_same_numbers(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = NetWithStatistics()
    first, second = copy.deepcopy(network), copy.deepcopy(network)
    expected, expected_losses = train(network, recorded(network)[0])
    _, begun = train(first, recorded(first)[0], folder=tmp_path, stop_after=1)
    step, made = recorded(second)
    state, losses = train(second, step, folder=tmp_path)
    assert begun + losses == expected_losses and len(begun) == 5
    for name, value in expected.items():
        assert torch.equal(state[name], value), name
    assert [each.replays for each in made] == [4 - WARM_UP] * 2  # one epoch in each stage


def test_a_larger_batch_than_the_first_is_recorded_instead() -> None:
    torch.manual_seed(0)
    network = NetWithStatistics()
    other = copy.deepcopy(network)
    step, made = recorded(network)
    state, _ = train(network, step, sizes=(2, 4, 4, 4, 4, 2))
    expected, _ = train(other, None, sizes=(2, 4, 4, 4, 4, 2))
    assert all(torch.equal(state[name], value) for name, value in expected.items())
    assert len(made) == 2 and all(each.replays for each in made)


def test_another_trainer_is_recorded_itself() -> None:
    """A recording holds the loss and the inferer of the trainer that it was made for."""
    torch.manual_seed(0)
    network = NetWithStatistics()
    step, made = recorded(network)
    network.set_trainable(["stage4"], ["layer4"])
    losses = []
    for loss_function in (AlignedCrossEntropy(), lambda pred, label: 0 * AlignedCrossEntropy()(pred, label) + 7):
        trainer = trainer_of(network, step, loss_function=loss_function)
        trainer.run()
        losses.append(trainer.state.output["loss"].item())
    assert losses[0] != 7 and losses[1] == 7
    assert [each.replays for each in made] == [2, 2]


class Silent(Rerun):
    """As a graph does, it changes tensors without autograd's notice; what it computes does not matter here."""

    def replay(self) -> None:
        pass


def test_statistics_that_a_replay_changes_count_as_changed() -> None:
    """`FoldedBlock` looks at the version of each tensor to see whether its copy is out of date."""
    network = NetWithStatistics().train()
    inputs = StepInputs(*(batches((4,))[0][name] for name in ("eeg", "mri", "label")))

    def compute(given: StepInputs) -> tuple[dict[str, Tensor], Tensor]:
        pred = network(given.eeg, given.mri)
        return pred, AlignedCrossEntropy()(pred, given.label)

    captured = CapturedStep(Silent(network), compute, network, inputs)
    before = [buffer._version for buffer in network.buffers()]
    captured(inputs)
    assert len(before) == 3
    assert all(buffer._version > old for buffer, old in zip(network.buffers(), before, strict=True))


def test_frozen_weights_that_change_end_a_recording() -> None:
    torch.manual_seed(0)
    network = NetWithStatistics()
    step, made = recorded(network)
    network.set_trainable(["stage4"], ["layer4"])

    class Loads:
        """As a checkpoint does that is loaded in the middle of a training."""

        def attach(self, engine: Any) -> None:
            engine.add_event_handler(Events.EPOCH_COMPLETED(once=1), self.load)

        def load(self) -> None:
            network.load_state_dict(network.state_dict())

    trainer_of(network, step, max_epochs=2, train_handlers=[Loads()]).run()
    assert [each.replays for each in made] == [2, 2]


def test_a_step_is_recorded_on_the_gpu_of_the_training_not_on_the_current_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch makes a stream, and records, on its current device, where nothing of a training on cuda:1 runs."""
    seen: list[tuple[str, Any]] = []
    stream = SimpleNamespace(device=torch.device("cuda:1"), device_index=1)

    def made(device: Any = None) -> Any:
        seen.append(("stream", device))
        return stream

    def asked(device: Any = None) -> Any:
        seen.append(("current stream", device))
        return stream

    @contextmanager
    def entered(device: Any) -> Iterator[None]:
        seen.append(("device", device))
        yield

    monkeypatch.setattr("torch.cuda.Stream", made)
    monkeypatch.setattr("torch.cuda.current_stream", asked)
    monkeypatch.setattr("torch.cuda.device", entered)
    monkeypatch.setattr("torch.cuda.CUDAGraph", object)
    monkeypatch.setattr(
        "torch.cuda.graph", lambda graph, **options: nullcontext(seen.append(("record", options["stream"])))
    )
    TrainingStep(None, "cuda:1", "bfloat16")._new_recorder().record(lambda: None)
    second = torch.device("cuda:1")
    assert seen == [("stream", second), ("current stream", second), ("device", second), ("record", stream)]
