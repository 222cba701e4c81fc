"""Nobody's work is overwritten: what is replaced is named before, asked about, and kept beside the new file."""

import errno
import io
import json
import os
import re
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from monai_fusion import cli
from monai_fusion.datalist.saving.backups import next_backup, write_backup
from monai_fusion.datalist.saving.what_is_lost import losses
from tests.datalist.lines import Like

PARTICIPANTS = [f"sub-{number:02d}" for number in range(1, 21)]
BUILD = "datalist build --eeg-dir eeg --mri-dir mri --participants people.csv --columns age --out edited.json"


@pytest.fixture
def edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A datalist of twenty participants as it was built, and the folder of the command."""
    monkeypatch.chdir(tmp_path)
    for folder in ("eeg", "mri"):
        Path(folder).mkdir()
    for name in PARTICIPANTS:
        Path(f"eeg/{name}_seg0.npy").touch()
        Path(f"mri/{name}_T1w.nii.gz").touch()
    table = ["participant_id,gender,age", *(f"{name},{'MF'[n % 3 == 0]},20-25" for n, name in enumerate(PARTICIPANTS))]
    Path("people.csv").write_text("\n".join(table) + "\n", encoding="utf-8")
    assert call(capsys, BUILD)[0] == 0
    return Path("edited.json")


def call(capsys: pytest.CaptureFixture[str], command: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main(command.split())
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


def edit(path: Path, name: str, **fields: Any) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    rows = [row for section in ("training", "validation", "test") for row in document[section]]
    next(row for row in rows if row["participant_id"] == name).update(fields)
    path.write_text(json.dumps(document), encoding="utf-8")


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    stream = io.StringIO(answer)
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", stream)


def names() -> list[str]:
    return sorted(path.name for path in Path().iterdir() if path.is_file())


def test_the_refusal_says_what_would_be_lost_and_names_the_way_that_keeps_everything_first(
    edited: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(edited, "sub-03", exclude="moved during the scan")
    before = edited.read_bytes()
    code, out, err = call(capsys, BUILD)
    assert (code, out, edited.read_bytes()) == (2, "", before)
    assert err.startswith(
        "error: edited.json already exists, with 1 participant left out by hand (sub-03: moved during the scan)"
    )
    assert err.endswith(
        ". To keep everything in it and add new participants: --extend edited.json --out new.json. "
        "--force starts again and keeps the old file as edited.json.1.bak.\n"
    )
    assert call(capsys, f"{BUILD.removesuffix('edited.json')}new.json --extend edited.json")[0] == 0
    kept = json.loads(Path("new.json").read_text(encoding="utf-8"))
    assert "moved during the scan" in json.dumps(kept)


def test_labels_moved_participants_and_values_edited_by_hand_are_named_as_well(
    edited: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(edited, "sub-02", label="F", age="25-30", site="Leipzig")
    edit(edited, "sub-05", site="Berlin")
    document = json.loads(edited.read_text(encoding="utf-8"))
    document["test"].append(document["training"].pop())
    document["name"] = "My cohort"
    edited.write_text(json.dumps(document), encoding="utf-8")
    err = call(capsys, BUILD)[2]
    assert err.startswith(
        'error: edited.json already exists, with 1 label that differs from the table (sub-02: "F", not "M"), '
        "a split of its own (1 of 20 participants in another part), "
    )
    for lost in (
        'a value of its own in "age" (sub-02: "25-30", not "20-25")',
        'values of its own in "site" (sub-02: "Leipzig", not null and 1 more)',
        'another "name" ("My cohort", not "edited")',
    ):
        assert lost in err


def test_what_was_never_edited_loses_nothing_and_reports_none(edited: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, BUILD)[2].startswith("error: edited.json already exists. To keep")
    code, _, err = call(capsys, f"{BUILD} --force")
    assert (code, err) == (0, "")
    assert names() == ["edited.json", "people.csv"]  # the same bytes need no backup


def test_force_keeps_every_older_file_under_a_number_of_its_own(
    edited: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    states = []
    for reason in ("one", "two"):
        edit(edited, "sub-03", exclude=reason)
        states.append(edited.read_bytes())
        code, _, err = call(capsys, f"{BUILD} --force")
        assert code == 0
        assert f"edited.json: the old file, with 1 participant left out by hand (sub-03: {reason})" in err
    assert [Path(f"edited.json.{n}.bak").read_bytes() for n in (1, 2)] == states
    assert "exclude" not in edited.read_text(encoding="utf-8")
    edit(edited, "sub-03", exclude="three")
    Path("edited.json.1.bak").unlink()
    call(capsys, f"{BUILD} --force")
    assert names() == ["edited.json", "edited.json.2.bak", "edited.json.3.bak", "people.csv"]


@pytest.mark.parametrize(
    ("answer", "options", "code"), [("n\n", "", 1), ("", "", 1), ("y\n", "", 0), ("", " --yes", 0)]
)
def test_at_a_terminal_force_asks_before_anything_is_lost(
    answer: str, options: str, code: int, edited: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    edit(edited, "sub-03", exclude="moved")
    before = edited.read_bytes()
    at_a_terminal(monkeypatch, answer)
    found, _, err = call(capsys, f"{BUILD} --force{options}")
    assert found == code
    assert (edited.read_bytes() == before) == (code == 1)
    assert Path("edited.json.1.bak").exists() == (code == 0)
    asked = "edited.json already exists, with 1 participant left out by hand (sub-03: moved)" in err
    assert asked == (options == "")
    assert ("nothing was changed" in err) == (code == 1)


def test_a_split_in_its_place_keeps_the_old_file_and_all_folds_keep_each(
    edited: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = edited.read_bytes()
    assert "a split of its own (" in call(capsys, "datalist split edited.json --seed 5")[2]
    assert call(capsys, "datalist split edited.json --seed 5 --force")[0] == 0
    assert Path("edited.json.1.bak").read_bytes() == before
    folds = "datalist split edited.json --method kfold --folds 3 --all-folds --out cv.json"
    assert call(capsys, folds)[0] == 0
    first = [Path(f"cv_fold{n}.json").read_bytes() for n in range(3)]
    code, _, err = call(capsys, f"{folds} --seed 9")
    assert (code, err.count("already exists"), err.count("--force")) == (2, 3, 1)
    assert call(capsys, f"{folds} --seed 9 --force")[0] == 0
    assert [Path(f"cv_fold{n}.json.1.bak").read_bytes() for n in range(3)] == first


def test_a_file_of_another_kind_is_never_replaced(edited: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = Path("people.csv").read_bytes()
    for force in ("", " --force"):
        code, _, err = call(capsys, f"{BUILD.removesuffix('edited.json')}people.csv{force}")
        assert (code, Path("people.csv").read_bytes()) == (2, table)
        assert "is not a valid datalist" in err
    code, _, err = call(capsys, "datalist schema --out edited.json")
    assert (code, err) == (
        2, "error: edited.json: already exists, and is not a JSON Schema: choose another --out\n"
    )  # fmt: skip
    assert json.loads(edited.read_text(encoding="utf-8"))["training"]
    for _ in range(2):
        assert call(capsys, "datalist schema --out datalist.schema.json")[0] == 0


def no_space(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("where", ["replacing.write_backup", "writing.write_atomically"])
@pytest.mark.parametrize("command", [f"{BUILD} --force", "datalist split edited.json --seed 5 --force"])
def test_on_a_full_disk_nothing_is_lost_and_one_message_reports_it(
    where: str, command: str, edited: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(edited, "sub-03", exclude="moved")
    before = edited.read_bytes()
    monkeypatch.setattr(f"monai_fusion.datalist.saving.{where}", no_space)
    code, out, err = call(capsys, command)
    assert (code, out) == (2, "")
    assert re.fullmatch(r"error: .*edited\.json: .*No space left on device\).*\n", err)
    assert (edited.read_bytes(), names()) == (before, ["edited.json", "people.csv"])


@pytest.mark.parametrize("where", ["write_backup", "write_atomically"])
def test_a_repair_on_a_full_disk_changes_nothing(
    where: str, edited: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    edited.write_bytes(edited.read_bytes().replace(b"}\n  ]", b"},\n  ]"))
    before = edited.read_bytes()
    with monkeypatch.context() as full:
        full.setattr(f"monai_fusion.datalist.saving.backups.{where}", no_space)
        code, _, err = call(capsys, "datalist check edited.json --fix --yes")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "No space left on device): nothing was changed" in err
    assert (edited.read_bytes(), names()) == (before, ["edited.json", "people.csv"])
    assert "the old file is" in call(capsys, "datalist check edited.json --fix --yes")[1]
    assert Path("edited.json.1.bak").read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="needs a folder that may not be written")
def test_in_a_read_only_folder_the_file_stays(edited: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(edited, "sub-03", exclude="moved")
    before = edited.read_bytes()
    Path().chmod(0o500)
    try:
        code, _, err = call(capsys, f"{BUILD} --force")
    finally:
        Path().chmod(0o700)
    assert (code, len(err.splitlines()), edited.read_bytes()) == (2, 1, before)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_a_private_list_and_its_backup_stay_private_and_a_link_a_link(
    edited: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edited.rename("real.json")
    edited.symlink_to("real.json")
    edit(Path("real.json"), "sub-03", exclude="moved")
    Path("real.json").chmod(0o600)
    assert call(capsys, f"{BUILD} --force")[0] == 0
    assert edited.is_symlink()
    modes = [stat.S_IMODE(Path(name).stat().st_mode) for name in ("real.json", "real.json.1.bak")]
    assert modes == [0o600, 0o600]


def test_a_backup_never_takes_a_name_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a[1].json"
    path.touch()
    for number in (1, 7):
        (tmp_path / f"a[1].json.{number}.bak").write_bytes(b"older")
    assert next_backup(path).name == "a[1].json.8.bak"
    (tmp_path / "a[1].json.8.bak").mkdir()
    assert write_backup(path, b"content").name == "a[1].json.9.bak"
    assert (tmp_path / "a[1].json.9.bak").read_bytes() == b"content"


def test_of_many_losses_the_first_are_shown() -> None:
    row = {"label": "M", "eeg": "e", "mri": "m"}
    old = {"training": [{**row, "participant_id": f"s{n}", "exclude": "x"} for n in range(50)]}
    assert losses(old, {"training": []}, "the table") == [Like("50 … left … hand (s0: x, s1: x, s2: x and 47 more)")]
    assert losses({"test": [{**row, "participant_id": "s1"}]}, {"training": []}, "the table") == [
        Like("1 … would … gone … (s1)")
    ]
