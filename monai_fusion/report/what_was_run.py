"""A dozen facts about the training, and the knobs that differ from the shipped defaults; no names of folders."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monai_fusion.metrics.metrics_file import Metrics
from monai_fusion.options.configs import load_configs
from monai_fusion.options.knob_list import read_knobs
from monai_fusion.options.knob_values import TEXT_KNOBS
from monai_fusion.report.number_text import count_participants
from monai_fusion.report.run_results import Results
from monai_fusion.shipped_bundle import shipped_bundle

MOST_KNOBS = 30
"""The maximum number of listed knobs: the manifest has all."""

_LONGEST = 120  # letters of a value
_LIBRARIES = ("python", "torch", "monai", "timm", "numpy", "scipy", "scikit-learn", "nibabel", "cuda")
_USED = {"both": "EEG and MRI", "eeg": "the EEG only", "mri": "the MRI only"}
# A place in a file system: an address, or a path from the root, a drive or the home folder, or up from here; with
# everything up to the last slash, because a folder's name may contain any character.
_PLACE = re.compile(
    r"(?:[a-z][a-z0-9+.-]*:/+|(?<![\w.])(?:[A-Za-z]:[\\/]+|~?[\\/]{1,2}|\.{1,2}[\\/]))(?=[^\s\\/])(?:.*[\\/])?"
)
# Knobs about how a run is started, not about what it computes.
_ABOUT_STARTING = ("overwrite", "resume")


@dataclass(frozen=True)
class WhatWasRun:
    """The training as the report describes it.

    Attributes:
        summary: One line.
        facts: Names and values.
        knobs: The knobs that differ: name, value, and shipped default.
        further_knobs: The number of other knobs that differ.
    """

    summary: str
    facts: tuple[tuple[str, str], ...] = ()
    knobs: tuple[tuple[str, str, str], ...] = ()
    further_knobs: int = 0


def what_was_run(results: Results) -> WhatWasRun | None:
    """Condense the manifest, or the recipe where there is none; None if there is neither.

    Both files may be damaged or come from outside: values of an unexpected type are left out.
    """
    if results.manifest:
        facts = tuple(_facts(results.manifest, results))
        knobs = tuple(_changed_knobs(_part(results.manifest, "knobs")))
        return WhatWasRun(_summary(results.manifest), facts, knobs[:MOST_KNOBS], max(0, len(knobs) - MOST_KNOBS))
    if results.recipe:
        facts = tuple((name, value_text(value)) for name, value in results.recipe.items() if name != "preprocessing")
        return WhatWasRun("From recipe.json: there is no manifest.json in this folder.", facts)
    return None


def value_text(value: Any) -> str:
    """A value as text, shortened and without folders."""
    value = _without_folders(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 2]} …"


def _without_folders(value: Any) -> Any:
    """``/home/jane/weights.pth`` -> ``weights.pth``: pages are shared, and folders often contain names."""
    if isinstance(value, Mapping):
        return {_without_folders(name): _without_folders(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_folders(each) for each in value]
    return _PLACE.sub("", value) if isinstance(value, str) else value


def commit_of(manifest: Mapping[str, Any]) -> str:
    """The commit of the program, shortened; empty if it is not known."""
    git = _part(manifest, "git")
    revision = git.get("revision")
    if not isinstance(revision, str) or not revision:
        return ""
    return revision[:10] + (" with local changes" if git.get("modified") is True else "")


def epochs_of(manifest: Mapping[str, Any]) -> tuple[int, int] | None:
    """Epochs of stage A and of stage B; None if the manifest does not contain them."""
    epochs = _part(manifest, "identity").get("num_epochs")
    if isinstance(epochs, list) and len(epochs) == 2 and all(isinstance(one, int) for one in epochs):
        return epochs[0], epochs[1]
    return None


def later_stages_train_more(manifest: Mapping[str, Any]) -> bool:
    """Whether a later stage trains blocks that the first one does not, as in the shipped config; True if not known."""
    stages = _part(manifest, "knobs").get("stage_blocks")
    if not isinstance(stages, list) or len(stages) < 2:
        return True
    return any(stage != stages[0] for stage in stages[1:])


def device_of(manifest: Mapping[str, Any]) -> str:
    """The training's device; empty if the manifest does not contain it."""
    machine = _part(manifest, "hardware")
    name = machine.get("gpu") or machine.get("cpu")
    device = machine.get("device")
    return ", ".join(value_text(part) for part in (device, name) if isinstance(part, str) and part)


def _summary(manifest: Mapping[str, Any]) -> str:
    started = _day(_part(manifest, "times").get("started"))
    epochs = epochs_of(manifest)
    seed = manifest.get("seed")
    parts = (
        f"trained {started}" if started else "",
        f"{epochs[0]} + {epochs[1]} epochs" if epochs else "",
        f"seed {seed}" if isinstance(seed, int) else "",
        f"commit {commit}" if (commit := commit_of(manifest)) else "",
    )
    text = ", ".join(part for part in parts if part) or "from manifest.json"
    return text[:1].upper() + text[1:]


def _facts(manifest: Mapping[str, Any], results: Results) -> Iterator[tuple[str, str]]:
    times, identity = _part(manifest, "times"), _part(manifest, "identity")
    versions, datalist = _part(manifest, "versions"), _part(manifest, "datalist")
    started, ended = times.get("started"), times.get("ended")
    best = _part(manifest, "best").get("epoch")
    epochs, seed, status = epochs_of(manifest), manifest.get("seed"), manifest.get("status")
    program = [f"monai-fusion {value_text(versions['monai-fusion'])}" if versions.get("monai-fusion") else ""]
    program.append(f"commit {commit}" if (commit := commit_of(manifest)) else "")
    kept = f"; epoch {best} was kept" if isinstance(best, int) else ""
    stages = f"{epochs[0]} in stage A, {epochs[1]} in stage B{kept}" if epochs else ""
    pretrained = {True: "ImageNet and Kinetics", False: "random numbers"}.get(identity.get("pretrained") is True)
    facts = (
        ("Trained", " to ".join(value_text(time) for time in (started, ended) if time)),
        ("Status", value_text(status) if status not in (None, "finished") else ""),
        ("Program", ", ".join(part for part in program if part)),
        ("Datalist", ", ".join(_named(datalist, "name", "digest"))),
        ("Recordings", "; ".join(_parts_of(_part(manifest, "data")))),
        ("Modalities", _USED[results.modalities]),
        ("Seed", value_text(seed) if seed is not None else ""),
        ("Epochs", stages),
        ("Started from", pretrained if "pretrained" in identity and pretrained else ""),
        ("Precision", value_text(identity["precision"]) if identity.get("precision") else ""),
        ("Device", device_of(manifest)),
        ("Versions", ", ".join(f"{name} {value_text(versions[name])}" for name in _LIBRARIES if versions.get(name))),
        ("Weights", ", ".join(_named(_part(manifest, "weights"), "file", "digest"))),
        ("Evaluated", _evaluation(results.metrics)),
    )
    yield from ((name, value) for name, value in facts if value)


def _named(part: Mapping[str, Any], name: str, digest: str) -> Iterator[str]:
    if isinstance(part.get(name), str) and part[name]:
        yield part[name][:_LONGEST]  # not a folder: the name that the user chose
    if isinstance(part.get(digest), str) and part[digest]:
        yield f"digest {value_text(part[digest])}"


def _parts_of(data: Mapping[str, Any]) -> Iterator[str]:
    for name, part in data.items():
        if isinstance(part, Mapping) and isinstance(part.get("participants"), int):
            files = f" ({part['files']} files)" if isinstance(part.get("files"), int) else ""
            yield f"{value_text(name)} {count_participants(part['participants'])}{files}"


def _evaluation(metrics: Metrics | None) -> str:
    if metrics is None:
        return ""
    section = f"{metrics.section} part, " if metrics.section else ""
    return f"{section}monai-fusion {metrics.monai_fusion}"


def _changed_knobs(knobs: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The knobs whose value is not the shipped one; those that depend on the machine (device, folders) are facts."""
    path = shipped_bundle() / "configs" / "train.yaml"
    try:
        shipped = load_configs([path])
        names = [knob.name for knob in read_knobs(path)]
    except (OSError, ValueError):
        return
    for name in names:
        default = shipped.get(name)
        computed = isinstance(default, str) and default.startswith("$")
        if (
            name not in knobs
            or computed
            or name in _ABOUT_STARTING
            or name in TEXT_KNOBS - {"eeg_weights", "mri_weights"}
        ):
            continue
        if knobs[name] != default:
            yield name, value_text(knobs[name]), value_text(default)


def _part(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = content.get(name)
    return value if isinstance(value, Mapping) else {}


def _day(text: Any) -> str:
    try:
        return datetime.fromisoformat(text).strftime("%Y-%m-%d")
    except (TypeError, ValueError):
        return ""
