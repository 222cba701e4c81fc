"""``monai-fusion predict`` of raw EEG: it becomes the scalograms of the training, or one message says why not."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_fusion.cli import starting
from monai_fusion.datalist import read_datalist
from monai_fusion.errors import Problem
from monai_fusion.recordings import job
from monai_fusion.recordings.not_made import reason_text
from monai_fusion.recordings.scalogram_recipe import ENTRY, common_recipe, read_recipe_entry
from monai_fusion.workflow.lost_recordings import with_reasons
from tests.commands import call
from tests.recordings.raw_files import signal, write_edf

HOW = ("--mode", "power", "--seconds", "5", "--high-pass", "1", "--reject", "300", "--electrodes", "Fz,Cz,Pz,O1")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """The scalograms of a training, a model that knows how they were made, and raw recordings of two new people."""
    monkeypatch.chdir(tmp_path)
    for folder in ("trained", "new", "mri", "runs/first"):
        Path(folder).mkdir(parents=True)
    for folder, name, seed in (("trained", "sub-01", 1), ("trained", "sub-02", 2), ("new", "sub-07", 7)):
        write_edf(Path(folder, f"{name}_EO.edf"), signal(12, seed=seed))
    write_edf(Path("new/sub-08_EO.edf"), signal(12, seed=8))
    for name in ("sub-07", "sub-08"):
        Path(f"mri/{name}_T1w.nii.gz").write_bytes(b"\x1f\x8b")
    assert call(capsys, "scalogram", "trained", "--out", "eeg", "--workers", "1", *HOW)[0] == 0
    recipe, why = common_recipe(sorted(Path("eeg").glob("*.npy")))
    assert recipe is not None and why == ""
    model(**{ENTRY: recipe.as_json})
    monkeypatch.setattr(starting, "_start", lambda words: 0)
    monkeypatch.setattr(starting, "_start_beside", lambda words: 0)
    monkeypatch.setattr(job, "usable_cores", lambda: 1)
    return tmp_path


def model(**entries: Any) -> None:
    Path("runs/first/model.pt").touch()
    recipe = {"classes": ["M", "F"], "target": "gender", "preprocessing": {}, "modalities": "both", **entries}
    Path("runs/first/recipe.json").write_text(json.dumps(recipe), encoding="utf-8")


def predict(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    return call(capsys, "predict", "runs/first", *words)


ONE = ("--eeg", "new/sub-07_EO.edf", "--mri", "mri/sub-07_T1w.nii.gz", "--output_dir", "runs/new")


def test_a_raw_recording_becomes_what_the_same_options_make(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = predict(capsys, *ONE)
    assert code == 0 and "scalograms of 1 raw recording, as those of the training" in out
    assert call(capsys, "scalogram", "new/sub-07_EO.edf", "--out", "wanted", *HOW)[0] == 0
    wanted = sorted(Path("wanted").glob("*.npy"))
    assert len(wanted) == 2
    for path in wanted:
        np.testing.assert_array_equal(np.load(Path("runs/new/scalograms", path.name)), np.load(path))
    (row,) = json.loads(Path("runs/new/datalist.json").read_text(encoding="utf-8"))["test"]
    assert row["participant_id"] == "sub-07" and row["eeg"] == "runs/new/scalograms/sub-07_*.npy"
    assert "--datalist runs/new/datalist.json" in out.replace("\\", "/")


def test_a_second_run_makes_no_scalogram_again(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert predict(capsys, *ONE)[0] == 0
    times = {path: path.stat().st_mtime_ns for path in Path("runs/new/scalograms").iterdir()}
    assert predict(capsys, *ONE)[0] == 0
    assert {path: path.stat().st_mtime_ns for path in times} == times


def test_a_dry_run_prints_the_command_that_makes_them_and_writes_nothing(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = predict(capsys, *ONE, "--dry-run")
    command = out.splitlines()[-1].split()
    assert code == 0 and not Path("runs/new").exists() and command[:2] == ["monai-fusion", "scalogram"]
    assert call(capsys, *command[1:])[0] == 0
    made, wanted = common_recipe(Path("runs/new/scalograms").glob("*.npy")), common_recipe(Path("eeg").glob("*.npy"))
    assert made == wanted


def test_a_folder_of_raw_recordings_loses_only_the_one_that_fails_and_ends_with_1(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("new/sub-08_EO.edf").write_bytes(b"0       damaged")
    words = ("--raw-eeg-dir", "new", "--mri-dir", "mri", "--output_dir", "runs/new")
    code, out, err = predict(capsys, *words)
    assert code == 1 and "scalograms of 1 raw recording" in out and err.startswith("error: ")
    assert "sub-08_EO.edf" in err and "2 participants" in out
    planned = Path("runs/new/datalist.json").read_bytes()
    lost, found = (
        with_reasons(read_datalist("runs/new/datalist.json", may_lose=True, require_labels=False)).records("test")[
            place
        ]
        for place in (1, 0)
    )
    assert lost.participant_id == "sub-08" and lost.lost.startswith("eeg: sub-08_EO.edf: ") and not found.lost
    write_edf(Path("new/sub-08_EO.edf"), signal(12, seed=8))
    assert predict(capsys, *words)[0] == 0  # the list is the same
    assert Path("runs/new/datalist.json").read_bytes() == planned
    cohort = read_datalist("runs/new/datalist.json", require_labels=False)
    assert with_reasons(cohort) is cohort and len(cohort.records("test")[1].eeg) == 2


def test_scalograms_of_a_recording_that_was_replaced_by_a_damaged_one_are_not_used(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--raw-eeg-dir", "new", "--mri-dir", "mri", "--output_dir", "runs/new")
    assert predict(capsys, *words)[0] == 0
    Path("new/sub-08_EO.edf").rename("new/sub-08.cnt")
    assert predict(capsys, *words)[0] == 0
    cohort = read_datalist("runs/new/datalist.json", require_labels=False)
    (record,) = (each for each in with_reasons(cohort).records("test") if each.lost)
    assert record.lost == "eeg: sub-08.cnt: a Neuroscan or ANT recording: not read" and record.eeg[0].is_file()
    for path in record.eeg:
        os.utime(path, (2**32, 2**32))  # made by hand since
    assert with_reasons(cohort) == cohort


def test_a_participant_keeps_the_scalograms_of_the_recordings_that_can_be_read(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--raw-eeg-dir", "new", "--mri-dir", "mri", "--output_dir", "runs/new")
    write_edf(Path("new/sub-08_EC.edf"), signal(12, seed=9))
    Path("new/sub-08_EO.cnt").touch()  # what sub-08_EO.edf was exported from
    assert predict(capsys, *words)[0] == 0
    made = read_datalist("runs/new/datalist.json", require_labels=False)
    assert with_reasons(made) is made
    Path("new/sub-08_EC.edf").write_bytes(b"0       damaged")
    code, out, err = predict(capsys, *words)
    assert code == 1 and "2 participants" in out and "sub-08_EC.edf" in err and "monai-fusion scalogram new" in err
    cohort = read_datalist("runs/new/datalist.json", require_labels=False)
    before, after = cohort.records("test")[1], with_reasons(cohort).records("test")[1]
    assert [path.name for path in before.eeg][::2] == ["sub-08_EC_seg0.npy", "sub-08_EO_seg0.npy"]
    assert after.eeg == before.eeg[2:] and not after.lost
    assert after.not_used.startswith("sub-08_EC.edf: ") and str(site) not in after.not_used


def test_of_the_files_of_one_participant_those_that_can_be_read_are_used_under_the_id_that_is_given(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("new/first_EC.edf").write_bytes(b"0       damaged")
    files = ("--eeg", "new/first_EC.edf", "new/sub-08_EO.edf", "--mri", "mri/sub-08_T1w.nii.gz")
    code, out, err = predict(capsys, *files, "--output_dir", "runs/new")
    assert (code, out) == (2, "") and "--id" in err and not Path("runs/new").exists()
    assert predict(capsys, *files, "--id", "sub-08", "--output_dir", "runs/new")[0] == 1
    (record,) = with_reasons(read_datalist("runs/new/datalist.json", require_labels=False)).records("test")
    assert len(record.eeg) == 2 and record.not_used.startswith("first_EC.edf: ")


def test_the_reason_in_the_table_has_neither_folders_nor_text_of_a_header() -> None:
    path = Path("home/of a person/sub-07.edf").absolute()
    problems = [Problem(str(path), "", 'unit "Jane Doe"', "volts", f"give {path}"), *[Problem("x")] * 4]
    assert reason_text(problems, [path]) == "sub-07.edf: unit ..., expected volts; x; x; and 2 more"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--raw-eeg-dir", "new", "--eeg-dir", "eeg", "--mri-dir", "mri"), "--raw-eeg-dir: together with --eeg-dir"),
        (
            ("--eeg", "new/sub-07_EO.edf", "eeg/sub-01_EO_seg0.npy", "--mri", "mri/sub-07_T1w.nii.gz"),
            "--eeg: sub-01_EO_seg0.npy, a scalogram, together with raw recordings",
        ),
        (("--eeg", "new/nothere.edf", "--mri", "mri/sub-07_T1w.nii.gz"), "new/nothere.edf"),
        ((*ONE[:4], "--datalist", "x.json"), "--datalist: a datalist, together with --eeg, --mri"),
        ((*ONE[:4], "--output_dir", "runs/first"), "--output_dir: runs/first holds a trained model"),
    ],
)
def test_what_is_wrong_is_reported_before_a_scalogram_is_made(
    words: tuple[str, ...], error: str, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(site.rglob("*.npy"))
    code, out, err = predict(capsys, *words)
    assert (code, out) == (2, "") and error in err.replace("\\", "/") and sorted(site.rglob("*.npy")) == before


def test_a_model_that_does_not_know_its_scalograms_asks_for_them(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for entries in ({}, {ENTRY: {"mode": "power"}}):
        model(**entries)
        code, out, err = predict(capsys, *ONE)
        assert (code, out) == (2, "") and err.startswith("error: --eeg: raw EEG, but runs/first does not record")
        assert "run monai-fusion scalogram with the settings of the training" in err
    assert not Path("runs/new").exists()


def test_a_missing_electrode_is_the_scalogram_commands_message_with_its_command(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["Fz", "Cz", "Oz", "O1"]
    write_edf(Path("new/sub-07_EO.edf"), signal(12, channels=4), names)
    code, out, err = predict(capsys, *ONE)
    assert (code, out) == (2, "") and "Pz" in err and "monai-fusion scalogram new/sub-07_EO.edf --out" in err
    assert not Path("runs/new/datalist.json").exists()


def test_scalograms_of_two_kinds_or_without_a_json_have_no_recipe(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = call(capsys, "scalogram", "new", "--out", "other", "--workers", "1", *HOW[:-1], "Fz,Cz")
    assert code == 0, err
    mixed = [*Path("eeg").glob("*.npy"), *Path("other").glob("*.npy")]
    assert common_recipe(mixed) == (None, "the scalograms were made in 2 ways")
    Path("eeg/sub-03_seg0.npy").touch()
    assert common_recipe(Path("eeg").glob("*.npy")) == (None, "no JSON beside 1 scalogram says how they were made")


def test_only_a_whole_recipe_of_possible_options_is_read(site: Path) -> None:
    recipe, _ = common_recipe(Path("eeg").glob("*.npy"))
    assert recipe is not None and read_recipe_entry(json.loads(json.dumps(recipe.as_json))) == recipe
    for name, value in (
        ("mode", "fast"),
        ("electrodes", ["a,b"]),
        ("seconds", -1),
        ("line", "x"),
        ("interpolate", 1.5),
    ):
        assert read_recipe_entry({**recipe.as_json, name: value}) is None
