"""Plain numbers on the folds of a comparison, and what its page says of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from monai_fusion.comparison.comparison_file import Comparison
from monai_fusion.comparison.comparison_page import render_comparison
from monai_fusion.comparison.numbers import with_numbers
from monai_fusion.comparison.numbers_words import numbers_sentence, verdict
from monai_fusion.comparison.people import people_of
from monai_fusion.comparison.planning import CompareOptions, Plan, make_plan
from monai_fusion.comparison.results import FoldPredictions, compare_runs, out_of_fold_arrays, read_runs
from monai_fusion.comparison.terminal_table import table_lines
from monai_fusion.comparison.variants import select_variants
from tests.baseline.cohorts import Cohort, write_cohort
from tests.comparison.finished import finished
from tests.support import BUNDLE_CONFIGS


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Forty people whose classes differ in the size of the head."""
    return write_cohort(tmp_path_factory.mktemp("heads"), people=40, apart=2.0, tested=10)


@pytest.fixture
def plan(cohort: Cohort, tmp_path: Path) -> Plan:
    options = CompareOptions(
        cohort.path,
        tmp_path / "out",
        variants=("concat", "numbers"),
        folds=2,
        bundle_root=BUNDLE_CONFIGS.parent,
        words=("--eeg_shape", "[8, 10, 3]"),
    )
    return make_plan(options)


def compared(plan: Plan, runs: list[FoldPredictions], draws: int = 200) -> Comparison:
    """As the command does."""
    people = people_of(plan, out_of_fold_arrays(plan, runs))
    return with_numbers(plan, people, compare_runs(plan, runs, draws=draws), draws=draws)


def test_numbers_are_tested_on_the_same_folds(plan: Plan, cohort: Cohort) -> None:
    runs = read_runs(finished(plan))
    found = compared(plan, runs)
    assert [each.name for each in found.numbers] == ["head_volume", "covariates", "mri", "eeg", "eeg_raw_power", "all"]
    head = found.numbers[0]
    in_folds = []
    for number in range(2):
        rows = [row for run in runs if run.record.run.fold == number for row in run.participants]
        names = list(dict.fromkeys(row.participant_id for row in rows))
        size = [-cohort.sizes[name] for name in names]
        in_folds.append(roc_auc_score([cohort.labels[name] for name in names], size))
    assert head.auroc.folds == pytest.approx(in_folds, abs=0.04)  # the volume of few voxels is not the radius
    gated = found.variants[0].auroc.value
    apart = head.reference_minus[0]
    assert gated is not None and head.auroc.value is not None
    assert apart.value == pytest.approx(gated - head.auroc.value)
    assert apart.interval is not None and apart.interval[0] < apart.value < apart.interval[1]  # type: ignore[operator]
    assert apart.t_test is not None and apart.t_test.degrees_of_freedom == 1
    folds = [one - other for one, other in zip(found.variants[0].auroc.folds, head.auroc.folds, strict=True)]  # type: ignore[operator]
    assert apart.t_test.mean == pytest.approx(np.mean(folds))


def test_the_page_and_the_terminal_begin_with_numbers_that_do_better(plan: Plan) -> None:
    plan = make_plan(replace(plan.options, reference="concat", variants=("numbers",)))  # a weak one
    runs = read_runs(finished(plan))
    found = compared(plan, runs)
    sentence = numbers_sentence(found)
    assert sentence is not None and sentence.startswith("Plain numbers do better: ")  # the classes are 2 mm apart
    assert verdict(found)[0] == sentence
    page = render_comparison(found)
    assert 'id="numbers"' in page
    assert "the head volume alone" in page
    lines = list(table_lines(found))
    assert any(line.startswith("the head volume alone") for line in lines)
    assert "Plain numbers do better: " in lines[-1]


def test_recordings_that_cannot_be_read_are_a_note(plan_of: object) -> None:
    plan: Plan = plan_of(folds=2)  # type: ignore[operator] # the recordings are empty files
    runs = read_runs(finished(plan))
    found = compared(plan, runs, draws=50)
    assert found.numbers == []
    assert any("no comparison with plain numbers" in note for note in found.notes)


def test_numbers_is_no_training(plan: Plan) -> None:
    assert {run.variant.name for run in plan.runs} == {"gated", "concat"}
    assert [each.name for each in select_variants(["numbers"], "eeg")] == ["eeg"]
    assert all("'--baseline', 'false'" in repr(run.evaluate).lower() for run in plan.runs)


def test_the_same_comparison_gives_the_same_numbers(plan: Plan) -> None:
    runs = read_runs(finished(plan))
    first, again = (compared(replace(plan), runs, draws=100).numbers for _ in range(2))
    assert first == again
