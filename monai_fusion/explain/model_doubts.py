"""What is known about a model before any of its maps is made, and warns of them: rules on its run folder's files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from monai_fusion.metrics.intervals import mean_of_proportions

_NOISE = "its maps may show noise"


def model_doubts(
    manifest: Mapping[str, Any] | None,
    metrics: Mapping[str, Any] | None,
    calibration: Mapping[str, Any] | None,
) -> list[str]:
    """Warn of maps of a model that is untrained, or not shown to predict anything.

    A model is shown to predict if the 95 % interval of its AUROC on a test part lies above 0.5. Without an evaluation,
    the predictions that fitted the calibration decide, usually those of the validation part: the interval of their
    balanced accuracy must lie above that of guessing.

    Args:
        manifest: The content of ``manifest.json``; None without one. An ensemble has none of its own.
        metrics: The content of ``metrics.json``.
        calibration: The content of ``calibration.json``.

    Returns:
        The warnings; none if the model is shown to predict.
    """
    untrained = _untrained(manifest)
    if untrained:
        return [untrained]
    found = _tested(metrics) or _validated(calibration)
    if found is None:
        return [
            f"nothing shows that the model predicts ({_LACKING}): {_NOISE}; evaluate it on participants whom it has "
            "not seen"
        ]
    score, low, chance = found
    if low is not None and low > chance:
        return []
    interval = "no interval" if low is None else f"95 % interval from {low:.3f}"
    return [f"the model is not shown to predict ({score}, {interval}; chance is {chance:.3g}): {_NOISE}"]


def recording_doubts(metrics: Mapping[str, Any] | None) -> dict[str, str]:
    """Warn of the maps of a recording that has no effect on the predictions: ``{"mri": warning}``.

    The evaluation decides this: it swaps the recording between participants (``modalities`` in ``metrics.json``).
    """
    found = {}
    for name in ("eeg", "mri"):
        without = _entry(metrics, "modalities", f"without_{name}")
        if isinstance(without, Mapping) and without.get("changes_nothing") is True:
            found[name] = (
                f"the {name.upper()} has no effect on the predictions (another participant's in its place changes "
                "none): its maps explain very small differences, and may show noise"
            )
    return found


_LACKING = "no metrics.json of a test part and no validation in calibration.json"


def _untrained(manifest: Mapping[str, Any] | None) -> str:
    if manifest is None:
        return ""
    epochs = manifest.get("epochs")
    if isinstance(epochs, list) and not epochs:
        return f"the model is untrained (manifest.json has no epoch): {_NOISE}"
    status = manifest.get("status")
    if isinstance(status, str) and status != "finished":
        return f"the training is not finished (manifest.json: {status!r}): {_NOISE}"
    return ""


def _tested(metrics: Mapping[str, Any] | None) -> tuple[str, float | None, float] | None:
    """The AUROC in words, the lower end of its interval, and chance; None if the participants trained the model."""
    auroc = _entry(metrics, "scores", "auroc")
    section = _entry(metrics, "section")
    if section == "training" or not isinstance(auroc, Mapping) or not _is_number(auroc.get("value")):
        return None
    interval = auroc.get("interval")
    low = interval[0] if isinstance(interval, list) and interval and _is_number(interval[0]) else None
    return f"AUROC {auroc['value']:.3f} on the {section} part", low, 0.5


def _validated(calibration: Mapping[str, Any] | None) -> tuple[str, float | None, float] | None:
    """The same of the balanced accuracy of the predictions in ``calibration.json``."""
    rows, part = _entry(calibration, "predictions"), _entry(calibration, "fitted_on")
    if not isinstance(rows, list) or part == "training":
        return None
    try:
        labels = np.array([int(row["label"]) for row in rows])
        predicted = np.array([int(np.argmax(row["probabilities"])) for row in rows])
    except (KeyError, TypeError, ValueError):
        return None
    classes = np.unique(labels)
    if len(classes) < 2:
        return None
    trials = [int((labels == each).sum()) for each in classes]
    hits = [int(((labels == each) & (predicted == each)).sum()) for each in classes]
    accuracy = sum(hit / trial for hit, trial in zip(hits, trials, strict=True)) / len(classes)
    low = mean_of_proportions(hits, trials).low
    return f"balanced accuracy {accuracy:.3f} on the {part} part", low, 1 / len(classes)


def _entry(content: object, *names: str) -> object:
    for name in names:
        content = content.get(name) if isinstance(content, Mapping) else None
    return content


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
