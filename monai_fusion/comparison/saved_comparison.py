"""A saved comparison: its page, and its figures and tables for a paper, from ``comparison.json``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from monai_fusion.comparison import comparison_file as schema
from monai_fusion.comparison.comparison_page import PAGE_FILE, comparison_figures, render_comparison
from monai_fusion.comparison.fusion_verdict import SCORE_TITLES
from monai_fusion.errors import InputError, Problem
from monai_fusion.files import latest, write_for_readers
from monai_fusion.metrics.fields_of_scores import GroupsSection
from monai_fusion.metrics.intervals import FEWEST_GROUPS
from monai_fusion.opening import NotReadableError
from monai_fusion.reading import read_bytes, reason_of
from monai_fusion.report.export import write_files
from monai_fusion.report.methods import join_paragraphs
from monai_fusion.report.number_text import count_participants, number
from monai_fusion.report.references import Citations
from monai_fusion.report.tables import Table
from monai_fusion.wording import counted, listed

METHODS_FILE = "methods_comparison.md"  # beside the methods.md of a single run

_SCORES: tuple[schema.ScoreName, ...] = ("auroc", "balanced_accuracy", "accuracy")


def read_comparison(folder: Path) -> schema.Comparison:
    """Read the results of a comparison.

    Raises:
        InputError: ``comparison.json`` is missing, damaged, or of another version.
    """
    path = latest(folder / schema.FILE)
    advice = "run the comparison again: it does not repeat finished trainings"
    try:
        return schema.Comparison.model_validate_json(read_bytes(path))
    except NotReadableError as error:
        raise InputError(Problem(str(path), seen=reason_of(error), advice=advice)) from None
    except OSError as error:
        raise InputError(Problem(str(path), seen=error.strerror or "cannot be read", advice=advice)) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        seen = (
            f"not the layout of a comparison ({place}: {first['msg']})" if place else "not the layout of a comparison"
        )
        raise InputError(Problem(str(path), seen=seen, advice=advice)) from None


def write_page(found: schema.Comparison, folder: Path) -> Path:
    """Write ``comparison.html``.

    Raises:
        InputError: The folder is not writable.
    """
    try:
        return write_for_readers(folder / PAGE_FILE, render_comparison(found).encode("utf-8"))
    except OSError as error:
        seen = f"cannot be written: {error.strerror or error}"
        raise InputError(Problem(str(folder / PAGE_FILE), seen=seen)) from error


def write_comparison_figures(found: schema.Comparison, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Write the figures, tables and a Methods paragraph of a comparison; see `report.export.write_figures`."""
    return write_files(
        folder, comparison_figures(found), comparison_tables(found), {METHODS_FILE: comparison_methods(found)}, formats
    )


def comparison_tables(found: schema.Comparison) -> list[Table]:
    """Scores of the variants, differences from the reference, and the folds."""
    ends = ("", "_low", "_high")
    scores = []
    for variant in found.variants:
        row: list[object] = [variant.name, variant.description]
        for name in _SCORES:
            score: schema.VariantScore = getattr(variant, name)
            row += [score.value, *(score.interval or (None, None)), score.fold_mean, score.fold_sd]
        scores.append([*row, variant.minutes])
    measured = [f"{name}{end}" for name in _SCORES for end in (*ends, "_fold_mean", "_fold_sd")]
    differences = []
    for each in found.differences:
        test = each.t_test
        tested = [None] * 4 if test is None else [test.t, test.degrees_of_freedom, test.p, test.p_holm]
        differences.append([each.variant, each.score, each.value, *(each.interval or (None, None)), *tested])
    folds = [
        [fold.repeat, fold.number, fold.training, fold.validation, *(count.participants for count in fold.tested)]
        + [variant.auroc.folds[place] for variant in found.variants]
        for place, fold in enumerate(found.folds)
    ]
    tested_columns = [f"tested_{name}" for name in found.classes]
    auroc_columns = [f"auroc_{variant.name}" for variant in found.variants]
    tables = [
        Table("variants", ["variant", "description", *measured, "minutes"], scores),
        Table(
            f"differences_from_{found.reference}",
            ["variant", "score", "difference", "low", "high", "t", "degrees_of_freedom", "p", "p_holm"],
            differences,
        ),
        Table("folds", ["repeat", "fold", "training", "validation", *tested_columns, *auroc_columns], folds),
    ]
    return [table for table in tables if table.rows]


def comparison_methods(found: schema.Comparison) -> str:
    """Write the Methods paragraphs of a comparison."""
    cite = Citations()
    return join_paragraphs(
        {
            "Comparison": _design(found),
            "Statistics": _statistics(found, cite),
            "Results": _results(found),
            "Software": iter([f"monai-fusion {found.monai_fusion}."]),
        },
        cite,
    )


def _design(found: schema.Comparison) -> Iterator[str]:
    counts = listed([f"{each.participants} {each.class_name}" for each in found.class_counts])
    names = listed([f"{variant.name} ({variant.description})" for variant in found.variants])
    seeds = f" with the seeds {listed([str(seed) for seed in found.seeds])}" if len(found.seeds) > 1 else ""
    yield f"{count_participants(found.participants)} ({counts}) took part."
    yield f"The compared variants were {names}."
    once = "once" if found.repeats == 1 else f"{found.repeats} times"
    yield (
        f"Each was trained in the same {found.folds_text}{seeds}; every participant was tested {once}, by models "
        "that had not seen them. [The model and its training: the Methods paragraph of a single run describes them.]"
    )


def _statistics(found: schema.Comparison, cite: Citations) -> Iterator[str]:
    yield "The AUROC compares participants of the same fold only; pairs of all folds count equally."
    methods = {getattr(variant, name).method for variant in found.variants for name in _SCORES}
    methods |= {each.method for each in found.differences}
    yield from _intervals(found, cite, methods)
    if any(each.t_test for each in found.differences):
        repeated = "" if found.repeats == 1 else f" of all repeats {cite('bouckaert')}"
        yield (
            f"Differences from {found.reference} were tested by a corrected resampled t-test over the folds{repeated} "
            f"{cite('nadeau')}, adjusted for the number of variants by Holm's method {cite('holm')}."
        )


def _intervals(found: schema.Comparison, cite: Citations, methods: set[str | None]) -> Iterator[str]:
    if found.groups is not None and found.groups.resampled:
        yield from _intervals_of_groups(found, found.groups, cite)
        return
    if methods & {"bca", "percentile"}:
        cells = "for the AUROC within fold and class, for the others within class"
        if found.repeats > 1:
            cells = "within class, each with its predictions of all repeats"
        yield (
            f"Intervals are 95 % bootstrap intervals (BCa {cite('bca')}, {found.bootstrap_draws} samples of "
            f"participants, {cells}, the same samples for all variants)."
        )
    if any(method and method.startswith("wilson") for method in methods):
        yield f"Where a bootstrap has no width, they are Wilson's {cite('wilson')}."
    if "newcombe" in methods:
        yield f"For an AUROC of 0 or 1 they are Newcombe's {cite('newcombe')}."


def _intervals_of_groups(found: schema.Comparison, groups: GroupsSection, cite: Citations) -> Iterator[str]:
    fields, whole = " or ".join(groups.fields), groups.groups
    if whole < FEWEST_GROUPS:
        yield f"Participants of one {fields} are not independent; {counted(whole, 'group')} are too few for intervals."
        return
    repeats = ", each with its predictions of all repeats" if found.repeats > 1 else ""
    yield (
        f"Participants of one {fields} are not independent: intervals are from {found.bootstrap_draws} bootstrap "
        f"samples of the {whole} whole groups{repeats}, the same samples for all variants. Those of a single variant "
        f"are Newcombe's {cite('newcombe')} and Wilson's {cite('wilson')}, with the design effect of the groups "
        f"{cite('design_effect')}."
    )


def _results(found: schema.Comparison) -> Iterator[str]:
    for name in ("auroc", "balanced_accuracy"):
        scores = []
        for variant in found.variants:
            score: schema.VariantScore = getattr(variant, name)
            low_high = (
                "" if score.interval is None else f" ({number(score.interval[0])} to {number(score.interval[1])})"
            )
            scores.append(f"{variant.name} {number(score.value, 3)}{low_high}")
        yield f"{SCORE_TITLES[name][:1].upper()}{SCORE_TITLES[name][1:]}: {', '.join(scores)}."
