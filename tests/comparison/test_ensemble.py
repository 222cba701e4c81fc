"""The fold models of a variant as one model folder."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_fusion.comparison.ensemble import ensemble_is_made, write_ensemble
from monai_fusion.comparison.planning import Plan
from monai_fusion.comparison.run_records import RunRecord
from monai_fusion.errors import InputError
from monai_fusion.evaluation.model_loader import check_model
from monai_fusion.fingerprint import content_hash
from monai_fusion.metrics import load_prediction_sets
from monai_fusion.metrics.calibration_file import read_calibration
from monai_fusion.report.predictions_reader import read_predictions
from monai_fusion.run_folder import MODEL_FILE, PREDICTIONS_FILE, RECIPE_FILE
from monai_fusion.runs import read_recipe
from tests.comparison.finished import finished, leave_weights
from tests.message_parts import assert_parts

Planner = Callable[..., Plan]


@pytest.fixture
def made(plan_of: Planner) -> tuple[Plan, list[RunRecord]]:
    """Runs of the reference in two folds with two seeds, their weights a tensor each."""
    plan = plan_of(folds=2, seeds=2)
    members = [record for record in finished(plan) if record.run.variant.name == "gated"]
    for number, record in enumerate(members):
        leave_weights(record, {"head.weight": torch.full((2,), float(number))})
    return plan, members


def test_it_holds_the_weights_of_all_members_and_their_recipe(made: tuple[Plan, list[RunRecord]]) -> None:
    plan, members = made
    assert not ensemble_is_made(plan, members)
    folder = write_ensemble(plan, members)
    state = torch.load(folder / MODEL_FILE, weights_only=True)
    assert {name: value.tolist() for name, value in state.items()} == {
        f"members.{number}.head.weight": [float(number)] * 2 for number in range(4)
    }
    recipe = read_recipe(folder)
    assert recipe["members"] == 4 and recipe["fusion"] == "gated" and "seed" not in recipe
    assert recipe["member_names"][0] == "gated, fold 0, seed 1337"
    text = json.dumps(recipe)
    assert len(recipe["trained_on"]) == 1 and "sub-" not in text  # twenty participants with the same empty files
    assert ensemble_is_made(plan, members) and not ensemble_is_made(plan, members[:2])


def test_it_is_calibrated_on_predictions_of_each_member_for_participants_it_has_not_seen(
    made: tuple[Plan, list[RunRecord]],
) -> None:
    plan, members = made
    calibration = read_calibration(write_ensemble(plan, members))
    assert calibration.fitted_on == "out-of-fold" and calibration.training_counts == [12, 8]
    assert calibration.network_prior == [0.5, 0.5] and calibration.target_prior == pytest.approx([0.6, 0.4])
    assert not calibration.notes and calibration.slope != 1.0 and calibration.threshold == pytest.approx(0.4)
    predicted: dict[str, list[tuple[float, ...]]] = {}
    for record in members:
        for participant in read_predictions(record.run.folder)[1]:
            predicted.setdefault(participant.participant_id, []).append(participant.network_probabilities)
    assert len(predicted) == 20 and {len(each) for each in predicted.values()} == {2}  # one of each seed
    expected = [np.mean(predicted[name], axis=0) for name in sorted(predicted)]
    assert np.allclose([row.probabilities for row in calibration.predictions], expected)


def test_prediction_sets_rest_on_them_and_know_of_families(made: tuple[Plan, list[RunRecord]]) -> None:
    plan, members = made
    families = [row.participant_id for row in read_predictions(members[0].run.folder)[1]][:3]
    for record in members:
        path = record.run.folder / PREDICTIONS_FILE
        head, *lines = path.read_text(encoding="utf-8").splitlines()
        groups = [families[0] if line.split(",")[0] in families else "" for line in lines]
        texts = [f"{head},group", *(f"{line},{group}" for line, group in zip(lines, groups, strict=True))]
        path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    sets = load_prediction_sets(write_ensemble(plan, members), ["M", "F"], 0.9)
    assert sets is not None and sets.part == "out-of-fold" and sets.counts == (12, 8) and min(sets.thresholds) > 0
    assert len(sets.notes) == 1 and "3 of 20 out-of-fold participants share a family" in sets.notes[0]


def test_it_is_made_again_where_what_it_is_calibrated_on_has_changed(made: tuple[Plan, list[RunRecord]]) -> None:
    plan, members = made
    write_ensemble(plan, members)
    path = members[2].run.folder / PREDICTIONS_FILE
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("sub-", "sub-x"), encoding="utf-8")  # the model is as it was: evaluated once more
    assert not ensemble_is_made(plan, members)
    path.write_text(text, encoding="utf-8")
    assert ensemble_is_made(plan, members)


def test_an_ensemble_of_one_modality_knows_participants_by_it_alone(plan_of: Planner, tmp_path: Path) -> None:
    for number, path in enumerate(sorted((tmp_path / "cohort" / "files").iterdir())):
        path.write_text(str(number))
    plan = plan_of(folds=2, variants=("eeg",), reference="eeg", ensemble="eeg")
    members = finished(plan)
    for record in members:
        leave_weights(record, {"head.weight": torch.zeros(2)})
        path = record.run.folder / RECIPE_FILE
        path.write_text(json.dumps(json.loads(path.read_text()) | {"modalities": "eeg"}))
    recipe = read_recipe(write_ensemble(plan, members))
    scalograms = {content_hash(path) for path in (tmp_path / "cohort" / "files").glob("*.npy")}
    assert recipe["modalities"] == "eeg" and set(recipe["trained_on"]) == scalograms
    assert ensemble_is_made(plan, members)


def test_members_of_different_recipes_are_refused(made: tuple[Plan, list[RunRecord]]) -> None:
    plan, members = made
    path = members[3].run.folder / RECIPE_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | {"fusion": "mean"}))
    with pytest.raises(InputError, match=r"^gated, fold 1, seed 1338 recipe.json: .*first fold"):
        write_ensemble(plan, members)
    assert not (plan.options.output_dir / "ensemble" / RECIPE_FILE).exists()


def test_a_damaged_member_is_refused_by_its_file(made: tuple[Plan, list[RunRecord]]) -> None:
    plan, members = made
    path = members[1].run.folder / MODEL_FILE
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        (part,) = (info for info in archive.infolist() if "/data/" in info.filename)
        place = content.index(archive.read(part))
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"model.pt: damaged: .*checksums"):
        write_ensemble(plan, members)
    assert not (plan.options.output_dir / "ensemble" / RECIPE_FILE).exists()


def test_a_member_with_the_model_of_another_run_is_refused(made: tuple[Plan, list[RunRecord]]) -> None:
    plan, members = made
    path, other = (members[number].run.folder / MODEL_FILE for number in (1, 2))
    path.write_bytes(other.read_bytes())
    with pytest.raises(InputError) as raised:
        write_ensemble(plan, members)
    assert_parts(str(raised.value), f"{path}: not the file", "manifest.json", "copy")
    assert not (plan.options.output_dir / "ensemble" / RECIPE_FILE).exists()


def test_an_ensemble_with_another_member_than_in_its_recipe_is_refused(
    made: tuple[Plan, list[RunRecord]],
) -> None:
    folder = write_ensemble(*made)
    recipe = read_recipe(folder)
    check_model(folder, recipe["members"], recipe["member_weights"])
    state = torch.load(folder / MODEL_FILE, weights_only=True)
    torch.save(state | {"members.2.head.weight": torch.full((2,), 1.0)}, folder / MODEL_FILE)
    with pytest.raises(InputError) as raised:
        check_model(folder, recipe["members"], recipe["member_weights"])
    assert_parts(str(raised.value), f"{folder / MODEL_FILE}: member 3 ", "recipe.json")


def test_an_interrupted_ensemble_is_no_model(made: tuple[Plan, list[RunRecord]]) -> None:
    plan, members = made
    folder = write_ensemble(plan, members)
    (members[0].run.folder / MODEL_FILE).unlink()
    with pytest.raises(InputError, match="no such file"):
        write_ensemble(plan, members)
    assert not (folder / RECIPE_FILE).exists() and not ensemble_is_made(plan, members)
