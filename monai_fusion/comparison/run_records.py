"""The state of a run from its folder: whether it is finished, and whether it has the planned settings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from monai_fusion.comparison.planning import Plan, Run
from monai_fusion.datalist import read_datalist
from monai_fusion.errors import Problem
from monai_fusion.files import write_atomically
from monai_fusion.output_folder import remove_all
from monai_fusion.reading import read_json_object
from monai_fusion.run_folder import EXPORT_FILE, MANIFEST_FILE, METRICS_FILE, MODEL_FILE, PREDICTIONS_FILE
from monai_fusion.runs.value_differences import value_differences
from monai_fusion.wording import quoted

RECORD_FILE = "comparison_run.json"
LOG_FILE = "console.log"
# The entries of a manifest that are read here.
_OBJECTS = ("times", "weights", "identity")
# Of settings stored as digests, a message can only report that they differ.
_DIGESTS = {
    "datalist": ("", "other participants or folds than before"),
    "configs": ("", "the config files changed"),
}


class RunRecord:
    """``comparison_run.json``: the settings of a run, its duration, and whether it is evaluated.

    Args:
        run: The run.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.path = run.folder / RECORD_FILE
        content = read_json_object(self.path) or {}
        settings, seconds = content.get("settings"), content.get("seconds")
        self.settings: Mapping[str, Any] | None = settings if isinstance(settings, dict) else None
        self.seconds = float(seconds) if isinstance(seconds, int | float) else 0.0
        self.evaluated = content.get("evaluated") is True

    @property
    def manifest(self) -> dict[str, Any]:
        """The training's manifest, empty if there is none; without entries that should be objects and are not."""
        content = read_json_object(self.run.folder / MANIFEST_FILE) or {}
        return {name: value for name, value in content.items() if name not in _OBJECTS or isinstance(value, dict)}

    @property
    def trained(self) -> bool:
        """Whether the training is finished."""
        return self.settings is not None and self.manifest.get("status") == "finished"

    @property
    def finished(self) -> bool:
        """Whether training and evaluation are finished and their results exist."""
        there = all((self.run.folder / name).is_file() for name in (PREDICTIONS_FILE, METRICS_FILE))
        return self.trained and self.evaluated and there

    @property
    def has_model(self) -> bool:
        """Whether the weights still exist."""
        return (self.run.folder / MODEL_FILE).is_file()

    @property
    def auroc(self) -> float | None:
        """The AUROC of the tested fold."""
        value: Any = read_json_object(self.run.folder / METRICS_FILE)
        for name in ("scores", "auroc", "value"):
            value = value.get(name) if isinstance(value, dict) else None
        return float(value) if isinstance(value, int | float) else None

    def begin(self) -> None:
        """Store the settings of the run before it starts."""
        self.run.folder.mkdir(parents=True, exist_ok=True)
        self.settings = self.run.settings
        self._write()

    def add_time(self, seconds: float, *, evaluated: bool = False) -> None:
        """Store that a part of the run is finished."""
        self.seconds += seconds
        self.evaluated = evaluated
        self._write()

    def remove_model(self) -> int:
        """Remove the weights and checkpoints of a finished run; return their size in bytes."""
        files = [self.run.folder / MODEL_FILE, self.run.folder / EXPORT_FILE]
        files += sorted((self.run.folder / "checkpoints").glob("epoch_*.pt"))
        there = [path for path in files if path.is_file()]
        size = sum(path.stat().st_size for path in there)
        remove_all(there)
        return size

    def discard(self) -> None:
        """Discard the run, so that it is repeated; the new training replaces the other files in the folder."""
        self.remove_model()  # a run must not resume from a checkpoint with other settings
        remove_all([self.path, self.run.folder / MANIFEST_FILE, self.run.folder / LOG_FILE])
        self.settings, self.seconds, self.evaluated = None, 0.0, False

    def differences(self) -> list[Problem]:
        """Name the settings of the run in the folder that differ from the planned ones."""
        if self.settings is None:
            there = self.run.folder.is_dir() and any(self.run.folder.iterdir())
            seen = f"{self.run.folder} contains other files"
            return [Problem(self.run.title, seen=seen, advice="move the folder")] if there else []
        return [
            Problem(self.run.title, *_DIGESTS[path[0]])
            if path[0] in _DIGESTS
            else Problem(self.run.title, path[-1], _shown(now), f"{_shown(then)} as before")
            for path, then, now in value_differences(self.settings, self.run.settings)
        ]

    def _write(self) -> None:
        content = {"settings": self.settings, "seconds": round(self.seconds, 1), "evaluated": self.evaluated}
        write_atomically(self.path, json.dumps(content, indent=2).encode("utf-8"))


def changed_recordings(plan: Plan, records: list[RunRecord]) -> list[Problem]:
    """Name the finished runs whose participants have other recordings now, according to the store's index."""
    from monai_fusion.runs.run_digests import data_digests

    digests: dict[tuple[int, int, str], Any] = {}
    problems = []
    for record in records:
        used = record.run.repeat, record.run.fold, record.run.settings["variant"]["modalities"]
        if used not in digests:
            path = plan.folds_folder(record.run.repeat) / f"fold{record.run.fold}.json"
            digests[used] = data_digests(read_datalist(path), plan.cache_dir, used[2])
        if record.manifest.get("data") != digests[used]:
            problems.append(Problem(record.run.title, "recordings", "differ from before"))
    return problems


def computed_differently(records: Sequence[RunRecord]) -> list[Problem]:
    """Name the finished runs with another precision, or other weight files, than the last one.

    Their commands may be the same: ``precision: auto`` depends on the machine, and a file of weights can change.
    """
    finished = [(record, record.manifest) for record in records if record.finished]
    if not finished:
        return []
    last, wanted = max(finished, key=lambda pair: str((pair[1].get("times") or {}).get("ended")))
    return [
        Problem(record.run.title, what, _shown(then), f"{_shown(now)}, as in {last.run.title}")
        for record, manifest in finished
        for what in ("precision", "files")
        for then, now in [((each.get("identity") or {}).get(what) for each in (manifest, wanted))]
        if then != now
    ]


def _shown(value: Any) -> str:
    return "not given" if value is None else quoted(value)
