"""Covariates in a comparison: what they explain on its folds, and what each variant knows beyond them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from monai_fusion.comparison.comparison_file import Comparison, VariantConfound
from monai_fusion.comparison.comparison_page import render_comparison
from monai_fusion.comparison.covariate_words import beyond_sentences, not_beyond
from monai_fusion.comparison.covariates import with_covariates
from monai_fusion.comparison.people import People, people_of
from monai_fusion.comparison.planning import CompareOptions, Plan, make_plan
from monai_fusion.comparison.results import compare_runs, out_of_fold_arrays, read_runs
from monai_fusion.comparison.run_records import RunRecord
from monai_fusion.comparison.statistics import corrected_t_test
from monai_fusion.comparison.terminal_table import table_lines
from monai_fusion.errors import InputError
from monai_fusion.evaluation.result_writer import ResultWriter
from monai_fusion.metrics.predictions import Prediction
from tests.baseline.cohorts import Cohort, write_cohort
from tests.comparison.finished import finished, write_folds, write_training
from tests.message_parts import assert_parts
from tests.support import BUNDLE_CONFIGS


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Sixty people whose classes overlap in the size of the head (d about 1.7)."""
    return write_cohort(tmp_path_factory.mktemp("heads"), people=60, apart=1.0, tested=10)


@pytest.fixture
def plan(cohort: Cohort, tmp_path: Path) -> Plan:
    options = CompareOptions(
        cohort.path,
        tmp_path / "out",
        variants=("concat",),
        folds=3,
        bundle_root=BUNDLE_CONFIGS.parent,
        words=("--eeg_shape", "[8, 10, 3]"),
    )
    return make_plan(options)


def compared(plan: Plan, records: list[RunRecord]) -> tuple[Comparison, People]:
    runs = read_runs(records)
    people = people_of(plan, out_of_fold_arrays(plan, runs))
    return with_covariates(plan, people, compare_runs(plan, runs, draws=200), draws=200), people


def of(found: Comparison, variant: str, *fields: str) -> VariantConfound:
    (one,) = [each for each in found.confounds if (each.variant, tuple(each.fields)) == (variant, fields)]
    return one


def head_readers(plan: Plan, cohort: Cohort, knows: float = 0.0) -> list[RunRecord]:
    """Finished runs whose networks read the head's size (each fold on another scale), and so much of the class."""
    write_folds(plan)
    names = list(cohort.labels)
    second = replace(cohort, tested=names).second(knows)
    everyone = {name: p / (1 - p) for name, p in second.items()}
    for run in plan.runs:
        record = RunRecord(run)
        record.begin()
        write_training(run, plan)
        rows = [row["participant_id"] for row in plan.contents[run.fold]["test"]]
        odds = {name: everyone[name] * 4.0**run.fold for name in rows}
        found = [
            Prediction(name, cohort.labels[name], (1 / (1 + o), o / (1 + o)), gate=0.5, segments=1)
            for name, o in odds.items()
        ]
        ResultWriter(run.folder, ["M", "F"])(found)
        record.add_time(1.0, evaluated=True)
    return [RunRecord(run) for run in plan.runs]


def test_covariates_alone_are_tested_in_the_same_folds_by_models_of_the_others(plan: Plan) -> None:
    found, people = compared(plan, finished(plan))
    assert [(each.fields, each.variant) for each in found.confounds][::2] == [
        (fields, "gated") for fields in (["head_volume"], ["age"], ["head_volume", "age"])
    ]
    data, classes = people.data, people.data.labels
    age = np.array([float(record.extra["age"]) for record in people.numbers.records])[:, np.newaxis]
    model = make_pipeline(
        StandardScaler(),
        FunctionTransformer(lambda z: np.concatenate([z, z**2], axis=1)),
        LogisticRegression(C=1000.0, max_iter=5000),
    )
    right = pairs = 0.0
    apart = []
    gated = data.cohorts["gated"][0].probabilities[:, 1]
    for fold in range(3):
        here = data.folds == fold
        model.fit(age[~here], classes[~here])
        area = roc_auc_score(classes[here], model.predict_proba(age[here])[:, 1])
        number = classes[here].sum() * (1 - classes[here]).sum()
        right, pairs = right + area * number, pairs + number
        apart.append(roc_auc_score(classes[here], gated[here]) - area)
    one = of(found, "gated", "age")
    assert one.covariates_auroc == pytest.approx(right / pairs)
    assert one.covariates_auroc == of(found, "concat", "age").covariates_auroc
    assert found.variants[0].auroc.value is not None
    assert one.minus_covariates.value == pytest.approx(found.variants[0].auroc.value - right / pairs)
    interval = one.minus_covariates.interval
    assert interval is not None and interval[0] < one.minus_covariates.value < interval[1]  # type: ignore[operator]
    expected = corrected_t_test(apart, 20 / 40)
    assert expected is not None and one.minus_covariates.t_test is not None
    assert one.minus_covariates.t_test.p == pytest.approx(expected.p)
    assert one.minus_covariates.t_test.p_holm >= expected.p


def test_knowing_more_is_tested_on_out_of_fold_predictions_with_a_level_for_each_fold(
    plan: Plan, cohort: Cohort
) -> None:
    found, people = compared(plan, head_readers(plan, cohort, knows=0.4))
    data, labels = people.data, people.data.labels
    volume = people.numbers.all_covariates[0].values
    z = (volume - volume.mean()) / volume.std()
    both = np.concatenate([z, z**2], axis=1)
    given = LogisticRegression(C=1000.0, max_iter=5000).fit(both, labels).predict_proba(both)[:, 1]
    logit = np.log(data.cohorts["gated"][0].probabilities)
    logit = logit[:, 1] - logit[:, 0]
    bounded = np.clip(np.log(given / (1 - given)), -8, 8)
    design = np.column_stack([bounded, bounded**2, *(data.folds == fold for fold in range(3))])
    rest = logit - LinearRegression(fit_intercept=False).fit(design, logit).predict(design)
    observed = ((labels - given) * rest).sum()
    random = np.random.default_rng(3)
    drawn = ((random.random((4000, len(labels))) < given) - given) @ rest
    expected = (1 + (np.sqrt(2) * drawn >= observed).sum()) / 4001  # widened, because predictions are out of fold
    one = of(found, "gated", "head_volume")
    assert one.p_beyond == pytest.approx(expected, abs=0.02)
    assert one.reference == one.participants == 60


def test_a_reader_of_heads_is_not_shown_to_know_more_and_one_that_knows_more_is(plan: Plan, cohort: Cohort) -> None:
    found, _ = compared(plan, head_readers(plan, cohort))
    one = of(found, "gated", "head_volume")
    assert one.p_beyond is not None and one.p_beyond > 0.05
    assert one.confounding_index is not None and one.confounding_index > 0.8
    assert one.matched_auroc is not None and abs(one.matched_auroc - 0.5) < 0.35 and one.matched_pairs > 5
    (sentence, *_) = beyond_sentences(found)
    assert sentence.startswith("It is not shown that gated knows more of the class than head volume does")
    assert sentence in not_beyond(found)
    page, text = render_comparison(found), "\n".join(table_lines(found))
    assert_parts(page, sentence.split(" (")[0], 'id="covariates"', "AUROC alone")
    assert_parts(text, "AUROC alone", "head volume", "head volume differs between the classes", sentence)
    assert text.count(sentence) == 1
    more, _ = compared(plan, head_readers(plan, cohort, knows=2.0))
    known = of(more, "gated", "head_volume")
    assert known.p_beyond is not None and known.p_beyond < 0.01
    assert known.matched_auroc is not None and known.matched_auroc > 0.8
    assert not_beyond(more) == [] and beyond_sentences(more)[0].startswith("gated knows more of the class than")


def test_pairs_are_of_one_fold(plan: Plan, cohort: Cohort) -> None:
    """The scales of the folds differ by a factor of four: pairs of two folds would be in any order."""
    found, _ = compared(plan, head_readers(plan, cohort, knows=4.0))
    assert of(found, "gated", "head_volume").matched_auroc == 1.0


def test_repeats_average_and_count_participants_once(plan: Plan) -> None:
    plan = make_plan(replace(plan.options, repeats=2, seeds=2))
    found, people = compared(plan, finished(plan))
    one = of(found, "gated", "age")
    assert one.participants == 60 and len(people.data.cohorts["gated"]) == 4
    assert one.matched_pairs <= 30
    assert one.minus_covariates.t_test is not None and one.minus_covariates.t_test.degrees_of_freedom == 5
    assert found.variants[0].auroc.value is not None and one.covariates_auroc is not None
    assert one.minus_covariates.value == pytest.approx(found.variants[0].auroc.value - one.covariates_auroc)


def test_participants_without_a_value_are_left_out_of_it(plan: Plan) -> None:
    runs = read_runs(finished(plan))
    people = people_of(plan, out_of_fold_arrays(plan, runs))
    (age,) = people.numbers.covariates
    values = age.values.copy()
    values[::6] = np.nan
    holes = replace(people, numbers=replace(people.numbers, covariates=(replace(age, values=values),)))
    found = with_covariates(plan, holes, compare_runs(plan, runs, draws=100), draws=100)
    assert (of(found, "gated", "age").participants, of(found, "gated", "head_volume").participants) == (50, 60)


def test_only_named_covariates_are_used_and_an_unknown_one_is_refused(plan: Plan) -> None:
    named = make_plan(replace(plan.options, covariates=("head_volume",)))
    found, _ = compared(named, finished(named))
    assert {tuple(each.fields) for each in found.confounds} == {("head_volume",)}
    with pytest.raises(InputError) as caught:
        make_plan(replace(plan.options, covariates=("aeg",)))
    assert_parts(str(caught.value), '--covariates: "aeg", expected fields of the datalist (age) or head_volume', "age")


def test_without_readable_recordings_the_fields_are_still_compared(
    plan_of: Callable[..., Plan], datalist: object
) -> None:
    path = datalist(more={f"sub-{n:02d}": {"age": 20 + 7 * n % 40} for n in range(1, 21)})  # type: ignore[operator]
    plan = plan_of(datalist=path, folds=2)
    found, people = compared(plan, finished(plan))
    assert people.unreadable and {tuple(each.fields) for each in found.confounds} == {("age",)}
