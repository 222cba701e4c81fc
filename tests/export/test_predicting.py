"""An exported file predicts as the run folder does: the same numbers, and each MRI encoded once."""

import csv
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from monai_fusion.errors import InputError
from monai_fusion.evaluation import ParticipantInferer
from monai_fusion.evaluation.model_loader import ModelLoader, check_model
from monai_fusion.networks.exported_net import ExportedNet, check_exported
from monai_fusion.networks.onnx_parts import load_graph
from monai_fusion.runs import read_recipe, trained_network
from tests import warm
from tests.devices import META, as_on_a_gpu
from tests.export.conftest import exported
from tests.export.runs import inputs, write_cohort
from tests.message_parts import assert_parts
from tests.support import BUNDLE_CONFIGS


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def predict(bundle: Path, *words: object, cwd: Path) -> None:
    """Run an inference config."""
    given = ["run", "--config_file", bundle / "configs" / "inference.yaml", "--bundle_root", bundle, "--device", "cpu"]
    done = warm.run("monai.bundle", [*given, *words], cwd=cwd, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr


def assert_same(found: list[dict[str, str]], expected: list[dict[str, str]]) -> None:
    assert [row["participant_id"] for row in found] == [row["participant_id"] for row in expected]
    for one, other in zip(found, expected, strict=True):
        assert one["predicted"] == other["predicted"]
        for name in ("probability_M", "probability_F", "network_F", "gate"):
            assert float(one[name]) == pytest.approx(float(other[name]), abs=1e-5)


def test_an_onnx_file_a_hub_folder_and_an_unpacked_bundle_predict_as_the_run_folder(
    flexible_run: Path, flexible_file: Path, tmp_path: Path
) -> None:
    datalist = write_cohort(tmp_path / "cohort")
    exported(flexible_run, "hub", tmp_path / "hub")
    exported(flexible_run, "bundle", tmp_path / "bundle.zip")
    elsewhere = tmp_path / "another machine"
    with zipfile.ZipFile(tmp_path / "bundle.zip") as archive:
        archive.extractall(elsewhere)
    (tmp_path / "bundle.zip").unlink()
    (bundle,) = elsewhere.iterdir()
    shipped = BUNDLE_CONFIGS.parent
    found = {}
    for name, (place, words) in {
        "run": (shipped, ["--model_dir", flexible_run]),
        "onnx": (shipped, ["--model_dir", flexible_file]),
        "hub": (shipped, ["--model_dir", tmp_path / "hub"]),
        "bundle": (bundle, []),
    }.items():
        out = tmp_path / "results" / name
        predict(place, *words, "--datalist", datalist, "--output_dir", out, cwd=tmp_path)
        found[name] = rows_of(out)
    assert len(found["run"]) == 3
    assert found["run"][2]["gate"] == "1.0" and float(found["run"][0]["gate"]) < 1  # the last has no MRI
    assert_same(found["onnx"], found["run"])
    assert found["hub"] == found["run"] and found["bundle"] == found["run"]
    facts = [json.loads((tmp_path / "results" / name / "predictions_data.json").read_text()) for name in found]
    assert {each["model"]["participants"] for each in facts} == {40} and facts[1]["model"]["cohort"] == "tiny"
    assert not (flexible_file.parent / ".manifest.lock").exists()


def test_the_mri_of_a_participant_is_encoded_once_for_all_segments(
    run_folder: Path, onnx_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = ExportedNet(onnx_file)
    network.load()
    sizes: list[tuple[str, int]] = []
    run = network._run

    def counted(part: str, feeds: dict[str, torch.Tensor]) -> list[torch.Tensor]:
        sizes.append((part, len(next(iter(feeds.values())))))
        return run(part, feeds)

    monkeypatch.setattr(network, "_run", counted)
    feeds = {name: torch.from_numpy(each) for name, each in inputs(9).items()}
    found = ParticipantInferer(4)(feeds["eeg"], network, feeds["mri"][:1])
    assert sizes == [
        ("mri_embedding", 1), ("eeg_embedding", 4), ("head", 4), ("eeg_embedding", 4), ("head", 4),
        ("eeg_embedding", 1), ("head", 1),
    ]  # fmt: skip
    eager = trained_network(read_recipe(run_folder)).eval()
    ModelLoader(eager, run_folder).load()
    with torch.no_grad():
        expected = ParticipantInferer(4)(feeds["eeg"], eager, feeds["mri"][:1])
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=1e-5, rtol=0)


def test_participants_who_lack_one_recording_are_predicted_with_the_others(
    flexible_run: Path, flexible_file: Path
) -> None:
    network = ExportedNet(flexible_file)
    network.load()
    eager = trained_network(read_recipe(flexible_run)).eval()
    ModelLoader(eager, flexible_run).load()
    feeds = {name: torch.from_numpy(each) for name, each in inputs(5).items()}
    present = torch.tensor([[True, True], [False, True], [True, False]])
    given = {"segments": [2, 0, 3], "present": present}
    with torch.no_grad():
        expected = ParticipantInferer(2)(feeds["eeg"], eager, feeds["mri"][:2], **given)
    found = ParticipantInferer(2)(feeds["eeg"], network, feeds["mri"][:2], **given)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=1e-5, rtol=0, equal_nan=True)


def test_a_recording_that_the_model_has_not_learned_to_miss_is_missed(onnx_file: Path) -> None:
    network = ExportedNet(onnx_file)
    network.load()
    embedding = network.encode_eeg(torch.from_numpy(inputs(1)["eeg"]))
    with pytest.raises(ValueError, match="trained without absent recordings"):
        network.fuse(embedding, None, torch.tensor([[True, False]]))


def test_a_damaged_file_is_refused_in_one_line(onnx_file: Path, tmp_path: Path) -> None:
    content = bytearray(onnx_file.read_bytes())
    content[len(content) // 3] ^= 1
    path = tmp_path / "flipped.onnx"
    path.write_bytes(content)
    with pytest.raises(InputError) as raised:
        check_model(path, None)
    assert_parts(str(raised.value), str(path), "damaged", "copy it again")
    path.write_bytes(onnx_file.read_bytes()[:-2000])
    with pytest.raises(InputError, match="cut off"):
        check_exported(path)
    check_model(onnx_file, None)


def _with(model: onnx.ModelProto, kind: str) -> None:
    graph = model.graph
    if kind == "external data":
        tensor = graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="../../etc/passwd")
    elif kind == "external data of a constant":
        tensor = onnx.numpy_helper.from_array(np.zeros(2, np.float32), "x")
        tensor.external_data.add(key="location", value="/etc/passwd")
        graph.node.append(onnx.helper.make_node("Constant", [], ["x"], value=tensor))
    elif kind == "custom operator":
        graph.node[0].domain = "my.library"
    elif kind == "function":
        model.functions.add(name="f", domain="local")
    elif kind == "loop":
        body = onnx.helper.make_graph([], "body", [], [])
        graph.node.append(onnx.helper.make_node("Loop", ["", ""], ["y"], body=body))
    elif kind == "other outputs":
        del graph.output[1:]


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("external data", "another file"),
        ("external data of a constant", "another file"),
        ("custom operator", "another library"),
        ("function", "functions"),
        ("loop", "loop or a branch"),
        ("other outputs", "outputs logits"),
    ],
)
def test_a_graph_that_could_do_more_than_compute_is_never_run(
    onnx_file: Path, tmp_path: Path, kind: str, word: str
) -> None:
    model = onnx.load(onnx_file)
    _with(model, kind)
    path = tmp_path / "stranger.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match=word):
        load_graph(path)
    network = ExportedNet(path)
    with pytest.raises(InputError):
        network.load()
    if kind != "function":  # which is beside the graph
        with pytest.raises(InputError, match="damaged, or edited"):
            check_exported(path)


def test_without_onnxruntime_one_line_says_what_to_install(onnx_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monai_fusion.networks.exported_net.find_spec", lambda name: None)
    with pytest.raises(InputError) as raised:
        check_model(onnx_file, None)
    assert_parts(str(raised.value), "needs onnx and onnxruntime", 'pip install "monai-fusion[export]"')


def test_weights_of_a_hub_folder_that_another_put_there_are_refused(run_folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    exported(run_folder, "hub", tmp_path / "hub")
    shutil.copytree(tmp_path / "hub", tmp_path / "other")
    path = tmp_path / "other" / "model.safetensors"
    state = load_file(path)
    name = next(each for each in state if each.endswith(".weight"))
    save_file({**state, name: state[name] + 1}, path)
    check_model(tmp_path / "hub", None)
    with pytest.raises(InputError, match=r"model\.safetensors: not the file"):
        check_model(tmp_path / "other", None)


def test_an_exported_file_answers_where_its_recordings_are(
    flexible_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It computes on the processor; the meta device stands for a GPU."""
    network = ExportedNet(flexible_file)
    network.load()
    eeg, mri = (torch.from_numpy(inputs(5)[name]) for name in ("eeg", "mri"))
    given = {"segments": [2, 0, 3], "present": torch.tensor([[True, True], [False, True], [True, False]])}
    with as_on_a_gpu(monkeypatch):
        found = ParticipantInferer(2)(eeg, network, mri[:2].to(META), **given)
    assert {each.device for each in found.values()} == {META}
