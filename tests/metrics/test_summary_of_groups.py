"""What an evaluation says of fields, conditions and recordings: strata, confounds, the gate, and each modality."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from monai_fusion.evaluation.result_writer import ResultWriter
from monai_fusion.metrics import Prediction
from monai_fusion.metrics.confounds import class_probabilities, conditional_p_value
from monai_fusion.metrics.fields_of_scores import PermutationTest
from monai_fusion.metrics.metrics_file import Metrics
from monai_fusion.metrics.summary import ScoringSettings, summarize
from tests.message_parts import assert_parts, with_parts
from tests.metrics.people import QUICK, cohort

GENERATOR = np.random.default_rng(3)
LABELS = np.array([0] * 7 + [1] * 3)
PROBABILITIES = GENERATOR.dirichlet([1.0, 1.0], size=10)


def test_strata_folds_and_conditions_have_results_with_their_numbers() -> None:
    rows = cohort()
    found = summarize(rows, ["M", "F"], settings=QUICK)
    young = [row for row in rows if row.fields["age"] == "20-25"]
    stratum = found.strata[0]
    assert (stratum.field, stratum.category, stratum.participants) == ("age", "20-25", len(young))
    labels, positive = [row.label for row in young], [row.probabilities[1] for row in young]
    assert stratum.auroc.value == pytest.approx(roc_auc_score(labels, positive))
    assert [each.category for each in found.strata if each.field == "fold"] == ["0", "1", "2", "3"]
    assert [each.field for each in found.strata_left_out] == ["site"]
    assert [test.within for test in found.permutation.tests] == [["fold"], ["fold", "age"]]
    assert [each.condition for each in found.conditions] == ["EC", "EO"]
    closed = [row.by_condition["EC"][1] for row in rows]
    assert found.conditions[0].auroc.value == pytest.approx(roc_auc_score([row.label for row in rows], closed))


def test_the_strata_are_those_of_predictions_csv_also_beside_participants_without_a_label(tmp_path: Path) -> None:
    """The unlabelled are older: ranges of the age are made over all who are predicted."""
    rows = [
        Prediction(f"s{place:02d}", place % 2 if place < 20 else None, (0.4, 0.6), 0.5, 1, fields={"age": 20 + place})
        for place in range(40)
    ]
    ResultWriter(tmp_path, ["M", "F"])(rows)
    found = Metrics.model_validate_json((tmp_path / "metrics.json").read_bytes())
    assert [(each.category, each.participants) for each in found.strata] == [("20 to 29", 10), ("30 to 39", 10)]
    table = (tmp_path / "predictions.csv").read_text(encoding="utf-8")
    assert table.count(",20 to 29") == table.count(",50 to 59") == 10


def test_a_number_that_the_network_reads_alone_is_not_called_knowledge_of_the_class() -> None:
    """Within four ranges of it, participants still differ in it: a permutation there would be significant."""
    found = [_test_given_size(seed, knows=0.0) for seed in range(40)]
    assert {test.method for test in found} == {"conditional randomisation"}
    assert {test.exchangeable for test in found} == {60}
    assert sum(test.auroc <= 0.05 for test in found if test.auroc is not None) <= 6  # 2 are expected
    assert all(test.balanced_accuracy is None for test in found)
    knower = [_test_given_size(seed, knows=2.0) for seed in range(10)]
    assert sum(test.auroc <= 0.05 for test in knower if test.auroc is not None) >= 9


def _test_given_size(seed: int, knows: float) -> PermutationTest:
    """The test beyond a number that differs by 1.5 SD between the classes, of a network that reads it."""
    random = np.random.default_rng(seed)
    labels = [place % 2 for place in range(60)]
    sizes = [1.5 * label + float(random.normal()) for label in labels]
    logits = [
        size - 0.75 + 0.5 * float(random.normal()) + knows * (label - 0.5)
        for size, label in zip(sizes, labels, strict=True)
    ]
    rows = [
        Prediction(f"s{place}", label, (1 - p, p), 0.5, 1, fields={"size": f"{size:.4f}"})
        for place, (label, size, p) in enumerate(zip(labels, sizes, 1 / (1 + np.exp(-np.array(logits))), strict=True))
    ]
    settings = ScoringSettings(draws=199, seed=1)
    (test,) = [
        each for each in summarize(rows, ["M", "F"], settings=settings).permutation.tests if each.within == ["size"]
    ]
    return test


def test_everyone_of_the_datalist_tells_how_a_number_goes_with_the_class() -> None:
    random = np.random.default_rng(0)
    labels, second = np.arange(20) % 2, random.random(20)
    rows = [
        Prediction(f"s{place}", int(label), (1 - p, p), 0.5, 1, fields={"size": place})
        for place, (label, p) in enumerate(zip(labels, second.tolist(), strict=True))
    ]
    all_labels, sizes = np.arange(100) % 2, random.integers(0, 20, 100) + 3 * (np.arange(100) % 2)
    everyone = tuple((int(label), {"size": int(size)}) for label, size in zip(all_labels, sizes, strict=True))
    test = summarize(rows, ["M", "F"], settings=ScoringSettings(draws=199, everyone=everyone)).permutation.tests[1]
    own = np.arange(20.0)[:, np.newaxis]
    given = class_probabilities(sizes[:, np.newaxis].astype(float), all_labels, 2, own)
    expected = conditional_p_value(np.stack([1 - second, second], axis=1), labels, given, draws=199)
    assert test.auroc == expected


def test_a_field_that_is_associated_with_the_class_is_warned_of() -> None:
    rows = [
        Prediction(f"s{place}", place % 2, (0.5, 0.5), 0.5, 1, fields={"age": "old" if place % 2 else "young"})
        for place in range(20)
    ]
    warnings = summarize(rows, ["M", "F"], settings=QUICK).warnings
    assert with_parts(warnings, "age is associated with the class", "0 of 20")


def test_a_collapsed_gate_and_a_useless_modality_are_warned_of() -> None:
    rows = [
        Prediction(f"s{place}", place % 2, (0.4, 0.6), 0.01, 1, without_eeg=(0.41, 0.59), without_mri=(0.6, 0.4))
        for place in range(20)
    ]
    warnings = summarize(rows, ["M", "F"], settings=QUICK).warnings
    assert with_parts(warnings, "gate has collapsed", "below 0.05", "only the MRI")
    assert with_parts(warnings, "the EEG has no effect", "1.0 % of the probability")
    assert not with_parts(warnings, "the MRI has no effect")


def test_a_gate_that_is_the_same_for_all_participants_is_warned_of() -> None:
    generator = np.random.default_rng(1)

    def warnings(gates: np.ndarray, **more: Any) -> list[str]:
        rows = [Prediction(f"s{place}", place % 2, (0.4, 0.6), float(gate), 1, **more)
                for place, gate in enumerate(gates)]  # fmt: skip
        return with_parts(summarize(rows, ["M", "F"], settings=QUICK).warnings, "same for all participants")

    assert_parts(warnings(generator.normal(0.44, 0.008, 20))[0], "mean 0.44", "by a constant")
    assert not warnings(generator.normal(0.44, 0.1, 20))
    # A gate that varies, and decides nothing: the mean gate for all gives the same probabilities.
    assert_parts(warnings(generator.normal(0.44, 0.1, 20), mean_gate=(0.41, 0.59))[0], "no probability", "0.010")
    assert not warnings(generator.normal(0.44, 0.1, 20), mean_gate=(0.5, 0.5))
    assert not warnings(np.full(20, 0.5))  # a head without a gate


def test_the_loss_without_a_modality_has_a_paired_interval() -> None:
    """Predictions that hardly change have a narrow one, far narrower than that of either AUROC."""
    generator = np.random.default_rng(2)
    labels = np.array([0, 1] * 40)
    odds = generator.normal(size=80) + 1.5 * (labels - 0.5)

    def two(values: np.ndarray) -> list[tuple[float, float]]:
        return [(1 - one, one) for one in (1 / (1 + np.exp(-values))).tolist()]

    nearly, nothing = two(odds + generator.normal(0, 0.1, 80)), two(generator.normal(size=80))
    rows = [
        Prediction(f"s{place}", int(label), both, 0.4, 1, without_eeg=one, without_mri=other)
        for place, (label, both, one, other) in enumerate(zip(labels, two(odds), nearly, nothing, strict=True))
    ]
    found = summarize(rows, ["M", "F"]).modalities
    assert found is not None and found.without_eeg.auroc is not None
    loss, large = found.without_eeg.lost_auroc, found.without_mri.lost_auroc
    full = roc_auc_score(labels, [row.probabilities[1] for row in rows])
    assert loss.value == pytest.approx(full - found.without_eeg.auroc)
    assert loss.interval is not None and loss.interval[0] < 0 < loss.interval[1]
    assert loss.interval[1] - loss.interval[0] < 0.05
    assert large.interval is not None and large.interval[0] > 0
    few = summarize(rows[:14], ["M", "F"], settings=QUICK).modalities
    assert few is not None and few.without_eeg.lost_auroc.interval is None
    assert_parts(few.without_eeg.lost_auroc.note, "fewer than 10 participants in a class")
