"""Repeats of the folds: which runs there are, what is refused, and scores and tests over all of them."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t as student_t
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from monai_fusion.comparison.comparison_file import Comparison
from monai_fusion.comparison.comparison_page import render_comparison
from monai_fusion.comparison.covariates import with_covariates
from monai_fusion.comparison.people import people_of
from monai_fusion.comparison.planning import Plan
from monai_fusion.comparison.results import compare_runs, out_of_fold_arrays, read_runs, write_results
from monai_fusion.comparison.run_records import RunRecord
from monai_fusion.comparison.saved_comparison import comparison_methods, comparison_tables
from monai_fusion.comparison.statistics import DIFFERENCE, OutOfFold, values_and_intervals
from monai_fusion.comparison.terminal_table import table_lines
from monai_fusion.comparison.training_runs import check_folder, run_missing, space_needed
from monai_fusion.errors import InputError
from monai_fusion.metrics.scores import ScoredCohort
from tests.comparison.conftest import LABELS, Writer
from tests.comparison.finished import finished, with_programs
from tests.message_parts import assert_parts

Planner = Callable[..., Plan]


def folds_of(plan: Plan, repeat: int) -> list[set[str]]:
    contents = [json.loads(text) for text in plan.repeats[repeat].texts.values()]
    return [{row["participant_id"] for row in content["test"]} for content in contents]


def refused(plan_of: Planner, **changes: object) -> str:
    with pytest.raises(InputError) as caught:
        plan_of(**changes)
    return str(caught.value)


def test_the_first_repeat_is_the_comparison_without_repeats(plan_of: Planner) -> None:
    alone, three = plan_of(folds=4, seeds=2), plan_of(folds=4, seeds=2, repeats=3)
    assert three.folds == alone.folds
    assert three.runs[: len(alone.runs)] == alone.runs and len(three.runs) == 3 * len(alone.runs)
    assert len({run.folder for run in three.runs}) == len(three.runs)
    assert three.runs[: 2 * len(alone.runs)] == plan_of(folds=4, seeds=2, repeats=2).runs  # may be added later


def test_further_repeats_have_other_folds_other_seeds_and_folders_of_their_own(plan_of: Planner) -> None:
    plan = plan_of(folds=4, seeds=2, repeats=3)
    out = plan.options.output_dir
    second = [run for run in plan.runs if run.repeat == 2]
    assert [{run.seed for run in plan.runs if run.repeat == number} for number in (2, 3)] == [
        {2337, 2338},
        {3337, 3338},
    ]
    assert second[0].title == "gated, repeat 2, fold 0, seed 2337"
    assert second[0].folder == out / "repeat2" / "gated" / "seed2337_fold0"
    assert str(out / "repeat2" / "folds" / "fold0.json") in second[0].train[second[0].train.index("--datalist") + 1]
    for repeat in (1, 2, 3):
        tested = folds_of(plan, repeat)
        assert sorted(name for fold in tested for name in fold) == sorted(LABELS)
        others = [folds_of(plan, other) for other in (1, 2, 3) if other != repeat]
        assert all(fold not in other for fold in tested for other in others)


@pytest.mark.parametrize("number", [0, -1])
def test_no_repeat_is_refused(plan_of: Planner, number: int) -> None:
    assert refused(plan_of, repeats=number) == f"--repeats: {number}, expected 1 or more"


def test_the_folds_of_a_datalist_cannot_be_repeated(plan_of: Planner, datalist: Writer) -> None:
    path = datalist(more={name: {"fold": number % 4} for number, name in enumerate(LABELS)})
    assert_parts(refused(plan_of, datalist=path, repeats=2), "--repeats: 2, expected 1", "the datalist has folds")
    assert len(plan_of(datalist=path, repeats=1).runs) == 8


def test_groups_that_leave_only_one_way_to_fold_are_no_repeats(plan_of: Planner, datalist: Writer) -> None:
    of_class = {label: [name for name, own in LABELS.items() if own == label] for label in "MF"}
    sites = {name: "ABCDEF"[place % 6] for names in of_class.values() for place, name in enumerate(names)}
    path = datalist(more={name: {"site": site} for name, site in sites.items()})
    text = refused(plan_of, datalist=path, folds=6, repeats=2, group_by=("site",))
    assert_parts(text, "--repeats: 2", "the folds of repeat 2 are those of repeat 1", "whole groups of site")


def test_seeds_of_two_repeats_never_meet(plan_of: Planner) -> None:
    assert "--seeds: 1001, expected at most 1000" in refused(plan_of, folds=2, seeds=1001, repeats=2)


def test_scores_are_means_over_the_repeats_and_the_t_test_is_over_all_folds(plan_of: Planner) -> None:
    plan = plan_of(folds=4, repeats=3)
    runs = read_runs(finished(plan))
    found = compare_runs(plan, runs, draws=300)
    write_results(plan, runs, found)
    with (plan.options.output_dir / "out_of_fold.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    areas: dict[str, list[float]] = {}
    for name, variant in (("gated", found.variants[0]), ("concat", found.variants[1])):
        pooled, hits, areas[name] = [], [], []
        for repeat in "123":
            own = [row for row in rows if (row["variant"], row["repeat"]) == (name, repeat)]
            assert len(own) == 20
            hits.append(balanced_accuracy_score([row["label"] for row in own], [row["predicted"] for row in own]))
            right = pairs = 0
            for fold in "0123":
                here = [row for row in own if row["fold"] == fold]
                truth = [row["label"] == "F" for row in here]
                areas[name].append(float(roc_auc_score(truth, [float(row["probability_F"]) for row in here])))
                number = sum(truth) * (len(truth) - sum(truth))
                right, pairs = right + areas[name][-1] * number, pairs + number
            pooled.append(right / pairs)
        assert variant.auroc.value == pytest.approx(np.mean(pooled))
        assert variant.balanced_accuracy.value == pytest.approx(np.mean(hits))
        assert variant.auroc.folds == pytest.approx(areas[name])
    test = next(each.t_test for each in found.differences if each.score == "auroc")
    apart = np.array(areas["concat"]) - np.array(areas["gated"])
    t = apart.mean() / math.sqrt((1 / 12 + 5 / 15) * apart.var(ddof=1))  # 12 results; each fold tests 5 of 20
    assert test is not None and test.degrees_of_freedom == 11
    assert (test.t, test.p) == (pytest.approx(t), pytest.approx(2 * student_t.sf(abs(t), 11)))


def two_repeats(folds: int = 4, each: int = 20) -> OutOfFold:
    """Two variants in two repeats; the models of different folds are on different scales."""
    generator = np.random.default_rng(5)
    labels = np.tile([0, 0, 1], folds * each)[: folds * each].astype(np.int64)
    first = np.repeat(np.arange(folds), each)
    repeats = [first, generator.permutation(first)]
    found = {}
    for name, effect in (("weak", 0.3), ("strong", 1.2)):
        found[name] = []
        for numbers in repeats:
            second = 1 / (1 + np.exp(-generator.normal(effect * labels, 1) - 3 * numbers))
            found[name].append(ScoredCohort.of(np.stack([1 - second, second], axis=1), labels))
    return OutOfFold(labels, first, found, (repeats[1],))


def test_a_drawn_participant_brings_its_predictions_of_all_repeats() -> None:
    data = two_repeats()
    interval = values_and_intervals(data, "weak", draws=4000, seed=3)[1][DIFFERENCE + "auroc", 1]

    def score(cohort: ScoredCohort, folds: np.ndarray, rows: np.ndarray) -> float:
        right = pairs = 0.0
        for fold in range(4):
            own = rows[folds[rows] == fold]
            scores, labels = cohort.probabilities[own, 1], data.labels[own]
            apart = scores[labels == 1][:, None] - scores[labels == 0][None]
            right, pairs = right + (apart > 0).sum() + (apart == 0).sum() / 2, pairs + apart.size
        return right / pairs

    generator = np.random.default_rng(9)
    classes = [np.flatnonzero(data.labels == label) for label in (0, 1)]
    differences = []
    for _ in range(1500):
        rows = np.concatenate([generator.choice(some, len(some)) for some in classes])
        means = [
            np.mean([score(*pair, rows) for pair in zip(data.cohorts[name], data.repeats, strict=True)])
            for name in ("strong", "weak")
        ]
        differences.append(means[0] - means[1])
    low, high = np.quantile(differences, [0.025, 0.975])
    assert interval is not None
    assert interval.low == pytest.approx(low, abs=0.02) and interval.high == pytest.approx(high, abs=0.02)


def test_the_same_predictions_again_are_no_more_participants() -> None:
    data = two_repeats()
    once = OutOfFold(data.labels, data.folds, {name: each[:1] for name, each in data.cohorts.items()})
    twice = OutOfFold(data.labels, data.folds, {n: [e[0], e[0]] for n, e in data.cohorts.items()}, (data.folds,))
    one, two = (values_and_intervals(each, "weak", 500, 1)[1]["balanced_accuracy", 1] for each in (once, twice))
    assert one == two and one is not None


def in_pairs(data: OutOfFold) -> OutOfFold:
    """Every participant twice, as a family, which is in one fold in each repeat."""
    rows = np.repeat(np.arange(len(data.labels)), 2)
    return replace(
        data,
        labels=data.labels[rows],
        folds=data.folds[rows],
        cohorts={name: [each.subset(rows) for each in cohorts] for name, cohorts in data.cohorts.items()},
        more_folds=tuple(each[rows] for each in data.more_folds),
        groups=rows,
    )


def test_a_drawn_family_brings_the_predictions_of_all_repeats() -> None:
    strangers, families = two_repeats(), in_pairs(two_repeats())
    values, intervals = values_and_intervals(strangers, "weak", 2000, 1)
    found, whole = values_and_intervals(families, "weak", 2000, 1)
    assert found == pytest.approx(values)
    for key in ((DIFFERENCE + "auroc", 1), (DIFFERENCE + "balanced_accuracy", 1)):
        one, two = intervals[key], whole[key]
        assert one is not None and two is not None and two.method == "bootstrap t"
        assert two.high - two.low == pytest.approx(one.high - one.low, rel=0.2)
    for score in ("auroc", "balanced_accuracy"):
        each = whole[score, 1]
        assert each is not None and each.method.endswith("design effect")


def test_the_same_predictions_of_families_again_are_no_more_families() -> None:
    data = in_pairs(two_repeats())
    once = replace(data, cohorts={name: each[:1] for name, each in data.cohorts.items()}, more_folds=())
    twice = replace(data, cohorts={n: [e[0], e[0]] for n, e in data.cohorts.items()}, more_folds=(data.folds,))
    one, two = (values_and_intervals(each, "weak", 500, 1)[1] for each in (once, twice))
    assert one == two and None not in (one[DIFFERENCE + "auroc", 1], one["auroc", 1], one["balanced_accuracy", 1])


def test_families_in_repeats_are_whole_from_the_folds_to_the_page(plan_of: Planner, datalist: Writer) -> None:
    men, women = ([name for name, own in LABELS.items() if own == label] for label in "MF")
    others = men[len(women) :]
    family = {name: str(place) for names in (men[: len(women)], women) for place, name in enumerate(names)}
    family |= {name: f"brothers {place // 2}" for place, name in enumerate(others)}  # eight couples, two pairs
    more = {name: {"family": family[name], "age": 20 + 7 * place % 40} for place, name in enumerate(LABELS)}
    plan = plan_of(datalist=datalist(more=more), folds=2, repeats=2, group_by=("family",))
    runs = read_runs(finished(plan))
    data = out_of_fold_arrays(plan, runs)
    for folds in data.repeats:
        assert len({(family[name], fold) for name, fold in zip(data.ids, folds, strict=True)}) == 10
    found = with_covariates(plan, people_of(plan, data), compare_runs(plan, runs, draws=200), draws=200)
    assert found.groups is not None and (found.groups.groups, found.groups.resampled, found.repeats) == (10, True, 2)
    assert {each.method for each in found.differences} == {"bootstrap t"}
    assert {each.method for each in found.confounds} == {"sign flipping of groups"}
    assert {each.note for each in found.confounds} == {"fewer than 30 groups: the test finds large effects only"}
    page = render_comparison(found)
    assert_parts(page, "10 whole groups are resampled, not participants, each with its predictions of all repeats")
    assert_parts(page, "flips the sign of each whole group", "fewer than 30 groups")
    text = "\n".join(table_lines(found))
    assert_parts(text, "2 folds, drawn 2 times", "intervals draw 10 whole groups by family", "sign flipping of groups;")
    assert_parts(comparison_methods(found), "10 whole groups, each with its predictions of all repeats", "Bouckaert")


def test_families_of_one_are_no_families(plan_of: Planner, datalist: Writer) -> None:
    plan = plan_of(datalist=datalist(more={name: {"family": name} for name in LABELS}), folds=2, group_by=("family",))
    data = out_of_fold_arrays(plan, read_runs(finished(plan)))
    assert data.groups is None and np.array_equal(data.cells, 2 * data.folds + data.labels)


def test_repeats_can_be_added_to_a_finished_comparison(plan_of: Planner) -> None:
    finished(plan_of(folds=2))
    plan = plan_of(folds=2, repeats=2)
    records = check_folder(plan)
    assert [record.finished for record in records] == [True] * 4 + [False] * 4
    assert_parts(space_needed(plan), "at most 2 GB")
    lines: list[str] = []
    done = with_programs(plan, "sys.exit(143)", "")
    with pytest.raises(Exception, match="143"):
        run_missing(done, lines.append)
    assert lines[0].startswith("4 of 8 runs to do")
    assert (plan.options.output_dir / "repeat2" / "folds" / "fold1.json").is_file()


def test_a_changed_fold_of_a_repeat_is_named(plan_of: Planner) -> None:
    plan = plan_of(folds=2, repeats=2)
    finished(plan)
    (plan.folds_folder(2) / "fold1.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match=r"repeat2.*fold1\.json: has other participants or folds"):
        check_folder(plan)


def test_the_ensemble_takes_the_models_of_the_first_repeat(plan_of: Planner) -> None:
    plan = plan_of(folds=2, repeats=3, ensemble="gated")
    assert [run.title for run in plan.runs if plan.is_member(run)] == [
        "gated, fold 0, seed 1337",
        "gated, fold 1, seed 1337",
    ]
    assert_parts(space_needed(plan), "at most 5 GB", "0.5 GB")


def test_repeats_with_other_labels_are_not_compared(plan_of: Planner) -> None:
    plan = plan_of(folds=2, repeats=2)
    finished(plan)
    for run in plan.runs:
        if run.repeat == 2:
            path = run.folder / "predictions.csv"
            path.write_text(path.read_text(encoding="utf-8").replace("sub-01", "sub-99"), encoding="utf-8")
    with pytest.raises(InputError, match=r"repeat 2.*those of repeat 1"):
        read_runs([RunRecord(run) for run in plan.runs])


def test_page_terminal_and_tables_say_how_often_the_folds_were_drawn(plan_of: Planner) -> None:
    plan = plan_of(folds=4, repeats=2)
    found = compare_runs(plan, read_runs(finished(plan)), draws=100)
    assert Comparison.model_validate_json(found.model_dump_json()) == found
    assert (found.repeats, [(fold.repeat, fold.number) for fold in found.folds][3:5]) == (2, [(1, 3), (2, 0)])
    text = "\n".join(table_lines(found))
    assert_parts(text, "4 folds, drawn 2 times, 1 seed", "over the 8 folds of all repeats")
    assert "degrees of freedom and detects" not in text and "one seed" not in text
    page = render_comparison(found)
    assert_parts(page, "4 folds, drawn 2 times", "each tested 2 times", "repeat 2, 3", "16 trainings")
    assert [row[:2] for row in comparison_tables(found)[2].rows][4] == [2, 0]
    assert_parts(comparison_methods(found), "was tested 2 times", "Bouckaert", "Nadeau")


def test_the_folds_of_the_arrays_are_those_of_the_datalists(plan_of: Planner) -> None:
    plan = plan_of(folds=4, repeats=2)
    data = out_of_fold_arrays(plan, read_runs(finished(plan)))
    for repeat, folds in enumerate(data.repeats, start=1):
        tested = folds_of(plan, repeat)
        assert [set(np.array(data.ids)[folds == fold]) for fold in range(4)] == tested
    assert [LABELS[name] for name in data.ids] == ["MF"[label] for label in data.labels]
