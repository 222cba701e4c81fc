"""An ONNX file gives the numbers of the trained network, to a program that knows nothing of this one."""

import json
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from monai_fusion.errors import RunFailed
from monai_fusion.evaluation.model_loader import ModelLoader
from monai_fusion.export import onnx_file as onnx_module
from monai_fusion.export.parity import TOLERANCE, eager
from monai_fusion.export.trained_run import read_trained_run
from monai_fusion.metrics.calibration_file import load_calibration
from monai_fusion.onnx_metadata import read_metadata
from monai_fusion.runs import read_recipe, trained_network
from tests.export.conftest import exported
from tests.export.runs import inputs, write_run


def session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def reference(run: Path, feeds: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits, calibrated probabilities and gate by the classes of training and evaluation themselves."""
    network = trained_network(read_recipe(run)).eval()
    ModelLoader(network, run).load()
    with torch.no_grad():
        answer = network(torch.from_numpy(feeds["eeg"]), torch.from_numpy(feeds["mri"]))
    calibration = load_calibration(run, ["M", "F"])
    assert calibration is not None and calibration.slope != 1.0 and calibration.target_prior == (0.75, 0.25)
    shares = answer["logits"].double().softmax(1).numpy()
    return answer["logits"].numpy(), calibration.probabilities(shares), answer["gate"].numpy()


def test_it_has_named_inputs_and_outputs_with_one_free_batch_and_gives_the_run_s_numbers(
    run_folder: Path, onnx_file: Path
) -> None:
    opened = session(onnx_file)
    assert {each.name: each.shape for each in opened.get_inputs()} == {
        "eeg": ["batch", 3, 32, 40],
        "mri": ["batch", 1, 16, 18, 16],
    }
    shapes = [(each.name, each.shape) for each in opened.get_outputs()]
    assert shapes == [("logits", ["batch", 2]), ("probabilities", ["batch", 2]), ("gate", ["batch", 1])]
    for participants in (1, 2, 7):
        feeds = inputs(participants)
        found, expected = opened.run(None, feeds), reference(run_folder, feeds)
        assert [each.shape for each in found] == [(participants, 2), (participants, 2), (participants, 1)]
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5, rtol=0)
    probabilities = opened.run(["probabilities"], inputs(7))[0]
    assert np.ptp(probabilities[:, 0]) > 0.05 and np.allclose(probabilities.sum(axis=1), 1)


def test_a_recording_that_is_not_there_changes_nothing_and_the_other_one_decides(
    flexible_run: Path, flexible_file: Path
) -> None:
    opened, feeds = session(flexible_file), inputs(4)
    assert [each.name for each in opened.get_inputs()] == ["eeg", "mri", "present"]
    feeds["present"] = np.array([[True, True], [True, False], [False, True], [True, True]])
    logits, _, gate = opened.run(None, feeds)
    other = inputs(4, seed=99)
    replaced = {**feeds, "mri": feeds["mri"].copy(), "eeg": feeds["eeg"].copy()}
    replaced["mri"][1], replaced["eeg"][2] = other["mri"][1], 0.0
    np.testing.assert_array_equal(opened.run(None, replaced)[0], logits)
    assert gate[1] == 1 and gate[2] == 0 and 0 < gate[0] < 1
    network = trained_network(read_recipe(flexible_run)).eval()
    ModelLoader(network, flexible_run).load()
    present = torch.from_numpy(feeds["present"])
    eeg, mri = (torch.from_numpy(feeds[name])[present[:, column]] for column, name in enumerate(("eeg", "mri")))
    with torch.no_grad():
        expected = network(eeg, mri, present)["logits"].numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("modalities", "name"), [("eeg", "eeg"), ("mri", "mri")])
def test_a_model_of_one_recording_has_one_input(tmp_path: Path, modalities: str, name: str) -> None:
    run = write_run(tmp_path / "run", modalities=modalities)
    told = exported(run, "onnx", tmp_path / "model.onnx")
    opened = session(tmp_path / "model.onnx")
    assert [each.name for each in opened.get_inputs()] == [name]
    gate = opened.run(["gate"], {name: inputs(3)[name]})[0]
    assert gate.tolist() == [[1.0 if name == "eeg" else 0.0]] * 3
    assert sum("2 participants:" in line for line in told) == 2  # whole, and in parts


@pytest.mark.parametrize("fusion", [pytest.param("concat", marks=pytest.mark.slow), "mean"])
def test_heads_without_a_gate_are_exported_too(tmp_path: Path, fusion: str) -> None:
    run = write_run(tmp_path / "run", fusion=fusion, absence=True)
    exported(run, "onnx", tmp_path / "model.onnx")
    feeds = inputs(2) | {"present": np.array([[True, True], [False, True]])}
    assert session(tmp_path / "model.onnx").run(["gate"], feeds)[0].ravel().tolist() == [0.5, 0.0]


def test_an_ensemble_is_one_file_that_gives_the_mean_of_its_members(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", members=2)
    exported(run, "onnx", tmp_path / "model.onnx")
    feeds = inputs(3)
    logits, _, gate = session(tmp_path / "model.onnx").run(None, feeds)
    network = trained_network(read_recipe(run)).eval()
    ModelLoader(network, run).load()
    eeg, mri = (torch.from_numpy(feeds[name]) for name in ("eeg", "mri"))
    with torch.no_grad():
        answers = [member(eeg, mri) for member in network.members]  # type: ignore[operator, union-attr]
    shares = np.mean([each["logits"].softmax(1).numpy() for each in answers], axis=0)
    np.testing.assert_allclose(np.exp(logits), shares, atol=1e-6, rtol=0)
    np.testing.assert_allclose(gate, np.mean([each["gate"].numpy() for each in answers], axis=0), atol=1e-6, rtol=0)


def test_it_tells_what_another_program_must_know(run_folder: Path, onnx_file: Path) -> None:
    facts = session(onnx_file).get_modelmeta().custom_metadata_map
    assert facts == read_metadata(onnx_file)
    assert json.loads(facts["classes"]) == ["M", "F"] and facts["target"] == "gender"
    assert facts["license"] == "Apache-2.0" and facts["opset"] == "20" and facts["intended_use"]
    assert [step["_target_"].rpartition(".")[2] for step in json.loads(facts["preprocessing"])["mri"]] == [
        *("LoadVolumed", "ScaleIntensityPercentilesd", "ResampleSlabd")
    ]
    assert facts["electrodes"] == "in the order of the scalogram files"
    decision, calibration = json.loads(facts["decision"]), json.loads(facts["calibration"])
    assert decision["threshold"] == pytest.approx(0.25) and decision["operating_point"] == "balanced"
    assert calibration["target_prior"] == [0.75, 0.25]
    assert json.loads(facts["training"])["participants"] == {"training": 40}
    assert {"monai-fusion", "torch", "onnx"} <= json.loads(facts["versions"]).keys()
    assert json.loads(facts["recipe.json"])["eeg_shape"] == [32, 40, 3]
    assert facts["calibration.json"] == (run_folder / "calibration.json").read_text(encoding="utf-8")


def test_the_calibration_in_the_metadata_is_that_of_the_graph(onnx_file: Path) -> None:
    opened = session(onnx_file)
    found = json.loads(opened.get_modelmeta().custom_metadata_map["calibration"])
    logits, probabilities, _ = opened.run(None, inputs(5))
    evidence = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)) - np.log(found["network_prior"])
    corrected = np.exp(found["slope"] * evidence + found["intercepts"] + np.log(found["target_prior"]))
    np.testing.assert_allclose(corrected / corrected.sum(axis=1, keepdims=True), probabilities, atol=1e-5, rtol=0)


def test_it_is_one_file_of_plain_operators_and_no_word_in_it_comes_from_this_machine(
    tmp_path: Path, onnx_file: Path
) -> None:
    model = onnx.load(onnx_file, load_external_data=False)
    onnx.checker.check_model(model, full_check=True)
    assert {each.domain for each in model.opset_import} == {""} and model.opset_import[0].version == 20
    assert not any(each.external_data for each in model.graph.initializer)
    content = onnx_file.read_bytes()
    assert not re.search(rb"sub-|secret|\.py\b|/home|site-packages|/tmp|list\.json", content)
    assert str(tmp_path.parent).encode() not in content and b"stack_trace" not in content


@pytest.fixture
def written_before(onnx_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An export writes the file that it wrote before of the same run."""
    monkeypatch.setattr(onnx_module, "write_onnx", lambda run, facts, path: shutil.copy(onnx_file, path))


@pytest.mark.usefixtures("written_before")
def test_numbers_that_differ_are_refused_and_nothing_is_written(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def off_by_a_little(path: Path) -> object:
        right = computed(path)
        return lambda feeds: [each + 2 * TOLERANCE for each in right(feeds)]

    computed = onnx_module.computed_by
    monkeypatch.setattr(onnx_module, "computed_by", off_by_a_little)
    with pytest.raises(RunFailed) as raised:
        exported(run_folder, "onnx", tmp_path / "model.onnx")
    assert raised.value.exit_code == 1
    assert "logits by 0.0002" in str(raised.value) and "nothing was written" in str(raised.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("written_before")
def test_a_number_that_is_none_is_a_difference(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        onnx_module,
        "computed_by",
        lambda path: lambda feeds: [np.full((len(feeds["eeg"]), n), np.nan) for n in (2, 2, 1)],
    )
    with pytest.raises(RunFailed, match="logits by nan"):
        exported(run_folder, "onnx", tmp_path / "model.onnx")


def test_every_case_of_a_model_that_does_without_a_recording_is_compared(flexible_run: Path, tmp_path: Path) -> None:
    told = exported(flexible_run, "torch-export", tmp_path / "model.pt2")
    titles = [line.strip().partition(":")[0] for line in told if line.startswith("  ")]
    assert titles == [
        *("1 participant", "2 participants", "5 participants", "1 participant without an MRI"),
        *("1 participant without an EEG", "5 participants, 3 with one recording"),
    ]
    assert told[-1].startswith(f"wrote {tmp_path / 'model.pt2'} (")


def test_a_torch_program_takes_recordings_by_name_and_names_no_file_of_this_machine(
    run_folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "model.pt2"
    exported(run_folder, "torch-export", path)
    texts: dict[str, str] = {"classes": "", "recipe.json": ""}
    program = torch.export.load(path, extra_files=texts)
    assert json.loads(texts["classes"]) == ["M", "F"] and json.loads(texts["recipe.json"])["slab_depth"] == 16
    feeds = {name: torch.from_numpy(each) for name, each in inputs(3).items()}
    with torch.no_grad():
        logits, probabilities, gate = program.module()(**feeds)
    expected = eager(read_trained_run(run_folder), feeds)
    np.testing.assert_allclose(logits, expected["logits"], atol=1e-5, rtol=0)
    np.testing.assert_allclose(probabilities, expected["probabilities"], atol=1e-5, rtol=0)
    np.testing.assert_allclose(gate, expected["gate"], atol=1e-5, rtol=0)
    with zipfile.ZipFile(path) as archive:
        described = b"".join(archive.read(name) for name in archive.namelist() if name.endswith((".json", "recipe")))
    assert not re.search(rb"\.py\b|/home|site-packages|stack_trace|secret", described)
