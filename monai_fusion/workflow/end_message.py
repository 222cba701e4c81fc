"""The last message of a training."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from signal import Signals

from ignite.engine import Engine

from monai_fusion.messages import pasteable
from monai_fusion.metrics import read_calibration
from monai_fusion.run_folder import CALIBRATION_FILE, EXPORT_FILE, MODEL_FILE
from monai_fusion.runs.environment import peak_gpu_memory

logger = logging.getLogger(__name__)


def announce_training(
    folder: str | os.PathLike[str],
    trainer: Engine,
    evaluator: Engine,
    keep: str,
    datalist: str | os.PathLike[str],
    tested: bool = True,
) -> None:
    """Log which epoch was kept, where its files are and how to continue.

    Args:
        folder: The run folder.
        trainer: The engine that trained.
        evaluator: The engine that validated.
        keep: ``best`` or ``last``, as given to the `ModelSaver`.
        datalist: The cohort, for the command that scores its test part.
        tested: Whether it has one.

    Raises:
        SystemExit: The training was stopped: by a signal with 128 + its number, as a shell expects, or by
            ``time_limit_minutes`` with 124, as after timeout(1).
    """
    if (code := _stop_code(trainer)) is not None:
        logger.info("stopped in epoch %d of %d", trainer.state.epoch, trainer.state.max_epochs)
        logger.info("To resume, run the same command with --resume true")
        raise SystemExit(code)
    peak = peak_gpu_memory()
    if peak is not None:
        logger.info("GPU memory: %.1f GiB at the peak", peak / 2**30)
    state = evaluator.state
    if keep == "best":
        logger.info(
            "kept epoch %d: validation %s %.4f", state.best_metric_epoch, state.key_metric_name, state.best_metric
        )
    else:
        # The last validated epoch: early stopping counts the epochs that it skips as done.
        logger.info("kept the last epoch, %d", evaluator.state.epoch or trainer.state.epoch)
    if (Path(folder) / CALIBRATION_FILE).exists():
        for note in read_calibration(folder).notes:
            logger.warning("calibration: %s", note)
    logger.info("model: %s and %s", Path(folder) / MODEL_FILE, Path(folder) / EXPORT_FILE)
    if tested:
        command = pasteable(["monai-fusion", "evaluate", datalist, "--output_dir", folder])
        logger.info("next, to score the test part: %s", command)
    else:
        logger.info("no participant of this datalist can test the model: evaluate it on other participants")


def _stop_code(trainer: Engine) -> int | None:
    """The exit code of a training that was stopped before its end; None for one that was not."""
    stopped_by: Signals | None = getattr(trainer.state, "stopped_by", None)
    if stopped_by is not None:
        return 128 + stopped_by
    return 124 if getattr(trainer.state, "out_of_time", False) else None
