"""``monai-fusion predict`` of folders and of files: the list is made, kept and predicted; refusals change nothing."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from monai_fusion.cli import starting
from monai_fusion.datalist import check_datalist
from tests.commands import call, write_placeholders
from tests.datalist.lines import Like

PARTICIPANTS = ["sub-01", "sub-02", "sub-03"]
FOLDERS = ("--eeg-dir", "eeg", "--mri-dir", "mri")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three participants in the working folder, and a model as far as a front looks at it; no run is started."""
    write_placeholders(tmp_path, PARTICIPANTS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(starting, "_start", lambda words: 0)
    model(tmp_path)
    return tmp_path


def model(folder: Path, **entries: Any) -> None:
    run = folder / "runs/first"
    run.mkdir(parents=True, exist_ok=True)
    (run / "model.pt").touch()
    recipe = {"classes": ["M", "F"], "target": "gender", "preprocessing": {}, "modalities": "both", **entries}
    (run / "recipe.json").write_text(json.dumps(recipe), encoding="utf-8")


def predict(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    return call(capsys, "predict", "runs/first", *words)


def content(path: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return document


def test_the_list_of_folders_is_kept_with_the_results_and_predicted(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (site / "mri/sub-03_T1w.nii.gz").unlink()
    code, out, err = predict(capsys, *FOLDERS, "--output_dir", "runs/new", "--device", "cpu")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"{Path('runs/new/datalist.json')}: 3 participants"
    assert lines[1] == "1 participant with an EEG but no MRI in it: sub-03"
    assert lines[2] == Like("1 … predicted … model …: sub-03")
    assert lines[-1].startswith("python -m monai.bundle run --config_file ")
    assert "--datalist runs/new/datalist.json" in lines[-1].replace("\\", "/") and "--device cpu" in lines[-1]
    document = content("runs/new/datalist.json")
    assert (document["name"], document["target"], document["classes"]) == ("new", "gender", ["M", "F"])
    assert document["data_root"] == "../.." and [row["participant_id"] for row in document["test"]] == PARTICIPANTS
    assert check_datalist("runs/new/datalist.json", ["test"], require_labels=False) == []


def test_without_an_output_folder_it_is_the_one_of_the_config(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert predict(capsys, *FOLDERS)[0] == 0
    assert len(content("runs/first/inference/datalist.json")["test"]) == 3


def test_a_dry_run_writes_nothing(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = predict(capsys, *FOLDERS, "--output_dir", "runs/new", "--dry-run")
    assert code == 0 and "3 participants (not written with --dry-run)" in out
    assert not Path("runs/new").exists()


def test_the_same_participants_may_be_predicted_again_but_another_list_is_not_replaced(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (*FOLDERS, "--output_dir", "runs/new")
    assert predict(capsys, *words)[0] == predict(capsys, *words)[0] == 0
    path = Path("runs/new/datalist.json")
    path.write_text(path.read_text(encoding="utf-8").replace('"label": null', '"label": "M"'), encoding="utf-8")
    edited = path.read_bytes()
    code, out, err = predict(capsys, *words)
    assert (code, out) == (2, "")
    assert err == (
        Like(
            f"error: {path}: … exists … something …: predict that list (monai-fusion predict {Path('runs/first')} "
            f"--datalist {path} --output_dir {Path('runs/new')}), or choose another --output_dir\n"
        )
    )
    assert path.read_bytes() == edited


def test_the_folder_of_the_results_is_in_the_command_only_if_it_is_not_the_one_of_the_config(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(capsys, *FOLDERS)[0] == 0
    path = Path("runs/first/inference/datalist.json")
    path.write_text(path.read_text(encoding="utf-8").replace('"inference"', '"site B"'), encoding="utf-8")
    assert f"(monai-fusion predict {Path('runs/first')} --datalist {path})" in predict(capsys, *FOLDERS)[2]


def test_a_file_in_place_of_the_folder_of_the_results_is_reported_as_such(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("notes.txt").write_text("mine", encoding="utf-8")
    for folder in ("notes.txt", "notes.txt/new"):
        code, out, err = predict(capsys, *FOLDERS, "--output_dir", folder)
        assert (code, out) == (2, "")
        assert err.startswith(f"error: --output_dir: {Path(folder)}: ")
        assert err.endswith(", expected a folder to write to\n")
    assert Path("notes.txt").read_text(encoding="utf-8") == "mine"


def test_one_participant_is_given_by_files(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = sorted(Path("eeg").glob("sub-02_*.npy"))
    code, _, err = predict(capsys, "--eeg", *files, "--mri", "mri/sub-02_T1w.nii.gz", "--output_dir", "runs/one")
    assert (code, err) == (0, "")
    assert content("runs/one/datalist.json")["test"] == [
        {"participant_id": "sub-02", "label": None, "eeg": "eeg/sub-02_*.npy", "mri": "mri/sub-02_T1w.nii.gz"}
    ]
    listed = Path("runs/one/datalist.json").read_bytes()
    pattern = ("--eeg", "eeg/sub-02_*.npy", "--mri", "mri/sub-02_T1w.nii.gz")  # as cmd and PowerShell leave it
    assert predict(capsys, *pattern, "--output_dir", "runs/one")[0] == 0
    assert Path("runs/one/datalist.json").read_bytes() == listed
    assert predict(capsys, "--eeg", "eeg/sub-9*.npy", *pattern[2:])[2].endswith("sub-9*.npy: no file has this name\n")
    Path("mri/scan.nii").touch()
    words = ("--eeg", files[0], "--mri", "mri/scan.nii", "--output_dir", "runs/two")
    code, _, err = predict(capsys, *words)
    assert code == 2 and "files of scan and sub-02" in err and err.endswith("name the participant with --id\n")
    assert predict(capsys, *words, "--id", "new-one")[0] == 0
    assert content("runs/two/datalist.json")["test"] == [
        {"participant_id": "new-one", "label": None, "eeg": "eeg/sub-02_EO_seg0.npy", "mri": "mri/scan.nii"}
    ]


def test_a_model_of_one_recording_takes_participants_who_have_that_one_alone(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model(site, modalities="eeg", absence=True, allow_missing=False)
    code, out, _ = predict(capsys, "--eeg-dir", "eeg", "--output_dir", "runs/new")
    assert code == 0 and out.splitlines()[-1].endswith("--allow_missing true") and "not predicted" not in out
    code, out, _ = predict(capsys, *FOLDERS, "--output_dir", "runs/both")
    assert code == 0 and "--allow_missing" not in out
    code, out, _ = predict(capsys, "--eeg", "eeg/sub-01_EO_seg0.npy", "--output_dir", "runs/one")
    assert code == 0 and content("runs/one/datalist.json")["test"][0]["mri"] is None


def test_a_list_of_ids_says_who_of_the_folders_is_meant(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("ids.txt").write_text("sub-03\nsub-01\n", encoding="utf-8")
    assert predict(capsys, *FOLDERS, "--participants", "ids.txt", "--output_dir", "runs/new")[0] == 0
    assert [row["participant_id"] for row in content("runs/new/datalist.json")["test"]] == ["sub-01", "sub-03"]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (
            ["--datalist", "x.json", *FOLDERS],
            "--datalist: a datalist, together with --eeg-dir, --mri-dir, expected one",
        ),
        (
            [*FOLDERS, "--section", "training"],
            "--section: training: leave it out: all participants of the new list are in the",
        ),
        ([*FOLDERS, "--eeg", "a.npy"], "--eeg: together with --eeg-dir, --mri-dir: give folders of many participants,"),
        (["--eeg-dir", "eeg"], "--mri-dir: missing, expected it, or a BIDS dataset with --bids: runs"),
        (["--eeg-dir", "none", "--mri-dir", "mri"], "EEG folder: none: there is no such folder, expected a folder"),
        (["--eeg", "none.npy", "--mri", "mri/sub-01_T1w.nii.gz"], "--eeg: none.npy: there is no such file"),
        (["--eeg", "mri/sub-01_T1w.nii.gz", "--mri", "mri/sub-01_T1w.nii.gz"], "--eeg: mri/sub-01_T1w.nii.gz, expecte"),
        (["--eeg", "eeg/sub-01_EO_seg0.npy"], "--mri: missing, expected a file: runs"),
        (["--id", "sub-01"], "--id: alone, expected --eeg or --mri with it"),
        (["--participants", "x.csv"], "--participants: alone, expected --eeg-dir or --mri-dir with it"),
        ([*FOLDERS, "--output_dir", "runs/first"], "--output_dir: runs/first holds a trained model (model.pt), expect"),
        ([*FOLDERS, "--colour", "red"], "--colour: there is no 'colour' in the config"),
    ],
)
def test_what_is_wrong_is_reported_in_one_text_and_nothing_is_written(
    words: list[str], error: str, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(site.rglob("*"))
    code, out, err = predict(capsys, *words)
    assert (code, out) == (2, "") and err.replace("\\", "/").startswith(f"error: {error}")
    assert sorted(site.rglob("*")) == before


def test_what_the_front_cannot_read_of_a_recipe_is_left_to_the_run_and_needed_for_a_list(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(capsys, *FOLDERS, "--output_dir", "runs/new")[0] == 0
    for recipe in ('{"modalities": "eeg"}', "{"):
        Path("runs/first/recipe.json").write_text(recipe, encoding="utf-8")
        assert (
            predict(capsys, "--datalist", "runs/new/datalist.json", "--output_dir", "runs/other", "--dry-run")[0] == 0
        )
        assert predict(capsys, *FOLDERS, "--output_dir", "runs/other")[0] == 2


def test_an_evaluation_is_not_replaced_by_predictions(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("runs/site_b").mkdir()
    Path("runs/site_b/evaluate.log").touch()
    code, _, err = predict(capsys, *FOLDERS, "--output_dir", "runs/site_b")
    assert code == 2 and "holds an evaluation (evaluate.log), expected a folder for new predictions" in err


def test_refusals_come_before_torch_is_imported(site: Path) -> None:
    code = (
        "import sys; from monai_fusion.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as ended: print(ended.code, {'torch', 'monai', 'matplotlib', 'sklearn'} & set(sys.modules))"
    )
    words = ["predict", "runs/first", "--eeg-dir", "eeg", "--mri-dir", "nothere"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert "nothere: there is no such folder" in done.stderr and done.stdout == "2 set()\n"


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("--eeg-dri", "eeg", "--mri-dir", "mri"), "--eeg_dri: there is no such option: did you mean --eeg-dir?"),
        (("--mridir", "mri"), "--mridir: there is no such option: did you mean --mri-dir?"),
        ((*FOLDERS, "--participant", "t.csv"), "--participant: there is no such option: did you mean --participants?"),
        ((*FOLDERS, "--devise", "cpu"), "--devise: there is no 'devise' in the config: did you mean --device?"),
    ],
)
def test_a_misspelt_option_is_answered_with_the_one_that_was_meant(
    words: tuple[str, ...], meant: str, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(capsys, *words) == (2, "", f"error: {meant}\n")
