"""Whether a model is evaluated on participants that it has learned from, recognised by their recordings' contents."""

from dataclasses import replace
from pathlib import Path

import pytest

from monai_fusion.datalist import ModalityPolicy, ParticipantRecord
from monai_fusion.datalist.availability import AvailableModalities
from monai_fusion.runs import warnings_of_known
from monai_fusion.runs.training_overlap import TRAINED_ON, digests_of, learned_from


def record(folder: Path, name: str, content: str) -> ParticipantRecord:
    eeg, mri = folder / f"{name}_EO_seg0.npy", folder / f"{name}_T1w.nii"
    eeg.write_text(f"eeg {content}")
    mri.write_text(f"mri {content}")
    return ParticipantRecord(name, 0, (eeg,), mri, "test")


def test_participants_are_recognised_by_their_recordings_under_any_id(tmp_path: Path) -> None:
    ann, ben = record(tmp_path, "sub-ann", "1"), record(tmp_path, "sub-ben", "2")
    trained_on = sorted(digests_of([ann], None)["sub-ann"])
    assert len(trained_on) == 2 and not any("ann" in digest for digest in trained_on)
    recipe = {TRAINED_ON: trained_on, "members": 2}
    assert warnings_of_known(recipe, [ben], None) == []
    renamed = record(tmp_path, "sub-carl", "1")
    (warning,) = warnings_of_known(recipe, [ben, renamed], None)
    assert warning.startswith("this ensemble has learned from 1 of these 2 participants: ") and "biased" in warning


@pytest.mark.parametrize("modality", ["eeg", "mri"])
def test_a_model_of_one_modality_needs_no_file_of_the_other(modality: AvailableModalities, tmp_path: Path) -> None:
    ann = record(tmp_path, "sub-ann", "1")
    recipe = {TRAINED_ON: sorted(digests_of([ann], None)["sub-ann"])}
    other = ann.mri if modality == "eeg" else ann.eeg[0]
    assert other is not None
    other.unlink()
    (warning,) = warnings_of_known(recipe, ModalityPolicy(modality).select([ann])[0], None)
    assert warning.startswith("this model has learned from 1 of these 1 participants")


def test_a_single_model_knows_its_training_and_its_validation_participants(tmp_path: Path) -> None:
    ann, ben, carl = (record(tmp_path, f"sub-{name}", name) for name in ("ann", "ben", "carl"))
    recipe = learned_from([ann], [ben], None)
    assert warnings_of_known(recipe, [carl], None) == []
    renamed = [record(tmp_path, f"sub-new-{name}", name) for name in ("ann", "ben")]
    learned, chosen = warnings_of_known(recipe, [*renamed, carl], None)
    assert learned.startswith("this model has learned from 1 of these 3 participants: ") and "biased" in learned
    assert chosen.startswith("1 of these 3 participants, recognised by their recordings, chose this model's epoch")
    assert warnings_of_known(recipe, [replace(ben, section="validation")], None) == []  # its results say it anyway


def test_a_model_of_an_earlier_version_gets_no_warning(tmp_path: Path) -> None:
    assert warnings_of_known({"classes": ["M", "F"]}, [record(tmp_path, "sub-ann", "1")], None) == []
