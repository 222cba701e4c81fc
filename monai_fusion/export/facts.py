"""The facts about a model that an exported file tells, in JSON's types: no participant, no path, no machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from monai_fusion import __version__
from monai_fusion.export.deployed_network import PRESENT
from monai_fusion.export.electrodes import UNKNOWN_ORDER
from monai_fusion.export.trained_run import TrainedRun
from monai_fusion.metrics.fields_of_scores import Score
from monai_fusion.shipped_bundle import shipped_bundle

LICENCE = "Apache-2.0"
_LIMITS = (
    "Learned from one cohort: other scanners, amplifiers, ages or preprocessing change its numbers.",
    "A class that goes with age, head size or site in the training cohort may have been learned from these.",
    "Probabilities are calibrated for the class shares of the training cohort.",
)

_PACKAGES = ("torch", "monai", "timm", "torchvision", "numpy", "onnx", "onnxscript", "onnxruntime", "safetensors")
_SCORES = ("auroc", "balanced_accuracy", "accuracy", "sensitivity", "specificity", "brier", "ece")


@dataclass(frozen=True)
class Facts:
    """What an exported file tells about its model.

    Attributes:
        content: By name; ``texts`` writes each as a text of its own.
    """

    content: Mapping[str, Any]

    def texts(self, **more: Any) -> dict[str, str]:
        """Each fact as a text: words as they are, everything else as JSON."""
        facts = {**self.content, **more}
        return {
            name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            for name, value in facts.items()
        }


def facts_of(run: TrainedRun) -> Facts:
    """Collect the facts about a model."""
    shipped = json.loads((shipped_bundle() / "configs" / "metadata.json").read_text(encoding="utf-8"))
    return Facts(
        {
            "name": "monai-fusion",
            "target": str(run.recipe.get("target", "")),
            "classes": list(run.recipe["classes"]),
            "inputs": _inputs(run),
            "outputs": _outputs(len(run.recipe["classes"])),
            "preprocessing": {name: run.recipe["preprocessing"][name] for name in run.modalities},
            "electrodes": list(run.electrodes) or UNKNOWN_ORDER,
            "calibration": _calibration(run),
            "decision": _decision(run),
            "training": _training_of(run),
            "metrics": metrics_of(run),
            "versions": {"monai-fusion": __version__}
            | {name: found for name in _PACKAGES if (found := _version(name))},
            "license": LICENCE,
            "intended_use": shipped["intended_use"],
            "limits": shipped.get("limits", list(_LIMITS)),
        }
    )


def _training_of(run: TrainedRun) -> dict[str, Any]:
    """The training in counts and numbers."""
    data = run.manifest.get("data")
    parts = data if isinstance(data, Mapping) else {}
    members = run.recipe.get("members")
    return {
        "participants": {
            name: part["participants"]
            for name, part in parts.items()
            if isinstance(part, Mapping) and type(part.get("participants")) is int and name != "test"
        },
        "class_shares": dict(zip(run.recipe["classes"], run.calibration.target_prior, strict=True)),
        "calibrated_on": {"part": run.calibration.fitted_on, "participants": run.calibration.fitted_participants},
        "modalities": run.recipe.get("modalities", "both"),
        "fusion": run.recipe.get("fusion", "gated"),
        **({} if members is None else {"members": members}),
    }


def metrics_of(run: TrainedRun) -> dict[str, Any]:
    """The scores of the evaluation in the run folder, with their 95 % intervals; empty without one."""
    found = run.metrics
    if found is None or list(found.classes) != list(run.recipe["classes"]):
        return {}
    scores = {name: score for name in _SCORES if isinstance(score := getattr(found.scores, name), Score)}
    return {
        "section": found.section,
        "participants": found.participants,
        "by_class": {each.class_name: each.participants for each in found.class_counts},
        "scores": {
            name: {"value": score.value, "interval": None if score.interval is None else list(score.interval)}
            for name, score in scores.items()
            if score.value is not None
        },
    }


def _inputs(run: TrainedRun) -> dict[str, Any]:
    described = {
        "eeg": (
            "electrode, frequency, time",
            "EEG scalogram of one segment after the preprocessing: z-scored over (frequency, time) by electrode",
        ),
        "mri": ("channel, depth, height, width", "T1-weighted MRI after the preprocessing: intensities from 0 to 1"),
    }
    inputs: dict[str, Any] = {
        name: {
            "shape": ["batch", *shape],
            "dtype": "float32",
            "axes": f"participant, {described[name][0]}",
            "meaning": described[name][1],
        }
        for name, shape in run.input_shapes.items()
    }
    if run.takes_missing:
        inputs[PRESENT] = {
            "shape": ["batch", 2],
            "dtype": "bool",
            "axes": "participant, (EEG, MRI)",
            "meaning": "which recordings are there, at least one; the values of a missing one change nothing",
        }
    return inputs


def _outputs(classes: int) -> dict[str, Any]:
    return {
        "logits": {"shape": ["batch", classes], "meaning": "of the network; softmax gives its own probabilities"},
        "probabilities": {
            "shape": ["batch", classes],
            "meaning": "calibrated; of several EEG segments, take the mean of softmax(logits), then see calibration",
        },
        "gate": {"shape": ["batch", 1], "meaning": "weight of the EEG, 0 to 1; the MRI has the rest"},
    }


def _calibration(run: TrainedRun) -> dict[str, Any]:
    found = run.calibration
    return {
        "formula": "softmax(slope * (log(p) - log(network_prior)) + intercepts + log(target_prior)), p: the network's",
        "network_prior": list(found.network_prior),
        "target_prior": list(found.target_prior),
        "slope": found.slope,
        "intercepts": list(found.intercepts) or [0.0] * len(found.network_prior),
        "notes": list(found.notes),
    }


def _decision(run: TrainedRun) -> dict[str, Any]:
    found, classes = run.calibration, run.recipe["classes"]
    if found.threshold is not None:
        rule = f"{classes[1]!r} if its probability is above the threshold, else {classes[0]!r}"
        return {"operating_point": found.operating_point, "threshold": found.threshold, "rule": rule}
    rule = "the class with the largest probability / share"
    return {
        "operating_point": found.operating_point,
        "shares": list(found.shares or [1.0] * len(classes)),
        "rule": rule,
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
