"""What a training shows: a bar during an epoch, one line and one row of ``history.csv`` after it."""

from __future__ import annotations

import csv
import io
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import torch
from ignite.engine import Engine, Events
from tqdm.auto import tqdm

from monai_fusion import ranks
from monai_fusion.files import latest, write_for_readers
from monai_fusion.messages import hide_bars
from monai_fusion.reading import read_bytes
from monai_fusion.run_folder import HISTORY_FILE
from monai_fusion.training.iteration_metrics import learning_rates, loss_and_gate, means
from monai_fusion.training.stages import StagePlan
from monai_fusion.training.timing import EpochClock

logger = logging.getLogger(__name__)


class EpochProgress:
    """A bar over the iterations of an epoch; shown on terminals only.

    It shows loss, mean gate, learning rates, the share of time spent waiting for data, and the remaining time of the
    epoch and of the whole training. Loss and gate are means since the last reading: to read them, the host has to wait
    for the GPU, so the bar does it about once a second.

    Args:
        interval: Seconds between two readings.
        file: Where the bar is drawn; None for stderr.
    """

    def __init__(self, interval: float = 1.0, file: TextIO | None = None) -> None:
        self.interval = interval
        self.file = file
        self._clock = EpochClock()
        self._bar: Any = None
        self._values: list[torch.Tensor] = []
        self._read_at = 0.0

    def attach(self, engine: Engine) -> None:
        """Attach to a trainer that runs with ``decollate=False``."""
        self._clock.attach(engine)
        engine.add_event_handler(Events.EPOCH_STARTED, self._open)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._advance)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._close)
        engine.add_event_handler(Events.COMPLETED, self._close)  # of a training that was stopped within an epoch

    def _open(self, engine: Engine) -> None:
        self._bar = tqdm(
            total=engine.state.epoch_length,
            desc=f"epoch {engine.state.epoch}/{engine.state.max_epochs}",
            file=self.file,
            leave=False,
            disable=hide_bars(None if ranks.is_main() else True),  # None: without a terminal
            dynamic_ncols=True,
            bar_format="{desc} [{n_fmt}/{total_fmt}] |{bar}| {elapsed}<{remaining}{postfix}",
        )
        self._values, self._read_at = [], time.perf_counter()

    def _advance(self, engine: Engine) -> None:
        if self._bar.disable:
            return
        self._values.append(loss_and_gate(engine))
        now = time.perf_counter()
        if now - self._read_at >= self.interval:
            self._bar.set_postfix_str(self._describe(engine), refresh=False)
            self._values, self._read_at = [], now
        self._bar.update()
        if self._bar.n == self._bar.total:  # before the validation writes its lines
            self._bar.close()

    def _describe(self, engine: Engine) -> str:
        loss, gate = means(self._values)
        rates = "/".join(f"{rate:.1e}" for rate in learning_rates(engine).values())
        left = self._clock.seconds_left(engine)
        parts = [
            f"loss {loss:.4f}",
            f"gate {gate:.3f}",
            f"lr {rates}" if rates else "",
            f"data wait {self._clock.data_wait:.0%}",
            f"training {tqdm.format_interval(left)} left" if left is not None else "",
        ]
        return ", ".join(filter(None, parts))

    def _close(self, engine: Engine) -> None:
        if self._bar is not None:
            self._bar.close()


class EpochLog:
    """Log one line per epoch and write ``history.csv``, one row per epoch.

    Place it after the `ValidationHandler` in the list of handlers, so that the line includes the epoch's validation.
    The row's numbers also become the trainer's ``state.metrics``, for later handlers.

    Args:
        plan: The stages, to name the epoch's.
        evaluator: The engine that validates; its ``state.metrics`` become columns.
        folder: Where ``history.csv`` is written.
        names: The validation metrics to show, in this order.
    """

    def __init__(
        self, plan: StagePlan, evaluator: Engine, folder: str | os.PathLike[str], names: Sequence[str]
    ) -> None:
        self.plan = plan
        self.evaluator = evaluator
        self.path = Path(folder) / HISTORY_FILE
        self.names = list(names)
        self._clock = EpochClock()
        self._rows: list[dict[str, Any]] = []
        self._values: list[torch.Tensor] = []
        self._rates: dict[str, float] = {}

    def attach(self, engine: Engine) -> None:
        """Attach to a trainer that runs with ``decollate=False``."""
        self._clock.attach(engine)
        engine.add_event_handler(Events.EPOCH_STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._finish)

    def _start(self, engine: Engine) -> None:
        if not self._rows and engine.state.epoch > 1:  # a resumed run: its file has the epochs before
            self._rows = self._read(before=engine.state.epoch)
        self._values = []
        self._rates = learning_rates(engine)  # at the end of the epoch the schedule has changed them

    def _collect(self, engine: Engine) -> None:
        # Kept as tensors: to read their values here, the host would have to wait for the GPU in every iteration.
        self._values.append(loss_and_gate(engine))

    def _finish(self, engine: Engine) -> None:
        epoch = engine.state.epoch
        # The evaluator keeps its last metrics in epochs in which it does not run: they do not belong to this epoch.
        validated = self.evaluator.state.metrics if self.evaluator.state.epoch == epoch else {}
        loss, gate = means(self._values)
        row: dict[str, Any] = {
            "epoch": epoch,
            "stage": self.plan.at(epoch).name,
            "train_loss": loss,
            "gate": gate,
            **{name: validated.get(name) for name in self.names},
            **{f"lr_{name}": rate for name, rate in self._rates.items()},
            "data_wait": round(self._clock.data_wait, 4),
            "seconds": round(self._clock.seconds, 2),
        }
        self._rows.append(row)
        self._write()
        numbers = {name: value for name, value in row.items() if isinstance(value, float)}
        engine.state.metrics = {**(engine.state.metrics or {}), **numbers}
        logger.info("%s", self._describe(row, engine))

    def _describe(self, row: dict[str, Any], engine: Engine) -> str:
        """``epoch 3/25, stage A: training loss 0.6931, gate 0.512 | ... | lr ... | 12.3 s, ..., 4:11 left``."""
        scores = ", ".join(f"{name.replace('_', ' ')} {row[name]:.4f}" for name in self.names if row[name] is not None)
        best = " (best so far)" if getattr(self.evaluator.state, "best_metric_epoch", None) == row["epoch"] else ""
        rates = ", ".join(f"{name.replace('_', ' ')} {rate:.1e}" for name, rate in self._rates.items())
        left = self._clock.seconds_left(engine)
        ends = left is not None and row["epoch"] < self.plan.total_epochs
        parts = [
            f"epoch {row['epoch']}/{self.plan.total_epochs}, stage {row['stage']}: "
            f"training loss {row['train_loss']:.4f}, gate {row['gate']:.3f}",
            f"{scores or 'not validated'}{best}",
            f"lr {rates}" if rates else "",
            f"{row['seconds']:.1f} s, data wait {row['data_wait']:.0%}"
            + (f", {tqdm.format_interval(left)} left" if ends else ""),
        ]
        return " | ".join(filter(None, parts))

    def _read(self, before: int) -> list[dict[str, Any]]:
        try:
            table = csv.DictReader(io.StringIO(read_bytes(latest(self.path)).decode("utf-8"), newline=""))
            return [row for row in table if int(row["epoch"]) < before]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError, csv.Error):
            logger.warning(
                "%s is not a history that a training writes: its epochs are lost, the next ones are recorded", self.path
            )
            return []

    def _write(self) -> None:
        if not ranks.is_main():
            return
        text = io.StringIO(newline="")
        # The newest row has the columns: rows of an older version, in a resumed run, may lack some.
        writer = csv.DictWriter(text, fieldnames=list(self._rows[-1]), lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(self._rows)
        try:
            write_for_readers(self.path, text.getvalue().encode())
        except PermissionError as error:  # a table that cannot be written does not end a training
            logger.warning("could not write %s: %s", self.path, error.strerror)
