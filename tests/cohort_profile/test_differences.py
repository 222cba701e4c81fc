"""What differs from a training part, in words, the most unlike first; with real files that are wrong in known ways."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from monai_fusion.baseline.participant_numbers import NumberSettings
from monai_fusion.cohort_profile.comparing import UNSEEN, differences, unlike
from monai_fusion.cohort_profile.participant_facts import ParticipantFacts, participant_facts
from monai_fusion.cohort_profile.predicting import UnlikeTraining, unlike_texts
from monai_fusion.cohort_profile.profile_file import CohortProfile, write_profile
from monai_fusion.cohort_profile.summarising import profile_of, summarised
from monai_fusion.cohort_profile.words import joined, warning_of
from monai_fusion.datalist import ParticipantRecord
from monai_fusion.sidecar import KIND, LAYOUT
from tests.baseline.cohorts import MM, SHAPE

ROWS = [80.0, 70.0, 60.0, 50.0, 40.0, 30.0, 20.0, 10.0, 5.0, 2.0]
SETTINGS = NumberSettings(None, (len(ROWS), 12, 3))
PEOPLE = 40


def write_head(path: Path, radius_mm: float, seed: int) -> Path:
    """A ball in a field of noise whose histogram differs from person to person only a little."""
    random = np.random.default_rng(seed)
    axes = np.meshgrid(*((np.arange(n) - (n - 1) / 2) * mm for n, mm in zip(SHAPE, MM, strict=True)), indexing="ij")
    inside = sum(axis**2 for axis in axes) <= radius_mm**2
    values = np.where(inside, 800 + 60 * random.normal(size=SHAPE), 20 + 5 * random.normal(size=SHAPE))
    nib.save(nib.Nifti1Image(values.astype(np.int16), np.diag([*MM, 1.0])), path)
    return path


def write_person(folder: Path, name: str, seed: int, **sidecar: object) -> ParticipantRecord:
    """A participant with an MRI, two scalograms that have a spectrum, and the JSON beside them."""
    random = np.random.default_rng(seed)
    spectrum = np.array(ROWS)[:, np.newaxis, np.newaxis] ** -1.0
    gains = np.exp(0.05 * random.normal(size=3))
    files = []
    for segment in range(2):
        noise = np.abs(random.normal(size=(len(ROWS), 12, 3)))
        files.append(folder / f"{name}_EO_seg{segment}.npy")
        np.save(files[-1], (10 * spectrum * gains * noise).astype(np.float32))
    content: dict[str, Any] = {
        "Kind": KIND, "Layout": LAYOUT, "Finished": True, "Files": [each.name for each in files], "Condition": "EO",
        "Mode": "compat", "Units": "uV", "Electrodes": ["Fz", "Cz", "Pz"], "RowFrequenciesHz": ROWS,
        "SegmentSeconds": 10.0, "Signal": {"Reference": "average"},
        "Recording": {"SamplingHz": 250.0, "LineFoundHz": 50.0, "Device": "secret of a header"}, **sidecar,
    }  # fmt: skip
    (folder / f"{name}_EO_scalogram.json").write_text(json.dumps(content))
    mri = write_head(folder / f"{name}_T1w.nii", 8.0 + 0.3 * random.normal(), seed)
    return ParticipantRecord(name, None, tuple(files), mri, "test")


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> CohortProfile:
    folder = tmp_path_factory.mktemp("training")
    return profile_of([write_person(folder, f"p{number}", number) for number in range(PEOPLE)], SETTINGS)


@pytest.fixture
def person(tmp_path: Path) -> ParticipantRecord:
    """Somebody of the same cohort."""
    return write_person(tmp_path, "new", 1000)


Told = Callable[[ParticipantRecord], str]


@pytest.fixture
def told(training: CohortProfile) -> Told:
    """What is said of a participant."""
    return lambda record: unlike_texts(training, [record], SETTINGS)[0]


def change_eeg(record: ParticipantRecord, change: Callable[[np.ndarray], np.ndarray]) -> None:
    for path in record.eeg:
        np.save(path, change(np.load(path)).astype(np.float32))


def change_mri(record: ParticipantRecord, affine: np.ndarray | None = None, values: Any = None) -> None:
    assert record.mri is not None
    image: Any = nib.load(record.mri)
    stored = np.asarray(image.dataobj).copy()  # the file is written again
    nib.save(nib.Nifti1Image(stored if values is None else values(stored), image.affine if affine is None else affine),
             record.mri)  # fmt: skip


def test_somebody_of_the_same_cohort_differs_in_nothing(person: ParticipantRecord, told: Told) -> None:
    assert told(person) == ""


def test_a_larger_voxel_is_named_with_the_training_s(person: ParticipantRecord, told: Told) -> None:
    change_mri(person, np.diag([4.0, 1.5, 1.0, 1.0]))
    text = told(person)
    assert "voxel size: 4 mm left-right, in the training 2 mm" in text
    assert "field of view: 80 mm left-right, in the training 40 mm" in text


def test_volts_in_place_of_microvolts_are_guessed(person: ParticipantRecord, told: Told) -> None:
    change_eeg(person, lambda values: values * 1e6)
    assert told(person).startswith("EEG amplitude: 990,000 times larger than in the training (volts and microvolts?)")
    change_eeg(person, lambda values: values * 1e-9)
    assert "times smaller than in the training (microvolts and millivolts?)" in told(person)


def test_a_flat_electrode_is_named(person: ParticipantRecord, told: Told) -> None:
    change_eeg(person, lambda values: np.where(np.arange(3) == 2, 7.0, values))
    assert told(person) == "flat electrodes: Pz"
    values = np.load(person.eeg[0])
    values[..., 1] = 1.0
    np.save(person.eeg[0], values)
    assert told(person).startswith("flat electrodes: Cz in 1 of 2 segments, Pz")


def test_an_electrode_with_little_amplitude_is_named(person: ParticipantRecord, told: Told) -> None:
    change_eeg(person, lambda values: np.where(np.arange(3) == 0, values / 100, values))
    found = told(person)
    assert "EEG amplitude of electrodes: Fz" in found
    assert "times smaller than in the training, against the other electrodes" in found


def test_line_noise_shows_as_a_setting_and_in_the_power(tmp_path: Path, told: Told) -> None:
    other = {"SamplingHz": 500.0, "LineFoundHz": 60.0}
    person = write_person(tmp_path, "new", 1000, Recording=other)
    rows = np.array(ROWS)[:, np.newaxis, np.newaxis]
    change_eeg(person, lambda values: np.where(rows == 60.0, values * 30, values))
    text = told(person)
    assert "line noise: 60 Hz, in the training 50 Hz" in text
    assert "EEG sampling rate in Hz: 500, in the training 250" in text
    assert "EEG power at the line frequency: at 60 Hz" in text


def test_another_spectrum_is_named(person: ParticipantRecord, told: Told) -> None:
    change_eeg(person, lambda values: values * np.array(ROWS)[:, np.newaxis, np.newaxis])
    assert "EEG spectrum: spectrum slope" in told(person)


def test_other_axis_codes_are_named(person: ParticipantRecord, told: Told) -> None:
    change_mri(person, np.diag([-2.0, 1.5, 1.0, 1.0]))
    assert told(person) == "axes of the MRI file: LAS, in the training RAS"


def test_an_extracted_brain_shows_in_its_background(person: ParticipantRecord, told: Told) -> None:
    change_mri(person, values=lambda stored: np.where(stored < 400, 0, stored))
    assert "background of the MRI: " in told(person)
    assert "(masked or extracted?)" in told(person)


def test_a_cut_off_head_is_named(tmp_path: Path, told: Told) -> None:
    person = write_person(tmp_path, "new", 1000)
    assert person.mri is not None
    write_head(person.mri, 4.0, 0)
    assert "head volume: 0.00029 litres, in the training" in told(person)


def test_other_electrodes_are_told_apart_from_another_order(tmp_path: Path, told: Told) -> None:
    assert "electrodes: Oz instead of Pz" in told(write_person(tmp_path, "a", 1000, Electrodes=["Fz", "Cz", "Oz"]))
    text = told(write_person(tmp_path, "b", 1000, Electrodes=["Cz", "Fz", "Pz"]))
    assert "electrodes: in another order than in the training" in text


def test_without_the_json_nothing_is_said_of_what_it_would_hold(person: ParticipantRecord, told: Told) -> None:
    next(person.eeg[0].parent.glob("*_scalogram.json")).unlink()
    assert told(person) == ""


def test_the_most_unlike_comes_first_and_a_score_orders_participants(
    training: CohortProfile, person: ParticipantRecord
) -> None:
    usual = unlike(training, participant_facts([person], SETTINGS)[0])
    assert 0 <= usual <= 1
    change_mri(person, np.diag([-2.2, 1.5, 1.0, 1.0]))
    change_eeg(person, lambda values: values * 1e6)
    facts = participant_facts([person], SETTINGS)[0]
    found = differences(training, facts)
    distances = [each.distance for each in found]
    assert distances == sorted(distances, reverse=True) and len(distances) >= 3
    assert len({each.title for each in found}) == len(found)
    assert unlike(training, facts) == pytest.approx(distances[0] / training.widening)
    orientation = next(each for each in found if each.title == "axes of the MRI file")
    assert (orientation.seen, orientation.usual, orientation.distance) == ("LAS", {"RAS": PEOPLE}, UNSEEN)


def test_no_text_of_a_header_is_kept(training: CohortProfile) -> None:
    assert "secret" not in training.model_dump_json()


def test_settings_that_everyone_has_of_their_own_are_not_compared() -> None:
    everyone = [ParticipantFacts(True, texts={"site": f"s{number}", "mode": "power"}) for number in range(20)]
    profile = summarised(everyone)
    new = ParticipantFacts(True, texts={"site": "s99", "mode": "compat", "never seen": "x"})
    assert [each.title for each in differences(profile, new)] == ["mode"]


def test_an_electrode_that_is_often_flat_in_the_training_is_nothing_special() -> None:
    everyone = [ParticipantFacts(segments=2, flat={"Pz": 2} if number < 3 else {}) for number in range(20)]
    profile = summarised(everyone)
    assert differences(profile, ParticipantFacts(segments=2, flat={"Pz": 1})) == ()
    assert [each.words for each in differences(profile, ParticipantFacts(segments=2, flat={"Cz": 2}))] == [
        "flat electrodes: Cz"
    ]


def test_many_differences_are_cut_to_the_first_five(training: CohortProfile, person: ParticipantRecord) -> None:
    (one,) = differences(summarised([ParticipantFacts(True, texts={"a": "b"})] * 5), ParticipantFacts(texts={"a": "c"}))
    assert joined([replace(one, words=f"{n}: x") for n in range(7)]) == "0: x; 1: x; 2: x; 3: x; 4: x; and 2 more"


def test_the_warning_counts_participants_and_names_what_differs_most_often() -> None:
    assert warning_of(["", None, ""]) == ""
    texts = [
        "voxel size: 2 mm, in the training 1 mm; electrodes: x",
        "voxel size: 3 mm, in the training 1 mm",
        "",
        None,
    ]
    assert warning_of(texts) == "2 of 3 participants are unlike the training's, most often in voxel size (2)"
    assert warning_of([texts[0]]) == "1 of 1 participant is unlike the training's in voxel size and more"
    assert warning_of(["tilt: 9", *[""] * 19]) == (
        "1 of 20 participants is unlike the training's in tilt; up to 1 in 20 is by chance"
    )


def test_a_prediction_s_text_is_the_same_one_by_one_and_all_at_once(
    training: CohortProfile, person: ParticipantRecord, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    write_profile(training, tmp_path / "run")
    change_mri(person, np.diag([-2.0, 1.5, 1.0, 1.0]))
    one, together = UnlikeTraining(tmp_path / "run", SETTINGS), UnlikeTraining(tmp_path / "run", SETTINGS)
    together.prepare([person])
    assert one(person) == together(person) == "axes of the MRI file: LAS, in the training RAS"


def test_a_recording_that_the_model_does_not_use_is_not_compared(
    training: CohortProfile, person: ParticipantRecord, tmp_path: Path
) -> None:
    write_profile(training, tmp_path)
    change_mri(person, np.diag([-2.0, 1.5, 1.0, 1.0]))
    assert UnlikeTraining(tmp_path, replace(SETTINGS, modalities="eeg"))(person) == ""


def test_a_model_without_a_profile_says_so_in_one_line(
    person: ParticipantRecord, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        found = UnlikeTraining(tmp_path, SETTINGS)
        found.prepare([person])
    assert found(person) is None
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "no cohort_profile.json" in caplog.text


def test_a_recording_that_cannot_be_measured_leaves_no_text_and_warns(
    training: CohortProfile, person: ParticipantRecord, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_profile(training, tmp_path)
    person.eeg[0].write_bytes(b"another format")
    assert UnlikeTraining(tmp_path, SETTINGS)(person) is None
    assert "no comparison with the training participants" in caplog.text
