"""The program on docs/exporting.md, which has numpy and onnxruntime alone, predicts what an evaluation predicts."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_fusion.evaluation import ParticipantInferer
from monai_fusion.evaluation.model_loader import ModelLoader
from monai_fusion.metrics.calibration_file import load_calibration
from monai_fusion.runs import read_recipe, trained_network, trained_preprocessing
from tests.documentation.pages import blocks
from tests.export.runs import EEG_SHAPE
from tests.support import write_scalogram, write_volume


def test_the_lines_on_the_page_give_the_probabilities_of_an_evaluation(
    run_folder: Path, onnx_file: Path, tmp_path: Path
) -> None:
    (program,) = [text for _, language, text in blocks("docs/exporting.md") if language == "python"]
    assert len(program.strip().splitlines()) <= 20
    imported = {word for line in program.splitlines() if line.startswith("import") for word in line.split()[1:2]}
    assert imported == {"json", "numpy", "onnxruntime"}
    files = [write_scalogram(tmp_path / f"sub-1_seg{number}.npy", number, EEG_SHAPE) for number in range(3)]
    volume = write_volume(tmp_path / "sub-1_T1w.nii.gz", 5, (22, 20, 24))
    recipe = read_recipe(run_folder)
    chains = trained_preprocessing(recipe, None).transforms
    prepared = {"eeg": [_applied(chains["eeg"], "eeg", path) for path in files]}
    prepared["mri"] = [_applied(chains["mri"], "mri", volume)]
    np.save(tmp_path / "segments.npy", np.stack([np.load(path) for path in files]))
    np.save(tmp_path / "mri.npy", prepared["mri"][0][0])
    (tmp_path / "model.onnx").write_bytes(onnx_file.read_bytes())
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path, timeout=300
    )
    shown, _, gate = done.stdout.strip().rpartition(" ")
    network = trained_network(recipe).eval()
    ModelLoader(network, run_folder).load()
    with torch.no_grad():
        eeg, mri = (torch.from_numpy(np.stack(prepared[name])) for name in ("eeg", "mri"))
        answer = ParticipantInferer()(eeg, network, mri)
    calibration = load_calibration(run_folder, recipe["classes"])
    assert calibration is not None
    expected = calibration.probabilities(answer["probabilities"].double().numpy())[0]
    assert ast.literal_eval(shown) == {
        "M": pytest.approx(expected[0], abs=1e-5),
        "F": pytest.approx(expected[1], abs=1e-5),
    }
    assert float(gate) == pytest.approx(float(answer["gate"][0, 0]), abs=1e-5)


def _applied(chain: list, key: str, path: Path) -> np.ndarray:
    data = {key: path}
    for transform in chain:
        data = transform(data)
    return np.asarray(data[key], dtype=np.float32)
