"""A run's input is checked before anything is built: one short message, exit code 2."""

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine

from monai_fusion import output_folder
from monai_fusion.datalist import read_datalist
from monai_fusion.errors import InputError, Problem, RunFailed
from monai_fusion.networks.digests import tensors_digest
from monai_fusion.run_folder import MODEL_FILE
from monai_fusion.shipped_bundle import config_files
from monai_fusion.workflow import preflight, report_input_errors
from monai_fusion.workflow.gpu_reasons import check_device
from tests import warm
from tests.support import BUNDLE_CONFIGS, another, write_datalist, write_scalogram, write_volume


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo what a preflight changes in its process: the exception hook and the log's handler."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    root = logging.getLogger()
    handlers = list(root.handlers)
    yield
    for handler in root.handlers[:]:
        if handler not in handlers:
            root.removeHandler(handler)
            handler.close()


@pytest.fixture
def datalist(tmp_path: Path) -> Path:
    """A participant for each section, with real files."""
    folder = tmp_path / "cohort"
    folder.mkdir()
    sections: dict[str, list[Mapping[str, object]]] = {}
    for number, section in enumerate(("training", "validation", "test")):
        rows: list[Mapping[str, object]] = []
        for label, name in enumerate(("M", "F")):
            participant = f"sub-{number}{label}"
            write_scalogram(folder / f"{participant}_seg0.npy", number)
            write_volume(folder / f"{participant}_T1w.nii.gz", number)
            row = {"participant_id": participant, "label": name}
            rows.append(row | {"eeg": f"{participant}_seg*.npy", "mri": f"{participant}_T1w.nii.gz"})
        sections[section] = rows
    return write_datalist(folder / "list.json", sections)


def refused(datalist: Path | None, output: Path, **options: Any) -> str:
    arguments: dict[str, Any] = {"sections": ["training", "test"], "device": "cpu"}
    with pytest.raises(InputError) as caught:
        preflight(datalist=None if datalist is None else str(datalist), output_dir=output, **(arguments | options))
    return str(caught.value)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a permission there")
def test_a_link_in_a_run_folder_of_another_person_leads_nothing_into_a_file_of_the_user(
    datalist: Path, tmp_path: Path
) -> None:
    mine, nothing = tmp_path / "mine.txt", tmp_path / "nothing"
    mine.write_text("my text", encoding="utf-8")
    for name in ("train.log", "predictions.partial.csv", "network_outputs.jsonl", ".train.lock", ".writable"):
        for target in (mine, nothing):
            run = tmp_path / f"run {target.name} {name}"
            run.mkdir()
            (run / name).symlink_to(target)
            message = refused(datalist, run)
            assert f"{name}: is a link" in message or "symbolic links" in message
    assert mine.read_text(encoding="utf-8") == "my text" and not nothing.exists()


def test_a_right_run_gets_its_folder_and_its_log(datalist: Path, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "first"
    preflight(datalist=str(datalist), output_dir=folder, sections=["training"], device="cpu", log_name="my.log")
    logging.getLogger("monai_fusion.test").warning("Größe 5 µm")
    assert "WARNING monai_fusion.test: Größe 5 µm" in (folder / "my.log").read_text(encoding="utf-8")
    assert sorted(path.name for path in folder.iterdir()) == [".my.lock", "my.log"]


def test_a_run_continues_with_the_datalist_that_was_checked(datalist: Path, tmp_path: Path) -> None:
    sections = ["training", "validation", "test"]
    cohort = preflight(datalist=str(datalist), output_dir=tmp_path / "run", sections=sections, device="cpu")
    assert cohort == read_datalist(datalist)
    assert cohort.content == datalist.read_bytes()


def test_a_missing_datalist_option_is_reported(tmp_path: Path) -> None:
    message = "--datalist: not given, expected the path of a datalist (monai-fusion datalist)"
    assert refused(None, tmp_path / "run") == message
    assert not (tmp_path / "run").exists()


def test_a_wrong_datalist_is_refused_before_the_output_folder_is_created(datalist: Path, tmp_path: Path) -> None:
    (datalist.parent / "sub-00_T1w.nii.gz").unlink()
    message = refused(datalist, tmp_path / "run")
    assert message.startswith(f"{datalist}: 1 problem\n") and "sub-00" in message
    assert not (tmp_path / "run").exists()
    assert "there is no such file" in refused(datalist.with_name("other.json"), tmp_path / "run")


def test_a_section_that_does_not_exist_is_refused(datalist: Path, tmp_path: Path) -> None:
    assert 'did you mean "test"?' in refused(datalist, tmp_path / "run", sections=["tset"])


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the GPU that the message says is missing")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_gpu_that_is_not_there_is_refused(datalist: Path, tmp_path: Path, device: str) -> None:
    found = refused(datalist, tmp_path / "run", device=device)
    # Why depends on the machine: it may have no driver, or a torch without CUDA.
    assert found.startswith(f"--device: {device}, expected cpu: t") and len(found.splitlines()) == 1


def test_a_device_that_torch_does_not_know_is_refused(datalist: Path, tmp_path: Path) -> None:
    message = "--device: 'gpu', expected cpu, cuda or cuda:NUMBER"
    assert refused(datalist, tmp_path / "run", device="gpu") == message


def test_a_gpu_number_too_high_is_refused(datalist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)  # no machine of ours has two to choose from
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    message = "--device: cuda:2, expected cuda:0 to cuda:1"
    assert refused(datalist, tmp_path / "run", device="cuda:2") == message
    check_device("cuda:1", use=False)


def test_a_file_in_the_output_folders_place_is_refused(datalist: Path, tmp_path: Path) -> None:
    place = tmp_path / "runs"
    place.write_text("I am a file")
    for folder in (place, place / "first"):
        message = refused(datalist, folder)
        assert message.startswith(f"--output_dir: {folder}: ") and message.endswith(", expected a folder to write to")
    assert place.read_text() == "I am a file"


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="who may do everything meets no read-only folder"
)
def test_a_folder_without_write_permission_is_refused(datalist: Path, tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    try:
        assert "expected a folder to write to" in refused(datalist, folder)
        assert "expected a folder to write to" in refused(datalist, folder / "first")
    finally:
        folder.chmod(0o700)


def test_a_trained_model_is_not_replaced_by_accident(datalist: Path, tmp_path: Path) -> None:
    (tmp_path / MODEL_FILE).write_bytes(b"hours of work")
    assert refused(datalist, tmp_path, overwrite=False) == (
        f"{tmp_path}: already holds a trained model (model.pt): choose another --output_dir, or give --resume true "
        "or --overwrite true"
    )
    assert not (tmp_path / "train.log").exists()
    preflight(datalist=str(datalist), output_dir=tmp_path, sections=["test"], device="cpu", overwrite=True)
    assert (tmp_path / MODEL_FILE).read_bytes() == b"hours of work"


@pytest.mark.parametrize("status", ["stopped", "failed", "finished"])
def test_a_training_is_not_resumed_beside_the_model_of_another(datalist: Path, tmp_path: Path, status: str) -> None:
    left = {"head.weight": torch.ones(2)}
    manifest = {"status": status, "weights": {"digest": tensors_digest(left)}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    torch.save({"head.weight": torch.zeros(2)}, tmp_path / MODEL_FILE)
    message = (
        f"{tmp_path / MODEL_FILE}: not the file that this training wrote (manifest.json): copy the run folder again"
    )
    assert refused(datalist, tmp_path, resume=True) == message
    assert not (tmp_path / "train.log").exists()
    torch.save(left, tmp_path / MODEL_FILE)
    preflight(datalist=str(datalist), output_dir=tmp_path, sections=["test"], device="cpu", resume=True)


def test_a_killed_training_may_hold_a_later_model_than_its_manifest_records(datalist: Path, tmp_path: Path) -> None:
    manifest = {"status": "running", "weights": {"digest": "of an earlier epoch"}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    torch.save({"head.weight": torch.zeros(2)}, tmp_path / MODEL_FILE)
    preflight(datalist=str(datalist), output_dir=tmp_path, sections=["test"], device="cpu", resume=True)


def test_the_log_of_a_training_that_still_runs_is_not_replaced(
    datalist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output_folder, "PATIENCE_SECONDS", 0.1)
    (tmp_path / "train.log").write_text("epoch 3")
    with another(tmp_path, "train"):
        message = f"--output_dir: {tmp_path}: another run (train) is writing to it"
        assert refused(datalist, tmp_path, overwrite=True).startswith(message)
        assert (tmp_path / "train.log").read_text() == "epoch 3"
        options: dict[str, Any] = {"sections": ["test"], "device": "cpu", "log_name": "evaluate.log"}
        preflight(datalist=str(datalist), output_dir=tmp_path, **options)  # of the model that was there before
        assert (tmp_path / "evaluate.log").exists()


def test_a_model_folder_without_a_model_is_refused(datalist: Path, tmp_path: Path) -> None:
    assert "no recipe.json, expected a trained model" in refused(datalist, tmp_path / "run", model_dir=tmp_path)
    assert not (tmp_path / "run").exists()


def test_the_command_line_is_checked_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = "/site-packages/monai/bundle/__main__.py"
    train = str(BUNDLE_CONFIGS / "train.yaml")
    monkeypatch.setattr(sys, "argv", [entry, "run", "--config_file", train, "--num_epoch", "1", "--seed", "x"])
    message = refused(None, tmp_path / "run")
    assert message.splitlines()[0] == "2 problems"
    assert "did you mean --num_epochs?" in message and "--seed: 'x'" in message


def report(error: BaseException) -> None:
    """Report an exception as the interpreter does if it is not caught."""
    report_input_errors()
    sys.excepthook(type(error), error, error.__traceback__)


def wrapped(cause: BaseException, *, explicitly: bool) -> BaseException:
    """An error as MONAI wraps it twice."""
    try:
        try:
            try:
                raise cause
            except Exception as error:
                if explicitly:
                    raise RuntimeError("applying transform LoadVolumed") from error
                raise RuntimeError("applying transform LoadVolumed")  # noqa: B904 # an implicit chain is the point
        except RuntimeError as error:
            raise RuntimeError("Failed to evaluate ConfigExpression") from error
    except RuntimeError as outermost:
        return outermost


@pytest.mark.parametrize("explicitly", [True, False])
def test_an_input_error_behind_runtime_errors_is_what_the_user_reads(
    explicitly: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    cause = InputError(Problem("sub-07", "eeg", "shape (224, 224, 16)", "(224, 224, 17)"))
    with pytest.raises(SystemExit) as caught:
        report(wrapped(cause, explicitly=explicitly))
    assert caught.value.code == 2
    assert capsys.readouterr() == ("", "error: sub-07 eeg: shape (224, 224, 16), expected (224, 224, 17)\n")


def test_a_run_that_failed_for_a_known_reason_has_no_traceback_and_exit_code_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as caught:
        report(wrapped(RunFailed("out of memory", "lower --batch_size"), explicitly=True))
    assert caught.value.code == 1
    assert capsys.readouterr() == ("", "error: out of memory\n  lower --batch_size\n")


def test_a_fault_of_the_program_keeps_its_traceback(
    datalist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preflight(datalist=str(datalist), output_dir=tmp_path / "run", sections=["training"], device="cpu")
    report(wrapped(ZeroDivisionError("ours"), explicitly=True))
    error = capsys.readouterr().err
    assert error.startswith("Traceback") and "ZeroDivisionError: ours" in error
    log = (tmp_path / "run" / "train.log").read_text(encoding="utf-8")
    assert "Traceback" in log and "ZeroDivisionError: ours" in log  # also where the terminal is gone


def test_what_the_engine_repeats_of_an_exception_is_left_out(datalist: Path, tmp_path: Path) -> None:
    root = logging.getLogger()
    terminal = logging.StreamHandler(io.StringIO())
    root.addHandler(terminal)
    preflight(datalist=str(datalist), output_dir=tmp_path / "run", sections=["training"], device="cpu")

    def fail(engine: Engine, batch: int) -> None:
        raise RunFailed("out of memory")

    with pytest.raises(RunFailed) as caught:
        Engine(fail).run([0], max_epochs=1)
    logging.getLogger("monai_fusion").warning("something else")
    with pytest.raises(SystemExit):
        report(caught.value)
    assert terminal.stream.getvalue() == "something else\n"
    lines = (tmp_path / "run" / "train.log").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2 and lines[1].endswith("ERROR monai_fusion.workflow.input_checks: out of memory")


def test_tracking_without_mlflow_is_refused_before_anything_is_written(
    datalist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "mlflow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mlflow", None)  # Python's own way to say that it cannot be imported
    config = str(BUNDLE_CONFIGS / "train.yaml")
    words = ["--config_file", config, "--tracking", "mlflow", "--output_dir", str(tmp_path / "run")]
    monkeypatch.setattr(sys, "argv", ["/site-packages/monai/bundle/__main__.py", "run", *words])
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    message = refused(datalist, tmp_path / "run")
    assert message.startswith("--tracking mlflow: MLflow is not installed: pip install mlflow")
    assert not (tmp_path / "run").exists()


def bundle_run(config: str, *words: str) -> subprocess.CompletedProcess[str]:
    files = [str(path) for path in config_files("evaluate")] if config == "evaluate.yaml" else BUNDLE_CONFIGS / config
    return warm.run("monai.bundle", ["run", "--config_file", files, *words], cwd=Path.cwd(), timeout=300)


def assert_short_message(done: subprocess.CompletedProcess[str], message: str) -> None:
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    lines = done.stderr.splitlines()
    assert [line for line in lines if line.startswith("error: ")] == [message]
    assert lines[-1] == message


def test_a_misspelt_option_ends_a_real_run_with_one_line_and_exit_code_2(tmp_path: Path) -> None:
    done = bundle_run("train.yaml", "--num_epoch", "1", "--output_dir", str(tmp_path / "run"))
    message = "error: --num_epoch: there is no 'num_epoch' in the config: did you mean --num_epochs?"
    assert_short_message(done, message)
    assert not (tmp_path / "run").exists()


def test_an_evaluation_without_a_model_ends_a_real_run_with_one_line_and_exit_code_2(
    datalist: Path, tmp_path: Path
) -> None:
    words = ("--datalist", str(datalist), "--output_dir", str(tmp_path / "run"), "--device", "cpu")
    message = f"error: {tmp_path / 'run'}: no recipe.json, expected a trained model: "
    done = bundle_run("evaluate.yaml", *words)
    assert_short_message(done, message + "give the --output_dir of a training (train.yaml)")
