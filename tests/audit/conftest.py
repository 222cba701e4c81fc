"""A run folder with everything that a training and an evaluation leave, its datalist, recordings and store."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from monai_fusion.fingerprint import content_hash
from monai_fusion.options.configs import load_configs
from monai_fusion.store.file_index import SourceIndex, read_source
from tests.report.conftest import MANIFEST, make_evaluation
from tests.support import BUNDLE_CONFIGS, write_datalist

PARTS = {"training": range(6), "validation": range(6, 8), "test": range(8, 12)}
EVALUATION = {
    "time": "2026-11-27T09:00:00+00:00",
    "section": "test",
    "participants": 4,
    "settings": {"calibrate": True, "target_prior": None, "operating_point": None, "allow_missing": None},
    "settings_digest": "aa",
}
Sections = dict[str, list[dict[str, Any]]]


def people_of(folder: Path) -> Sections:
    """Rows of twelve participants with recordings that differ; two of a part are one family."""
    folder.mkdir()
    rows = []
    for number in range(12):
        files = {"eeg": f"p{number}.npy", "mri": f"p{number}.nii"}
        for kind, name in files.items():
            (folder / name).write_bytes(f"{kind} of {number}".encode())
        family = {"family": f"f{number // 2}", "age": 20 + number, "site": "AB"[number % 2]}
        rows.append({"participant_id": f"p{number}", "label": "MF"[number % 2], **files, **family})
    return {part: [rows[number] for number in numbers] for part, numbers in PARTS.items()}


class AuditedRun:
    """A run that a test changes before the audit reads it."""

    def __init__(self, parent: Path) -> None:
        self.folder = make_evaluation("two_classes", parent)
        self.data = parent / "data"
        self.sections = people_of(self.data)
        self.head: dict[str, Any] = {"group_by": ["family"], "data_root": "data"}
        self.datalist = parent / "cohort.json"
        self.store = parent / "store"
        self.store.mkdir()
        self.write()

    def write(self, evaluations: list[Mapping[str, Any]] | None = None, **changes: Any) -> None:
        """Write datalist, manifest, recipe and store as a training of these sections does."""
        write_datalist(self.datalist, self.sections, **self.head)
        digest = content_hash(self.datalist)
        index = SourceIndex(self.store)
        hashes: dict[str, list[str]] = {}
        for part, rows in self.sections.items():
            files = [self.data / row[kind] for row in rows for kind in ("eeg", "mri")]
            hashes[part] = [content_hash(path) for path in files]
            for path in files:
                index.remember(path, read_source(path))
        kept_by = {"keep_epoch": "best", "epoch_score": "balanced_cross_entropy"}
        identity = {**MANIFEST["identity"], **kept_by, "allow_missing": False, "balanced_sampling": True}  # type: ignore[dict-item]
        places = {"datalist": str(self.datalist), "cache_dir": str(self.store)}
        knobs = {**places, "head_lr": 0.001, "eeg_shape": [224, 224, 17], "mri_size": [128, 128, 128], "slab_depth": 96}
        scored = [EVALUATION] if evaluations is None else evaluations
        manifest = {
            **MANIFEST,
            "command": {"folder": str(self.folder)},
            "datalist": {"name": "cohort", "digest": digest},
            "data": {part: {"participants": len(rows), "digest": part} for part, rows in self.sections.items()},
            "identity": identity,
            "knobs": knobs,
            "config": load_configs([BUNDLE_CONFIGS / "train.yaml"]),
            "evaluations": [{"datalist": digest, **each} for each in scored],
            "weights": {"file": "model.pt", "digest": "bb"},
            **changes,
        }
        recipe = {"classes": ["M", "F"], "trained_on": hashes["training"], "validated_on": hashes["validation"]}
        self.write_json("manifest.json", manifest)
        self.write_json("recipe.json", recipe)

    def write_json(self, name: str, content: object) -> None:
        """Write a file of the run."""
        (self.folder / name).write_text(json.dumps(content), encoding="utf-8")

    def edit(self, name: str, change: Callable[[dict[str, Any]], object]) -> None:
        """Change a JSON file of the run."""
        content = self.audit(name)
        change(content)
        self.write_json(name, content)

    def audit(self, name: str = "audit.json") -> dict[str, Any]:
        """A JSON file of the run."""
        content: dict[str, Any] = json.loads((self.folder / name).read_text(encoding="utf-8"))
        return content

    def statuses(self) -> dict[str, str]:
        """The answer to each check; the last one if a check has several."""
        return {check["name"]: check["status"] for check in self.audit()["checks"]}

    def items(self) -> dict[str, dict[str, Any]]:
        """The items by guideline and number: ``TRIPOD+AI 17``."""
        return {f"{item['guideline']} {item['item']}": item for item in self.audit()["items"]}


@pytest.fixture
def run(tmp_path: Path) -> AuditedRun:
    """A run with nothing wrong."""
    return AuditedRun(tmp_path)
