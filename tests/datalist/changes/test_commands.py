"""``datalist diff``, ``apply``, ``table`` and ``build --from-table`` as they are typed."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monai_fusion import cli

Document = dict[str, Any]
Save = Callable[[Document | str | bytes], Path]
Type = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Type:
    """Types a command of ``monai-fusion datalist``: exit code, stdout, stderr."""

    def type_it(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(["datalist", *map(str, words)])
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return type_it


def log_of(path: Path, *changes: dict[str, str | None]) -> Path:
    path.write_text(json.dumps({"change_log": 1, "changes": changes}), encoding="utf-8")
    return path


def label(participant: str, before: str, after: str) -> dict[str, str | None]:
    return {"participant_id": participant, "field": "label", "before": before, "after": after, "who": "HB"}


def test_a_log_is_applied_in_place_and_the_old_file_is_kept(
    document: Document, save: Save, tmp_path: Path, typed: Type
) -> None:
    path = save(document)
    before = path.read_bytes()
    log = log_of(tmp_path / "log.json", label("sub-01", "M", "F"))

    code, said, _ = typed("apply", log, path, "--yes")

    assert code == 0
    assert "sub-01: label M -> F" in said
    assert "1 change" in said
    assert json.loads(path.read_text(encoding="utf-8"))["training"][0]["label"] == "F"
    assert path.with_name("eight.json.1.bak").read_bytes() == before


def test_a_dry_run_and_a_conflict_write_nothing(document: Document, save: Save, tmp_path: Path, typed: Type) -> None:
    path = save(document)
    before = path.read_bytes()
    log = log_of(tmp_path / "log.json", label("sub-01", "M", "F"), label("sub-02", "M", "F"))

    assert typed("apply", log_of(tmp_path / "fine.json", label("sub-01", "M", "F")), path, "--dry-run")[0] == 0
    code, _, said = typed("apply", log, path, "--yes")

    assert code == 0, said  # sub-02 is F already
    path.write_bytes(before)
    wrong = log_of(tmp_path / "wrong.json", label("sub-01", "M", "F"), label("sub-02", "M", "X"))
    code, _, said = typed("apply", wrong, path, "--yes")
    assert code == 2
    assert "sub-02 label" in said
    assert "--skip-conflicts" in said
    assert path.read_bytes() == before
    code, said, told = typed("apply", wrong, path, "--yes", "--skip-conflicts")
    assert code == 0
    assert "not changed: sub-02 label" in told
    assert json.loads(path.read_text(encoding="utf-8"))["training"][0]["label"] == "F"


def test_the_result_is_checked_before_it_is_written(
    document: Document, save: Save, tmp_path: Path, typed: Type
) -> None:
    document["group_by"] = ["family"]
    for part in ("training", "validation", "test"):
        for row in document[part]:
            row["family"] = row["participant_id"]
    document["training"][1]["family"] = document["training"][0]["family"]
    path = save(document)
    before = path.read_bytes()
    log = log_of(
        tmp_path / "log.json", {"participant_id": "sub-01", "field": "part", "before": "training", "after": "test"}
    )

    code, _, said = typed("apply", log, path, "--yes")

    assert code == 2
    assert "family" in said
    assert "nothing was written" in said
    assert path.read_bytes() == before


def test_the_difference_is_also_there_as_json(document: Document, save: Save, tmp_path: Path, typed: Type) -> None:
    old = save(document)
    copy = old.with_name("old.json")
    copy.write_bytes(old.read_bytes())
    document["training"][0]["label"] = "F"
    new = save(document)

    code, said, _ = typed("diff", copy, new, "--json")

    assert code == 0
    assert json.loads(said)["differences"] == [
        {"participant_id": "sub-01", "field": "label", "before": "M", "after": "F"}
    ]


def test_a_datalist_with_problems_is_not_compared(document: Document, save: Save, typed: Type) -> None:
    path = save(document)
    copy = path.with_name("old.json")
    copy.write_bytes(path.read_bytes())
    document["training"][0]["label"] = "male"

    code, _, said = typed("diff", copy, save(document))

    assert code == 2
    assert 'sub-01 label: "male"' in said


def test_a_workbook_there_and_back_is_the_same_file(
    document: Document, save: Save, tmp_path: Path, typed: Type
) -> None:
    path = save(document)
    book = tmp_path / "eight.xlsx"
    new = path.with_name("new.json")

    assert typed("table", path, "--out", book)[0] == 0
    assert typed("build", "--from-table", book, "--out", new)[0] == 0

    assert new.read_bytes() == path.read_bytes()
    assert typed("table", path, "--out", book)[0] == 2  # it is there
    assert typed("build", "--from-table", book, "--out", new)[0] == 2
    assert typed("table", path, "--out", tmp_path / "eight.csv")[0] == 2


@pytest.mark.skipif(sys.platform == "win32", reason="files of Windows have other permissions")
def test_a_workbook_of_a_private_datalist_is_private(
    document: Document, save: Save, tmp_path: Path, typed: Type
) -> None:
    path = save(document)
    path.chmod(0o600)

    typed("table", path, "--out", tmp_path / "eight.xlsx")

    assert (tmp_path / "eight.xlsx").stat().st_mode & 0o077 == 0
