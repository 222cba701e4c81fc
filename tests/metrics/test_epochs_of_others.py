"""What the network predicted at the epoch that the other validation participants would have chosen."""

from pathlib import Path

import numpy as np
import pytest

from monai_fusion.datalist import ParticipantRecord
from monai_fusion.metrics import CalibrationWriter, Prediction, read_calibration
from monai_fusion.metrics.epochs_of_others import EpochsOfOthers, scores_without_each
from monai_fusion.metrics.scores import SCORES

LABELS = np.array([0, 1, 0, 0, 1, 2, 0, 1])


def epochs(number: int = 6, labels: np.ndarray = LABELS, classes: int = 3, seed: int = 0) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    eye = np.eye(classes)[labels]
    return [np.array([generator.dirichlet(1 + row) for row in eye]) for _ in range(number)]


def predictions_of(values: np.ndarray, labels: np.ndarray = LABELS) -> list[Prediction]:
    return [
        Prediction(f"s{place}", int(label), tuple(row.tolist()), 0.5, 2)
        for place, (row, label) in enumerate(zip(values, labels, strict=True))
    ]


def test_a_score_without_a_participant_is_the_trainings_score_of_the_others() -> None:
    """Also without the only participant of a class."""
    for values in epochs():
        found = scores_without_each(values, LABELS)
        for place in range(len(LABELS)):
            rest = np.arange(len(LABELS)) != place
            assert found[place] == pytest.approx(SCORES["balanced_cross_entropy"](values[rest], LABELS[rest]))
    assert np.isnan(scores_without_each(np.array([[0.2, 0.8]]), np.array([1]))).all()


def test_each_participant_keeps_the_epoch_that_the_others_choose_and_ties_go_to_the_later() -> None:
    drawn = epochs(8)
    drawn.append(drawn[2].copy())
    drawn[-1][0] = drawn[-1][0][[1, 0, 2]]  # others cannot tell this epoch from the third one
    found = EpochsOfOthers.start(drawn[0], LABELS)
    for values in drawn:
        found.add(values)
    chosen = []
    for place in range(len(LABELS)):
        rest = np.arange(len(LABELS)) != place
        scores = [SCORES["balanced_cross_entropy"](values[rest], LABELS[rest]) for values in drawn]
        best = max(epoch for epoch, score in enumerate(scores) if score <= min(scores) + 1e-12)
        assert found.probabilities[place].tolist() == drawn[best][place].tolist()
        chosen.append(best)
    assert len(set(chosen)) > 1


def test_a_network_that_diverges_later_changes_nothing() -> None:
    first, second = epochs(2)
    found = EpochsOfOthers.start(first, LABELS)
    found.add(first)
    found.add(np.full_like(second, np.nan))
    assert np.array_equal(found.probabilities, first)


def trained(folder: Path, drawn: list[np.ndarray], kept: list[int], keep: str = "best") -> CalibrationWriter:
    writer = CalibrationWriter(folder, ["a", "b", "c"], [0, 1, 2, 2], balanced=True, keep=keep)
    for epoch, values in enumerate(drawn):
        writer(predictions_of(values))
        if epoch in kept:
            writer.write()
    return writer


def test_the_file_of_the_kept_epoch_goes_on_learning_from_later_epochs(tmp_path: Path) -> None:
    drawn = epochs(6)
    trained(tmp_path, drawn, kept=[0, 2])
    content, wanted = read_calibration(tmp_path), EpochsOfOthers.start(drawn[0], LABELS)
    for values in drawn:
        wanted.add(values)
    assert np.allclose([row.probabilities for row in content.predictions], drawn[2])
    people = content.people()
    assert people.others is not None and np.array_equal(people.others, wanted.probabilities)
    assert any(not np.array_equal(people.others[place], drawn[2][place]) for place in range(8))
    assert people.chose_epoch and people.part == "validation" and people.related == 0


def test_a_resumed_training_ends_with_the_same_file(tmp_path: Path) -> None:
    drawn = epochs(6)
    for name in ("whole", "resumed"):
        (tmp_path / name).mkdir()
    trained(tmp_path / "whole", drawn, kept=[0, 2])
    trained(tmp_path / "resumed", drawn[:4], kept=[0, 2])
    trained(tmp_path / "resumed", drawn[3:], kept=[])  # the fourth epoch is repeated, as from a checkpoint before it
    texts = [(tmp_path / name / "calibration.json").read_bytes() for name in ("whole", "resumed")]
    assert texts[0] == texts[1]


def test_the_last_epoch_chosen_before_needs_no_others(tmp_path: Path) -> None:
    drawn = epochs(3)
    trained(tmp_path, drawn, kept=[0, 1, 2], keep="last")
    people = read_calibration(tmp_path).people()
    assert people.others is not None and np.array_equal(people.others, drawn[-1])


def test_families_are_numbers_without_names(tmp_path: Path) -> None:
    families = ["smith", "smith", "", "jones", "jones", "jones", None, "mann"]
    records = [
        ParticipantRecord(
            participant_id=f"s{place}", label=0, eeg=(), mri=None, section="validation", extra={"family": family}
        )
        for place, family in enumerate(families)
    ]
    writer = CalibrationWriter(
        tmp_path, ["a", "b", "c"], [0, 1, 2], balanced=True, records=records, group_by=["family"]
    )
    writer(predictions_of(epochs(1)[0]))
    writer.write()
    assert read_calibration(tmp_path).people().related == 5
    assert "smith" not in (tmp_path / "calibration.json").read_text(encoding="utf-8")
