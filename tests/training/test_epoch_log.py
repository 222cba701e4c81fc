"""What a user reads about each epoch, on the terminal and in ``history.csv``."""

import csv
import io
import logging
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from ignite.engine import Engine, Events
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from monai_fusion import files
from monai_fusion.training import EpochLog, EpochProgress, StagePlan, TensorBoardCurves
from tests.support import CountedReadings

PLAN = StagePlan([2, 1], [{"eeg": ["stage4"], "mri": ["layer4"]}, {"eeg": ["stage3"], "mri": ["layer3"]}])
NAMES = ["cross_entropy", "balanced_accuracy"]


def optimizer() -> torch.optim.Optimizer:
    """Two groups with the learning rates 0.2 and 0.1."""
    groups = [{"params": [torch.zeros(1)], "lr": 0.2, "name": "fusion_head"}, {"params": [torch.zeros(1)], "lr": 0.1}]
    return torch.optim.SGD(groups)


def train(
    folder: Path, validated_epochs: Sequence[int] = (1, 2, 3), after_epoch: Callable[[], object] | None = None
) -> None:
    """Three epochs of two iterations; the losses of epoch n are n and n + 0.5, its score is n / 10."""

    def step(engine: Engine, batch: int) -> dict[str, object]:
        loss = torch.tensor(engine.state.epoch + 0.5 * batch, requires_grad=True)
        return {"loss": loss, "pred": {"gate": torch.tensor([[0.25], [0.75 + 0.1 * batch]], requires_grad=True)}}

    trainer, evaluator = Engine(step), Engine(lambda engine, batch: None)

    @evaluator.on(Events.COMPLETED)
    def _score(engine: Engine) -> None:
        epoch = engine.state.epoch
        engine.state.metrics.update({"cross_entropy": epoch / 10, "balanced_accuracy": 0.5})
        engine.state.best_metric_epoch = 2 if epoch >= 2 else 1  # as MONAI's evaluator has it

    @trainer.on(Events.EPOCH_COMPLETED(event_filter=lambda engine, epoch: epoch in validated_epochs))
    def _validate(engine: Engine) -> None:
        evaluator.state.epoch = engine.state.epoch - 1  # as monai.engines.Evaluator.run(epoch) counts
        evaluator.state.iteration = 0
        evaluator.run([0], max_epochs=engine.state.epoch, epoch_length=1)

    trainer.optimizer = optimizer()  # type: ignore[attr-defined] # as MONAI's trainer has
    EpochLog(PLAN, evaluator, folder, NAMES).attach(trainer)
    if after_epoch is not None:
        trainer.add_event_handler(Events.EPOCH_COMPLETED, after_epoch)
    trainer.run([0, 1], max_epochs=3)


def step_of_one(engine: Engine, batch: int) -> dict[str, object]:
    """Loss 1, gate 0.5."""
    return {"loss": torch.tensor(1.0), "pred": {"gate": torch.tensor([[0.5]])}}


def history(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_history_has_one_row_per_epoch_with_the_means_over_its_iterations(tmp_path: Path) -> None:
    train(tmp_path)
    rows = history(tmp_path)
    columns = ["epoch", "stage", "train_loss", "gate", *NAMES, "lr_fusion_head", "lr_1", "data_wait", "seconds"]
    assert list(rows[0]) == columns
    assert all((row["lr_fusion_head"], row["lr_1"]) == ("0.2", "0.1") for row in rows)
    assert [(row["epoch"], row["stage"]) for row in rows] == [("1", "A"), ("2", "A"), ("3", "B")]
    assert [float(row["train_loss"]) for row in rows] == [1.25, 2.25, 3.25]
    assert [float(row["gate"]) for row in rows] == pytest.approx([0.525] * 3)  # mean of 0.25, 0.75, 0.25, 0.85
    assert [float(row["cross_entropy"]) for row in rows] == [0.1, 0.2, 0.3]
    assert all(float(row["seconds"]) >= 0 for row in rows)


def test_one_line_per_epoch_reports_all_of_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="monai_fusion"):
        train(tmp_path)
    times = re.compile(r"\d+\.\d s, data wait \d+%(, 00:00 left)?$")
    assert [bool((found := times.search(record.getMessage())) and found[1]) for record in caplog.records] == [
        *(True, True, False),  # after the last epoch nothing is left
    ]
    lines = [record.getMessage().rpartition(" | ")[0] for record in caplog.records]
    scores = "balanced accuracy 0.5000"
    assert lines == [
        f"epoch 1/3, stage A: training loss 1.2500, gate 0.525 | cross entropy 0.1000, {scores} (best so far)"
        " | lr fusion head 2.0e-01, 1 1.0e-01",
        f"epoch 2/3, stage A: training loss 2.2500, gate 0.525 | cross entropy 0.2000, {scores} (best so far)"
        " | lr fusion head 2.0e-01, 1 1.0e-01",
        f"epoch 3/3, stage B: training loss 3.2500, gate 0.525 | cross entropy 0.3000, {scores}"
        " | lr fusion head 2.0e-01, 1 1.0e-01",
    ]


def test_the_learning_rates_are_those_of_the_epoch_not_of_the_next(tmp_path: Path) -> None:
    trainer, evaluator = Engine(step_of_one), Engine(lambda engine, batch: None)
    trainer.optimizer = adjusted = optimizer()  # type: ignore[attr-defined] # as MONAI's trainer has

    @trainer.on(Events.EPOCH_COMPLETED)  # before the log, as the schedule is in the config
    def _halve() -> None:
        for group in adjusted.param_groups:
            group["lr"] /= 2

    EpochLog(PLAN, evaluator, tmp_path, NAMES).attach(trainer)
    trainer.run([0, 1], max_epochs=3)
    assert [float(row["lr_fusion_head"]) for row in history(tmp_path)] == [0.2, 0.1, 0.05]


def test_a_resumed_history_takes_up_rows_without_the_newer_columns(tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text("epoch,stage,train_loss,gate,seconds\n1,A,0.5,0.5,3\n", encoding="utf-8")
    trainer, evaluator = Engine(step_of_one), Engine(lambda engine, batch: None)
    EpochLog(PLAN, evaluator, tmp_path, NAMES).attach(trainer)
    trainer.state.epoch, trainer.state.iteration = 1, 2
    trainer.state.epoch_length, trainer.state.max_epochs = 2, 2
    trainer.run([0, 1])
    assert [(row["epoch"], row["train_loss"], row["data_wait"] != "") for row in history(tmp_path)] == [
        *(("1", "0.5", False), ("2", "1.0", True)),
    ]


def test_an_epoch_without_validation_does_not_repeat_an_earlier_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="monai_fusion"):
        train(tmp_path, validated_epochs=[2])
    assert [row["cross_entropy"] for row in history(tmp_path)] == ["", "0.2", ""]
    assert ["not validated" in record.getMessage() for record in caplog.records] == [True, False, True]


def test_the_history_is_complete_after_each_epoch(tmp_path: Path) -> None:
    seen: list[int] = []
    train(tmp_path, after_epoch=lambda: seen.append(len(history(tmp_path))))
    assert seen == [1, 2, 3]
    assert [path.name for path in tmp_path.iterdir()] == ["history.csv"]


class Terminal(io.StringIO):
    """A stream that reports to be a terminal."""

    def isatty(self) -> bool:
        return True


def test_the_progress_bar_is_silent_without_a_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    trainer = Engine(step_of_one)
    EpochProgress().attach(trainer)
    trainer.run([0, 1], max_epochs=2)
    assert capfd.readouterr() == ("", "")


def test_the_progress_bar_shows_all_that_changes_while_an_epoch_runs() -> None:
    terminal, trainer = Terminal(), Engine(step_of_one)
    trainer.optimizer = optimizer()  # type: ignore[attr-defined] # as MONAI's trainer has
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda: time.sleep(0.11))  # tqdm draws ten times a second
    EpochProgress(interval=0.0, file=terminal).attach(trainer)
    trainer.run([0, 1, 2], max_epochs=2)
    drawn = terminal.getvalue()
    assert "epoch 1/2 [" in drawn and "epoch 2/2 [" in drawn
    last = drawn.rpartition("epoch 1/2 [3/3]")[2]
    assert re.search(r"loss 1\.0000, gate 0\.500, lr 2\.0e-01/1\.0e-01, data wait \d+%, training 00:00 left", last)
    assert re.search(r"\| 00:00<00:00, loss", last)  # elapsed and left of the epoch


def test_loss_and_gate_are_not_read_in_every_iteration(tmp_path: Path) -> None:
    """Each reading makes the host wait for the GPU."""
    trainer, evaluator = Engine(step_of_one), Engine(lambda engine, batch: None)
    EpochProgress(file=Terminal()).attach(trainer)
    EpochLog(PLAN, evaluator, tmp_path, NAMES).attach(trainer)
    curves = TensorBoardCurves(str(tmp_path / "tensorboard"))
    curves.attach(trainer)
    with CountedReadings() as counted:
        trainer.run(list(range(200)), max_epochs=2)
    curves.close()
    assert 4 <= counted.readings <= 4 + 2 * counted.seconds + 2  # at each epoch's end two, and the bar's once a second


def test_tensorboard_gets_every_iteration_nevertheless(tmp_path: Path) -> None:
    trainer = Engine(
        lambda engine, batch: {"loss": torch.tensor(0.5 * batch), "pred": {"gate": torch.tensor([[0.25]])}}
    )
    trainer.optimizer = optimizer()  # type: ignore[attr-defined] # as MONAI's trainer has
    curves = TensorBoardCurves(str(tmp_path))
    curves.attach(trainer)
    trainer.run([0, 1, 2], max_epochs=2)
    curves.close()
    found = EventAccumulator(str(tmp_path)).Reload()
    losses = [(event.step, event.value) for event in found.Scalars("train_loss")]
    assert losses == [(1, 0.0), (2, 0.5), (3, 1.0), (4, 0.0), (5, 0.5), (6, 1.0)]
    assert [event.value for event in found.Scalars("gate")] == [0.25] * 6
    assert [event.value for event in found.Scalars("lr/fusion_head")] == pytest.approx([0.2, 0.2])
    for tag in ("lr/fusion_head", "lr/1", "data_wait"):
        assert [event.step for event in found.Scalars(tag)] == [1, 2]
    times = [event.wall_time for event in found.Scalars("train_loss")]
    assert times == sorted(times)


def test_tensorboard_keeps_the_iterations_of_an_epoch_that_was_stopped(tmp_path: Path) -> None:
    trainer, curves = Engine(step_of_one), TensorBoardCurves(str(tmp_path))
    curves.attach(trainer)
    trainer.add_event_handler(Events.ITERATION_COMPLETED(once=2), lambda: trainer.terminate())
    trainer.run([0, 1, 2], max_epochs=2)
    curves.close()
    assert [event.step for event in EventAccumulator(str(tmp_path)).Reload().Scalars("train_loss")] == [1, 2]


@pytest.mark.parametrize("all_refused", [False, True], ids=["history.csv", "the whole folder"])
def test_a_history_that_is_open_in_excel_ends_no_training(
    all_refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "history.csv").write_text("epoch\n")
    replace = Path.replace

    def refuse(temporary: Path, path: Path) -> Path:
        if all_refused or path.name == "history.csv":
            raise PermissionError(13, "Access is denied", str(path))
        return replace(temporary, path)

    monkeypatch.setattr(files, "WAITS_S", (0.0,))
    monkeypatch.setattr(Path, "replace", refuse)
    train(tmp_path)
    assert (tmp_path / "history.csv").read_text() == "epoch\n"
    if all_refused:
        assert f"could not write {tmp_path / 'history.csv'}: Access is denied" in caplog.messages
    else:
        with (tmp_path / "history.new.csv").open(encoding="utf-8", newline="") as stream:
            assert [row["epoch"] for row in csv.DictReader(stream)] == ["1", "2", "3"]
