"""Scalograms of one datalist that were made in different ways are found by the JSON files beside them."""

import json

import pytest

from monai_fusion.datalist.contents import sidecars
from monai_fusion.sidecar import KIND, LAYOUT
from tests.commands import call
from tests.support import write_datalist

PEOPLE = 6


def describe(folder, who, **changes):
    """The sidecar of a participant's two segments."""
    electrodes = changes.pop("Electrodes", ["Fz", "Cz", "Pz"])
    signal = {
        "Reference": "as recorded",
        "Demean": False,
        "HighPassHz": None,
        "LineOption": "off",
        "Version": 1,
    } | changes.pop("Signal", {})
    content = {
        "Kind": KIND, "Layout": LAYOUT, "Finished": True, "Files": [f"sub-0{who}_EO_seg{k}.npy" for k in range(2)],
        "Mode": "compat", "Electrodes": electrodes, "Units": "uV", "SegmentSeconds": 10.0, "SamplingHz": 250.0,
        "RowFrequenciesHz": [200.0, 1.6], "Signal": signal, "Transform": {"Wavelet": "morl", "Version": 1}, **changes,
    }  # fmt: skip
    (folder / f"eeg/sub-0{who}_EO_scalogram.json").write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def cohort(tmp_path):
    (tmp_path / "eeg").mkdir()
    (tmp_path / "mri").mkdir()
    rows = []
    for who in range(PEOPLE):
        for segment in range(2):
            (tmp_path / f"eeg/sub-0{who}_EO_seg{segment}.npy").write_bytes(b"\x93NUMPY" + bytes(2000))
        (tmp_path / f"mri/sub-0{who}_T1w.nii.gz").write_bytes(b"\x1f\x8b" + bytes(2000))
        files = {"eeg": f"eeg/sub-0{who}_*.npy", "mri": f"mri/sub-0{who}_T1w.nii.gz"}
        rows.append({"participant_id": f"sub-0{who}", "label": "MF"[who % 2], **files})
        describe(tmp_path, who)
    parts = {"training": rows[:2], "validation": rows[2:4], "test": rows[4:]}
    write_datalist(tmp_path / "list.json", parts, classes=["M", "F"])
    return tmp_path


def check(capsys, cohort):
    return call(capsys, "datalist", "check", cohort / "list.json")


def lines_with(text, word):
    return [line for line in text.splitlines() if word in line]


def test_a_cohort_made_in_one_way_is_right(capsys, cohort):
    code, _, error = check(capsys, cohort)
    assert (code, error) == (0, "")


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ({"Mode": "power"}, 'mode "power", expected "compat" as of sub-00'),
        ({"Units": "z-score"}, 'units "z-score", expected "uV" as of sub-00'),
        ({"Electrodes": ["Fz", "Pz", "Cz"]}, "electrodes in another order (Pz at 2), expected Cz at 2 as of sub-00"),
        ({"Electrodes": ["Fz", "Cz", "Oz"]}, "electrodes with Oz, expected Pz instead, as of sub-00"),
        ({"SamplingHz": 500.0}, "sampling rate in Hz 500.0, expected 250.0 as of sub-00"),
        ({"SegmentSeconds": 4.0}, "length of a segment in seconds 4.0, expected 10.0 as of sub-00"),
        ({"Signal": {"Reference": "average"}}, 'reference "average", expected "as recorded" as of sub-00'),
        ({"Signal": {"LineOption": 50.0}}, 'line noise filter 50.0, expected "off" as of sub-00'),
        ({"Signal": {"Version": 2}}, "version of the filters 2, expected 1 as of sub-00"),
        ({"Transform": {"Wavelet": "morl", "Version": 2}}, "version of the transform 2, expected 1 as of sub-00"),
        ({"RowFrequenciesHz": [45.0, 1.0]}, "frequencies of the rows 45.0 to 1.0, expected 200.0 to 1.6 as of sub-00"),
    ],
)
def test_one_that_differs_is_an_error_that_names_two_participants_and_the_field(capsys, cohort, change, seen):
    describe(cohort, 2, **change)
    code, _, error = check(capsys, cohort)
    assert code == 2
    (line,) = lines_with(error, "monai-fusion scalogram")
    assert "sub-02 eeg eeg/sub-02_EO_seg0.npy" in line
    assert seen in line


def test_another_mode_is_told_once_and_not_again_for_all_that_goes_with_it(capsys, cohort):
    for who in (2, 3):
        describe(cohort, who, Mode="power", RowFrequenciesHz=[45.0, 1.0], Signal={"HighPassHz": 0.5})
    describe(cohort, 0)
    (line,) = lines_with(check(capsys, cohort)[2], "monai-fusion scalogram")
    assert "(and 1 recording more)" in line


def test_files_without_a_sidecar_are_fine_alone_and_a_warning_among_others(capsys, cohort):
    for who in range(PEOPLE):
        (cohort / f"eeg/sub-0{who}_EO_scalogram.json").unlink()
    code, _, error = check(capsys, cohort)
    assert (code, lines_with(error, "JSON beside")) == (0, [])
    describe(cohort, 0)
    code, _, error = check(capsys, cohort)
    assert code == 0
    (line,) = lines_with(error, "no JSON beside it says how it was made, as of 10 scalograms")
    assert "sub-01" in line and "sub-00" in line


def test_a_scalogram_that_its_sidecar_does_not_list_is_somebody_elses(capsys, cohort):
    (cohort / "eeg/sub-03_EO_seg7.npy").write_bytes(b"\x93NUMPY" + bytes(2000))
    assert lines_with(check(capsys, cohort)[2], "sub-03_EO_seg7.npy")


def test_scalograms_of_an_interrupted_run_are_a_warning(capsys, cohort):
    describe(cohort, 1, Finished=False)
    code, _, error = check(capsys, cohort)
    assert code == 0
    assert "sub-01" in lines_with(error, "interrupted run")[0]


@pytest.mark.parametrize("content", ["[]", "{", '{"Kind": "another program"}', "null"])
def test_a_json_of_another_kind_is_no_sidecar(capsys, cohort, content):
    (cohort / "eeg/sub-01_EO_scalogram.json").write_text(content, encoding="utf-8")
    assert check(capsys, cohort)[0] == 0


def test_each_sidecar_is_read_once(capsys, cohort, monkeypatch):
    read, paths = sidecars.read_json_object, []
    monkeypatch.setattr(sidecars, "read_json_object", lambda path, most: paths.append(path.name) or read(path, most))
    check(capsys, cohort)
    assert sorted(paths) == [f"sub-0{who}_EO_scalogram.json" for who in range(PEOPLE)]


def test_the_differences_are_in_the_json_for_programs_too(capsys, cohort):
    describe(cohort, 2, Mode="power")
    code, said, _ = call(capsys, "datalist", "check", cohort / "list.json", "--json")
    (finding,) = [each for each in json.loads(said)["findings"] if "mode" in each["message"]]
    assert (code, finding["severity"], finding["participant_id"]) == (2, "error", "sub-02")
