"""What a training says last."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from ignite.engine import Engine

from monai_fusion.training import EXPORT_FILE, MODEL_FILE

logger = logging.getLogger(__name__)


def announce_training(folder: str | os.PathLike[str], evaluator: Engine, select: str) -> None:
    """Log which epoch was kept, where its files are and what to do with them.

    Args:
        folder: The run folder.
        evaluator: The engine that validated.
        select: ``best`` or ``last``, as given to the `ModelSaver`.
    """
    state = evaluator.state
    if select == "best":
        logger.info(
            "kept epoch %d: validation %s %.4f", state.best_metric_epoch, state.key_metric_name, state.best_metric
        )
    else:
        logger.info("kept the last epoch, %d", state.epoch)
    logger.info("model: %s and %s", Path(folder) / MODEL_FILE, Path(folder) / EXPORT_FILE)
    logger.info("next: evaluate.yaml with the same --datalist and --output_dir scores the test part")
