"""What the plain check answers: what file endings tell, how warnings are headed, and who is left out."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monai_fusion import cli
from monai_fusion.datalist import check_datalist, read_datalist
from monai_fusion.errors import InputError
from tests.datalist.lines import Like

Document = dict[str, Any]
Save = Callable[[Any], Path]


def check(capsys: pytest.CaptureFixture[str], path: Path, *options: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main(["datalist", "check", str(path), *options])
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


def swap(row: Document, number: int) -> None:
    row.update(eeg=f"mri/sub-{number:02d}_T1w.nii.gz", mri=f"eeg/sub-{number:02d}_EO_seg2.npy")


def problems(path: Path) -> list[str]:
    return list(map(str, check_datalist(path)))


def test_an_eeg_and_an_mri_that_are_swapped_are_reported_by_their_endings(document: Document, save: Save) -> None:
    swap(document["training"][0], 1)
    path = save(document)
    assert problems(path) == [Like("line 8, sub-01 eeg: a NIfTI file, expected .npy: … eeg … swapped?")]
    with pytest.raises(InputError, match="are eeg and mri swapped"):  # a run stops too
        read_datalist(path)
    assert check_datalist(path, require_files=False) == []


def test_columns_swapped_throughout_are_one_message(document: Document, save: Save) -> None:
    number = 0
    for section in ("training", "validation", "test"):
        for row in document[section]:
            number += 1
            swap(row, number)
    assert problems(save(document)) == [
        Like("datalist: a NIfTI file … eeg … .npy file … mri … 8 rows … round: are eeg and mri swapped?")
    ]
    swap(document["training"][0], 1)
    document["training"][0].update(eeg="eeg/sub-01_EO_seg2.npy", mri="mri/sub-01_T1w.nii.gz")
    assert len(problems(save(document))) == 7


@pytest.mark.parametrize(
    ("field", "name", "printed"),
    [
        ("eeg", "mri/sub-01_T1w.nii.gz", "a NIfTI file, expected .npy: an MRI belongs in the field mri"),
        ("mri", "eeg/sub-01_EO_seg2.npy", "a .npy file, expected .nii or .nii.gz: an EEG belongs in the field eeg"),
        ("mri", "x/sub-01.mgz", "a file of the format .mgz, expected .nii or .nii.gz: convert them with mri_convert"),
        ("mri", "x/sub-01.IMA", "a file of the format .ima, expected .nii or .nii.gz: convert them with dcm2niix"),
        ("mri", "x/sub-01.nii.gz.zip", "a file of the format .zip, expected .nii or .nii.gz: unpack them"),
        ("mri", "x/sub-01", "a file with another ending, expected .nii or .nii.gz"),
        (
            "eeg",
            "x/sub-01.vhdr",
            "a file of the format .vhdr, expected .npy: make scalograms (.npy) of them with monai-fusion scalogram",
        ),
        ("eeg", "x/sub-01.mat", "a file of the format .mat, expected .npy: save each array with numpy.save"),
        ("eeg", "x/sub-01.json", "a .json file, expected .npy: it is not a recording"),
        ("eeg", "x/sub-01_physio.tsv.gz", "a .tsv.gz file, expected .npy: it is not a recording"),
        ("eeg", "x/sub-01*", "a .json file, expected .npy: it is not a recording"),
    ],
)
def test_other_kinds_of_files_are_reported_by_their_endings(
    field: str, name: str, printed: str, document: Document, save: Save, tmp_path: Path
) -> None:
    (tmp_path / "data/x").mkdir()
    (tmp_path / "data" / name.replace("*", ".json")).touch()
    document["training"][0][field] = name
    (found,) = problems(save(document))
    assert found.startswith(f"line 8, sub-01 {field}: {printed}")


def test_of_a_list_of_files_the_line_of_the_wrong_one_is_named(document: Document, save: Save) -> None:
    document["training"][0]["eeg"] = ["eeg/sub-01_EO_seg2.npy", "mri/sub-01_T1w.nii.gz"]
    text = json.dumps(document, indent=1)
    line = 1 + next(n for n, each in enumerate(text.splitlines()) if each.strip() == '"mri/sub-01_T1w.nii.gz"')
    found = problems(save(text))
    assert f"line {line}, sub-01 eeg: a NIfTI file, expected .npy: an MRI belongs in the field mri" in found


def test_endings_in_capitals_and_unknown_ones_of_an_eeg_are_left_to_the_reader(
    document: Document, save: Save, tmp_path: Path
) -> None:
    for name in ("a.NPY", "a.NII.GZ", "a.xyz"):
        (tmp_path / "data" / name).touch()
    document["training"][0].update(eeg=["a.NPY", "a.xyz"], mri="a.NII.GZ")
    assert problems(save(document)) == []


def test_no_problems_is_never_printed_above_warnings(
    document: Document, save: Save, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save(document)
    assert check(capsys, path)[1].startswith(f"{path}: no problems\n")
    first, second = document["training"][:2]
    first["eeg"], second["eeg"] = second["eeg"], first["eeg"]
    path = save(document)
    code, out, err = check(capsys, path)
    assert (code, out.splitlines()[0]) == (0, f"{path}: no problems, 2 warnings")
    assert "2 warnings, with which a run still starts" in err
    (tmp_path / "data/mri/sub-05_T1w.nii.gz").write_bytes(b"")  # what a run refuses
    assert check(capsys, path)[1].splitlines()[0] == f"{path}: no problems, 3 warnings"


def test_who_is_left_out_is_listed_with_the_reason(
    document: Document, save: Save, capsys: pytest.CaptureFixture[str]
) -> None:
    document["training"].append({**document["training"][0], "participant_id": "sub-09", "exclude": "moved\u200b a lot"})
    code, out, _ = check(capsys, save(document))
    assert code == 0
    assert "  left out: 1 (sub-09: moved\\u200b a lot)\n" in out
    document["test"] += [
        {"participant_id": f"x{n}", "label": "M", "eeg": "e.npy", "exclude": "no consent"} for n in range(30)
    ]
    out = check(capsys, save(document))[1]
    (line,) = (line for line in out.splitlines() if "left out" in line)
    assert line.startswith("  left out: 31 (sub-09: moved")
    assert line.endswith("x8: no consent and 21 more)")
    listed = json.loads(check(capsys, save(document), "--json")[1])["left_out"]
    assert len(listed) == 31
    assert listed[1] == {"participant_id": "x0", "section": "test", "reason": "no consent"}
