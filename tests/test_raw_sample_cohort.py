"""The sample cohort as raw recordings: BrainVision files from which the same scalograms come."""

import json

import numpy as np
import pytest

from monai_fusion.errors import InputError
from monai_fusion.recordings.reading.opened import open_recording
from monai_fusion.sample_cohort import SampleCohortOptions, write
from monai_fusion.sample_cohort.participant import describe
from monai_fusion.sample_cohort.scalograms import render_scalogram, simulate_eeg
from monai_fusion.sample_cohort.write import write_sample_cohort
from tests.commands import call

pytest.importorskip("pybv")
OPTIONS = SampleCohortOptions(participants=2, raw_eeg=True, segments_per_condition=7)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort") / "raw"
    write_sample_cohort(folder, OPTIONS, progress=False)
    return folder


def test_it_writes_brainvision_in_place_of_scalograms(raw):
    files = [f"raw/sub-90000{who}{ending}" for who in (1, 2) for ending in (".eeg", ".vhdr", ".vmrk")]
    assert sorted(path.relative_to(raw).as_posix() for path in (raw / "raw").iterdir()) == files
    assert not (raw / "eeg").exists()
    cohort = json.loads((raw / "cohort.json").read_text(encoding="utf-8"))
    assert set(files) <= set(cohort["files"])
    assert cohort["options"]["raw_eeg"] is True


def test_blocks_of_a_minute_have_a_marker_every_two_seconds_and_a_switch_behind(raw):
    recording = open_recording(raw / "raw/sub-900001.vhdr")
    assert recording.sampling_hz == 250
    texts = [(marker.onset / 250, marker.text.rpartition("/")[2]) for marker in recording.markers]
    expected, at = [], 0.0
    for code, seconds in (("S200", 60), ("S210", 60), ("S200", 10), ("S210", 10)):
        expected += [(at + 2 * number, code) for number in range(seconds // 2)]
        expected.append((at + seconds, "S  1"))
        at += seconds + 2
    assert texts == expected
    signal = recording.microvolts(range(17), 0, 2500)
    np.testing.assert_allclose(
        signal, simulate_eeg(describe(0, OPTIONS), OPTIONS, "EO", 0), atol=0.1001
    )  # pybv cuts off, it does not round


def test_its_scalograms_are_those_of_a_cohort_that_is_written_without_raw_recordings(raw, tmp_path, capsys):
    assert call(capsys, "scalogram", raw / "raw", "--out", tmp_path / "eeg", "--workers", "1")[0] == 0
    names = [f"sub-90000{who}_{condition}_seg{k}" for who in (1, 2) for condition in ("EC", "EO") for k in range(7)]
    assert sorted(path.stem for path in (tmp_path / "eeg").glob("*.npy")) == names
    for condition, segment in (("EO", 0), ("EC", 3), ("EO", 6)):
        found = np.load(tmp_path / f"eeg/sub-900002_{condition}_seg{segment}.npy")
        expected = render_scalogram(describe(1, OPTIONS), OPTIONS, condition, segment)
        assert np.abs(found - expected).max() < 0.05 * expected.std()  # steps of 0.1 microvolts


def test_it_can_be_replaced_by_scalograms_and_back(tmp_path):
    small = {"participants": 1, "segments_per_condition": 1, "conditions": ("EO",)}
    write_sample_cohort(tmp_path / "c", SampleCohortOptions(**small, raw_eeg=True), progress=False)
    write_sample_cohort(tmp_path / "c", SampleCohortOptions(**small, overwrite=True), progress=False)
    assert not list((tmp_path / "c/raw").iterdir())
    assert (tmp_path / "c/eeg/sub-900001_EO_seg0.npy").is_file()


def test_without_pybv_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(write, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install .monai-fusion\[eeg\]"):
        write_sample_cohort(tmp_path / "c", OPTIONS, progress=False)
    assert not (tmp_path / "c").exists()
