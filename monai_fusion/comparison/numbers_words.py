"""Whether the reference of a comparison is better than plain numbers, as sentences and as a table for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from monai_fusion.baseline.paired import best_baseline, is_as_good, what_numbers_do
from monai_fusion.comparison.comparison_file import Comparison, Difference, NumbersResult
from monai_fusion.comparison.covariate_words import not_beyond
from monai_fusion.comparison.fusion_verdict import fusion_verdict, range_text
from monai_fusion.report.number_text import number


def verdict(found: Comparison) -> list[str]:
    """The answer of a comparison; it begins with plain numbers if they do at least as well as the reference.

    It ends with the covariates beyond which the reference is not shown to know more of the class.
    """
    return [*_with_numbers(found), *not_beyond(found)]


def _with_numbers(found: Comparison) -> list[str]:
    answer, sentence = fusion_verdict(found), numbers_sentence(found)
    if sentence is None:
        return answer
    best = _best_numbers(found)
    reached = best is not None and is_as_good(_auroc(best))
    return [sentence, *answer] if reached else [*answer, sentence]


def numbers_sentence(found: Comparison) -> str | None:
    """Compare the reference with the plain numbers that do best; None if they are not known."""
    best = _best_numbers(found)
    reference = next(each for each in found.variants if each.name == found.reference)
    if best is None or best.auroc.value is None or reference.auroc.value is None:
        return None
    apart = _auroc(best)
    between = f", 95 % interval {range_text(apart.interval)}" if apart.interval else ""
    numbers = (
        f"a logistic regression on {best.title} has AUROC {number(best.auroc.value, 3)}, {found.reference} "
        f"{number(reference.auroc.value, 3)} (difference {number(apart.value, 3)}{between})"
    )
    does = what_numbers_do([_auroc(each) for each in found.numbers])
    if does == "worse":
        return f"{found.reference} is better than plain numbers: {numbers}."
    if does == "not worse":
        return f"{found.reference} is not shown to be better than plain numbers: {numbers}."
    return f"Plain numbers do {does}: {numbers}."


def _best_numbers(found: Comparison) -> NumbersResult | None:
    """The plain numbers that the reference is compared with, by the rule of a single evaluation's report."""
    place = best_baseline([_auroc(each) for each in found.numbers])
    return None if place is None else found.numbers[place]


def number_lines(found: Comparison) -> Iterator[list[str]]:
    """The rows of a table for the terminal: each set of numbers, and the reference minus it."""
    for each in found.numbers:
        row = [each.title]
        for score, apart in zip((each.auroc, each.balanced_accuracy), each.reference_minus, strict=True):
            value = "not defined" if score.value is None else f"{score.value:.3f}"
            difference = "-" if apart.value is None else f"{apart.value:+.3f}"
            between = "-" if apart.interval is None else f"{apart.interval[0]:+.2f} to {apart.interval[1]:+.2f}"
            row += [value, difference, between, "-" if apart.t_test is None else f"{apart.t_test.p:.2g}"]
        yield row


NUMBER_HEAD = [
    *("logistic regression on", "AUROC", "reference minus it", "(95 % interval)", "p"),
    *("bal. acc.", "reference minus it", "(95 % interval)", "p"),
]


def _auroc(each: NumbersResult) -> Difference:
    return each.reference_minus[0]
