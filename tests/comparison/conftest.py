"""A cohort in a datalist whose recordings are empty files: enough for everything that does not train."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monai_fusion.comparison.planning import CompareOptions, Plan, make_plan
from tests.support import BUNDLE_CONFIGS

LABELS = dict(zip([f"sub-{number:02d}" for number in range(1, 21)], "MFMMFMFMMFMFMMFMFMMF", strict=True))
Writer = Callable[..., Path]


@pytest.fixture
def datalist(tmp_path: Path) -> Writer:
    """Write a datalist of twenty participants in a folder of its own; ``more`` adds fields to rows."""

    def write(sections: Mapping[str, str] | None = None, more: Mapping[str, Mapping[str, Any]] | None = None) -> Path:
        folder = tmp_path / "cohort"
        (folder / "files").mkdir(parents=True, exist_ok=True)
        rows: dict[str, list[dict[str, Any]]] = {"training": [], "validation": [], "test": []}
        for name, label in LABELS.items():
            (folder / "files" / f"{name}_EO_seg0.npy").touch()
            (folder / "files" / f"{name}_T1w.nii.gz").touch()
            row = {"participant_id": name, "label": label, "eeg": f"{name}_EO_seg*.npy", "mri": f"{name}_T1w.nii.gz"}
            rows[(sections or {}).get(name, "training")].append({**row, **(more or {}).get(name, {})})
        head = {"name": "twenty", "target": "gender", "classes": ["M", "F"], "data_root": "files"}
        path = folder / "list.json"
        path.write_text(json.dumps({**head, **rows}), encoding="utf-8")
        return path

    return write


@pytest.fixture
def plan_of(tmp_path: Path, datalist: Writer) -> Callable[..., Plan]:
    """Makes the plan of a comparison of these twenty."""
    options = CompareOptions(datalist(), tmp_path / "out", bundle_root=BUNDLE_CONFIGS.parent, variants=("concat",))

    def make(**changes: Any) -> Plan:
        return make_plan(replace(options, **changes))

    return make
