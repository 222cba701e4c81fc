"""One name in composed letters (NFC) and in decomposed ones (NFD, as files from a Mac have it) is one name."""

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monai_fusion import cli
from monai_fusion.datalist import check_datalist, read_datalist
from monai_fusion.datalist.saving.document import read_document
from tests.datalist.lines import Like

Document = dict[str, Any]
Save = Callable[[Any], Path]


def nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def with_umlauts(document: Document, folder: Path, on_disk: Callable[[str], str]) -> dict[str, Path]:
    """Renames sub-01 to sub-Jörg, in the folder Köpfe, with the disk in ``on_disk``'s letters; the new paths."""
    (folder / "mri").rename(folder / on_disk("Köpfe"))
    for section in ("training", "validation", "test"):
        for row in document[section]:
            row["mri"] = row["mri"].replace("mri/", nfc("Köpfe/"))
    mri = folder / on_disk("Köpfe") / on_disk("sub-Jörg_T1w.nii.gz")
    (folder / on_disk("Köpfe") / "sub-01_T1w.nii.gz").rename(mri)
    for path in (folder / "eeg").glob("sub-01_*"):
        path.rename(path.with_name(on_disk(path.name.replace("sub-01", "sub-Jörg"))))
    return {"mri": mri, "eeg": folder / "eeg" / on_disk("sub-Jörg_EO_seg2.npy")}


@pytest.mark.parametrize("on_disk", [nfc, nfd])
@pytest.mark.parametrize("written", [nfc, nfd])
@pytest.mark.parametrize("eeg", ["eeg/sub-Jörg_*.npy", ["eeg/sub-Jörg_EO_seg2.npy"], "eeg/sub-J?rg_*_seg2.npy"])
def test_a_path_or_pattern_finds_the_file_in_either_letters_and_gives_its_name_on_the_disk(
    on_disk: Callable[[str], str],
    written: Callable[[str], str],
    eeg: str | list[str],
    document: Document,
    save: Save,
    tmp_path: Path,
) -> None:
    files = with_umlauts(document, tmp_path / "data", on_disk)
    document["training"][0] |= {
        "participant_id": written("sub-Jörg"),
        "eeg": [written(each) for each in eeg] if isinstance(eeg, list) else written(eeg),
        "mri": written("Köpfe/sub-Jörg_T1w.nii.gz"),
    }
    path = save(document)
    assert check_datalist(path) == []
    record = read_datalist(path).records("training")[0]
    assert record.mri == files["mri"]
    assert record.mri.is_file()
    assert files["eeg"] in record.eeg
    assert all(file.is_file() for file in record.eeg)
    assert record.participant_id == written("sub-Jörg")


def test_the_folder_of_all_files_is_found_in_either_letters(document: Document, save: Save, tmp_path: Path) -> None:
    (tmp_path / "data").rename(tmp_path / nfd("Größe"))
    document["data_root"] = nfc("../Größe")
    assert check_datalist(save(document)) == []
    assert read_datalist(save(document)).data_root == tmp_path / nfd("Größe")


def test_the_name_that_is_written_exactly_so_comes_first(document: Document, save: Save, tmp_path: Path) -> None:
    for form in (nfc, nfd):
        (tmp_path / "data/mri" / form("Jörg.nii")).write_text(form("Jörg"), encoding="utf-8")
    for form in (nfc, nfd):
        document["training"][0]["mri"] = form("mri/Jörg.nii")
        mri = read_datalist(save(document)).records("training")[0].mri
        assert mri is not None
        assert mri.read_text(encoding="utf-8") == form("Jörg")


def test_two_files_that_only_letters_tell_apart_are_refused_and_not_merged(
    document: Document, save: Save, tmp_path: Path
) -> None:
    for form in (nfc, nfd):
        (tmp_path / "data/eeg" / form("sub-01_ö.npy")).touch()
    assert [str(problem) for problem in check_datalist(save(document))] == [
        Like(
            "line 8, sub-01 eeg: "
            f'"{nfd("eeg/sub-01_ö.npy")}" is there 2 times, as eeg/sub-01_o\\u0308.npy and eeg/sub-01_{nfc("ö")}.npy, '
            "expected one file: … letters … accents …: keep one of the files"
        )
    ]


def test_one_file_under_two_participants_is_found_in_either_letters(
    document: Document, save: Save, tmp_path: Path
) -> None:
    (tmp_path / "data/mri" / nfd("Jörg.nii")).touch()
    document["training"][0]["mri"] = nfc("mri/Jörg.nii")
    document["training"][1]["mri"] = nfd("mri/Jörg.nii")
    assert [problem.advice for problem in check_datalist(save(document))] == [Like("correct … path … pattern … them")]


def test_two_ids_that_only_letters_or_signs_without_width_tell_apart_are_refused(
    document: Document, save: Save
) -> None:
    document["training"][0]["participant_id"] = nfc("sub-Jörg")
    document["test"][0]["participant_id"] = nfd("sub-Jörg")
    document["test"][1]["participant_id"] = "sub-02\u200b"
    found = [str(problem) for problem in check_datalist(save(document))]
    assert found == [
        Like(
            f"line 17, {nfd('sub-Jörg')}: is {nfc('sub-Jörg')} (line 8), in other letters: sub-Jo\\u0308rg and "
            f"{nfc('sub-Jörg')}: … one … keep … line"
        ),
        Like("line 18, sub-02\\u200b: differs from sub-02 (line 9) … invisible characters …: if … one … keep … line"),
    ]


@pytest.mark.parametrize(("classes", "label"), [(nfc, nfd), (nfd, nfc)])
def test_a_label_is_its_class_in_either_letters_and_stays_as_it_is_written(
    classes: Callable[[str], str],
    label: Callable[[str], str],
    document: Document,
    save: Save,
    capsys: pytest.CaptureFixture[str],
) -> None:
    document["classes"] = [classes("männlich"), "weiblich"]
    for section in ("training", "validation", "test"):
        for row in document[section]:
            row["label"] = {"M": label("männlich"), "F": "weiblich"}[row["label"]]
    path = save(document)
    with pytest.raises(SystemExit) as ended:
        cli.main(["datalist", "check", str(path), "--json"])
    assert not ended.value.code
    report = json.loads(capsys.readouterr().out)
    assert report["sections"]["training"]["classes"] == {classes("männlich"): 2, "weiblich": 1}
    assert [record.label for record in read_datalist(path).records("test")] == [0, 0, 1]
    read = read_document(path, require_files=True)
    assert [read.class_index(row) for row in read.rows] == [0, 1, 0, 0, 1, 0, 0, 1]
    assert read.rows[0].fields["label"] == label("männlich")


def test_a_class_may_not_be_listed_in_two_spellings(document: Document, save: Save) -> None:
    document["classes"] = [nfc("männlich"), nfd("männlich"), "M", "F"]
    assert [str(problem) for problem in check_datalist(save(document))] == [
        Like(f'line 5, classes: "{nfc("männlich")}" is listed 2 times … class …: write … delete it')
    ]
