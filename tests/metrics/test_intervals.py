"""Intervals against scipy, and how often they hold the truth."""

import numpy as np
import pytest
from scipy import stats

from monai_fusion.metrics import scores
from monai_fusion.metrics.group_scores import GroupScorer
from monai_fusion.metrics.intervals import (
    Interval,
    bca,
    bootstrap,
    drawn_within_class,
    mean_of_proportions,
    newcombe_auroc,
    wilson,
)
from monai_fusion.metrics.scores import ScoredCohort
from tests.benchmarks.bench_intervals import coverage

LABELS = np.repeat([0, 1], [23, 12])


def outcome_of(seed: int, labels: np.ndarray = LABELS, effect: float = 1.2, digits: int | None = None) -> ScoredCohort:
    evidence = effect * (labels - 0.5) + np.random.default_rng(seed).normal(size=len(labels))
    positive = 1 / (1 + np.exp(-evidence if digits is None else -np.round(evidence, digits)))
    return ScoredCohort.of(np.stack([1 - positive, positive], axis=1), labels)


@pytest.mark.parametrize(("hits", "number"), [(0, 5), (5, 5), (1, 1), (7, 12), (40, 200)])
def test_wilsons_interval_is_scipys(hits: int, number: int) -> None:
    expected = stats.binomtest(hits, number).proportion_ci(method="wilson")
    found = wilson(hits, number)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= found.low <= hits / number <= found.high <= 1


def test_a_proportion_of_no_participants_has_no_interval() -> None:
    with pytest.raises(ValueError, match="no participants"):
        wilson(0, 0)


def test_participants_are_drawn_with_replacement_within_their_class() -> None:
    weights = drawn_within_class(LABELS, 500, seed=4)
    assert weights.shape == (500, 35)
    assert (weights[:, LABELS == 0].sum(axis=1) == 23).all() and (weights[:, LABELS == 1].sum(axis=1) == 12).all()
    assert weights.mean(axis=0) == pytest.approx(1, abs=0.2) and weights.max() >= 4
    assert np.array_equal(weights, drawn_within_class(LABELS, 500, seed=4))
    assert not np.array_equal(weights, drawn_within_class(LABELS, 500, seed=5))


@pytest.mark.parametrize(
    ("name", "digits"), [("auroc", None), ("auroc", 0), ("brier", None)], ids=["auroc", "auroc with ties", "brier"]
)
def test_the_bca_interval_is_scipys_of_the_same_draws(name: str, digits: int | None) -> None:
    outcome = outcome_of(1, digits=digits)
    score = getattr(scores, name)
    positive = outcome.probabilities[:, 1]

    def statistic(zeros: np.ndarray, ones: np.ndarray) -> float:
        if name == "brier":
            return float((np.sum(zeros**2) + np.sum((1 - ones) ** 2)) / (len(zeros) + len(ones)))
        return float(stats.mannwhitneyu(ones, zeros).statistic / (len(ones) * len(zeros)))

    drawn = score(outcome, drawn_within_class(LABELS, 800, seed=2))
    mine = bootstrap(lambda weights: {name: score(outcome, weights)}, LABELS, draws=800, seed=2)[name]
    ready = stats.bootstrap(  # scipy takes up draws that are there already
        (positive[LABELS == 0], positive[LABELS == 1]),
        statistic,
        vectorized=False,
        method="BCa",
        n_resamples=0,
        bootstrap_result=stats._resampling.BootstrapResult(None, drawn, 0.0),
    ).confidence_interval
    assert mine is not None and mine.method == "bca"
    assert (mine.low, mine.high) == pytest.approx((ready.low, ready.high), abs=1e-9)


def test_with_draws_of_its_own_scipy_finds_about_the_same() -> None:
    outcome = outcome_of(3)
    groups = [outcome.probabilities[label == LABELS, 1] for label in (0, 1)]
    theirs = stats.bootstrap(
        groups,
        lambda zeros, ones, axis: stats.mannwhitneyu(ones, zeros, axis=axis).statistic / (23 * 12),
        method="BCa",
        n_resamples=4000,
        rng=np.random.default_rng(0),
        batch=500,
    ).confidence_interval
    mine = GroupScorer(outcome, ["M", "F"], draws=4000).auroc().interval
    assert mine == pytest.approx((theirs.low, theirs.high), abs=0.02)


def test_an_interval_is_the_same_every_time_and_for_any_number_of_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = outcome_of(5)
    first = GroupScorer(outcome, ["M", "F"]).overall()
    monkeypatch.setattr("monai_fusion.metrics.intervals._BLOCK", 999)
    assert GroupScorer(outcome, ["M", "F"]).overall() == first
    assert GroupScorer(outcome, ["M", "F"], seed=2).overall() != first


def test_draws_all_on_one_side_of_the_value_give_the_interval_of_the_percentiles() -> None:
    drawn = np.linspace(0.5, 0.7, 101)
    found = bca(0.4, drawn, np.array([0.4, 0.3, 0.5, 0.35]), np.array([0, 0, 1, 1]))
    assert found == Interval(pytest.approx(0.505), pytest.approx(0.695), "percentile")  # type: ignore[arg-type] # approx


def test_what_does_not_vary_or_is_not_defined_has_no_bootstrap_interval() -> None:
    labels, left_out = np.array([0, 0, 1, 1]), np.array([1.0, 1.0, 1.0, 1.0])
    assert bca(1.0, np.ones(50), left_out, labels) is None
    assert bca(0.5, np.array([0.1, np.nan, 0.3]), left_out, labels) is None
    single = np.array([0, 0, 0, 1])
    assert bootstrap(lambda weights: {"score": weights[:, 0]}, single) == {"score": None}


def test_newcombes_interval_solves_its_equation_and_has_a_width_where_a_bootstrap_has_none() -> None:
    found = newcombe_auroc(0.8, 10, 20)
    for end in (found.low, found.high):
        variance = end * (1 - end) * (1 + 14 * ((1 - end) / (2 - end) + end / (1 + end))) / 200
        assert abs(0.8 - end) / np.sqrt(variance) == pytest.approx(stats.norm.ppf(0.975), rel=1e-6)
    perfect = newcombe_auroc(1.0, 4, 8)
    assert perfect.high == 1.0 and 0.6 < perfect.low < 0.75
    assert (newcombe_auroc(0.0, 4, 8).low, newcombe_auroc(0.0, 4, 8).high) == pytest.approx((0.0, 1 - perfect.low))


def test_the_mean_of_proportions_that_are_all_one_still_has_a_width() -> None:
    found = mean_of_proportions([8, 4], [8, 4])
    low = np.hypot(1 - wilson(8, 8).low, 1 - wilson(4, 4).low) / 2
    assert (found.low, found.high) == pytest.approx((1 - low, 1.0))
    assert mean_of_proportions([5], [7]).low == pytest.approx(wilson(5, 7).low)


def test_95_percent_intervals_hold_the_truth_in_92_to_98_percent_of_cohorts_of_100() -> None:
    found = coverage((60, 40), 1.5, number=250, draws=400, seed=1)
    shown = {name: held for name, (held, given) in found.items() if given > 0}
    assert {"auroc", "balanced_accuracy", "brier", "calibration slope", "lost AUROC"} <= shown.keys()
    wide = shown.pop("calibration intercept")  # it depends on the class counts, which are fixed here
    assert wide >= 0.9
    assert all(0.9 <= held <= 0.995 for held in shown.values()), shown  # 1.5 points of chance in the simulation itself
