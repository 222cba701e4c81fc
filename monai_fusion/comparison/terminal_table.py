"""A comparison as text for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from monai_fusion.comparison.comparison_file import Comparison, Difference, VariantScore
from monai_fusion.comparison.covariate_words import COVARIATE_HEAD, beyond_sentences, covariate_rows, lines_on_tests
from monai_fusion.comparison.fusion_verdict import SCORE_TITLES, disagreements
from monai_fusion.comparison.numbers_words import NUMBER_HEAD, number_lines, verdict
from monai_fusion.comparison.sites import SITE_HEAD, site_rows
from monai_fusion.metrics.terminal_text import groups_lines
from monai_fusion.wording import counted


def table_lines(found: Comparison) -> Iterator[str]:
    """Yield the lines: scores of every variant, differences from the reference, warnings, then the answer."""
    seeds = counted(len(found.seeds), "seed")
    counts = ", ".join(f"{each.participants} {each.class_name}" for each in found.class_counts)
    yield f"{found.datalist}: {found.participants} participants ({counts}), {found.folds_text}, {seeds}"
    yield from groups_lines(found.groups, "intervals draw")
    yield ""
    yield from _laid_out(
        ["variant", "AUROC", "(95 % interval)", "folds' sd", "balanced accuracy", "(95 % interval)", "minutes"],
        [
            [each.name, *_score(each.auroc), _sd(each.auroc), *_score(each.balanced_accuracy), f"{each.minutes:.1f}"]
            for each in found.variants
        ],
    )
    if found.differences:
        yield ""
        yield from _laid_out(
            [
                f"minus {found.reference}",
                "AUROC",
                "p",
                "Holm",
                "(these models)",
                "bal. acc.",
                "p",
                "(these models)",
            ],
            list(_difference_rows(found)),
        )
        over = "the folds" if found.repeats == 1 else f"the {len(found.folds)} folds of all repeats"
        yield f"p: corrected resampled t-test over {over}, about other trainings too; Holm: adjusted for all variants"
        yield "(these models): 95 % interval over other participants, for the models that were trained"
        yield f"primary score: {SCORE_TITLES[found.primary_score]}; the others are secondary and claim nothing"
        yield from (f"note: {_plain(text)}" for text in disagreements(found))
    if found.numbers:
        yield ""
        yield from _laid_out(NUMBER_HEAD, list(number_lines(found)))
    if found.confounds:
        yield ""
        yield from _laid_out(COVARIATE_HEAD, list(covariate_rows(found)))
        yield from lines_on_tests(found)
        answer = verdict(found)
        yield from (text for text in beyond_sentences(found) if text not in answer)
    if found.sites:
        yield ""
        yield from _laid_out([found.left_out, *SITE_HEAD[1:]], list(site_rows(found)))
    yield ""
    yield from (f"note: {warning}" for warning in found.warnings)
    yield ""
    yield _plain(" ".join(verdict(found)))


def _plain(text: str) -> str:
    """A sentence of the page with an ASCII minus sign, which every console has."""
    return text.replace("\u2212", "-")


def _difference_rows(found: Comparison) -> Iterator[list[str]]:
    by_score = {(each.variant, each.score): each for each in found.differences}
    for variant in [each.name for each in found.variants if each.name != found.reference]:
        auroc, balanced = by_score[variant, "auroc"], by_score[variant, "balanced_accuracy"]
        (lead, lead_interval), (second, second_interval) = _difference(auroc), _difference(balanced)
        yield [variant, lead, *_p_values(auroc), lead_interval, second, _p_values(balanced)[0], second_interval]


def _laid_out(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        first, *others = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield "  ".join([first, *others]).rstrip()


def _score(score: VariantScore) -> tuple[str, str]:
    value = "not defined" if score.value is None else f"{score.value:.3f}"
    return value, "-" if score.interval is None else f"{score.interval[0]:.2f} to {score.interval[1]:.2f}"


def _sd(score: VariantScore) -> str:
    return "-" if score.fold_sd is None else f"{score.fold_sd:.3f}"


def _difference(each: Difference) -> tuple[str, str]:
    value = "not defined" if each.value is None else f"{each.value:+.3f}"
    return value, "-" if each.interval is None else f"{each.interval[0]:+.2f} to {each.interval[1]:+.2f}"


def _p_values(each: Difference) -> tuple[str, str]:
    if each.t_test is None:
        return "-", "-"
    return f"{each.t_test.p:.2g}", f"{each.t_test.p_holm:.2g}"
