"""How an evaluation treats participants with one recording follows from what its model has learned."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monai_fusion.datalist import Datalist, ModalityPolicy, ParticipantRecord
from monai_fusion.errors import InputError
from monai_fusion.runs.recipe import absence_settings
from monai_fusion.runs.run_digests import data_digests
from monai_fusion.workflow import recordings_for, warn_of_unseen_absence
from tests.message_parts import assert_parts

Records = tuple[ParticipantRecord, ...]


@pytest.fixture
def some_lack(tiny_records: Records) -> Records:
    """sub-00 lacks the MRI, sub-02 the EEG."""
    return (replace(tiny_records[0], mri=None), tiny_records[1], replace(tiny_records[2], eeg=()), tiny_records[3])


@pytest.mark.parametrize(
    ("use", "default"),
    [
        (ModalityPolicy(), ModalityPolicy()),
        (ModalityPolicy(dropout=0.2), ModalityPolicy(allow_missing=True)),
        (ModalityPolicy(allow_missing=True), ModalityPolicy(allow_missing=True)),
        (ModalityPolicy("eeg"), ModalityPolicy("eeg")),
        (ModalityPolicy("mri", allow_missing=True), ModalityPolicy("mri", allow_missing=True)),
    ],
)
def test_by_default_participants_with_one_recording_are_predicted_if_the_model_can(
    use: ModalityPolicy, default: ModalityPolicy, some_lack: Records
) -> None:
    recipe = absence_settings(use, some_lack)
    assert recordings_for(recipe) == default
    assert recordings_for(recipe, "false") == ModalityPolicy(default.modalities)
    if use.allows_missing:
        assert recordings_for(recipe, True) == ModalityPolicy(default.modalities, allow_missing=True)


@pytest.mark.parametrize("recipe", [{}, {"absence": False, "modalities": "both"}])
def test_a_model_that_never_learned_absence_refuses_it_and_reports_how_to_train_for_it(recipe: dict[str, Any]) -> None:
    assert recordings_for(recipe) == ModalityPolicy()  # also a model from before there was the knob
    with pytest.raises(InputError) as caught:
        recordings_for(recipe, "true")
    named = ("--allow_missing: ", "both recordings", "--modality_dropout 0.2", "--allow_missing true")
    assert_parts(str(caught.value), *named)
    with pytest.raises(InputError, match="--allow_missing: 'maybe', expected true or false"):
        recordings_for(recipe, "maybe")


def test_a_kind_of_absence_that_the_training_never_had_is_warned_of(
    some_lack: Records, caplog: pytest.LogCaptureFixture
) -> None:
    only_eeg = absence_settings(ModalityPolicy(allow_missing=True), some_lack[:2])
    assert only_eeg["unseen_absence"] == ["eeg"]
    for recipe in (only_eeg, absence_settings(ModalityPolicy(dropout=0.1), some_lack)):
        with caplog.at_level(logging.WARNING):
            warn_of_unseen_absence(recipe, recordings_for(recipe), some_lack)
    (warning,) = (record.getMessage() for record in caplog.records)
    assert warning.startswith("without EEG: 1, but no participant lacked it in the training")


def test_the_manifests_digest_of_one_modality_needs_no_file_of_the_other(some_lack: Records, tmp_path: Path) -> None:
    def digests(modalities: str = "both", records: Sequence[ParticipantRecord] = some_lack) -> dict[str, Any]:
        cohort = Datalist(tmp_path / "list.json", "test", "gender", ("M", "F"), tmp_path, {"training": tuple(records)})
        return data_digests(cohort, tmp_path / "store", modalities)["training"]

    whole = digests()
    assert (whole["participants"], whole["files"]) == (4, 1 + 2 + 4 + 3)
    for record in some_lack:
        if record.mri is not None:
            record.mri.unlink()
    alone = digests("eeg")
    assert alone == digests("eeg", [replace(record, mri=None) for record in some_lack]) and alone["files"] == 7
    assert alone["digest"] != whole["digest"]
