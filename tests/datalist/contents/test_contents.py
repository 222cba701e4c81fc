"""`check --deep`: what is seen only in the files."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from scipy.stats import f_oneway

from monai_fusion.datalist.contents.checking import RecordingOpener, check_contents
from monai_fusion.datalist.contents.field_of_view import _explained, describe_difference
from monai_fusion.datalist.contents.recording_files import recordings_to_open
from monai_fusion.datalist.examination import examine_datalist
from tests.datalist.lines import Like, assert_lines

Document = dict[str, Any]
Save = Callable[[Any], Path]

SHAPE = (6, 5, 3)  # (frequency, time, electrode)
MRI = "mri/sub-02_T1w.nii.gz"
EEG = "eeg/sub-02_EO_seg2.npy"
HEADER_TEXT = b"Doe^John 1980"


def volume(rng: np.random.Generator, size: tuple[int, ...] = (10, 12, 11), spacing: float = 17.0) -> nib.Nifti1Image:
    """A volume of 170 x 204 x 187 mm, its axes RAS; the header holds a name."""
    affine = np.diag([spacing, spacing, spacing, 1.0])
    image = nib.Nifti1Image(rng.integers(0, 1000, size).astype(np.int16), affine)
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    image.header["descrip"] = HEADER_TEXT
    image.header["aux_file"] = HEADER_TEXT
    image.header["db_name"] = HEADER_TEXT
    return image


@pytest.fixture
def data(document: Document, tmp_path: Path) -> Path:
    """Right files for the participants of ``document``; returns their folder."""
    rng = np.random.default_rng(0)
    for path in (tmp_path / "data/eeg").iterdir():
        np.save(path, rng.random(SHAPE, dtype=np.float32))
    for path in (tmp_path / "data/mri").iterdir():
        nib.save(volume(rng), path)
    return tmp_path / "data"


def findings(path: Path, workers: int = 2, assume_orientation: str | None = None) -> list[str]:
    examination = examine_datalist(path)
    opener = RecordingOpener(SHAPE, assume_orientation)
    counted: list[int] = []
    recordings = recordings_to_open(examination)
    found = check_contents(examination, recordings, opener, workers, lambda: counted.append(1))
    assert len(counted) == len(recordings)
    assert all(HEADER_TEXT.decode()[:4] not in str(finding) for finding in found)
    return [("warning: " if finding.warning else "") + str(finding) for finding in found]


def test_right_files_have_no_findings(data: Path, document: Document, save: Save) -> None:
    assert findings(save(document)) == []


def spoil_eeg(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    return lambda folder: np.save(folder / EEG, change(np.load(folder / EEG)))


def spoil_mri(change: Callable[[nib.Nifti1Image], nib.Nifti1Image | None]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        image = nib.load(folder / MRI)
        image = nib.Nifti1Image(np.asarray(image.dataobj), image.affine, image.header)
        nib.save(change(image) or image, folder / MRI)

    return write


def with_value(array: np.ndarray, value: float, where: Any = (0, 0, 0)) -> np.ndarray:
    array[where] = value
    return array


SPOILT: list[tuple[Callable[[Path], object], str]] = [
    (
        spoil_eeg(lambda a: a[..., :2]),
        f"line 9, sub-02 eeg {EEG}: shape (6, 5, 2), expected (6, 5, 3): one electrode is missing; for another montage "
        "or grid give --eeg_shape (in Python: the transform's `shape`)",
    ),
    (
        spoil_eeg(lambda a: a.astype(np.int16)),
        f"line 9, sub-02 eeg {EEG}: dtype int16, expected float32 or float64: save it with x.astype(numpy.float32)",
    ),
    (
        spoil_eeg(lambda a: with_value(a, np.nan)),
        f"line 9, sub-02 eeg {EEG}: 1 NaN and 0 infinite values … (frequency 0, time 0, electrode 0), "
        "expected finite numbers: write the scalogram again",
    ),
    (
        spoil_eeg(lambda a: with_value(a, -np.inf)),
        f"line 9, sub-02 eeg {EEG}: 0 NaN and 1 infinite values … (frequency 0, time 0, electrode 0), "
        "expected finite numbers: write the scalogram again",
    ),
    (
        lambda folder: (folder / EEG).write_bytes((folder / EEG).read_bytes()[:-8]),
        f"line 9, sub-02 eeg {EEG}: truncated, 352 bytes of data, expected 360: copy … write … again",
    ),
    (
        lambda folder: (folder / EEG).write_bytes(b""),
        f"line 9, sub-02 eeg {EEG}: … empty file … .npy array, float32 or float64 of shape (6, 5, 3): "
        "copy or download it again",
    ),
    (
        spoil_eeg(lambda a: with_value(a, 2, np.s_[..., 1])),
        f"warning: line 9, sub-02 eeg {EEG}: electrode 2 of 3 constant … frequencies …: "
        "flat electrode, set to zeros: check the connection",
    ),
    (
        spoil_eeg(lambda a: with_value(a, 0, np.s_[..., 1:])),
        f"warning: line 9, sub-02 eeg {EEG}: electrodes 2, 3 of 3 constant … frequencies …: "
        "flat electrodes, set to zeros: check the connections",
    ),
    (
        spoil_eeg(lambda a: np.zeros_like(a)),
        f"line 9, sub-02 eeg {EEG}: all 3 electrodes … constant … scalogram",
    ),
    (
        lambda folder: (folder / MRI).write_bytes((folder / MRI).read_bytes()[:-40]),
        f"line 9, sub-02 mri {MRI}: truncated … damaged … .nii or .nii.gz file: copy or convert it again",
    ),
    (
        lambda folder: (folder / MRI).write_bytes(gzip.compress(gzip.decompress((folder / MRI).read_bytes())[:-100])),
        f"line 9, sub-02 mri {MRI}: truncated … damaged … .nii or .nii.gz file: copy or convert it again",
    ),
    (
        lambda folder: (folder / MRI).write_bytes(gzip.compress(HEADER_TEXT * 100)),
        f"line 9, sub-02 mri {MRI}: gzip … whole .nii or .nii.gz file: "
        "is it the right path? Else copy or download it again",
    ),
    (
        spoil_mri(lambda image: nib.Nifti1Image(np.stack([image.dataobj] * 2, axis=-1), image.affine, image.header)),
        f"line 9, sub-02 mri {MRI}: shape (10, 12, 11, 2), expected a single 3-D volume: "
        "it holds several volumes: pick … save … own",
    ),
    (
        spoil_mri(lambda image: nib.Nifti1Image(np.full(image.shape, 7, np.int16), image.affine, image.header)),
        f"line 9, sub-02 mri {MRI}: every voxel … same value … head",
    ),
    (
        spoil_mri(lambda image: nib.Nifti1Image(np.asarray(image.dataobj), np.diag([0.017] * 3 + [1.0]))),
        f"warning: line 9, sub-02 mri {MRI}: a field of view of 0.17 x 0.204 x 0.187 mm, "
        "expected 60 to 500 mm along each axis: … spacing … header …?",
    ),
    (
        spoil_mri(lambda image: image.set_qform(np.diag([-17.0, 17, 17, 1]), code=1)),
        f"warning: line 9, sub-02 mri {MRI}: … header … orientations … (sform and qform): "
        "the first is used: … convert … original again",
    ),
    (
        spoil_mri(lambda image: image.set_sform(np.diag([17.0, 17, 20, 1]), code=1)),
        f"warning: line 9, sub-02 mri {MRI}: … header states …, 17 x 17 x 17 and 17 x 17 x 20 mm: "
        "convert it from the original again",
    ),
]


@pytest.mark.parametrize(("spoil", "message"), SPOILT)
def test_a_wrong_file_is_named_with_participant_and_line(
    spoil: Callable[[Path], object], message: str, data: Path, document: Document, save: Save
) -> None:
    spoil(data)
    assert_lines(findings(save(document)), [message])


def test_a_file_without_orientation_is_refused_unless_it_is_stated(data: Path, document: Document, save: Save) -> None:
    image = nib.load(data / MRI)
    image = nib.Nifti1Image(np.asarray(image.dataobj), None, image.header)
    image.set_sform(None, code=0)
    image.set_qform(None, code=0)
    nib.save(image, data / MRI)
    [found] = findings(save(document))
    assert "no orientation (qform_code and sform_code are 0)" in found
    assert findings(save(document), assume_orientation="LAS") == []


def test_equal_files_of_two_participants_are_an_error_reported_once_for_each_pair(
    data: Path, document: Document, save: Save
) -> None:
    for segment in ("EO_seg2", "EO_seg10"):
        (data / f"eeg/sub-05_{segment}.npy").write_bytes((data / f"eeg/sub-01_{segment}.npy").read_bytes())
    (data / "mri/sub-06_T1w.nii.gz").write_bytes((data / "mri/sub-01_T1w.nii.gz").read_bytes())
    advice = "find out whose it is: one of the two has the other's recording"
    assert findings(save(document)) == [
        Like(
            "line 14, sub-05 eeg eeg/sub-05_EO_seg2.npy: byte … same … eeg/sub-01_EO_seg2.npy of sub-01 "
            f"(and 1 more): {advice}"
        ),
        Like(f"line 17, sub-06 mri mri/sub-06_T1w.nii.gz: byte … same … mri/sub-01_T1w.nii.gz of sub-01: {advice}"),
    ]


def test_equal_segments_of_one_participant_are_a_warning(data: Path, document: Document, save: Save) -> None:
    (data / "eeg/sub-01_EO_seg10.npy").write_bytes((data / "eeg/sub-01_EO_seg2.npy").read_bytes())
    assert findings(save(document)) == [
        Like(
            "warning: line 8, sub-01 eeg eeg/sub-01_EO_seg10.npy: byte … same … eeg/sub-01_EO_seg2.npy: "
            "it counts twice: leave one of them out"
        )
    ]


def test_files_of_right_rows_are_opened_beside_wrong_ones_and_any_number_of_workers_finds_the_same(
    data: Path, document: Document, save: Save
) -> None:
    np.save(data / EEG, np.zeros((1, 1, 1), np.float32))
    (data / "mri/sub-08_T1w.nii.gz").write_bytes(b"")
    document["training"][0]["label"] = "male"
    document["training"][2]["mri"] = "mri/gone.nii.gz"
    one, several = findings(save(document), workers=1), findings(save(document), workers=5)
    assert one == several
    assert [line.split(",")[0] for line in one] == ["line 9", "line 19"]


def test_a_field_of_view_that_goes_with_the_label_or_the_site_is_a_warning(
    data: Path, document: Document, save: Save, tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    rows = [row for section in ("training", "validation", "test") for row in document[section]]
    for number in range(9, 17):
        name = f"sub-{number:02d}"
        np.save(data / f"eeg/{name}_EO_seg2.npy", rng.random(SHAPE, dtype=np.float32))
        row = {"participant_id": name, "label": "MF"[number % 2], "eeg": f"eeg/{name}_*.npy"}
        rows.append(row | {"mri": f"mri/{name}_T1w.nii.gz"})
        document["training"].append(rows[-1])
    for row in rows:
        row["site"] = "A"
        nib.save(volume(rng, (10 if row["label"] == "M" else 11, 12, 11)), data / row["mri"])
    [found] = findings(save(document))
    assert found.startswith(
        "warning: the MRIs' field of view differs with label: left-right 170 mm for M (9 participants), "
        "187 mm for F (7 participants), p = 0.00"
    )
    for index, row in enumerate(rows):
        row["site"] = "AB"[index % 2]
        image = nib.as_closest_canonical(volume(rng, (10, 12, 11 + index % 2)))
        nib.save(image, data / row["mri"])
    assert any("differs with site: down-up 187 mm for A" in line for line in findings(save(document)))


def test_the_share_explained_is_that_of_an_analysis_of_variance() -> None:
    rng = np.random.default_rng(2)
    lengths, codes = rng.normal(200, 10, (40, 3)), rng.integers(0, 3, 40)
    expected = []
    for axis in range(3):
        f = f_oneway(*(lengths[codes == code, axis] for code in range(3))).statistic
        expected.append(2 * f / (2 * f + 37))
    np.testing.assert_allclose(_explained(lengths, codes, 3), expected, rtol=1e-9)


def test_chance_alone_is_seldom_taken_for_a_difference() -> None:
    rng = np.random.default_rng(3)
    lengths = 170 + 16.0 * rng.integers(0, 2, (40, 3))
    warned = sum(bool(describe_difference(lengths, list(rng.choice(["M", "F"], 40)), "label")) for _ in range(80))
    assert warned <= 5  # 0.8 are expected; more than 5 have a probability of 0.02 %


def test_equal_fields_of_view_and_single_participants_are_no_difference() -> None:
    lengths = np.full((20, 3), 170.0) + np.random.default_rng(4).normal(0, 1e-6, (20, 3))
    assert describe_difference(lengths, ["M", "F"] * 10, "label") == ""
    lengths[0] = 400
    assert describe_difference(lengths, ["A"] + ["B"] * 19, "site") == ""


def test_the_command_separates_errors_from_warnings_and_prints_json_for_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from monai_fusion import cli

    def check(*options: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(["datalist", "check", str(tmp_path / "list.json"), *options])
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    rng = np.random.default_rng(5)
    rows = []
    for name, label in (("a", "M"), ("b", "F")):
        scalogram = rng.random((224, 224, 17), dtype=np.float32)
        scalogram[..., 4] = 1
        np.save(tmp_path / f"{name}.npy", scalogram)
        nib.save(volume(rng), tmp_path / f"{name}.nii")
        rows.append({"participant_id": name, "label": label, "eeg": f"{name}.npy", "mri": f"{name}.nii"})
    (tmp_path / "list.json").write_text(json.dumps({"classes": ["M", "F"], "training": rows}), encoding="utf-8")
    code, out, err = check("--deep")
    assert code == 0
    assert "no problems, 2 warnings" in out
    assert (
        "2 warnings, with which a run still starts:\nWhat is in the files:\n  line 1, a eeg a.npy: electrode 5" in err
    )
    (tmp_path / "b.nii").write_bytes((tmp_path / "a.nii").read_bytes())
    code, out, err = check("--deep")
    assert (code, out) == (2, "")
    assert "1 problem\nWhat is in the files:\n  line 1, b mri b.nii: byte for byte the same file as a.nii of a" in err
    code, out, err = check("--deep", "--json", "--workers", "2")
    report = json.loads(out)
    assert (code, err) == (2, "")
    assert {key: report[key] for key in ("ok", "errors", "warnings")} == {"ok": False, "errors": 1, "warnings": 2}
    assert report["sections"]["training"] == {
        "participants": 2,
        "classes": {"M": 1, "F": 1},
        "unlabelled": 0,
        "recordings": {"both": 2, "eeg": 0, "mri": 0},
    }
    assert report["findings"][0] == {
        "severity": "error",
        "group": "contents",
        "line": 1,
        "column": None,
        "participant_id": "b",
        "section": "training",
        "row": 2,
        "field": "mri b.nii",
        "seen": Like("byte … byte … same … a.nii of a"),
        "wanted": None,
        "advice": Like("find out whose it is: one … two …'s recording"),
        "message": report["findings"][0]["message"],
    }
