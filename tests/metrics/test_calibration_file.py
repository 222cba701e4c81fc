"""``calibration.json``: written when an epoch is kept, read by evaluation and inference."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monai_fusion.errors import InputError
from monai_fusion.metrics import CalibrationWriter, Prediction, fit_calibration, load_calibration
from monai_fusion.metrics.calibration_file import fit_calibration_file, read_calibration
from monai_fusion.run_folder import CALIBRATION_FILE
from tests.message_parts import assert_parts

TRAINING = [0] * 30 + [1] * 10


def validation(number: int = 40) -> list[Prediction]:
    generator = np.random.default_rng(0)
    labels = [place % 4 // 3 for place in range(number)]
    positive = 1 / (1 + np.exp(-(3 * (np.array(labels) - 0.5) + 2 * generator.normal(size=number))))
    return [
        Prediction(f"sub-{place:02d}", label, (1 - share, float(share)), 0.5, 2)
        for place, (label, share) in enumerate(zip(labels, positive, strict=True))
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    writer = CalibrationWriter(tmp_path, ["M", "F"], TRAINING, balanced=True)
    writer(validation()[:3])
    writer(validation())  # a later validation replaces the one before
    writer.write()
    return tmp_path


def fitted(wanted: tuple[float, float] = (0.75, 0.25), operating_point: object = "balanced") -> object:
    rows = validation()
    probabilities = np.array([row.probabilities for row in rows])
    labels = np.array([row.label for row in rows])
    return fit_calibration(probabilities, labels, (0.5, 0.5), wanted, operating_point)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("network_prior", [0.0, 0.0]),
        ("network_prior", [0.9, 0.9]),
        ("target_prior", "$x"),
        ("slope", "inf"),
        ("slope", 0),
        ("intercepts", [0.0]),
        ("predictions", [{"label": 0, "probabilities": [2.0, -1.0]}]),
        ("predictions", [{"label": 5, "probabilities": [0.5, 0.5]}]),
        ("classes", 3),
    ],
)
def test_values_that_no_training_writes_are_refused_in_a_line(tmp_path: Path, name: str, value: object) -> None:
    content = fit_calibration_file(["M", "F"], [7, 5], [0.5, 0.5], [], "validation").model_dump(mode="json")
    (tmp_path / "calibration.json").write_text(json.dumps(content), encoding="utf-8")
    load_calibration(tmp_path, ["M", "F"])
    (tmp_path / "calibration.json").write_text(json.dumps(content | {name: value}), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_calibration(tmp_path, ["M", "F"])
    assert "\n" not in str(caught.value)


def test_it_reads_back_as_what_was_fitted(folder: Path) -> None:
    assert load_calibration(folder, ["M", "F"]) == fitted()


def test_the_file_has_the_result_of_the_default_options(folder: Path) -> None:
    content = json.loads((folder / CALIBRATION_FILE).read_text(encoding="utf-8"))
    expected = load_calibration(folder, ["M", "F"])
    assert expected is not None
    assert (content["slope"], content["threshold"]) == (expected.slope, expected.threshold)
    assert content["slope"] != 1.0 and content["schema_version"] == 2 and content["training_counts"] == [30, 10]
    assert (content["network_prior"], content["target_prior"]) == ([0.5, 0.5], [0.75, 0.25])
    assert len(content["predictions"]) == 40 and content["fitted_on"] == "validation"
    assert "sub-" not in json.dumps(content)  # a model is shared, its participants stay private


def test_another_prior_or_operating_point_is_fitted_without_the_network(folder: Path) -> None:
    assert load_calibration(folder, ["M", "F"], target_prior=[0.5, 0.5]) == fitted((0.5, 0.5))
    assert load_calibration(folder, ["M", "F"], operating_point="sensitivity 0.9") == fitted(
        operating_point="sensitivity 0.9"
    )


def test_a_network_trained_without_balance_learned_the_shares_of_its_cohort(tmp_path: Path) -> None:
    for balanced, weights, expected in (
        (False, None, [0.75, 0.25]),
        (False, [1.0, 3.0], [0.5, 0.5]),
        (True, None, [0.5, 0.5]),
    ):
        CalibrationWriter(tmp_path, ["M", "F"], TRAINING, balanced, weights).write()
        assert read_calibration(tmp_path).network_prior == expected


def test_no_calibration_is_wanted_or_nothing_else_with_it(folder: Path) -> None:
    assert load_calibration(folder, ["M", "F"], calibrate=False) is None
    with pytest.raises(InputError) as caught:
        load_calibration(folder, ["M", "F"], calibrate=False, target_prior=[0.5, 0.5], operating_point="youden")
    assert [problem.where for problem in caught.value.problems] == ["--target_prior", "--operating_point"]


def test_a_diverged_validation_is_stored_and_read_without_a_fit(tmp_path: Path) -> None:
    writer = CalibrationWriter(tmp_path, ["M", "F"], TRAINING, balanced=True)
    writer([Prediction(f"s{place}", place % 2, (float("nan"),) * 2, 0.5, 1) for place in range(40)])
    writer.write()
    found = load_calibration(tmp_path, ["M", "F"])
    assert found is not None and found.slope == 1.0 and "not numbers" in found.notes[0]


def message(folder: Path, classes: list[str]) -> str:
    with pytest.raises(InputError) as caught:
        load_calibration(folder, classes)
    return str(caught.value)


def test_a_missing_damaged_or_foreign_file_is_refused(folder: Path, tmp_path: Path) -> None:
    path = folder / CALIBRATION_FILE
    assert_parts(message(folder, ["F", "M"]), f"{path} classes: ['M', 'F'], expected ['F', 'M']: ", "--calibrate false")
    content = json.loads(path.read_text(encoding="utf-8"))
    for name, value in (("slope", -1), ("predictions", "many"), ("more", 1)):
        path.write_text(json.dumps(content | {name: value}))
        assert message(folder, ["M", "F"]).startswith(f"{path} {name}: ")
    path.write_text(json.dumps(content | {"network_prior": [1.0]}))
    assert_parts(message(folder, ["M", "F"]), f"{path}: ", "2 classes", "--calibrate false")
    path.write_bytes(b"{")
    assert message(folder, ["M", "F"]).startswith(f"{path}: ")
    path.unlink()
    assert_parts(message(folder, ["M", "F"]), f"{folder}: no {CALIBRATION_FILE}: ", "--calibrate false")


def test_the_file_of_an_earlier_version_is_read_and_its_calibration_says_so(folder: Path) -> None:
    """Its temperature and Youden's threshold are not used: slope and intercepts are fitted to its predictions."""
    path = folder / CALIBRATION_FILE
    content = json.loads(path.read_text(encoding="utf-8"))
    for name in ("schema_version", "slope", "intercepts"):
        del content[name]
    path.write_text(json.dumps(content | {"temperature": 3.0, "threshold": 0.9, "operating_point": "youden"}))
    found = load_calibration(folder, ["M", "F"])
    assert found is not None and replace(found, notes=()) == fitted()
    assert_parts(found.notes[0], CALIBRATION_FILE, "earlier version", "Youden", "fitted to its predictions")
    path.write_text(json.dumps(content | {"temperature": 3.0, "schema_version": 3}))
    assert_parts(message(folder, ["M", "F"]), str(path), "--calibrate false")


def test_an_operating_point_of_two_classes_is_refused_for_three(tmp_path: Path) -> None:
    content = fit_calibration_file(["a", "b", "c"], [7, 5, 6], [1 / 3] * 3, [], "validation")
    (tmp_path / CALIBRATION_FILE).write_text(content.model_dump_json(), encoding="utf-8")
    with pytest.raises(InputError, match="expected balanced or prior"):
        load_calibration(tmp_path, ["a", "b", "c"], operating_point="youden")
