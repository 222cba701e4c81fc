"""A recorded step trains the same network, bit by bit, as the step itself."""

import copy
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events
from monai.engines import IterationEvents, SupervisedTrainer
from torch import Tensor, nn

from monai_fusion.data import FusionPrepareBatch
from monai_fusion.datalist.availability import ModalityPolicy
from monai_fusion.errors import InputError, RunFailed
from monai_fusion.losses import AlignedCrossEntropy
from monai_fusion.training import (
    Checkpoints,
    EpochSeeding,
    HeadGradientClipping,
    RescalePartialAccumulation,
    StageHandler,
    StagePlan,
    TrainingStep,
)
from monai_fusion.training.captured_step import CapturedStep, StepInputs
from monai_fusion.training.training_step import WARM_UP
from tests.support import TinyFusionNet

BLOCKS = [{"eeg": ["stage4"], "mri": ["layer4"]}, {"eeg": ["stage3", "stage4"], "mri": ["layer3", "layer4"]}]


class NetWithStatistics(TinyFusionNet):
    """... and BatchNorm, whose running statistics a step changes, and dropout, which draws random numbers."""

    def __init__(self) -> None:
        super().__init__(dropout=0.3)
        self.norm = nn.BatchNorm1d(4)

    def encode_mri(self, mri: Tensor) -> Tensor:
        return self.norm(super().encode_mri(mri))

    def set_trainable(self, eeg_blocks: Sequence[str], mri_blocks: Sequence[str]) -> None:
        for blocks, names in ((self.eeg_blocks, eeg_blocks), (self.mri_blocks, mri_blocks)):
            for name, block in blocks.items():
                block.requires_grad_(name in names)


class Rerun:
    """Stands for a CUDA graph on a CPU: what it recorded runs again, and writes its gradients to the same place."""

    made = 0

    def __init__(self, network: nn.Module) -> None:
        type(self).made += 1
        self.network = network
        self.replays = 0

    def record(self, work: Callable[[], None]) -> None:
        state, random = copy.deepcopy(self.network.state_dict()), torch.get_rng_state()
        work()
        torch.set_rng_state(random)
        with torch.no_grad():
            for name, buffer in self.network.named_buffers():
                if not torch.equal(buffer, state[name]):
                    buffer.copy_(state[name])
        self.work = work
        self.parameters = [each for each in self.network.parameters() if each.grad is not None]
        self.places = [each.grad for each in self.parameters]

    def replay(self) -> None:
        self.replays += 1
        before = [each.grad for each in self.parameters]
        for each in self.parameters:
            each.grad = None
        self.work()
        for each, place, old in zip(self.parameters, self.places, before, strict=True):
            assert place is not None and each.grad is not None
            place.copy_(each.grad)
            each.grad = old


def batches(sizes: Sequence[int]) -> list[dict[str, Any]]:
    generator = torch.Generator().manual_seed(3)
    return [
        {
            "eeg": 10 * torch.randn(count, 3, 2, 2, generator=generator),
            "mri": 10 * torch.rand(count, 1, 2, 2, 2, generator=generator),
            "label": torch.arange(count) % 2,
        }
        for count in sizes
    ]


class Seeded:
    """Stands for the sampler, which `EpochSeeding` tells the epoch."""

    def set_epoch(self, epoch: int) -> None:
        pass


def train(
    network: TinyFusionNet,
    step: Any,
    accumulate: int = 1,
    sizes: Sequence[int] = (4, 4, 4, 4, 2),
    folder: Path | None = None,
    stop_after: int | None = None,
    **options: Any,
) -> tuple[dict[str, Tensor], list[float]]:
    """Three epochs, the last one in stage B; returns the state and the losses.

    With a folder, the training keeps checkpoints there, and continues from the newest one.
    """
    torch.manual_seed(11)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.1)
    kept: list[Any] = []
    if folder is not None:
        validator: Any = Engine(lambda *_: None)
        validator.state.best_metric, validator.state.best_metric_epoch = 0.0, 1
        parts: dict[str, Any] = {"network": network, "optimizer": optimizer}
        kept = [Checkpoints(parts, validator, folder, {}, resume=True)]
    losses: list[float] = []
    plan = StagePlan([2, 1], BLOCKS)
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=3,
        train_data_loader=batches(sizes),
        network=network,
        optimizer=optimizer,
        loss_function=AlignedCrossEntropy(),
        prepare_batch=FusionPrepareBatch(),
        optim_set_to_none=True,
        iteration_update=step,
        train_handlers=[
            EpochSeeding(5, Seeded()),  # type: ignore[arg-type]  # all of a sampler that it needs
            StageHandler(network, plan),  # type: ignore[arg-type]  # blocks are named, as in the real network
            RescalePartialAccumulation(),
            HeadGradientClipping(network.head.parameters(), 0.25),
            *kept,
        ],
        decollate=False,
        accumulation_steps=accumulate,
        **options,
    )
    if stop_after is not None:
        trainer.add_event_handler(Events.EPOCH_COMPLETED(once=stop_after), trainer.terminate)
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda: losses.append(trainer.state.output["loss"].item()))
    trainer.run()
    return dict(network.state_dict()), losses


def recorded(network: nn.Module) -> tuple[TrainingStep, list[Rerun]]:
    made: list[Rerun] = []

    def recorder() -> Rerun:
        made.append(Rerun(network))
        return made[-1]

    return TrainingStep(None, "cpu", recorder=recorder), made


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
        trainer = SupervisedTrainer(
            device=torch.device("cpu"),
            max_epochs=1,
            train_data_loader=batches((4, 4, 4, 4)),
            network=network,
            optimizer=torch.optim.SGD(network.parameters(), lr=0.1),
            loss_function=loss_function,
            prepare_batch=FusionPrepareBatch(),
            optim_set_to_none=True,
            iteration_update=step,
            decollate=False,
        )
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

    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=2,
        train_data_loader=batches((4, 4, 4, 4)),
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=0.1),
        loss_function=AlignedCrossEntropy(),
        prepare_batch=FusionPrepareBatch(),
        optim_set_to_none=True,
        iteration_update=step,
        train_handlers=[Loads()],
        decollate=False,
    )
    trainer.run()
    assert [each.replays for each in made] == [2, 2]


class Fails:
    """A recorder of a network that waits for the device, as `Tensor.item` does."""

    def record(self, work: Callable[[], None]) -> None:
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nCompile with ...")

    def replay(self) -> None:
        raise AssertionError


def test_a_network_that_cannot_be_recorded_trains_as_usual_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    torch.manual_seed(0)
    network = NetWithStatistics()
    other = copy.deepcopy(network)
    step = TrainingStep(None, "cpu", recorder=Fails)
    with caplog.at_level(logging.WARNING, logger="monai_fusion"):
        state, _ = train(network, step)
    expected, _ = train(other, None)
    assert all(torch.equal(state[name], value) for name, value in expected.items())
    (record,) = [each for each in caplog.records if "CUDA graphs" in each.getMessage()]
    assert "off" in record.getMessage() and "operation not permitted" in record.getMessage()
    assert "Compile" not in record.getMessage()


def test_where_a_recording_is_required_one_that_fails_ends_the_training() -> None:
    with pytest.raises(InputError, match="--cuda_graphs: true, but this network or loss cannot be recorded"):
        train(NetWithStatistics(), TrainingStep(True, "cpu", recorder=Fails))


def test_an_interruption_while_a_step_is_recorded_is_no_obstacle() -> None:
    """torch ends a broken recording with an error of its own, which must not swallow Ctrl-C."""

    class Interrupted(Fails):
        def record(self, work: Callable[[], None]) -> None:
            try:
                raise KeyboardInterrupt
            finally:
                super().record(work)

    with pytest.raises(KeyboardInterrupt):
        train(NetWithStatistics(), TrainingStep(None, "cpu", recorder=Interrupted))


def test_too_little_memory_for_a_recording_is_reported_as_such(caplog: pytest.LogCaptureFixture) -> None:
    class Full(Fails):
        def record(self, work: Callable[[], None]) -> None:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")

    with caplog.at_level(logging.WARNING, logger="monai_fusion"):
        train(NetWithStatistics(), TrainingStep(None, "cpu", recorder=Full))
    assert "memory" in caplog.text and "Tried" not in caplog.text


def test_a_handler_that_replaces_the_loss_is_refused() -> None:
    """Its change would reach the log, but no gradient."""

    class Doubles:
        def attach(self, engine: Any) -> None:
            engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self)

        def __call__(self, engine: Any) -> None:
            engine.state.output["loss"] = 2 * engine.state.output["loss"]

    network = NetWithStatistics()
    step, _ = recorded(network)
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=1,
        train_data_loader=batches((4, 4, 4, 4)),
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=0.1),
        loss_function=AlignedCrossEntropy(),
        prepare_batch=FusionPrepareBatch(),
        iteration_update=step,
        train_handlers=[Doubles()],
        decollate=False,
    )
    with pytest.raises(RunFailed, match="--cuda_graphs false"):
        trainer.run()


@pytest.mark.parametrize(
    ("device", "precision", "use", "reason"),
    [
        ("cpu", "bfloat16", ModalityPolicy(), "cpu"),
        ("cuda", "bfloat16", ModalityPolicy(dropout=0.2), "lack a recording"),
        ("cuda", "bfloat16", ModalityPolicy(modalities="eeg"), "lack a recording"),
        ("cuda", "float16", ModalityPolicy(), "float16"),
    ],
)
def test_what_is_not_static_is_not_recorded_and_the_reason_is_given(
    device: str, precision: str, use: ModalityPolicy, reason: str
) -> None:
    step = TrainingStep(None, device, precision, use)
    assert str(step).startswith("off (") and reason in str(step)
    with pytest.raises(InputError, match=reason):
        TrainingStep(True, device, precision, use)


def test_several_processes_are_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monai_fusion.ranks.world_size", lambda: 2)
    assert "several processes" in str(TrainingStep(None, "cuda"))


def test_on_a_gpu_steps_are_recorded_unless_that_is_switched_off() -> None:
    assert str(TrainingStep(None, "cuda:1", "bfloat16")) == "on"
    assert str(TrainingStep(True, "cuda", "float32")) == "on"
    assert str(TrainingStep(False, "cuda", "float32")) == "off (--cuda_graphs false)"


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
