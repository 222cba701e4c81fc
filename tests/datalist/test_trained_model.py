"""How a model's recipe says that files are read; the recipe may be a stranger's."""

import json
from pathlib import Path
from typing import Any

import pytest

from monai_fusion.datalist.trained_model import FileReading, read_trained_model

READS = {"_target_": "monai_fusion.transforms.LoadScalogramd", "shape": [40, 50, 19]}
LOADS = {"_target_": "monai_fusion.transforms.LoadVolumed", "assume_orientation": "LAS"}
SCALES = {"_target_": "monai_fusion.transforms.ScaleIntensityPercentilesd", "over": "nonzero"}


@pytest.mark.parametrize(
    ("preprocessing", "expected"),
    [
        ({"eeg": [READS], "mri": [LOADS, SCALES]}, FileReading((40, 50, 19), "LAS", "nonzero")),
        ({"eeg": [{**READS, "shape": [40, 50]}], "mri": ["LoadVolumed", {**SCALES, "over": 1}]}, FileReading()),
        ({"eeg": [{**READS, "shape": [True, 50, -1]}], "mri": {"over": "all"}}, FileReading()),
        ([READS], FileReading()),
        (None, FileReading()),
    ],
)
def test_what_a_recipe_does_not_state_is_as_shipped(preprocessing: Any, expected: FileReading, tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text(json.dumps({"classes": ["M", "F"], "preprocessing": preprocessing}))
    (tmp_path / "model.pt").write_bytes(b"weights")
    assert read_trained_model(tmp_path).files == expected
