"""Whole groups are drawn and counted: against doubled cohorts, exact enumeration, formulas by hand and simulation."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm
from scipy.stats import t as student_t
from sklearn.metrics import roc_auc_score

from monai_fusion.evaluation.result_writer import ResultWriter
from monai_fusion.metrics import scores
from monai_fusion.metrics.clusters import as_groups, design_effect, group_strata, joined_groups
from monai_fusion.metrics.confounds import class_probabilities, conditional_p_value, matched_pairs
from monai_fusion.metrics.gate import lost_scores
from monai_fusion.metrics.group_scores import GroupScorer
from monai_fusion.metrics.intervals import bootstrap, newcombe_auroc, wilson, wilson_of_groups
from monai_fusion.metrics.logistic_calibration import calibration_intercept, calibration_slope
from monai_fusion.metrics.metrics_file import Metrics
from monai_fusion.metrics.permutation import count_exchangeable, permutation_p_values, permuted_labels
from monai_fusion.metrics.predictions import Prediction, scored_cohort
from monai_fusion.metrics.probability_quality import reliability_bins
from monai_fusion.metrics.scores import ScoredCohort
from monai_fusion.metrics.summary import ScoringSettings, summarize
from tests.message_parts import with_parts

STRANGERS = np.random.default_rng(0)
LABELS = np.arange(60) % 2
VALUES = STRANGERS.normal(size=60) + 1.2 * (LABELS - 0.5)


def cohort_of(values: np.ndarray, labels: np.ndarray, groups: np.ndarray | None = None) -> ScoredCohort:
    second = expit(1.2 * values)
    return replace(ScoredCohort.of(np.stack([1 - second, second], axis=1), labels), groups=groups)


def doubled() -> ScoredCohort:
    """Every stranger twice, as a pair: no more is known than from the strangers."""
    return cohort_of(np.repeat(VALUES, 2), np.repeat(LABELS, 2), np.repeat(np.arange(60), 2))


def people(groups: list[str | None], seed: int = 0) -> list[Prediction]:
    random = np.random.default_rng(seed)
    rows = []
    for place, group in enumerate(groups):
        label = int(random.integers(2))
        second = float(expit(random.normal() + 2 * label - 1))
        without = {"without_eeg": (0.4, 0.6), "without_mri": (1 - second / 2, second / 2)}
        rows.append(Prediction(f"p{place}", label, (1 - second, second), 0.5, 2, group=group, **without))  # type: ignore[arg-type]
    return rows


def test_groups_are_numbered_in_their_order_and_strangers_have_none() -> None:
    assert as_groups(["b", None, "a", "b", ""]).tolist() == [0, 1, 2, 0, 3]  # type: ignore[union-attr]
    assert as_groups(["a", None, "b"]) is None


def test_the_design_effect_of_pairs_is_that_of_their_agreement() -> None:
    pairs = np.repeat(np.arange(50), 2)
    alike = np.repeat(np.arange(50) % 2, 2).astype(float)
    assert design_effect(alike, pairs) == 2.0  # two who are always alike count as one
    assert design_effect(np.arange(100) % 2 * 1.0, pairs) == 1.0  # one of each: never below 1
    assert design_effect(np.ones(100), pairs) == 2.0  # nothing tells how alike they are
    # By hand: 30 pairs agree (15 of each), 20 do not; the variance of the totals over 50 pairs is 30 * 1 / 49.
    mixed = np.concatenate([np.repeat(np.arange(30) % 2, 2), np.tile([0, 1], 20)]).astype(float)
    assert design_effect(mixed, pairs) == pytest.approx((50 / 49) * 30 / (100 * 0.25))


def test_groups_are_drawn_within_their_classes_and_small_strata_are_joined() -> None:
    labels = np.array([0, 0, 1, 1, 0, 1] * 5)
    groups = np.repeat(np.arange(15), 2)  # in turn (0, 0), (1, 1) and (0, 1)
    assert group_strata(labels, groups).tolist() == [0, 1, 2] * 5
    few = np.array([0] * 20 + [1] * 4 + [0, 1] * 6)
    strata = group_strata(few, np.repeat(np.arange(18), 2))
    assert strata.tolist() == [0] * 10 + [2] * 8  # the two pairs of class 1 are drawn with the mixed ones


def test_a_proportion_of_pairs_has_wilson_s_interval_of_half_as_many() -> None:
    hits = np.arange(30) % 3 > 0
    found = wilson_of_groups(np.repeat(hits, 2).astype(float), np.repeat(np.arange(30), 2))
    number = 30 * (norm.ppf(0.975) / student_t.ppf(0.975, 29)) ** 2
    by_hand = wilson(number * 2 / 3, number)
    assert (found.low, found.high) == pytest.approx((by_hand.low, by_hand.high), abs=1e-12)
    assert found.method == "wilson, design effect"
    assert wilson_of_groups(hits.astype(float), None) == wilson(20, 30)
    assert wilson_of_groups(hits.astype(float), np.arange(30)) == wilson(20, 30)
    perfect = wilson_of_groups(np.ones(60), np.repeat(np.arange(30), 2))
    assert perfect.high == 1.0
    assert perfect.low == pytest.approx(wilson(number, number).low)


@pytest.mark.parametrize("name", ["brier", "cross_entropy", "mcc"])
def test_drawing_pairs_gives_the_interval_of_the_strangers_that_they_double(name: str) -> None:
    def interval(cohort: ScoredCohort) -> tuple[float, float]:
        score = getattr(scores, name)
        found = bootstrap(lambda drawn: {name: score(cohort, drawn)}, cohort.labels, 500, 3, groups=cohort.groups)
        one = found[name]
        assert one is not None
        return one.low, one.high

    assert interval(doubled()) == pytest.approx(interval(cohort_of(VALUES, LABELS)), abs=1e-12)


def test_the_auroc_of_pairs_has_newcombe_s_interval_with_the_variance_of_the_strangers() -> None:
    found = GroupScorer(doubled(), ["M", "F"], 2000).auroc()
    assert found.method == "newcombe, design effect"
    assert found.value == pytest.approx(roc_auc_score(LABELS, VALUES))
    strangers = newcombe_auroc(found.value or 0, 30, 30)
    low, high = found.interval or (0, 0)
    assert high - low == pytest.approx(strangers.high - strangers.low, rel=0.15)
    alone = GroupScorer(replace(doubled(), groups=None), ["M", "F"], 2000).auroc()
    assert alone.interval is not None
    assert (alone.interval[1] - alone.interval[0]) < 0.8 * (high - low)


def test_the_calibration_of_pairs_is_as_uncertain_as_that_of_the_strangers() -> None:
    for fit in (calibration_slope, calibration_intercept):
        one, pairs = fit(VALUES, LABELS), fit(np.repeat(VALUES, 2), np.repeat(LABELS, 2), doubled().groups)
        alone = fit(np.repeat(VALUES, 2), np.repeat(LABELS, 2))
        assert one is not None and pairs is not None and alone is not None
        width = [each[1].high - each[1].low for each in (one, pairs, alone)]
        assert pairs[0] == pytest.approx(one[0])
        assert width[1] == pytest.approx(width[0], rel=0.25)
        assert width[2] == pytest.approx(width[0] / np.sqrt(2), rel=0.1)
        assert pairs[1].method == "profile likelihood, design effect"


def test_reliability_bins_and_losses_count_groups() -> None:
    grouped = reliability_bins(doubled())[0].interval
    alone = reliability_bins(replace(doubled(), groups=None))[0].interval
    assert grouped[1] - grouped[0] > 1.2 * (alone[1] - alone[0])
    rest = cohort_of(np.repeat(VALUES / 2 + STRANGERS.normal(size=60), 2), doubled().labels, doubled().groups)
    pairs = lost_scores(doubled(), rest)["auroc"].interval or (0, 0)
    as_strangers = lost_scores(replace(doubled(), groups=None), rest)["auroc"].interval or (0, 0)
    assert pairs[1] - pairs[0] > 1.2 * (as_strangers[1] - as_strangers[0])


def test_participants_who_are_alone_have_the_same_numbers_with_and_without_names_of_groups() -> None:
    plain, named = people([None] * 40), people([f"g{place}" for place in range(40)])
    settings = ScoringSettings(draws=200)
    assert summarize(plain, ["M", "F"], settings=settings) == summarize(named, ["M", "F"], settings=settings)
    assert scored_cohort(named).groups is None


def test_families_of_one_class_exchange_their_labels_whole() -> None:
    """All 20 ways to give three of six families the second class, counted one by one."""
    groups, labels = np.repeat(np.arange(6), 2), np.repeat([0, 0, 0, 1, 1, 1], 2)
    values = np.array([0.1, 0.2, 0.7, 0.1, 0.3, 0.2, 0.8, 0.9, 0.5, 0.6, 0.4, 0.3])
    cohort = ScoredCohort.of(np.stack([1 - values, values], axis=1), labels)
    observed = roc_auc_score(labels, values)
    ways = [np.repeat([place in chosen for place in range(6)], 2) for chosen in itertools.combinations(range(6), 3)]
    exact = np.mean([roc_auc_score(way, values) >= observed - 1e-9 for way in ways])
    cells = np.zeros(12, dtype=np.int64)
    found = permutation_p_values(replace(cohort, groups=groups), cells, draws=8000)["auroc"]
    assert found == pytest.approx(exact, abs=0.015)
    alone = permutation_p_values(cohort, cells, draws=8000)["auroc"]
    assert alone is not None and alone < exact / 3  # 12 strangers would be far more surprising


def test_pairs_of_two_classes_exchange_labels_within_the_pair() -> None:
    """All 64 ways to turn six pairs, counted one by one."""
    groups, labels = np.repeat(np.arange(6), 2), np.tile([0, 1], 6)
    values = np.array([0.1, 0.2, 0.7, 0.75, 0.3, 0.5, 0.8, 0.9, 0.6, 0.5, 0.2, 0.3])
    cohort = ScoredCohort.of(np.stack([1 - values, values], axis=1), labels)
    turned = [np.concatenate([[1 - way, way] for way in ways]) for ways in itertools.product([0, 1], repeat=6)]
    observed = roc_auc_score(labels, values)
    exact = np.mean([roc_auc_score(way, values) >= observed - 1e-9 for way in turned])
    cells = np.zeros(12, dtype=np.int64)
    found = permutation_p_values(replace(cohort, groups=groups), cells, draws=8000)["auroc"]
    assert found == pytest.approx(exact, abs=0.015)


def test_exchanged_labels_stay_together_and_in_their_cells() -> None:
    groups = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 5, 5])
    labels = np.array([0, 0, 1, 1, 0, 0, 1, 1, 1, 0, 1, 1])
    cells = np.array([0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 1])
    drawn = permuted_labels(labels, cells, 300, 1, groups)
    assert (drawn[:, [8]] == 1).all()  # no other group of one
    for pair in ((0, 1), (2, 3), (4, 5), (6, 7)):
        assert (drawn[:, pair[0]] == drawn[:, pair[1]]).all()
    assert (drawn[:, [0, 2]].sum(axis=1) == 1).all()
    assert (drawn[:, [4, 6]].sum(axis=1) == 1).all()
    assert (drawn[:, 11] == 1).all()  # the only one of its group in this cell
    assert set(drawn[:, 9]) == {0, 1}
    assert count_exchangeable(labels, cells, groups) == 10


def test_a_test_of_groups_finds_nothing_where_nothing_is_in_one_of_twenty() -> None:
    random = np.random.default_rng(4)
    groups, p_whole, p_alone = np.repeat(np.arange(24), 3), [], []
    for _ in range(150):
        labels = np.repeat(random.permutation(24) % 2, 3)
        values = np.sqrt(0.8) * random.normal(size=24)[groups] + np.sqrt(0.2) * random.normal(size=72)
        cells = np.zeros(72, dtype=np.int64)
        p_whole.append(permutation_p_values(cohort_of(values, labels, groups), cells, 199)["auroc"] or 1)
        p_alone.append(permutation_p_values(cohort_of(values, labels), cells, 199)["auroc"] or 1)
    assert np.mean(np.array(p_whole) <= 0.05) <= 0.09
    assert np.mean(np.array(p_alone) <= 0.05) >= 0.09


def test_beyond_a_covariate_families_are_one_each() -> None:
    random = np.random.default_rng(5)
    groups, alarms = np.repeat(np.arange(30), 3), {True: 0, False: 0}
    for _ in range(120):
        labels = np.repeat(random.permutation(30) % 2, 3)

        def noise() -> np.ndarray:
            return np.sqrt(0.8) * random.normal(size=30)[groups] + np.sqrt(0.2) * random.normal(size=90)

        covariate = noise() + labels
        reader = cohort_of(covariate + noise(), labels)
        given = class_probabilities(covariate[:, None], labels, 2)
        for whole in alarms:
            p = conditional_p_value(reader.probabilities, labels, given, draws=199, groups=groups if whole else None)
            alarms[whole] += (p or 1) <= 0.05
    assert alarms[True] <= 12
    assert alarms[False] >= 15
    knower = cohort_of(covariate + 3 * labels + noise(), labels)
    p = conditional_p_value(knower.probabilities, labels, given, draws=499, groups=groups)
    assert p is not None and p < 0.02


def test_matched_pairs_that_share_a_family_count_as_one() -> None:
    assert joined_groups(np.array([0, 1, 2, 3]), np.array([4, 5, 4, 6])).tolist() in ([0, 1, 0, 2], [1, 0, 1, 2])
    labels = np.repeat([0, 1], 24)
    covariate, score = np.tile(np.arange(24.0), 2) * 10, np.random.default_rng(1).random(48)
    groups = np.tile(np.arange(8), 6)
    alone = matched_pairs(score, labels, covariate, 1.0)
    families = matched_pairs(score, labels, covariate, 1.0, groups)
    assert families.auroc == alone.auroc
    assert alone.interval is not None and families.interval is not None
    assert families.interval.high - families.interval.low > alone.interval.high - alone.interval.low


def test_intervals_of_families_hold_the_truth_where_those_of_strangers_do_not() -> None:
    random = np.random.default_rng(6)
    truth = {"auroc": norm.cdf(1.5 / np.sqrt(2)), "balanced_accuracy": norm.cdf(0.75), "accuracy": norm.cdf(0.75)}
    held: dict[tuple[str, bool], list[bool]] = {}
    for _ in range(120):
        sizes = random.integers(2, 5, size=24)
        groups, labels = np.repeat(np.arange(24), sizes), np.repeat((np.arange(24) % 2), sizes)
        values = np.sqrt(0.8) * random.normal(size=24)[groups] + np.sqrt(0.2) * random.normal(size=len(groups))
        for whole in (True, False):
            cohort = cohort_of(values + 1.5 * (labels - 0.5), labels, groups if whole else None)
            scorer = GroupScorer(cohort, ["M", "F"], 300, headline_only=True)
            for name, right in truth.items():
                low, high = getattr(scorer, name)().interval or (0, 1)
                held.setdefault((name, whole), []).append(low <= right <= high)
    for name in truth:
        assert np.mean(held[name, True]) >= 0.9
        assert np.mean(held[name, False]) <= 0.87


def evaluated(folder: Path, groups: list[str], **more: object) -> Metrics:
    rows = [
        replace(row, fields={"family": name, "age": 30})
        for row, name in zip(people([None] * len(groups)), groups, strict=True)
    ]
    ResultWriter(folder, ["M", "F"], section="test", group_by=("family",), **more)(rows)  # type: ignore[arg-type]
    return Metrics.model_validate_json((folder / "metrics.json").read_text(encoding="utf-8"))


def test_an_evaluation_draws_the_groups_that_the_datalist_names(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    found = evaluated(tmp_path, [f"f{place // 3}" for place in range(90)])
    assert found.groups is not None
    assert (found.groups.groups, found.groups.smallest, found.groups.largest) == (30, 3, 3)
    assert found.groups.resampled
    assert "intervals and permutations draw 30 whole groups by family, of 3 participants each" in caplog.text
    assert found.scores.auroc.method == "newcombe, design effect"
    assert found.scores.accuracy.method == "wilson, design effect"
    left_out = {each.field: each.reason for each in found.strata_left_out}
    assert left_out["family"] == "names the groups that are resampled whole"
    lines = (tmp_path / "predictions.csv").read_text(encoding="utf-8").splitlines()
    place = lines[0].split(",").index("group")
    assert [line.split(",")[place] for line in lines[1:5]] == ["p0", "p0", "p0", "p3"]


def test_few_groups_are_warned_of_and_below_six_have_no_interval(tmp_path: Path) -> None:
    few = evaluated(tmp_path / "8", [f"f{place // 4}" for place in range(32)])
    assert with_parts(few.warnings, "only 8 groups by family", "fewer than 10")
    assert few.scores.auroc.interval is not None
    none = evaluated(tmp_path / "5", [f"f{place // 6}" for place in range(30)])
    for score in (none.scores.auroc, none.scores.balanced_accuracy, none.scores.accuracy):
        assert (score.interval, score.note) == (None, "no interval: fewer than 6 groups")
    one = evaluated(tmp_path / "1", ["f"] * 30)
    assert one.groups is not None and not one.groups.resampled
    assert one.scores.auroc.method == "bca"  # about other participants of this one group
    assert with_parts(one.warnings, "all participants are of one family")


def test_relatives_whom_the_datalist_does_not_name_are_warned_of() -> None:
    rows = [replace(row, fields={"family": f"f{place // 2}"}) for place, row in enumerate(people([None] * 40))]
    warnings = summarize(rows, ["M", "F"], settings=ScoringSettings(draws=50)).warnings
    assert with_parts(warnings, "20 of 20 groups by family", "group_by does not name family")
    named = ScoringSettings(draws=50, group_by=("family",))
    assert not with_parts(summarize(rows, ["M", "F"], settings=named).warnings, "group_by does not name")
