"""The model card: who may use a model for what, what it learned from in counts, and how good it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from monai_fusion.export.facts import Facts

_TITLES = {
    "auroc": "AUROC",
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "brier": "Brier score",
    "ece": "expected calibration error",
}
_RECORDINGS = {"eeg": "an EEG scalogram", "mri": "a T1-weighted MRI"}


def model_card(facts: Facts, use: str) -> str:
    """Return a model card in Markdown, with the header that model hubs read.

    Args:
        facts: About the model.
        use: How to use what the card lies beside, in Markdown.
    """
    content = facts.content
    header = yaml.safe_dump(_header(content), sort_keys=False, allow_unicode=True, width=120)
    sections = {
        "Intended use": content["intended_use"],
        "Limits": "\n".join(f"* {limit}" for limit in content["limits"]),
        "How to use it": use,
        "Inputs and outputs": "\n".join(_rows_of_inputs(content)),
        "Training data": "\n".join(_training(content)),
        "How good it was": "\n".join(_scores(content["metrics"])),
        "Versions": ", ".join(f"{name} {number}" for name, number in content["versions"].items()),
        "Licence": _LICENCE,
    }
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections.items())
    return f"---\n{header}---\n\n# {_title(content)}\n\n{_summary(content)}\n\n{body}\n"


_LICENCE = """Apache-2.0. The encoders may have started from timm's `convnext_tiny.in12k_ft_in1k` and torchvision's
R3D-18 of Kinetics-400, under the licences of their authors. Before you publish the model, see whether the terms of the
training data allow it."""


def _title(content: Mapping[str, Any]) -> str:
    return f"{_line(content['target']) or 'class'} from {_recordings(content)}"


def _recordings(content: Mapping[str, Any]) -> str:
    return " and ".join(title for name, title in _RECORDINGS.items() if name in content["inputs"])


def _summary(content: Mapping[str, Any]) -> str:
    classes = " or ".join(_line(name) for name in content["classes"])
    return f"A monai-fusion network that classifies a person ({classes}) from {_recordings(content)}."


def _header(content: Mapping[str, Any]) -> dict[str, Any]:
    metrics = content["metrics"]
    header: dict[str, Any] = {
        "license": "apache-2.0",
        "library_name": "monai-fusion",
        "tags": ["monai", "medical", "neuroimaging", *content["inputs"].keys() & {"eeg", "mri"}, "classification"],
    }
    header["tags"] = list(dict.fromkeys(sorted(header["tags"])))
    if metrics:
        results = {
            "task": {"type": "other", "name": "classification of a participant"},
            "dataset": {"type": "private", "name": "the training's own cohort", "split": metrics["section"]},
            "metrics": [
                {"type": name, "name": _with_interval(name, score), "value": round(score["value"], 4)}
                for name, score in metrics["scores"].items()
            ],
        }
        header["model-index"] = [{"name": _title(content), "results": [results]}]
    return header


def _with_interval(name: str, score: Mapping[str, Any]) -> str:
    if score["interval"] is None:
        return _TITLES[name]
    low, high = score["interval"]
    return f"{_TITLES[name]} (95 % interval {low:.3f} to {high:.3f})"


def _rows_of_inputs(content: Mapping[str, Any]) -> Iterator[str]:
    yield "| | shape | meaning |\n| --- | --- | --- |"
    for group in ("inputs", "outputs"):
        for name, each in content[group].items():
            yield f"| `{name}` | {' x '.join(map(str, each['shape']))} | {each['meaning']} |"
    electrodes = content["electrodes"]
    if "eeg" in content["inputs"]:
        yield f"\nElectrodes: {electrodes if isinstance(electrodes, str) else ', '.join(map(_line, electrodes))}."


def _training(content: Mapping[str, Any]) -> Iterator[str]:
    training = content["training"]
    counts = [f"{number} ({part})" for part, number in training["participants"].items()]
    shares = ", ".join(f"{_line(name)} {100 * share:.0f} %" for name, share in training["class_shares"].items())
    yield f"Participants: {', '.join(counts) or 'not recorded'}. Shares of the classes: {shares}."
    if "members" in training:
        yield f"The mean of {training['members']} networks, each trained on other folds of the cohort."
    fitted = training["calibrated_on"]
    yield f"Calibrated on {fitted['participants']} participants ({fitted['part'] or 'none'})."
    yield "No recording and no id of a participant is part of this model."


def _scores(metrics: Mapping[str, Any]) -> Iterator[str]:
    if not metrics:
        yield "Not evaluated."
        return
    by_class = ", ".join(f"{number} {_line(name)}" for name, number in metrics["by_class"].items())
    yield f"On {metrics['participants']} participants of the {metrics['section']} part ({by_class}):\n"
    yield "| score | value | 95 % interval |\n| --- | --- | --- |"
    for name, score in metrics["scores"].items():
        interval = "" if score["interval"] is None else "{:.3f} to {:.3f}".format(*score["interval"])
        yield f"| {_TITLES[name]} | {score['value']:.3f} | {interval} |"


def _line(text: str) -> str:
    """A name of the user's as Markdown shows it: on one line, nothing of it obeyed."""
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>|#" else " " if sign in "\r\n" else sign for sign in str(text))
