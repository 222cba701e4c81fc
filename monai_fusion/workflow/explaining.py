"""The explanation of a trained model in a bundle run: faults as one short message, and the report with its results."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from monai_fusion import ranks
from monai_fusion.causes import causes_of
from monai_fusion.datalist import Datalist
from monai_fusion.errors import RunFailed
from monai_fusion.explain import ExplainedModel, ExplainedPart, Explanation, read_settings
from monai_fusion.files import latest
from monai_fusion.output_folder import remove_all
from monai_fusion.report import write_report
from monai_fusion.run_folder import EXPLANATION_FILE, EXPLANATION_FOLDER, PREDICTIONS_FILE
from monai_fusion.workflow.gpu_reasons import is_out_of_memory
from monai_fusion.workflow.reasons import failure_behind


def run_explanation(explanation: Explanation, report: bool = True) -> None:
    """Explain a model; if its folder lies in that of an evaluation, write the evaluation's report again.

    Args:
        explanation: The component, with the network's weights loaded.
        report: Whether the report is written here.

    Raises:
        RunFailed: Memory ran out, the disk is full, or a file cannot be written.
    """
    try:
        written = explanation.run()
    except BaseException as error:
        failure = (
            _memory_failure(explanation) if any(map(is_out_of_memory, causes_of(error))) else failure_behind(error)
        )
        if failure is None:
            raise
        raise failure from error
    if written is not None and report:
        _write_report(written.parent)


def explain_evaluation(
    enabled: bool,
    recipe: Mapping[str, Any],
    cohort: Datalist,
    model: ExplainedModel,
    part: ExplainedPart,
    model_dir: str | os.PathLike[str],
    folder: str | os.PathLike[str],
) -> None:
    """Explain the predictions of an evaluation as explain.yaml does by default, before its report is written.

    Args:
        enabled: If False, nothing is explained, and the explanation of an earlier evaluation is removed.
        recipe: From `read_recipe`.
        cohort: The evaluated datalist.
        model: The model, with its weights.
        part: The evaluated participants.
        model_dir: The run folder of the model.
        folder: The folder of the evaluation.

    Raises:
        InputError: The model has more than two classes: only explain.yaml can say which one is explained.
        RunFailed: Memory ran out, the disk is full, or a file cannot be written.
    """
    place = Path(folder) / EXPLANATION_FOLDER
    if not enabled:
        if ranks.is_main():
            remove_all([place / EXPLANATION_FILE])
        return
    settings = read_settings(recipe, cohort, part.section)
    explained = Explanation(model, part, place, settings, (model_dir, folder))
    run_explanation(explained, report=False)


def check_explanation(enabled: bool, recipe: Mapping[str, Any], cohort: Datalist, section: str) -> None:
    """Check before the recordings are prepared that an evaluation can explain its model.

    Raises:
        InputError: captum is not installed, or the model has more than two classes.
    """
    if enabled:
        read_settings(recipe, cohort, section)


def _write_report(folder: Path) -> None:
    run = folder.absolute().parent
    if folder.name == EXPLANATION_FOLDER and latest(run / PREDICTIONS_FILE).exists():
        write_report(run)


def _memory_failure(explanation: Explanation) -> RunFailed:
    model = explanation.model
    gpu = torch.device(model.device).type == "cuda"
    advice = (
        f"lower --segment_batch_size (now {model.segment_batch_size}) or --explained_segments, or name other --methods"
    )
    if gpu:  # gradients of a whole volume need more than either knob saves
        advice += ", or take --device cpu"
    return RunFailed(f"out of {'GPU memory' if gpu else 'memory'} while explaining", f"{advice}; what is done is kept")
