"""``report_data.json``: the cohort in numbers, and the training's history."""

import json
from pathlib import Path

import pytest

from monai_fusion.datalist import read_datalist
from monai_fusion.errors import InputError
from monai_fusion.report import write_report_data
from monai_fusion.report.report_data import read_report_data
from monai_fusion.report.run_results import read_results
from tests.support import write_datalist


def person(number: int, label: str | None, **fields: object) -> dict[str, object]:
    files = {"eeg": f"secret-{number}_*.npy", "mri": f"secret-{number}.nii"}
    return {"participant_id": f"secret-{number}", "label": label, **files, **fields}


def test_counts_only_are_kept(tmp_path: Path) -> None:
    people = [person(n, "MF"[n % 2], site="AB"[n % 2]) for n in range(12)]
    people[10] |= {"label": None}
    people[11] |= {"mri": None}
    datalist = write_datalist(tmp_path / "list.json", {"training": people[:8], "validation": [], "test": people[8:]})
    (tmp_path / "history.csv").write_text("epoch,stage\n1,A\n", encoding="utf-8")
    write_report_data(tmp_path, datalist, "test", tmp_path)
    assert "secret" not in (tmp_path / "report_data.json").read_text(encoding="utf-8")
    context = read_report_data(tmp_path)
    assert context.history == ({"epoch": "1", "stage": "A"},)
    assert context.cohort is not None
    rows = {row.part: row for row in context.cohort.rows}
    assert list(rows) == ["training", "test", "all"]
    assert rows["test"].by_class == (1, 2) and (rows["test"].number, rows["test"].unlabelled) == (4, 1)
    assert rows["test"].one_recording == 1
    assert context.cohort.strata == (("site", "A"), ("site", "B"))
    assert rows["all"].by_stratum == ((5, 0), (0, 6))
    assert "site goes together with the class" in context.cohort.warnings[0]


def test_a_site_that_only_the_evaluated_part_has_is_named(tmp_path: Path) -> None:
    people = [person(n, "MF"[n % 2], site="ABC"[n // 4]) for n in range(12)]
    parts = {"training": people[:6], "validation": people[6:8], "test": people[8:]}
    told = "Leave-site-out: the test part is of 1 site (C); no other part has participants of it."
    for section, wanted in (("test", told), ("validation", "")):  # of B are participants in training, too
        write_report_data(tmp_path, write_datalist(tmp_path / "list.json", parts), section, tmp_path)
        cohort = read_report_data(tmp_path).cohort
        assert cohort is not None and cohort.place_left_out == wanted


def test_a_part_that_was_not_evaluated_may_be_wrong(tmp_path: Path) -> None:
    sections = {"training": [person(0, "X")], "validation": [], "test": [person(1, "M"), person(2, "F")]}
    datalist = write_datalist(tmp_path / "list.json", sections)
    write_report_data(tmp_path, datalist, "test", tmp_path)
    cohort = read_report_data(tmp_path).cohort
    assert cohort is not None and [row.part for row in cohort.rows] == ["test", "all"]
    with pytest.raises(InputError):
        write_report_data(tmp_path, datalist, "training", tmp_path)


def test_the_counts_are_those_of_the_datalist_that_was_read_whatever_became_of_the_file(tmp_path: Path) -> None:
    sections = {"training": [person(0, "M")], "validation": [], "test": [person(1, "M"), person(2, "F")]}
    datalist = write_datalist(tmp_path / "list.json", sections)
    cohort = read_datalist(datalist, ["test"], require_files=False)
    datalist.unlink()
    write_report_data(tmp_path, cohort, "test", tmp_path)
    counted = read_report_data(tmp_path).cohort
    assert counted is not None
    assert [(row.part, row.number) for row in counted.rows] == [("training", 1), ("test", 2), ("all", 3)]


@pytest.mark.parametrize("content", ["", "[]", '{"cohort": 3}', '{"history": [{"epoch": 1}]}', '{"other": 1}'])
def test_anything_else_is_as_if_it_were_not_there(tmp_path: Path, content: str) -> None:
    (tmp_path / "report_data.json").write_text(content, encoding="utf-8")
    assert read_report_data(tmp_path) == read_report_data(tmp_path / "nowhere")


def test_the_history_of_another_program_is_not_read(tmp_path: Path) -> None:
    datalist = write_datalist(tmp_path / "list.json", {"training": [], "validation": [], "test": [person(1, "M")]})
    (tmp_path / "history.csv").write_bytes(b"\xff\xfe\x00")
    write_report_data(tmp_path, datalist, "test", tmp_path)
    assert json.loads((tmp_path / "report_data.json").read_text(encoding="utf-8"))["history"] == []


def test_an_evaluation_in_another_folder_knows_what_was_trained(tmp_path: Path) -> None:
    datalist = write_datalist(tmp_path / "list.json", {"training": [], "validation": [], "test": [person(1, "M")]})
    trained, elsewhere = tmp_path / "trained", tmp_path / "elsewhere"
    trained.mkdir()
    elsewhere.mkdir()
    (trained / "manifest.json").write_text('{"seed": 7}', encoding="utf-8")
    write_report_data(elsewhere, datalist, "test", trained)
    (elsewhere / "predictions.csv").write_text(
        "participant_id,label,predicted,probability_M,probability_F,gate,segments\nsub-01,M,M,0.7,0.3,0.5,2\n",
        encoding="utf-8",
    )
    assert read_results(elsewhere).manifest == {"seed": 7}
    (trained / "manifest.json").write_text('{"seed": 8}', encoding="utf-8")  # another training took the folder
    assert read_results(elsewhere).manifest == {"seed": 7}
    (elsewhere / "report_data.json").unlink()
    assert read_results(elsewhere).manifest is None
