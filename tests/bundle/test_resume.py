"""A killed training resumes with the same bits; a stopped one reports how to resume."""

import csv
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from monai_fusion.datalist import read_datalist
from tests.bundle.conftest import SMALL, Cohort, bundle_command, bundle_run

FOUR_EPOCHS = SMALL | {"num_epochs": "[2, 2]"}


def state_of(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(folder / "model.pt", weights_only=True)
    return state


def history_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open(encoding="utf-8", newline="") as stream:
        return [{**row, "seconds": "", "data_wait": ""} for row in csv.DictReader(stream)]


def assert_same_training(folder: Path, other: Path) -> None:
    first, second = state_of(folder), state_of(other)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert history_of(folder) == history_of(other)
    assert (folder / "calibration.json").read_bytes() == (other / "calibration.json").read_bytes()
    last = [torch.load(each / "checkpoints" / "epoch_0004.pt", weights_only=True) for each in (folder, other)]
    assert last[0]["best_metric"] == last[1]["best_metric"]
    network, other_network = (state["parts"]["network"] for state in last)
    assert all(torch.equal(network[name], other_network[name]) for name in network)


def kill_when(condition: Callable[[Path], bool], number: int, command: list[str], folder: Path) -> int:
    """Start a run, send it a signal as soon as the condition on its folder holds; return its exit code."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=Path.home())
    deadline = time.monotonic() + 400
    while process.poll() is None and not condition(folder):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(number)
    output, _ = process.communicate(timeout=300)
    process.output = output  # type: ignore[attr-defined] # for the message of a failed assertion
    return process.returncode


def epoch_is_saved(epoch: int) -> Callable[[Path], bool]:
    return lambda folder: (folder / "checkpoints" / f"epoch_{epoch:04d}.pt").exists()


def checkpoint_is_being_written(folder: Path) -> bool:
    parts = list((folder / "checkpoints").glob(".*.part"))
    return epoch_is_saved(1)(folder) and any(part.exists() for part in parts)


@pytest.fixture(scope="module")
def uninterrupted(cohort: Cohort) -> Path:
    folder = cohort.folder.parent / "runs" / "uninterrupted"
    done = bundle_run("train.yaml", datalist=cohort.datalist, output_dir=folder, **FOUR_EPOCHS)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no kill -9")
@pytest.mark.parametrize(
    ("moment", "workers"),
    [
        pytest.param(epoch_is_saved(1), 2, id="epoch 2-2"),
        pytest.param(epoch_is_saved(2), 0, id="stage B-0"),
        pytest.param(epoch_is_saved(2), 2, id="stage B-2"),
        pytest.param(checkpoint_is_being_written, 0, id="writing-0"),
    ],
)
def test_a_killed_training_resumes_with_the_same_bits(
    moment: Callable[[Path], bool], workers: int, cohort: Cohort, uninterrupted: Path, tmp_path: Path
) -> None:
    options = FOUR_EPOCHS | {"datalist": cohort.datalist, "num_workers": workers, "resume": "true"}
    options |= {"output_dir": tmp_path / "run", "cache_dir": uninterrupted.parent / "preprocessed"}
    assert kill_when(moment, signal.SIGKILL, bundle_command("train.yaml", **options), tmp_path / "run") == -9
    done = bundle_run("train.yaml", **options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "resuming after epoch" in done.stdout
    assert_same_training(tmp_path / "run", uninterrupted)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows delivers no SIGTERM")
def test_a_terminated_training_reports_how_to_resume_and_resumes(
    cohort: Cohort, uninterrupted: Path, tmp_path: Path
) -> None:
    options = FOUR_EPOCHS | {"datalist": cohort.datalist, "output_dir": tmp_path / "run"}
    options |= {"cache_dir": uninterrupted.parent / "preprocessed"}
    code = kill_when(epoch_is_saved(2), signal.SIGTERM, bundle_command("train.yaml", **options), tmp_path / "run")
    assert code == 128 + signal.SIGTERM
    log = (tmp_path / "run" / "train.log").read_text(encoding="utf-8")
    assert "stopped in epoch" in log and "--resume true" in log
    done = bundle_run("train.yaml", resume="true", **options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_same_training(tmp_path / "run", uninterrupted)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows delivers no SIGTERM")
@pytest.mark.parametrize(
    "numbers", [(signal.SIGTERM,), (signal.SIGINT, signal.SIGINT)], ids=["SIGTERM", "Ctrl-C twice"]
)
def test_a_signal_to_all_processes_ends_in_a_message(numbers: tuple[signal.Signals, ...], cohort: Cohort) -> None:
    folder = cohort.folder.parent / "runs" / f"group{len(numbers)}"
    options = SMALL | {"num_epochs": "[20, 20]", "num_workers": 2, "datalist": cohort.datalist, "output_dir": folder}
    process = subprocess.Popen(
        bundle_command("train.yaml", **options),
        stdout=-1,
        stderr=-1,
        text=True,
        cwd=Path.home(),
        start_new_session=True,
    )
    while process.poll() is None and not epoch_is_saved(1)(folder):
        time.sleep(0.01)
    time.sleep(0.5)  # in the middle of an epoch, in which the processes that load data work
    for number in numbers:
        os.killpg(process.pid, number)
        time.sleep(0.3)
    _, errors = process.communicate(timeout=100)
    # A second Ctrl-C may arrive while Python ends the process; then the signal ends it, which a shell reports alike.
    assert process.returncode in (128 + numbers[0], *(-number for number in numbers[1:])), errors
    assert "Traceback" not in errors


def test_a_resumed_training_that_is_finished_reports_it(cohort: Cohort, run_folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in [*run_folder.glob("*.pt*"), run_folder / "manifest.json"]}
    done = bundle_run("train.yaml", datalist=cohort.datalist, output_dir=run_folder, resume="true", **SMALL)
    assert done.returncode == 0 and "finished: all 2 epochs are done" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert [row["epoch"] for row in history_of(run_folder)] == ["1", "2"]


def with_one_changed_recording(cohort: Cohort) -> tuple[Path, str]:
    """A datalist in which one participant has another MRI under the same name; and whose it is."""
    record = read_datalist(cohort.datalist).records("training")[2]
    assert record.mri is not None
    image = nib.load(record.mri)
    changed = cohort.folder / "changed" / record.mri.name
    changed.parent.mkdir()
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj)[::-1], image.affine), changed)
    content = json.loads(cohort.datalist.read_text(encoding="utf-8"))
    (row,) = (row for row in content["training"] if row["participant_id"] == record.participant_id)
    row["mri"] = f"changed/{changed.name}"
    path = cohort.datalist.with_name("one_changed.json")
    path.write_text(json.dumps(content), encoding="utf-8")
    return path, record.participant_id


def test_a_checkpoint_of_another_training_is_refused_with_what_differs(cohort: Cohort, run_folder: Path) -> None:
    datalist, participant = with_one_changed_recording(cohort)
    options = SMALL | {"batch_size": 3, "seed": 7, "network_def#head#dropout": 0.5}
    done = bundle_run("train.yaml", datalist=datalist, output_dir=run_folder, resume="latest", **options)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert f"{participant} mri: the file's content has changed" in done.stderr
    assert "a checkpoint of another training" in done.stderr and "3 problems" in done.stderr
    assert "batch_size: 3, expected 4 as in the checkpoint" in done.stderr
    assert "seed: 7, expected 1337 as in the checkpoint" in done.stderr
