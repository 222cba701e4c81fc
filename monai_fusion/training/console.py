"""What a training shows: a bar while an epoch runs, one line and one row of ``history.csv`` when it is over."""

from __future__ import annotations

import csv
import io
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from ignite.handlers.tqdm_logger import ProgressBar

from monai_fusion import ranks
from monai_fusion.files import write_atomically
from monai_fusion.keys import GATE
from monai_fusion.training.stages import StagePlan

logger = logging.getLogger(__name__)


class EpochProgress(ProgressBar):
    """A bar over the iterations of an epoch with the loss and the mean gate; shown on terminals only."""

    def __init__(self) -> None:
        super().__init__(persist=False, disable=None if ranks.is_main() else True, desc="epoch")

    def attach(self, engine: Engine) -> None:
        """Attach to a trainer."""
        super().attach(engine, output_transform=_loss_and_gate, event_name=Events.ITERATION_COMPLETED)


class EpochLog:
    """Log one line an epoch and keep ``history.csv``, one row an epoch.

    Place it after the `ValidationHandler` in the list of handlers, so that the line holds the epoch's validation.

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
        self.path = Path(folder) / "history.csv"
        self.names = list(names)
        self._rows: list[dict[str, Any]] = []
        self._losses: list[torch.Tensor] = []
        self._gates: list[torch.Tensor] = []
        self._started = 0.0

    def attach(self, engine: Engine) -> None:
        """Attach to a trainer that runs with ``decollate=False``."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._finish)

    def _start(self, engine: Engine) -> None:
        if not self._rows and engine.state.epoch > 1:  # a resumed run: its file has the epochs before
            self._rows = self._read(before=engine.state.epoch)
        self._losses, self._gates = [], []
        self._started = time.perf_counter()

    def _collect(self, engine: Engine) -> None:
        # Kept as tensors: reading their value here would make the host wait for the GPU in every iteration.
        self._losses.append(engine.state.output["loss"].detach())
        self._gates.append(engine.state.output["pred"][GATE].detach().float().mean())

    def _finish(self, engine: Engine) -> None:
        epoch = engine.state.epoch
        # The evaluator keeps its last metrics through epochs in which it does not run: they are not this epoch's.
        validated = self.evaluator.state.metrics if self.evaluator.state.epoch == epoch else {}
        row: dict[str, Any] = {
            "epoch": epoch,
            "stage": self.plan.at(epoch).name,
            "train_loss": float(torch.stack(self._losses).mean()),
            "gate": float(torch.stack(self._gates).mean()),
            **{name: validated.get(name) for name in self.names},
            "seconds": round(time.perf_counter() - self._started, 2),
        }
        self._rows.append(row)
        self._write()
        scores = ", ".join(f"{name.replace('_', ' ')} {row[name]:.4f}" for name in self.names if row[name] is not None)
        best = " (best so far)" if getattr(self.evaluator.state, "best_metric_epoch", None) == epoch else ""
        logger.info(
            "epoch %d/%d, stage %s: training loss %.4f, gate %.3f | %s%s | %.1f s",
            epoch,
            self.plan.total_epochs,
            row["stage"],
            row["train_loss"],
            row["gate"],
            scores or "not validated",
            best,
            row["seconds"],
        )

    def _read(self, before: int) -> list[dict[str, Any]]:
        try:
            with self.path.open(encoding="utf-8", newline="") as stream:
                return [row for row in csv.DictReader(stream) if int(row["epoch"]) < before]
        except FileNotFoundError:
            return []

    def _write(self) -> None:
        if not ranks.is_main():
            return
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, fieldnames=list(self._rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        write_atomically(self.path, text.getvalue().encode())


def _loss_and_gate(output: dict[str, Any]) -> dict[str, float]:
    return {"loss": float(output["loss"].detach()), "gate": float(output["pred"][GATE].detach().float().mean())}
