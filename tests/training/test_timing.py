"""The clock's measurements of epochs whose steps take a known time."""

from collections.abc import Iterator

import pytest
from ignite.engine import Engine, Events

from monai_fusion.training.timing import EpochClock


class Training:
    """Epochs of three batches: a batch is waited for 1 s, its step takes 3 s, the validation after an epoch 8 s."""

    def __init__(self) -> None:
        self.time = 100.0
        self.clock = EpochClock(now=lambda: self.time)
        self.left_after_step: list[float | None] = []
        self.left_after_epoch: list[float | None] = []
        self.trainer = Engine(lambda engine, batch: self.spend(3))
        self.clock.attach(self.trainer)
        self.trainer.add_event_handler(Events.ITERATION_COMPLETED, self.note, self.left_after_step)
        self.trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda: self.spend(8))
        self.trainer.add_event_handler(Events.EPOCH_COMPLETED, self.note, self.left_after_epoch)

    def spend(self, seconds: float) -> None:
        self.time += seconds

    def note(self, engine: Engine, notes: list[float | None]) -> None:
        notes.append(self.clock.seconds_left(engine))

    def __iter__(self) -> Iterator[int]:
        for batch in range(3):
            self.spend(1)
            yield batch

    def __len__(self) -> int:
        return 3

    def run(self, epochs: int) -> "Training":
        self.trainer.run(self, max_epochs=epochs)
        return self


def test_the_data_wait_is_a_share_of_the_training_without_the_validation() -> None:
    training = Training().run(2)
    assert training.clock.data_wait == pytest.approx(3 / 12)
    assert training.clock.seconds == pytest.approx(3 * 4 + 8)


def test_what_is_left_counts_iterations_and_what_lies_between_epochs() -> None:
    training = Training()
    assert training.clock.seconds_left(training.trainer) is None  # nothing is known yet
    training.run(3)
    assert training.left_after_epoch == pytest.approx([2 * 20, 20, 0])
    in_first = [32, 28, 24]  # it is not known yet that a validation follows
    in_second = [20 + 16, 20 + 12, 20 + 8]
    assert training.left_after_step == pytest.approx([*in_first, *in_second, 16, 12, 8])
