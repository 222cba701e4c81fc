"""A bundle run stops with the text that the check prints."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monai_fusion import cli
from monai_fusion.datalist import DatalistError
from monai_fusion.errors import SHOWN_AT_MOST
from monai_fusion.workflow.input_checks import preflight


def test_a_run_and_the_check_report_the_same_for_a_wrong_datalist(
    document: dict[str, Any],
    save: Callable[[Any], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in range(20, 50):  # more than the text of other errors shows
        row = {"participant_id": f"sub-{number}", "label": "male", "eeg": f"eeg/sub-{number}_*.npy"}
        document["training"].append(row)
    document["test"].append(document["validation"][0])
    path = save(save(document).read_text(encoding="utf-8").replace('"name"', "'name'"))
    monkeypatch.setattr("sys.argv", ["test"])
    monkeypatch.setattr("sys.excepthook", lambda *_: None)
    with pytest.raises(DatalistError) as raised:
        preflight(
            datalist=str(path), output_dir=tmp_path / "run", sections=("training", "validation", "test"), device="cpu"
        )
    with pytest.raises(SystemExit) as ended:
        cli.main(["datalist", "check", str(path)])
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"error: {raised.value}\n"
    assert len(raised.value.problems) == 62 > SHOWN_AT_MOST
    assert "line 3, column 3: names and text need" in str(raised.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("section", ["training", "validation", "test"])
@pytest.mark.parametrize("how", ["empty", "all excluded", "one class", "not written"])
def test_a_part_that_is_written_must_hold_a_participant_of_each_class(
    section: str, how: str, document: dict[str, Any], save: Callable[[Any], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    if how == "empty":
        document[section] = []
    elif how == "all excluded":
        document[section] = [{**row, "exclude": "moved"} for row in document[section]]
    elif how == "one class":
        document[section] = [row for row in document[section] if row["label"] == "M"]
    else:
        del document[section]
    with pytest.raises(SystemExit) as ended:
        cli.main(["datalist", "check", str(save(document)), "--json"])
    report = json.loads(capsys.readouterr().out)
    seen = [(finding["field"], finding["seen"]) for finding in report["findings"]]
    number = 2 if section == "validation" else 3
    expected = {
        "empty": [(section, "no participant")],
        "all excluded": [(section, f"all of its {number} participants excluded")],
        "one class": [(section, 'no participant of class "F"')],
        "not written": [],
    }
    assert seen == expected[how]
    assert ended.value.code == (2 if expected[how] else 0)


def test_with_folds_validation_may_be_empty(
    document: dict[str, Any], save: Callable[[Any], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    document["training"] += document["validation"]
    document["validation"] = []
    for number, row in enumerate(document["training"]):
        row["fold"] = number % 2
    with pytest.raises(SystemExit) as ended:
        cli.main(["datalist", "check", str(save(document))])
    assert not ended.value.code, capsys.readouterr().err
