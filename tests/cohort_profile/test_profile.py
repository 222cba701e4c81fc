"""The profile of a training part: what it holds, what it never holds, and how a folder keeps it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from monai_fusion.baseline.participant_numbers import NumberSettings
from monai_fusion.cohort_profile.participant_facts import participant_facts
from monai_fusion.cohort_profile.profile_file import read_profile, write_profile
from monai_fusion.cohort_profile.summarising import profile_of
from monai_fusion.datalist import read_datalist
from monai_fusion.datalist.availability import ModalityPolicy
from monai_fusion.errors import InputError
from monai_fusion.store.maintenance import status_of
from tests.baseline.cohorts import EEG_SHAPE, Cohort, write_cohort

PEOPLE, TESTED = 24, 4


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return write_cohort(tmp_path_factory.mktemp("profile"), PEOPLE, apart=0.0, tested=TESTED)


def settings(store: Path | None = None) -> NumberSettings:
    return NumberSettings(store, EEG_SHAPE)


def test_the_profile_has_the_quantiles_of_the_training_part(cohort: Cohort) -> None:
    records = read_datalist(cohort.path).records("training")
    found = profile_of(records, settings())
    assert (found.participants, found.with_mri, found.with_eeg) == (18, 18, 18)
    voxel = found.numbers["voxel size left-right"]
    assert (voxel.median, voxel.low, voxel.high, voxel.mad, voxel.low_unit) == (2.0, 2.0, 2.0, 0.0, 0.01)
    head = found.numbers["log10 of the head volume in litres"]
    litres = [4 / 3 * np.pi * cohort.sizes[record.participant_id] ** 3 / 1e6 for record in records]
    assert head.median == pytest.approx(np.log10(np.median(litres)), abs=0.02)
    assert head.participants == 18
    assert found.texts["axes of the MRI file"] == {"RAS": 18}
    assert found.numbers["log10 of the segments"].median == pytest.approx(np.log10(2))
    amplitude = found.numbers["log10 of the amplitude"]
    assert amplitude.median == pytest.approx(0.0, abs=0.05)  # magnitudes of standard normal numbers: RMS 1
    assert {f"amplitude of E0{number}" for number in (1, 2, 3)} <= set(found.numbers)
    assert found.flat_electrodes == {}


def test_the_file_names_no_participant_and_no_path(cohort: Cohort, tmp_path: Path) -> None:
    records = read_datalist(cohort.path).records("training")
    path = write_profile(profile_of(records, settings()), tmp_path)
    text = path.read_text(encoding="utf-8")
    assert path.name == "cohort_profile.json"
    assert not any(record.participant_id in text for record in records)
    assert str(cohort.path.parent) not in text and ".npy" not in text


def test_the_profile_reads_back(cohort: Cohort, tmp_path: Path) -> None:
    profile = profile_of(read_datalist(cohort.path).records("training"), settings())
    write_profile(profile, tmp_path)
    assert read_profile(tmp_path) == profile


def test_a_folder_of_an_earlier_version_has_none(tmp_path: Path) -> None:
    assert read_profile(tmp_path) is None
    assert read_profile(tmp_path / "missing") is None


@pytest.mark.parametrize("content", ["", "[]", '{"schema_version": 2}', '{"participants": -1}', "{" * 100])
def test_another_file_in_its_place_is_reported(tmp_path: Path, content: str) -> None:
    (tmp_path / "cohort_profile.json").write_text(content)
    with pytest.raises(InputError, match=r"cohort_profile\.json"):
        read_profile(tmp_path)


def test_numbers_that_are_none_are_refused(cohort: Cohort, tmp_path: Path) -> None:
    path = write_profile(profile_of(read_datalist(cohort.path).records("test"), settings()), tmp_path)
    content = json.loads(path.read_text())
    content["widening"] = float("nan")
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="widening"):
        read_profile(tmp_path)


def test_a_second_profile_reads_no_recording(cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = read_datalist(cohort.path).records("test")
    first = profile_of(records, settings(tmp_path / "store"))
    assert sum(len(chain.entries) for chain in status_of(tmp_path / "store").chains) == TESTED * 3

    def fail(*_: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr("monai_fusion.baseline.stored_numbers.FileContent", fail)
    assert profile_of(records, settings(tmp_path / "store")) == first


def test_a_recording_that_is_not_used_is_not_measured(cohort: Cohort) -> None:
    used, _ = ModalityPolicy("eeg").select(read_datalist(cohort.path).records("training"))
    found = profile_of(used, settings())
    assert (found.with_mri, found.with_eeg) == (0, 18)
    assert "axes of the MRI file" not in found.texts
    assert not any("voxel" in name for name in found.numbers)


def test_a_number_of_too_few_people_is_left_out(cohort: Cohort) -> None:
    found = profile_of(read_datalist(cohort.path).records("test"), settings())
    assert (found.participants, found.numbers) == (4, {})
    assert found.texts["axes of the MRI file"] == {"RAS": 4}


def test_facts_of_a_participant_are_those_of_the_files(cohort: Cohort) -> None:
    record = read_datalist(cohort.path).records("test")[0]
    (facts,) = participant_facts([record], settings())
    stored = [np.load(path).astype(np.float64) for path in record.eeg]
    amplitudes = np.median([np.log10(np.sqrt((each**2).mean(axis=(0, 1)))) for each in stored], axis=0)
    assert facts.numbers["log10 of the amplitude"] == pytest.approx(np.median(amplitudes))
    assert facts.numbers["amplitude of E02"] == pytest.approx(amplitudes[1] - np.median(amplitudes))
    power = np.median([np.log10((each**2).mean(axis=(1, 2))) for each in stored], axis=0)
    slope = np.polyfit(np.linspace(0, 1, len(power)), power, 1)[0]
    assert facts.numbers["row slope"] == pytest.approx(slope)
