"""The shipped network at the shipped sizes: both encoders, as a user exports them."""

import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from tests.export.conftest import exported
from tests.export.runs import write_run

SHIPPED = {
    "eeg_shape": [224, 224, 17],
    "mri_size": [128, 128, 128],
    "slab_depth": 96,
    "network_def": {
        "_target_": "monai_fusion.networks.FusionNet",
        "eeg": {"_target_": "monai_fusion.networks.EEGEncoder", "pretrained": False},
        "mri": {"_target_": "monai_fusion.networks.MRIEncoder", "pretrained": False},
        "head": {"_target_": "monai_fusion.networks.GatedFusionHead"},
        "absence": True,
    },
}


@pytest.mark.slow
def test_the_shipped_network_is_one_onnx_file_with_the_same_numbers(tmp_path: Path) -> None:
    run, path = write_run(tmp_path / "run", absence=True, **SHIPPED), tmp_path / "model.onnx"
    told = exported(run, "onnx", path)
    numbers = [float(each) for line in told if line.startswith("  ") for each in re.findall(r"\d\.\de[-+]\d\d", line)]
    assert len(numbers) == (6 + 2) * 3 and max(numbers) < 1e-5
    assert sorted(each.name for each in tmp_path.iterdir()) == ["model.onnx", "run"]
    assert 2e8 < path.stat().st_size < 3e8
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    shapes = {each.name: each.shape for each in session.get_inputs()}
    assert shapes == {"eeg": ["batch", 17, 224, 224], "mri": ["batch", 1, 96, 128, 128], "present": ["batch", 2]}
    feeds = {name: np.zeros([1, *shape[1:]], np.float32) for name, shape in shapes.items() if name != "present"}
    probabilities = session.run(["probabilities"], feeds | {"present": np.array([[True, True]])})[0]
    assert probabilities.sum() == pytest.approx(1, abs=1e-6)
