"""A stage without improvement ends early; the remaining stages run as planned."""

import logging
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events

from monai_fusion.errors import InputError
from monai_fusion.training import EarlyStopping, StagePlan, lower_is_better

BLOCKS: list[dict[str, Any]] = [{"eeg": ["stage4"]}, {"eeg": ["stage3"]}]
NAN = float("nan")


def train(
    scores: dict[int, float], patience: int, num_epochs: Sequence[int] = (5, 4), interval: int = 1
) -> dict[int, tuple[str, float, int]]:
    """Train with scripted validations; return stage, learning rate and first iteration of each epoch that ran."""
    plan = StagePlan(num_epochs, BLOCKS, interval)
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=plan.total_epochs)
    evaluator = Engine(lambda engine, batch: None)
    state: Any = evaluator.state
    state.best_metric, state.best_metric_epoch = -1, -1
    ran: dict[int, tuple[str, float, int]] = {}

    def step(engine: Engine, batch: int) -> None:
        first = ran.get(engine.state.epoch, ("", 0.0, engine.state.iteration))[2]
        ran[engine.state.epoch] = (plan.at(engine.state.epoch).name, optimizer.param_groups[0]["lr"], first)
        optimizer.step()

    def validate(engine: Engine) -> None:
        epoch = engine.state.epoch
        if epoch % interval == 0 and (state.best_metric_epoch < 0 or lower_is_better(scores[epoch], state.best_metric)):
            state.best_metric, state.best_metric_epoch = scores[epoch], epoch  # as MONAI's evaluator does

    trainer = Engine(step)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: schedule.step())
    trainer.add_event_handler(Events.EPOCH_COMPLETED, validate)
    EarlyStopping(patience, plan, evaluator, schedule).attach(trainer)
    trainer.run([0, 1, 2], max_epochs=plan.total_epochs)
    assert trainer.state.epoch == plan.total_epochs  # a checkpoint of this state is one of a finished training
    assert schedule.last_epoch == plan.total_epochs
    return ran


def scores_of(*values: float) -> dict[int, float]:
    return dict(enumerate(values, start=1))


RISING = scores_of(0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3)
FALLING = scores_of(*(1.0 - epoch / 10 for epoch in range(9)))


@pytest.mark.parametrize(
    ("scores", "patience", "epochs"),
    [
        (FALLING, 1, [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (RISING, 1, [1, 2, 6]),
        (RISING, 2, [1, 2, 3, 6, 7]),  # in stage B two more chances to beat epoch 1
        (RISING, 3, [1, 2, 3, 4, 6, 7, 8]),
        (RISING, 4, [1, 2, 3, 4, 5, 6, 7, 8, 9]),  # it is time when the stage is over anyway
        (RISING | {6: 0.4}, 2, [1, 2, 3, 6, 7, 8]),
        (RISING | {4: 0.5, 5: 0.6}, 3, [1, 2, 3, 4, 5, 6, 7, 8]),  # a tie is an improvement
        (RISING | {1: NAN, 2: NAN, 3: NAN}, 2, [1, 2, 3, 6, 7, 8]),
    ],
)
def test_the_rest_of_a_stage_is_skipped(scores: dict[int, float], patience: int, epochs: list[int]) -> None:
    assert list(train(scores, patience)) == epochs


def test_what_follows_has_the_stage_the_rates_and_the_iterations_it_was_planned_with() -> None:
    planned, stopped = train(FALLING, 1), train(RISING, 2)
    assert list(stopped) == [1, 2, 3, 6, 7]
    for epoch, (stage, rate, iteration) in stopped.items():
        assert (stage, iteration) == (planned[epoch][0], planned[epoch][2])
        assert rate == planned[epoch][1]  # bit by bit: dropout and draws are keyed by epoch and iteration


def test_validations_count_and_not_epochs() -> None:
    assert list(train(RISING, 2, num_epochs=(7, 2), interval=3)) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert list(train(RISING, 1, num_epochs=(8, 1), interval=3)) == [1, 2, 3, 4, 5, 6, 9]


def test_one_stage_alone_ends_the_training() -> None:
    assert list(train(RISING, 1, num_epochs=(0, 9))) == [1, 2]
    assert list(train(RISING, 1, num_epochs=(9, 0))) == [1, 2]


def test_it_reports_what_is_skipped(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="monai_fusion"):
        train(RISING, 2)
    assert [record.getMessage() for record in caplog.records] == [
        "stage A: 2 validations in a row without improvement: epochs 4 to 5 are skipped",
        "stage B: 2 validations in a row without improvement: epochs 8 to 9 are skipped; the training ends",
    ]


@pytest.mark.parametrize("patience", [0, -1, 1.5, "three", True])
def test_a_wrong_patience_is_refused(patience: Any) -> None:
    with pytest.raises(InputError, match=f"early_stopping: {patience!r}, expected a whole number, at least 1"):
        train(FALLING, patience)
