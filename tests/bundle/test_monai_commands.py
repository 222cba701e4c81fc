"""MONAI's own bundle commands, typed as the bundle's README has them, from a folder that has nothing to do with it."""

from __future__ import annotations

import json
import math
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor

from monai_fusion.networks import FusionNet, PackedNet, standard_network
from tests import warm
from tests.bundle.conftest import BUNDLE, CONFIGS, EEG_SIZE, Cohort
from tests.bundle.test_bundle_runs import state_of
from tests.documentation.pages import BUNDLE_PAGE, blocks, commands

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")  # monai.bundle ckpt_export still uses it

SMALL_EEG, SMALL_MRI = (17, *EEG_SIZE[:2]), (1, 16, 24, 24)  # of the model in ``run_folder``
SMALL_VALUES, SHIPPED_VALUES = math.prod(EEG_SIZE) + 16 * 24 * 24, 17 * 224 * 224 + 96 * 128 * 128


def readme_line(*wanted: str) -> list[str]:
    """The words of the one command of the bundle's README that has these parts, after ``python -m monai.bundle``."""
    found = [each.words for each in commands(BUNDLE_PAGE) if all(part in each.text for part in wanted)]
    assert len(found) == 1, found
    assert found[0][:3] == ["python", "-m", "monai.bundle"]
    return found[0][3:]


def run_line(words: list[str], here: Path, run_folder: Path, *more: str) -> str:
    """Run a command of the README in the folder ``here``; the model's sizes take the place of the shipped ones."""
    typed = [
        word.replace("bundles/brain_eeg_mri_classification", BUNDLE.as_posix())
        .replace("runs/first", run_folder.as_posix())
        .replace(str(SHIPPED_VALUES), str(SMALL_VALUES))
        for word in words
    ]
    done = warm.run("monai.bundle", [*typed, *more], cwd=here, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def run_program(part: str, here: Path, instead: dict[str, str]) -> None:
    """Run the Python program of the README that has this part, with other paths and sizes, in the working folder."""
    (program,) = [body for _, language, body in blocks(BUNDLE_PAGE) if language == "python" and part in body]
    for shipped, mine in {"bundles/brain_eeg_mri_classification": BUNDLE.as_posix(), **instead}.items():
        assert shipped in program
        program = program.replace(shipped, mine)
    (here / "program.py").write_text(program, encoding="utf-8")
    runpy.run_path(str(here / "program.py"))


@pytest.fixture
def network(run_folder: Path) -> FusionNet:
    network = standard_network(pretrained=False)
    network.load_state_dict(state_of(run_folder))
    return network.eval()


def recordings(
    people: int, eeg: tuple[int, ...] = SMALL_EEG, mri: tuple[int, ...] = SMALL_MRI
) -> tuple[Tensor, Tensor]:
    drawn = torch.Generator().manual_seed(people)
    return torch.randn(people, *eeg, generator=drawn), torch.rand(people, *mri, generator=drawn)


def in_one(eeg: Tensor, mri: Tensor) -> Tensor:
    return torch.cat([eeg.flatten(1), mri.flatten(1)], dim=1)[:, None]


def packed_answer(network: FusionNet, eeg: Tensor, mri: Tensor) -> Tensor:
    with torch.no_grad():
        answer = network(eeg, mri)
    return torch.cat([answer["logits"], answer["gate"]], dim=1)


def test_verify_metadata_needs_no_network_connection(tmp_path: Path) -> None:
    # The README's line as it stands, in a process without the warm start, which no proxy lets through.
    words = [word.replace("bundles/", f"{BUNDLE.parent.as_posix()}/") for word in readme_line("verify_metadata")]
    command = [sys.executable, "-m", "monai.bundle", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=300)
    assert done.returncode == 0 and "metadata is verified with no error" in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ("network_data_format", {"inputs": {}}, "'outputs' is a required property"),
        ("intended_use", None, "None is not of type 'string'"),
        ("eval_metrics", {"auroc": 0.9}, "is not valid under any of the given schemas"),
    ],
)
def test_verify_metadata_finds_what_is_missing(entry: str, value: Any, message: str, tmp_path: Path) -> None:
    metadata = json.loads((CONFIGS / "metadata.json").read_text(encoding="utf-8"))
    (tmp_path / "metadata.json").write_text(json.dumps({**metadata, entry: value}), encoding="utf-8")
    words = ["--meta_file", tmp_path / "metadata.json", "--filepath", CONFIGS / "metadata.schema.json"]
    done = warm.run("monai.bundle", ["verify_metadata", *words], cwd=tmp_path, timeout=300)
    assert done.returncode != 0 and message in done.stderr


def test_verify_net_in_out_runs_the_shipped_sizes_before_any_training(tmp_path: Path) -> None:
    words = [word.replace("bundles/", f"{BUNDLE.parent.as_posix()}/") for word in readme_line("verify_net", "train.y")]
    done = warm.run("monai.bundle", words, cwd=tmp_path, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "data shape of network is verified with no error" in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []  # neither the output folder nor a log


def test_verify_net_in_out_runs_a_trained_model_and_finds_a_wrong_size(run_folder: Path, tmp_path: Path) -> None:
    words = readme_line("verify_net_in_out", "inference.yaml")
    size = ["--_meta_#network_data_format#inputs#image#spatial_shape", f"[{SMALL_VALUES}]"]
    said = run_line(words, tmp_path, run_folder, *size)
    assert "data shape of network is verified with no error" in said
    with pytest.raises(AssertionError, match=rf"expected \[B, 1, {SMALL_VALUES}\]"):
        run_line(words, tmp_path, run_folder)
    with pytest.raises(AssertionError, match=r"output channel number `3` doesn't match: `4`"):
        run_line(words, tmp_path, run_folder, *size, "--_meta_#network_data_format#outputs#pred#num_channels", "4")


def test_ckpt_export_scripts_the_network_with_both_inputs(run_folder: Path, network: FusionNet, tmp_path: Path) -> None:
    run_line(readme_line("ckpt_export", "network_def"), tmp_path, run_folder)
    metadata = {"metadata.json": ""}
    exported = torch.jit.load(tmp_path / "model.ts", _extra_files=metadata)  # type: ignore[no-untyped-call]
    assert json.loads(metadata["metadata.json"]) == json.loads((CONFIGS / "metadata.json").read_text(encoding="utf-8"))
    eeg, mri = recordings(2)
    with torch.no_grad():
        expected, found = network(eeg, mri), exported.eval()(eeg, mri)
    assert found.keys() == expected.keys() == {"logits", "gate", "eeg_embedding", "mri_embedding"}
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5)


def test_ckpt_export_traces_the_packed_network(run_folder: Path, network: FusionNet, tmp_path: Path) -> None:
    run_line(readme_line("ckpt_export", "--use_trace"), tmp_path, run_folder)
    exported = torch.jit.load(tmp_path / "traced.ts").eval()  # type: ignore[no-untyped-call] # of torch
    eeg, mri = recordings(3)
    with torch.no_grad():
        found = exported(in_one(eeg, mri))
    torch.testing.assert_close(found, packed_answer(network, eeg, mri), rtol=1e-4, atol=1e-5)


def test_onnx_export_writes_one_file_for_any_batch_size(run_folder: Path, network: FusionNet, tmp_path: Path) -> None:
    run_line(readme_line("onnx_export"), tmp_path, run_folder)
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    for people in (1, 3):
        eeg, mri = recordings(people)
        (found,) = session.run(None, {"image": in_one(eeg, mri).numpy()})
        np.testing.assert_allclose(found, packed_answer(network, eeg, mri).numpy(), atol=1e-4)


def test_from_python_the_commands_take_two_tensors(
    run_folder: Path, network: FusionNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The README's program, with the sizes of the small model."""
    monkeypatch.chdir(tmp_path)
    rows, columns, _ = EEG_SIZE
    sizes = {"17, 224, 224": f"17, {rows}, {columns}", "[224, 224]": f"[{rows}, {columns}]"}
    sizes["1, 96, 128, 128"] = "1, 16, 24, 24"
    run_program("onnx_export", tmp_path, {"runs/first": run_folder.as_posix(), **sizes})
    session = onnxruntime.InferenceSession(tmp_path / "two_inputs.onnx")
    for people in (1, 3):
        eeg, mri = recordings(people)
        found = session.run(None, {"eeg": eeg.numpy(), "mri": mri.numpy()})
        with torch.no_grad():
            expected = network(eeg, mri)
        for output, value in zip(session.get_outputs(), found, strict=True):
            np.testing.assert_allclose(value, expected[output.name].numpy(), atol=1e-4)


@pytest.mark.slow
def test_the_exports_work_at_the_shipped_sizes(tmp_path: Path) -> None:
    """Of an untrained network of train.yaml, which needs no run folder."""
    network = standard_network(pretrained=False)
    torch.save(network.state_dict(), tmp_path / "model.pt")
    instead = {
        "runs/first/model.pt": (tmp_path / "model.pt").as_posix(),
        "bundles/brain_eeg_mri_classification": BUNDLE.as_posix(),
        "inference.yaml": "train.yaml",
    }
    for line in (["ckpt_export", "--use_trace"], ["onnx_export"]):
        words = readme_line(*line)
        for shipped, mine in instead.items():
            words = [word.replace(shipped, mine) for word in words]
        at = words.index("--model_dir")
        words[at : at + 2] = ["--network_def#head#num_classes", "2", "--pretrained", "false"]
        done = warm.run("monai.bundle", words, cwd=tmp_path, timeout=1800)
        assert done.returncode == 0, done.stdout + done.stderr
    eeg, mri = recordings(2, (17, 224, 224), (1, 96, 128, 128))
    x = in_one(eeg, mri)
    with torch.no_grad():
        expected = PackedNet(network, [224, 224, 17], [96, 128, 128]).eval()(x)
        traced = torch.jit.load(tmp_path / "traced.ts").eval()(x)  # type: ignore[no-untyped-call] # of torch
    torch.testing.assert_close(traced, expected, rtol=1e-4, atol=1e-5)
    (found,) = onnxruntime.InferenceSession(tmp_path / "model.onnx").run(None, {"image": x.numpy()})
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)


def test_reading_a_config_changes_nothing(tmp_path: Path) -> None:
    """In a process of its own: no file, no logger, no hook, no random number; also where a knob is looked up."""
    program = f"""
import json, logging, os, random, sys
from pathlib import Path
import numpy as np, torch
from monai.bundle import ConfigParser
def state():
    return [
        sorted(map(str, Path.cwd().rglob("*"))), dict(os.environ), list(sys.path),
        logging.getLogger().level, [str(each) for each in logging.getLogger().handlers],
        sys.excepthook is sys.__excepthook__, random.getstate()[1][:5], np.random.get_state()[1][:5].tolist(),
        torch.get_rng_state().tolist()[:64], torch.is_grad_enabled(), torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(), torch.get_default_dtype() is torch.float32,
    ]
ConfigParser({{"a": 1}}).get_parsed_content("a")
before = state()
configs = Path({str(CONFIGS)!r})
for names in (["train.yaml"], ["train.yaml", "demo.yaml"], ["inference.yaml"], ["inference.yaml", "evaluate.yaml"]):
    parser = ConfigParser()
    parser.read_config([configs / name for name in names])
    parser.read_meta(configs / "metadata.json")
    assert parser.get("_meta_::name") and parser.get("device")
    if names == ["train.yaml"]:
        assert parser.get_parsed_content("num_epochs") == [15, 10]
        assert parser.get_parsed_content("paths::output_dir").endswith("latest")
        assert parser.get_parsed_content("plan").total_epochs == 25
after = state()
print(json.dumps([place for place, pair in enumerate(zip(before, after)) if pair[0] != pair[1]]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_a_workflow_made_elsewhere_has_all_properties(
    run_folder: Path,
    cohort: Cohort,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The README's program; tests/bundle/test_bundle_configs.py asks the same of a training."""
    monkeypatch.chdir(tmp_path)
    instead = {
        "new_participants.json": cohort.datalist.as_posix(),
        "runs/first/new": (tmp_path / "new").as_posix(),
        "runs/first": run_folder.as_posix(),
    }
    run_program("check_properties", tmp_path, instead)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "[15, 10] 0.1.0" and "[]" in said  # check_properties()
    assert (tmp_path / "new" / "predictions.csv").is_file()
