"""A right datalist becomes records; what may be left out, and what a Windows user may write."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monai_fusion.datalist import ParticipantRecord, check_datalist, read_datalist
from monai_fusion.errors import InputError
from tests.datalist.lines import Like

Document = dict[str, Any]
Save = Callable[[Document | bytes], Path]


def test_a_right_datalist_becomes_records_in_the_order_of_the_file(
    document: Document, save: Save, tmp_path: Path
) -> None:
    path = save(document)
    datalist = read_datalist(path)
    assert (datalist.name, datalist.target, datalist.classes) == ("Eight", "gender", ("M", "F"))
    assert datalist.path == path
    assert datalist.data_root == tmp_path / "data"
    assert datalist.sections == ("training", "validation", "test")
    records = datalist.records("training")
    assert [(record.participant_id, record.label, record.section) for record in records] == [
        ("sub-01", 0, "training"),
        ("sub-02", 1, "training"),
        ("sub-03", 0, "training"),
    ]
    assert records[0].mri == tmp_path / "data/mri/sub-01_T1w.nii.gz"


def test_eeg_files_come_in_natural_order_each_once_however_they_are_written(
    document: Document, save: Save, tmp_path: Path
) -> None:
    expected = tuple(tmp_path / f"data/eeg/sub-01_EO_seg{number}.npy" for number in (2, 10))
    for written in (
        "eeg/sub-01_*.npy",
        "eeg\\sub-01_*.npy",
        "./e*g/../eeg/sub-01_EO_seg*",
        "*/sub-01_EO_seg[0-9]*.npy",
        ["eeg/sub-01_EO_seg10.npy", "eeg/sub-01_EO_seg2.npy"],
        ["eeg/sub-01_EO_seg10.npy", "eeg/sub-01_*.npy"],
    ):
        document["training"][0]["eeg"] = written
        assert read_datalist(save(document)).records("training")[0].eeg == expected


def test_a_pattern_means_whole_names_and_distinguishes_case_on_every_platform(
    document: Document, save: Save, tmp_path: Path
) -> None:
    (tmp_path / "data/eeg/sub-01_EO_seg1.npy.bak").touch()
    (tmp_path / "data/eeg/sub-01_x.NPY").touch()
    (tmp_path / "data/eeg/sub-01_folder.npy").mkdir()
    (tmp_path / "data/eeg/sub-011_EO_seg1.npy").touch()
    record = read_datalist(save(document)).records("training")[0]
    assert [path.name for path in record.eeg] == ["sub-01_EO_seg2.npy", "sub-01_EO_seg10.npy"]
    (tmp_path / "data/eeg/sub-01_a.a.npy").touch()
    document["training"][0]["eeg"] = "eeg/sub-01_a.a*.a.npy"  # beginning and end may not share a letter
    assert len(check_datalist(save(document))) == 1


def test_a_name_with_a_bracket_is_found_as_it_is(document: Document, save: Save, tmp_path: Path) -> None:
    (tmp_path / "data/eeg/sub-01_[1].npy").touch()
    document["training"][0]["eeg"] = "eeg/sub-01_[1].npy"
    assert [path.name for path in read_datalist(save(document)).records("training")[0].eeg] == ["sub-01_[1].npy"]


def test_further_fields_are_kept_and_do_not_count_as_misspelt(document: Document, save: Save) -> None:
    document["training"][0].update({"age": "20-25", "site": 3, "fold": 0, "include": True, "notes": {"a": [1]}})
    extra = read_datalist(save(document)).records("training")[0].extra
    assert extra == {"age": "20-25", "site": 3, "fold": 0, "include": True, "notes": {"a": [1]}}


def test_an_excluded_row_is_kept_in_the_file_but_used_nowhere(document: Document, save: Save) -> None:
    moved = {**document["training"][0], "exclude": "moved to test"}
    document["test"].append({**document["training"][0]})
    document["training"][0] = {**moved, "label": "?", "eeg": "gone/*.npy"}
    document["training"].append({"participant_id": "sub-01", "exclude": "scanned twice", "label": "M"})
    datalist = read_datalist(save(document))
    assert [record.participant_id for record in datalist.records("training")] == ["sub-02", "sub-03"]
    assert [record.participant_id for record in datalist.records("test")][-1] == "sub-01"


def test_a_participant_with_one_recording_is_carried(document: Document, save: Save) -> None:
    del document["training"][0]["eeg"]
    document["training"][1]["mri"] = None
    document["training"][2]["eeg"] = []
    first, second, third = read_datalist(save(document)).records("training")
    assert (first.eeg, third.eeg, second.mri) == ((), (), None)
    assert first.mri is not None
    assert len(second.eeg) == 2


def test_labels_may_be_missing_only_where_they_are_not_required(document: Document, save: Save) -> None:
    document["test"][0]["label"] = None
    del document["test"][1]["label"]
    path = save(document)
    assert len(check_datalist(path)) == 2
    records = read_datalist(path, ["test"], require_labels=False).records("test")
    assert [record.label for record in records] == [None, None, 1]
    document["test"][0]["label"] = "male"
    assert len(check_datalist(save(document), require_labels=False)) == 1


def test_a_list_for_prediction_needs_neither_classes_nor_labels(document: Document, save: Save) -> None:
    for name in ("classes", "training", "validation", "name", "target", "$schema"):
        del document[name]
    for row in document["test"]:
        del row["label"]
    datalist = read_datalist(save(document), require_labels=False)
    assert (datalist.sections, datalist.classes, datalist.name) == (("test",), (), "eight")
    assert datalist.records("training") == ()


def test_only_the_sections_asked_for_are_needed_and_looked_at(document: Document, save: Save) -> None:
    document["validation"] = []
    document["training"][0]["mri"] = "mri/deleted.nii.gz"
    path = save(document)
    assert [len(check_datalist(path, sections)) for sections in (None, ["test"], ["validation", "test"])] == [1, 0, 1]
    assert str(check_datalist(path, ["validation"])[0]) == (
        Like('line 12, validation: … least one: 3 participants in "test": give --section test … move … "validation"')
    )
    datalist = read_datalist(path, ["test"])
    assert datalist.sections == ("test",)
    with pytest.raises(KeyError, match="training"):
        datalist.records("training")
    assert str(check_datalist(path, ["tset"])[0]) == (
        'section: "tset", expected "training", "validation" or "test": did you mean "test"?'
    )


def test_a_participant_in_two_sections_is_refused_whatever_section_is_asked_for(document: Document, save: Save) -> None:
    document["validation"].append({**document["training"][0]})
    with pytest.raises(InputError, match=r"sub-01: in training \(line 8\) and in validation \(line 15\)"):
        read_datalist(save(document), ["test"])


def test_files_need_not_be_there_where_they_are_not_required(document: Document, save: Save, tmp_path: Path) -> None:
    document["data_root"] = "../elsewhere"
    document["training"][0]["eeg"] = ["a.npy"]
    datalist = read_datalist(save(document), require_files=False)
    first, second = datalist.records("training")[:2]
    assert (first.eeg, second.eeg) == ((tmp_path / "elsewhere/a.npy",), ())
    assert first.mri == tmp_path / "elsewhere/mri/sub-01_T1w.nii.gz"
    document["training"][0]["mri"] = "../secret.nii"
    assert len(check_datalist(save(document), require_files=False)) == 1


def test_a_run_may_lose_participants_whose_files_are_not_there_but_not_all_of_them(
    document: Document, save: Save, tmp_path: Path
) -> None:
    first, second, third = document["training"]
    first.update(eeg="eeg/sub-99_*.npy", mri="mri/sub-99_T1w.nii.gz")
    lost, *others = read_datalist(save(document), ["training"], may_lose=True).records("training")
    assert 'eeg: no file matches "eeg/sub-99_*.npy"' in lost.lost and '; mri: there is no file "mri/sub-99' in lost.lost
    assert [path.relative_to(tmp_path / "data").as_posix() for path in lost.files] == [first["eeg"], first["mri"]]
    assert [record.lost for record in others] == ["", ""]
    second["eeg"] = [second["eeg"], "eeg/sub-98_*.npy"]
    _, in_part, _ = read_datalist(save(document), ["training"], may_lose=True).records("training")
    assert in_part.not_used.startswith('eeg: no file matches "eeg/sub-98_*.npy"') and not in_part.lost
    assert in_part.eeg == others[0].eeg, "those that are there"
    third["mri"] = "mri/sub-99.nii.gz"
    with pytest.raises(InputError, match="there is no file"):
        read_datalist(save(document), ["training"], may_lose=True)


def test_windows_habits_are_understood(document: Document, save: Save, tmp_path: Path) -> None:
    document["data_root"] = "..\\data\\"
    document["training"][0]["mri"] = ".\\mri\\sub-01_T1w.nii.gz"
    document["name"] = "Größe"
    text = json.dumps(document, indent=1, ensure_ascii=False).replace("\n", "\r\n")
    datalist = read_datalist(save(b"\xef\xbb\xbf" + text.encode()))
    assert datalist.name == "Größe"
    assert datalist.records("training")[0].mri == tmp_path / "data/mri/sub-01_T1w.nii.gz"


def test_each_folder_is_listed_once(document: Document, save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    listed = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda folder: (listed.append(Path(folder).name), scandir(folder))[1])
    assert check_datalist(save(document)) == []
    assert sorted(listed) == ["data", "eeg", "mri"]


def test_records_travel_to_spawned_workers_small(document: Document, save: Save) -> None:
    records = read_datalist(save(document)).records("training")
    assert pickle.loads(pickle.dumps(records)) == records
    assert len({*records}) == 3


def test_all_files_of_a_participant_are_the_eegs_then_the_mri(tmp_path: Path) -> None:
    eeg, mri = (tmp_path / "a.npy", tmp_path / "b.npy"), tmp_path / "c.nii"
    records = [ParticipantRecord("sub-01", 0, *files, "test") for files in ((eeg, mri), (eeg, None), ((), mri))]
    assert [record.files for record in records] == [(*eeg, mri), eeg, (mri,)]


def test_a_note_is_for_people_and_no_field_that_results_are_grouped_by(document: Document, save: Save) -> None:
    document["training"][0].update(note="second scan", age=30)

    record = read_datalist(save(document)).by_section["training"][0]

    assert record.extra == {"age": 30}
