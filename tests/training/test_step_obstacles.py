"""What keeps a step from being recorded: the training goes on as usual, or ends with the reason."""

import copy
import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
from monai.engines import IterationEvents

from monai_fusion.datalist.availability import ModalityPolicy
from monai_fusion.errors import InputError, RunFailed
from monai_fusion.training import TrainingStep
from tests.training.recorded_steps import NetWithStatistics, recorded, train, trainer_of


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
    trainer = trainer_of(network, step, train_handlers=[Doubles()], optim_set_to_none=False)
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
