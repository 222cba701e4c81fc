"""The training's curves for TensorBoard, written so that the host need not wait for the GPU in every iteration."""

from __future__ import annotations

import time

import torch
from ignite.engine import Engine, Events
from monai.handlers.tensorboard_handlers import TensorBoardHandler

from monai_fusion.training.iteration_metrics import learning_rates, loss_and_gate
from monai_fusion.training.timing import EpochClock


class TensorBoardCurves(TensorBoardHandler):
    """Write loss and mean gate of every iteration, and learning rates and data-wait share of every epoch.

    MONAI's `TensorBoardStatsHandler` reads the loss and flushes the file in each iteration. Here the values stay on the
    device until some seconds have passed or the epoch is over; then the handler reads them together and writes them
    with the times of their iterations. The tags are ``train_loss``, ``gate``, ``lr/GROUP`` and ``data_wait``.

    Args:
        log_dir: The folder of TensorBoard's files.
        interval: Seconds between two writes.
    """

    def __init__(self, log_dir: str, interval: float = 30.0) -> None:
        super().__init__(log_dir=log_dir)
        self.interval = interval
        self._clock = EpochClock()
        self._pending: list[tuple[int, float, torch.Tensor]] = []
        self._written_at = 0.0

    def attach(self, engine: Engine) -> None:
        """Attach to a trainer that runs with ``decollate=False``."""
        self._clock.attach(engine)
        engine.add_event_handler(Events.EPOCH_STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._finish)
        engine.add_event_handler(Events.COMPLETED, self._write)  # of a training that was stopped within an epoch

    def _start(self, engine: Engine) -> None:
        self._written_at = time.time()
        for name, rate in learning_rates(engine).items():
            self._writer.add_scalar(f"lr/{name}", rate, engine.state.epoch)

    def _collect(self, engine: Engine) -> None:
        self._pending.append((engine.state.iteration, time.time(), loss_and_gate(engine)))
        if time.time() - self._written_at >= self.interval:
            self._write(engine)

    def _finish(self, engine: Engine) -> None:
        self._writer.add_scalar("data_wait", self._clock.data_wait, engine.state.epoch)
        self._write(engine)

    def _write(self, engine: Engine) -> None:
        if self._pending:
            read = torch.stack([values for _, _, values in self._pending]).tolist()
            for (iteration, when, _), (loss, gate) in zip(self._pending, read, strict=True):
                self._writer.add_scalar("train_loss", loss, iteration, walltime=when)
                self._writer.add_scalar("gate", gate, iteration, walltime=when)
        self._pending, self._written_at = [], time.time()
        self._writer.flush()
