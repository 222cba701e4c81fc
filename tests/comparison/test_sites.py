"""Folds that leave whole sites out: how they are made, named and scored."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from monai_fusion.comparison.comparison_page import render_comparison
from monai_fusion.comparison.fold_datalists import make_folds
from monai_fusion.comparison.planning import Plan
from monai_fusion.comparison.results import compare_runs, groups_among, out_of_fold_arrays, read_runs
from monai_fusion.comparison.saved_comparison import comparison_methods
from monai_fusion.comparison.sites import with_sites
from monai_fusion.comparison.terminal_table import table_lines
from monai_fusion.datalist.groups import left_out
from monai_fusion.datalist.split.resplitting import split_datalist
from monai_fusion.datalist.split.split_options import SplitFiles, SplitOptions
from tests.comparison.conftest import LABELS, Writer
from tests.comparison.finished import finished
from tests.message_parts import assert_parts

Planner = Callable[..., Plan]
OF_CLASS = {label: [name for name, own in LABELS.items() if own == label] for label in "MF"}
SITES = {name: {"site": "ABCD"[place % 4]} for names in OF_CLASS.values() for place, name in enumerate(names)}
"""Four sites of five participants."""


def test_each_site_is_tested_by_models_that_have_not_seen_it_also_if_there_are_few(
    datalist: Writer, tmp_path: Path
) -> None:
    made = make_folds(datalist(more=SITES), tmp_path, 4, group_by=("site",))
    for text in made.texts.values():
        content = json.loads(text)
        sites = {part: {row["site"] for row in content[part]} for part in ("training", "validation", "test")}
        assert not sites["test"] & (sites["training"] | sites["validation"])
        assert not sites["training"] & sites["validation"]
        assert all({row["label"] for row in content[part]} == {"M", "F"} for part in sites)
        assert len(content["validation"]) == 5  # a whole site: smaller parts would tear one
    assert made.notes == (
        "leave-site-out: each of the 4 sites is tested by models that have seen none of its participants",
    )


def test_folds_that_tear_a_site_are_not_leave_site_out(datalist: Writer, tmp_path: Path) -> None:
    assert "leave-site-out" not in " ".join(make_folds(datalist(more=SITES), tmp_path, 4).notes)


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ([(0, {"site": "a"}), (0, {"site": "b"}), (1, {"site": "c"})], ("site", ("a", "b", "c"))),
        ([(0, {"site": "a"}), (1, {"site": "a"}), (1, {"site": "b"})], None),  # torn
        ([(0, {"site": "a"}), (1, {"site": ""})], None),  # not known for everyone
        ([(0, {"site": "a"}), (0, {"site": "a"})], None),  # the only one
        ([(0, {"age": "3"}), (1, {"age": "4"})], None),
        ([(0, {"scanner": "x"}), (1, {"scanner": "y"})], ("scanner", ("x", "y"))),
    ],
)
def test_places_are_left_out_if_each_is_in_one_fold(
    members: list[tuple[int, dict[str, object]]], found: tuple[str, tuple[str, ...]] | None
) -> None:
    place = left_out(members)
    assert (None if place is None else (place.field, place.places)) == found


def test_every_site_has_its_scores_and_page_and_terminal_name_the_design(plan_of: Planner, datalist: Writer) -> None:
    plan = plan_of(datalist=datalist(more=SITES), folds=4, group_by=("site",))
    runs = read_runs(finished(plan))
    found = with_sites(plan, out_of_fold_arrays(plan, runs), compare_runs(plan, runs, draws=100), draws=100)
    assert (found.left_out, [site.site for site in found.sites]) == ("site", list("ABCD"))
    for site in found.sites:
        for each in site.variants:
            rows = [
                row
                for run in runs
                if run.record.run.variant.name == each.variant
                for row in run.participants
                if SITES[row.participant_id]["site"] == site.site
            ]
            labels = [row.label for row in rows]
            assert [count.participants for count in site.class_counts] == [labels.count(0), labels.count(1)]
            assert each.auroc.value == pytest.approx(roc_auc_score(labels, [row.probabilities[1] for row in rows]))
            score = balanced_accuracy_score(labels, [row.predicted for row in rows])
            assert each.balanced_accuracy.value == pytest.approx(score)
    assert_parts(render_comparison(found), "4 folds, leave-site-out", 'id="sites"', "Leave-site-out")
    assert_parts("\n".join(table_lines(found)), "4 folds, leave-site-out", "site", "participants", "A", "3 M, 2 F")


def test_whole_sites_are_too_few_for_intervals_over_all_sites_but_not_at_one(
    plan_of: Planner, datalist: Writer
) -> None:
    kin = {
        name: f"{own['site']}{place // 8}"
        for names in OF_CLASS.values()
        for place, name in enumerate(names)
        for own in [SITES[name]]
    }
    more = {name: {**SITES[name], "family": kin[name]} for name in LABELS}
    plan = plan_of(datalist=datalist(more=more), folds=4, group_by=("site", "family"))
    runs = read_runs(finished(plan))
    data, found = out_of_fold_arrays(plan, runs), compare_runs(plan, runs, draws=100)
    assert {(each.interval, each.note) for each in found.differences} == {(None, "no interval: fewer than 6 groups")}
    assert all(each.t_test is not None for each in found.differences)
    assert "4 groups are too few for intervals" in comparison_methods(found)
    assert data.groups is not None and len(set(data.groups.tolist())) == 4
    families = groups_among(plan, data.ids, without="site")
    assert families is not None and len(set(families.tolist())) == len(set(kin.values()))
    alone = plan_of(datalist=datalist(more=SITES), folds=4, group_by=("site",))
    assert groups_among(alone, data.ids, without="site") is None
    with_each = with_sites(alone, data, found, draws=100)
    assert all(each.auroc.interval is not None for site in with_each.sites for each in site.variants)


def test_other_folds_have_no_sites(plan_of: Planner, datalist: Writer) -> None:
    plan = plan_of(datalist=datalist(more=SITES), folds=4)
    runs = read_runs(finished(plan))
    found = with_sites(plan, out_of_fold_arrays(plan, runs), compare_runs(plan, runs, draws=50), draws=50)
    assert (found.left_out, found.sites) == ("", []) and 'id="sites"' not in render_comparison(found)


@pytest.mark.parametrize(("groups", "named"), [(("site",), True), ((), False)])
def test_datalist_split_names_leave_site_out(
    groups: tuple[str, ...], named: bool, datalist: Writer, tmp_path: Path
) -> None:
    options = SplitOptions(method="kfold", folds=4, group_by=groups)
    found = split_datalist(datalist(more=SITES), SplitFiles(tmp_path / "folds.json"), options)
    assert any(note.startswith("leave-site-out: each of the 4 sites") for note in found.notes) is named
