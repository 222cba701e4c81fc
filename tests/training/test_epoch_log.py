"""What a user reads of each epoch, on the terminal and in ``history.csv``."""

import csv
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from ignite.engine import Engine, Events

from monai_fusion.training import EpochLog, EpochProgress, StagePlan

PLAN = StagePlan([2, 1], [{"eeg": ["stage4"], "mri": ["layer4"]}, {"eeg": ["stage3"], "mri": ["layer3"]}])
NAMES = ["cross_entropy", "balanced_accuracy"]


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

    EpochLog(PLAN, evaluator, folder, NAMES).attach(trainer)
    if after_epoch is not None:
        trainer.add_event_handler(Events.EPOCH_COMPLETED, after_epoch)
    trainer.run([0, 1], max_epochs=3)


def history(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_history_has_one_row_an_epoch_with_the_means_over_its_iterations(tmp_path: Path) -> None:
    train(tmp_path)
    rows = history(tmp_path)
    assert list(rows[0]) == ["epoch", "stage", "train_loss", "gate", *NAMES, "seconds"]
    assert [(row["epoch"], row["stage"]) for row in rows] == [("1", "A"), ("2", "A"), ("3", "B")]
    assert [float(row["train_loss"]) for row in rows] == [1.25, 2.25, 3.25]
    assert [float(row["gate"]) for row in rows] == pytest.approx([0.525] * 3)  # mean of 0.25, 0.75, 0.25, 0.85
    assert [float(row["cross_entropy"]) for row in rows] == [0.1, 0.2, 0.3]
    assert all(float(row["seconds"]) >= 0 for row in rows)


def test_one_line_an_epoch_says_all_of_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="monai_fusion"):
        train(tmp_path)
    lines = [record.getMessage().rpartition(" | ")[0] for record in caplog.records]
    assert lines == [
        "epoch 1/3, stage A: training loss 1.2500, gate 0.525 | "
        "cross entropy 0.1000, balanced accuracy 0.5000 (best so far)",
        "epoch 2/3, stage A: training loss 2.2500, gate 0.525 | "
        "cross entropy 0.2000, balanced accuracy 0.5000 (best so far)",
        "epoch 3/3, stage B: training loss 3.2500, gate 0.525 | cross entropy 0.3000, balanced accuracy 0.5000",
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


def test_the_progress_bar_is_silent_where_there_is_no_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    trainer = Engine(lambda engine, batch: {"loss": torch.tensor(1.0), "pred": {"gate": torch.tensor([[0.5]])}})
    EpochProgress().attach(trainer)
    trainer.run([0, 1], max_epochs=2)
    assert capfd.readouterr() == ("", "")
