"""Lists of participants to predict: no labels are needed, none is made up, and likely first attempts lead there."""

import json
from pathlib import Path
from typing import Any

import pytest

from monai_fusion.datalist import check_datalist, read_datalist
from tests.commands import call, write_placeholders
from tests.datalist.lines import Like

PARTICIPANTS = [f"sub-{number:02d}" for number in range(1, 7)]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six participants with two EEG segments and an MRI each, in the working folder; the files hold nothing yet."""
    write_placeholders(tmp_path, PARTICIPANTS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def model_in(folder: Path, **entries: Any) -> Path:
    """A run folder as far as a datalist looks at it."""
    folder.mkdir(parents=True)
    (folder / "model.pt").touch()
    recipe = {"classes": ["F", "M"], "target": "sex", "preprocessing": {}, "modalities": "both", **entries}
    (folder / "recipe.json").write_text(json.dumps(recipe), encoding="utf-8")
    return folder


def build(capsys: pytest.CaptureFixture[str], *more: object) -> tuple[int, str, str]:
    folders = ("--eeg-dir", "eeg", "--mri-dir", "mri", "--out", "new.json")
    return call(capsys, "datalist", "build", *folders, *more)


def content() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(Path("new.json").read_text(encoding="utf-8"))
    return document


def test_all_with_both_recordings_is_in_test_without_a_label(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (site / "mri/sub-06_T1w.nii.gz").unlink()
    code, out, err = build(capsys, "--unlabelled")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "new.json: 5 participants to predict",
        "1 participant with an EEG but no MRI left out: sub-06",
        Like("It names no classes: … model … predicts."),
        "next: monai-fusion predict RUN_DIR --datalist new.json",
    ]
    assert content() == {
        "$schema": "datalist.schema.json",
        "name": "new",
        "data_root": ".",
        "test": [
            {"participant_id": name, "label": None, "eeg": f"eeg/{name}_*.npy", "mri": f"mri/{name}_T1w.nii.gz"}
            for name in PARTICIPANTS[:5]
        ],
    }
    records = read_datalist("new.json", ["test"], require_labels=False).records("test")
    assert [(record.participant_id, record.label, len(record.eeg)) for record in records] == [
        (name, None, 2) for name in PARTICIPANTS[:5]
    ]


def test_classes_and_target_are_those_of_the_model_in_its_order(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model_in(site / "runs/first")
    assert build(capsys, "--unlabelled", "--model", "runs/first")[0] == 0
    assert (content()["classes"], content()["target"]) == (["F", "M"], "sex")
    code, _, err = build(capsys, "--unlabelled", "--model", "runs/first", "--classes", "M", "F", "--force")
    assert (code, err) == (
        2,
        'error: --classes: "M" "F", expected "F" "M": the classes of runs/first, in their order\n',
    )


@pytest.mark.parametrize(
    ("classes", "expected"),
    [(["--classes", "a", "b"], ["a", "b"]), (["--bin", "young=20-30", "--bin", "old=60-75"], ["young", "old"])],
)
def test_classes_may_be_named(
    classes: list[str], expected: list[str], site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build(capsys, "--unlabelled", *classes)[0] == 0
    assert content()["classes"] == expected


@pytest.mark.parametrize("modality", ["eeg", "mri"])
def test_a_model_of_one_recording_needs_no_folder_of_the_other(
    modality: str, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model_in(site / "runs/one", modalities=modality, absence=True)
    words = ("--unlabelled", "--model", "runs/one", f"--{modality}-dir", modality, "--out", "new.json")
    assert call(capsys, "datalist", "build", *words)[0] == 0
    other = {"eeg": "mri", "mri": "eeg"}[modality]
    assert [(row[modality] is None, row[other]) for row in content()["test"]] == [(False, None)] * 6
    code, _, err = call(capsys, "datalist", "build", *words[:3], f"--{other}-dir", other, "--out", "x.json")
    assert code == 2 and err.startswith(f"error: --{modality}-dir: missing, expected it, or a BIDS dataset with --bids")


def test_participants_with_one_recording_are_kept_on_request_or_when_the_model_can(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (site / "mri/sub-06_T1w.nii.gz").unlink()
    model_in(site / "runs/can", absence=True)
    model_in(site / "runs/cannot", absence=False)
    for words in (["--allow-missing"], ["--model", "runs/can", "--force"]):
        code, out, _ = build(capsys, "--unlabelled", *words)
        assert code == 0 and "1 participant with an EEG but no MRI in it: sub-06" in out.splitlines()
        assert content()["test"][5]["mri"] is None
    code, _, err = build(capsys, "--unlabelled", "--model", "runs/cannot", "--allow-missing", "--force")
    assert (code, err) == (
        2,
        "error: --allow-missing: runs/cannot knows only participants with both recordings: leave it out\n",
    )


@pytest.mark.parametrize(
    "lines",
    ["participant_id\nsub-02\nsub-05\nsub-77\n", "sub-02\nsub-05\nsub-77\n", "participant\nsub-02\nsub-05\nsub-77"],
)
def test_a_table_or_a_list_of_ids_says_who_is_meant(lines: str, site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("ids.txt").write_text(lines, encoding="utf-8")
    code, out, _ = build(capsys, "--unlabelled", "--participants", "ids.txt")
    assert code == 0 and [row["participant_id"] for row in content()["test"]] == ["sub-02", "sub-05"]
    assert "4 participants with recordings, but not in the table, left out: sub-01, sub-03, sub-04 and 1 more" in out
    assert "1 participant of the table without any recording: sub-77" in out


def test_columns_of_a_table_are_carried_over(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ["participant_id,age,site", *(f"{name},{20 + number},A" for number, name in enumerate(PARTICIPANTS))]
    Path("table.csv").write_text("\n".join(rows), encoding="utf-8")
    assert build(capsys, "--unlabelled", "--participants", "table.csv", "--columns", "age")[0] == 0
    assert [row["age"] for row in content()["test"]] == ["20", "21", "22", "23", "24", "25"]
    assert "site" not in content()["test"][0]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--label-column", "sex"], "--label-column: together with --unlabelled: is about labels, which are not read"),
        (["--label-map", "1=F"], "--label-map: together with --unlabelled: is about labels, which are not read"),
        (
            ["--method", "ratio"],
            "--method: together with --unlabelled: is about a split, but all participants are in the part t",
        ),
        (["--seed", "1337"], "--seed: together with --unlabelled"),
        (
            ["--extend", "old.json"],
            "--extend: together with --unlabelled: is about a split: build the whole list again",
        ),
        (["--columns", "age"], "--columns: the columns are those of a table: give it with --participants"),
        (
            ["--model", "nothere"],
            "nothere: no recipe.json, expected a trained model: there is no such folder: give the",
        ),
    ],
)
def test_what_means_nothing_without_labels_is_refused(
    words: list[str], error: str, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = build(capsys, "--unlabelled", *words)
    assert (code, out) == (2, "") and err.startswith(f"error: {error}")
    assert not Path("new.json").exists()


@pytest.mark.parametrize(
    "recipe",
    ["{", "[]", '{"classes": ["M"]}', '{"classes": ["M", "M"]}', '{"classes": [1, 2]}', '{"classes": "MF"}', "\x00"],
)
def test_a_recipe_that_no_training_writes_is_refused(
    recipe: str, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = model_in(site / "runs/odd") / "recipe.json"
    path.write_text(recipe, encoding="utf-8")
    code, _, err = build(capsys, "--unlabelled", "--model", "runs/odd")
    assert code == 2 and len(err.splitlines()) == 1 and str(Path("runs/odd")) in err


def test_an_older_list_is_not_replaced(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert build(capsys, "--unlabelled")[0] == 0
    before = Path("new.json").read_bytes()
    (site / "mri/sub-06_T1w.nii.gz").unlink()
    assert build(capsys, "--unlabelled")[0] == 2
    assert Path("new.json").read_bytes() == before


def table(*rows: str) -> tuple[str, str]:
    Path("table.csv").write_text("\n".join(rows), encoding="utf-8")
    return "--participants", "table.csv"


def test_what_one_tries_first_leads_to_the_option(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    without_table = build(capsys)
    assert without_table[2].endswith("participants to predict need no table of labels: --unlabelled\n")
    only_ids = build(capsys, *table("participant_id", *PARTICIPANTS))
    assert only_ids[2].endswith("participants to predict need no labels: --unlabelled\n")
    empty = build(capsys, *table("participant_id,gender", *(f"{name}," for name in PARTICIPANTS)))
    assert empty[2].endswith("correct the table; to predict these participants instead: --unlabelled\n")
    unknown = build(capsys, *table("participant_id,gender", *(f"{name},?" for name in PARTICIPANTS)))
    assert unknown[2].endswith("with --label-map VALUE=CLASS; to predict these participants instead: --unlabelled\n")
    misspelt = build(capsys, *table("participant_id,Gender", *(f"{name},M" for name in PARTICIPANTS)))
    assert "--unlabelled" not in misspelt[2] and 'did you mean "Gender"?' in misspelt[2]
    dropped = build(
        capsys, *table("participant_id,gender", *(f"{name}," for name in PARTICIPANTS)), "--drop-unlabelled"
    )
    assert dropped[2] == empty[2], "no participant is left if the others are left out"
    some = build(capsys, *table("participant_id,gender", "sub-01,", *(f"{name},M" for name in PARTICIPANTS[1:])))
    assert "--unlabelled" not in some[2], "one empty cell is a cell to fill in"
    for code, out, _ in (without_table, only_ids, empty, unknown, misspelt, dropped, some):
        assert (code, out) == (2, "")


def test_a_labelled_cohort_of_another_site_is_tested_as_a_whole(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = table("participant_id,gender", *(f"{name},{'MF'[n % 2]}" for n, name in enumerate(PARTICIPANTS)))
    code, _, err = build(capsys, *labels)
    assert code == 2 and "to test all of them with a model that is trained already: --method test" in err
    model_in(site / "runs/first")
    assert build(capsys, *labels, "--method", "test", "--model", "runs/first")[0] == 0
    document = content()
    assert document["classes"] == ["F", "M"] and not {"training", "validation"} & document.keys()
    assert [(row["participant_id"], row["label"]) for row in document["test"]] == [
        (name, "MF"[n % 2]) for n, name in enumerate(PARTICIPANTS)
    ]
    assert call(capsys, "datalist", "check", "new.json")[0] == 0
    assert check_datalist("new.json", ["test"]) == []


def test_an_evaluation_needs_every_class(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = build(
        capsys, *table("participant_id,gender", *(f"{name},M" for name in PARTICIPANTS)), "--method", "test"
    )
    assert code == 2 and 'split class "F": no participant in test, expected at least one' in err
    assert "--method test" not in err, "it was given"


def test_an_existing_list_can_be_tested_as_a_whole(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = table("participant_id,gender", *(f"{name},{'MF'[n % 2]}" for n, name in enumerate(PARTICIPANTS)))
    build(capsys, *labels, "--method", "test")
    document = content()
    document["training"], document["test"] = document["test"][:4], document["test"][4:]
    document["training"][0]["exclude"] = "moved"
    Path("new.json").write_text(json.dumps(document), encoding="utf-8")
    assert call(capsys, "datalist", "split", "new.json", "--method", "test", "--out", "all.json")[0] == 0
    split = json.loads(Path("all.json").read_text(encoding="utf-8"))
    assert "training" not in split and sorted(row["participant_id"] for row in split["test"]) == PARTICIPANTS
    for option in (["--test-fraction", "0.3"], ["--stratify-by", "label"], ["--group-by", "site"]):
        words = ["datalist", "split", "new.json", "--method", "test", "--out", "x.json", *option]
        code, _, err = call(capsys, *words)
        assert code == 2 and f"{option[0]}: --method test tests all participants: leave it out" in err


def test_check_knows_a_list_of_participants_to_be_predicted(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build(capsys, "--unlabelled")
    code, out, err = call(capsys, "datalist", "check", "new.json")
    assert (code, out) == (2, "")
    [heading, finding] = err.splitlines()[1:]
    assert (heading, finding.partition(", expected")[0]) == (
        "Labels:",
        "  line 5, label: none of the 6 participants has one",
    )
    assert finding.endswith("datalist check --unlabelled")
    code, out, err = call(capsys, "datalist", "check", "new.json", "--unlabelled")
    assert (code, err) == (0, "")
    assert "  test: 6 participants (6 without a label)" in out.splitlines()
    assert out.splitlines()[-1] == (
        Like("No participant has a label: … monai-fusion … evaluation … classes are those of the model")
    )
    document = json.loads(Path("new.json").read_text(encoding="utf-8"))
    document |= {"classes": ["M", "F"]}
    Path("new.json").write_text(json.dumps(document), encoding="utf-8")
    assert call(capsys, "datalist", "check", "new.json", "--unlabelled")[1].splitlines()[1:] == [
        "  test: 6 participants (0 M, 0 F, 6 without a label)",
        Like("No participant has a label: … monai-fusion … training … evaluation"),
    ]


def test_a_list_without_participants_in_use_is_none(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build(capsys, "--unlabelled")
    document = json.loads(Path("new.json").read_text(encoding="utf-8"))
    for row in document["test"]:
        row["exclude"] = "moved"
    Path("new.json").write_text(json.dumps(document), encoding="utf-8")
    out, err = call(capsys, "datalist", "check", "new.json", "--unlabelled")[1:]
    assert "Nobody has a label" not in out + err


def test_labels_without_classes_are_no_list_of_participants_to_be_predicted(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build(capsys, "--unlabelled")
    document = content()
    document["test"][0]["label"] = "M"
    Path("new.json").write_text(json.dumps(document), encoding="utf-8")
    code, _, err = call(capsys, "datalist", "check", "new.json", "--unlabelled")
    assert code == 2 and 'classes: missing, while the labels are "M"' in err


def test_a_list_of_other_classes_is_refused_before_the_run_starts(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model_in(site / "runs/first")
    assert build(capsys, "--unlabelled", "--classes", "M", "F")[0] == 0
    code, _, err = call(capsys, "predict", "runs/first", "--datalist", "new.json")
    assert code == 2
    assert err == 'error: new.json classes: "M" "F", expected "F" "M": the classes of runs/first, in their order\n'


def test_participants_in_another_part_are_found(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build(capsys, "--unlabelled")
    document = content()
    document["training"] = document.pop("test")
    Path("new.json").write_text(json.dumps(document), encoding="utf-8")
    model_in(site / "runs/first")
    code, _, err = call(capsys, "predict", "runs/first", "--datalist", "new.json")
    assert code == 2
    assert 'no participant, expected at least one: 6 participants in "training": give --section training, or' in err
    code, out, err = call(
        capsys, "predict", "runs/first", "--datalist", "new.json", "--section", "training", "--dry-run"
    )
    assert (code, err) == (0, "") and "--section training" in out
