"""What a user types and reads: the command, wrong input, and what is never overwritten."""

import json
from pathlib import Path

import pytest
import torch
from monai.networks.nets import DenseNet
from torch import Tensor

from monai_fusion.export import destination, exporting
from tests.commands import call
from tests.export.runs import write_run
from tests.message_parts import assert_parts


def test_it_says_how_near_the_numbers_are_what_goes_in_and_where_the_file_is(
    flexible_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = call(capsys, "export", flexible_run, "--format", "hub", "--out", tmp_path / "hub")
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == "model.safetensors against PyTorch, largest absolute difference (allowed: 0.0001):"
    assert lines[1] == "  1 participant: logits 0.0e+00, probabilities 0.0e+00, gate 0.0e+00"
    assert lines[-2].startswith("inputs: eeg [batch, 3, 32, 40], mri [batch, 1, 16, 18, 16], present [batch, 2]; ")
    assert lines[-1].startswith(f"wrote {tmp_path / 'hub'} (") and lines[-1].endswith(" MB)")


def test_without_out_it_is_written_into_the_run_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run")
    assert call(capsys, "export", run, "--format", "bundle")[0] == 0
    assert [path.name for path in (run / "export").iterdir()] == ["bundle.zip"]  # and nothing beside it


@pytest.mark.parametrize("format_", ["onxn", "tensorrt", "ONNX2"])
def test_an_unknown_format_is_refused_by_name(
    run_folder: Path, capsys: pytest.CaptureFixture[str], format_: str
) -> None:
    code, _, err = call(capsys, "export", run_folder, "--format", format_)
    assert code == 2
    assert_parts(err, "--format", repr(format_), "onnx, torch-export, bundle, hub")
    assert ("did you mean onnx?" in err) == (format_ != "tensorrt")


def test_underscores_are_as_good_as_hyphens(run_folder: Path) -> None:
    found = destination.destination_of(run_folder, "Torch_Export", None, force=False)
    assert found.format == "torch-export" and found.path == run_folder / "export" / "model.pt2"


def test_a_folder_without_a_model_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "export", tmp_path, "--format", "onnx")
    assert code == 2 and len(err.splitlines()) == 1
    assert_parts(err, str(tmp_path), "no recipe.json", "as RUN_DIR")
    code, _, err = call(capsys, "export", tmp_path / "nowhere", "--format", "onnx")
    assert code == 2 and "no such folder" in err


def test_an_exported_file_is_not_exported_again(onnx_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "export", onnx_file, "--format", "hub", "--out", onnx_file.parent / "hub")
    assert code == 2
    assert_parts(err, str(onnx_file), "an exported file, expected a run folder")


def test_a_run_without_a_calibration_or_with_damaged_weights_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "run")
    text = (run / "calibration.json").read_text(encoding="utf-8")
    (run / "calibration.json").unlink()
    code, _, err = call(capsys, "export", run, "--format", "hub")
    assert code == 2 and "no calibration.json" in err and "--calibrate" not in err
    (run / "calibration.json").write_text(text, encoding="utf-8")
    content = bytearray((run / "model.pt").read_bytes())
    content[len(content) // 2] ^= 1
    (run / "model.pt").write_bytes(content)
    code, _, err = call(capsys, "export", run, "--format", "hub")
    assert code == 2 and "model.pt" in err and "Traceback" not in err
    assert not (run / "export" / "hub").exists()


def test_what_is_there_is_replaced_only_if_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, out = write_run(tmp_path / "run"), tmp_path / "mine.zip"
    out.write_bytes(b"mine")
    code, _, err = call(capsys, "export", run, "--format", "bundle", "--out", out)
    assert code == 2 and out.read_bytes() == b"mine"
    assert_parts(err, "--out", str(out), "already exists", "--force")
    assert call(capsys, "export", run, "--format", "bundle", "--out", out, "--force")[0] == 0
    assert out.read_bytes()[:2] == b"PK"


def test_a_folder_with_other_files_is_never_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, out = write_run(tmp_path / "run"), tmp_path / "hub"
    words = ("export", run, "--format", "hub", "--out", out, "--force")
    assert call(capsys, *words)[0] == 0
    (out / "recipe.json").unlink()
    assert call(capsys, *words)[0] == 0 and (out / "recipe.json").is_file()
    (out / "thesis.docx").write_bytes(b"years of work")
    code, _, err = call(capsys, *words)
    assert code == 2 and (out / "thesis.docx").is_file()
    assert_parts(err, "thesis.docx", "choose another")


@pytest.mark.parametrize(
    ("format_", "name", "wanted"),
    [("onnx", "model.pb", ".onnx"), ("bundle", "here", ".zip"), ("torch-export", "model.pt", ".pt2")],
)
def test_the_name_of_a_file_ends_as_its_readers_expect(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], format_: str, name: str, wanted: str
) -> None:
    code, _, err = call(capsys, "export", run_folder, "--format", format_, "--out", tmp_path / name)
    assert code == 2
    assert_parts(err, "--out", name, f"a name that ends in {wanted}")


def test_a_folder_in_the_place_of_a_file_is_refused(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.onnx").mkdir()
    code, _, err = call(capsys, "export", run_folder, "--format", "onnx", "--out", tmp_path / "model.onnx", "--force")
    assert code == 2 and "is a folder, expected a file" in err


def test_a_missing_library_is_named_before_the_model_is_read(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "find_spec", lambda name: None if name == "onnxscript" else object())
    code, _, err = call(capsys, "export", run_folder, "--format", "onnx", "--out", tmp_path / "model.onnx")
    assert code == 2 and not list(tmp_path.iterdir())
    assert_parts(err, "--format onnx: needs onnxscript, which is not installed", 'pip install "monai-fusion[export]"')


class BranchingNet(DenseNet):
    """A network of a user's own whose code asks for the values of a tensor."""

    def forward(self, x: Tensor) -> Tensor:
        """Features, of another sign for some inputs."""
        features: Tensor = super().forward(x)
        return -features if float(x.sum()) > 0 else features


def test_a_network_of_one_s_own_that_cannot_be_exported_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run(tmp_path / "run")
    recipe = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
    recipe["network"]["mri"]["backbone"]["_target_"] = f"{__name__}.BranchingNet"
    (run / "recipe.json").write_text(json.dumps(recipe), encoding="utf-8")
    words = ("export", run, "--format", "onnx", "--out", tmp_path / "model.onnx")
    code, _, err = call(capsys, *words)
    assert code == 2 and "trusted_modules" in err
    code, _, err = call(capsys, *words, "--trusted-modules", __name__)
    assert code == 2 and "Traceback" not in err and len(err.splitlines()) == 1
    assert_parts(err, "the network: cannot be exported", "branches by no value")
    assert not (tmp_path / "model.onnx").exists() and torch.is_grad_enabled()


def test_a_torch_program_a_zip_and_weights_alone_are_no_models_of_a_prediction(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, wanted in {
        "model.pt2": "can run code when it is loaded",
        "bundle.zip": "unpack it",
        "model.safetensors": "weights alone",
    }.items():
        (tmp_path / name).write_bytes(b"PK")
        words = ("--eeg", "sub-07_EO_seg0.npy", "--mri", "sub-07_T1w.nii.gz", "--model_dir", tmp_path / name)
        code, _, err = call(capsys, "predict", *words, "--output_dir", tmp_path / "out", "--dry-run")
        assert code == 2, err
        assert_parts(err, name, wanted)


def test_an_exported_file_explains_nothing(onnx_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "explain", onnx_file, "--dry-run")
    assert code == 2
    assert_parts(err, "an exported file, which has no gradients", "give the run folder")


def test_the_help_says_what_each_format_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "export", "--help")
    assert code == 0
    for word in ("onnxruntime", "python -m monai.bundle run", "model card", "--force", "model.onnx", "1e-4"):
        assert word in " ".join(out.split())
