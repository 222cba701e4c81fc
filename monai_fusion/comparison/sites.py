"""Scores of each site, where the folds of a comparison leave whole sites out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from monai_fusion.comparison import comparison_file as schema
from monai_fusion.comparison.comparison_file import Comparison
from monai_fusion.comparison.fold_datalists import left_out_place
from monai_fusion.comparison.planning import Plan
from monai_fusion.comparison.results import class_counts, groups_among, variant_score
from monai_fusion.comparison.statistics import OutOfFold, values_and_intervals
from monai_fusion.metrics.intervals import DRAWS

_SCORES: tuple[schema.ScoreName, ...] = ("auroc", "balanced_accuracy")
SITE_HEAD = ["site", "participants", "variant", "AUROC", "(95 % interval)", "balanced accuracy", "(95 % interval)"]


def with_sites(plan: Plan, data: OutOfFold, found: Comparison, draws: int = DRAWS) -> Comparison:
    """Add the scores of each site to a comparison whose folds, in every repeat, test sites that no model has seen.

    Args:
        plan: The comparison.
        data: The predictions of all its runs.
        found: Its results.
        draws: The number of bootstrap resamples.
    """
    places = [left_out_place(folds.texts.values()) for folds in plan.repeats.values()]
    first = places[0]
    if first is None or any(each is None or each.field != first.field for each in places):
        return found
    rows = [row for content in plan.contents for row in content["test"]]
    of_id = {row["participant_id"]: str(row[first.field]).strip() for row in rows}
    own = np.array([of_id[name] for name in data.ids])
    names = sorted(first.places)
    # At one site, its participants are all that there is; families and other groups are still drawn whole.
    data = replace(data, groups=groups_among(plan, data.ids, without=first.field))
    sites = [_site(plan, data.only(own == name), name, draws) for name in names]
    return found.model_copy(update={"left_out": first.field, "sites": sites})


def _site(plan: Plan, data: OutOfFold, name: str, draws: int) -> schema.SiteResult:
    reference = plan.variants[0].name
    values, intervals = values_and_intervals(data, reference, draws, plan.options.seed, _SCORES)
    variants = [
        schema.SiteScores(
            variant=variant,
            **{
                score: variant_score(score, data, variant, values[score, place], intervals[score, place])
                for score in _SCORES
            },
        )
        for place, variant in enumerate(data.cohorts)
    ]
    return schema.SiteResult(site=name, class_counts=class_counts(data.labels, plan.folds.classes), variants=variants)


def site_rows(found: Comparison) -> Iterator[list[str]]:
    """The rows of a table for the terminal: every site and variant."""
    for site in found.sites:
        counts = ", ".join(f"{each.participants} {each.class_name}" for each in site.class_counts)
        for each in site.variants:
            row = [site.site, counts, each.variant]
            for score in (each.auroc, each.balanced_accuracy):
                row.append("not defined" if score.value is None else f"{score.value:.3f}")
                row.append("-" if score.interval is None else f"{score.interval[0]:.2f} to {score.interval[1]:.2f}")
            yield row
