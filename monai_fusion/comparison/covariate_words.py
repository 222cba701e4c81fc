"""What the variants of a comparison know beyond the covariates, as sentences and as a table for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from monai_fusion.baseline.words import SIGNIFICANT, beyond_covariates, field_title
from monai_fusion.comparison.comparison_file import Comparison, VariantConfound
from monai_fusion.report.number_text import p_value

COVARIATE_HEAD = [
    *("covariates", "AUROC alone", "variant", "minus them", "(95 % interval)", "p"),
    *("knows more: p", "matched pairs", "in order"),
]


def beyond_sentences(found: Comparison) -> list[str]:
    """Say for each covariate, and for all together, whether the reference knows more of the class than they do."""
    own = [each for each in found.confounds if each.variant == found.reference]
    return list(beyond_covariates(own, found.balance, found.reference))


def not_beyond(found: Comparison) -> list[str]:
    """The sentences for the answer: of covariates beyond which a reference above chance is not shown to know more."""
    reference = next(each for each in found.variants if each.name == found.reference)
    interval = reference.auroc.interval
    if interval is None or interval[0] <= (reference.auroc.baseline or 0.5):
        return []
    unshown = [
        each
        for each in found.confounds
        if each.variant == found.reference and each.p_beyond is not None and each.p_beyond > SIGNIFICANT
    ]
    return list(beyond_covariates(unshown, found.balance, found.reference))


def lines_on_tests(found: Comparison) -> Iterator[str]:
    """The lines below the table: by which test a variant knows more, and why there is none."""
    tests = " or ".join(dict.fromkeys(each.method for each in found.confounds))
    yield f"knows more: {tests}; pairs of two classes within a fold that agree in the covariates"
    yield from dict.fromkeys(f"knows more: {each.note}" for each in found.confounds if each.p_beyond is None)


def covariate_rows(found: Comparison) -> Iterator[list[str]]:
    """The rows of a table for the terminal: the reference and each set; of the last set all variants."""
    last = found.confounds[-1].fields if found.confounds else []
    for each in found.confounds:
        if each.variant == found.reference or each.fields == last:
            yield _row(each)


def _row(each: VariantConfound) -> list[str]:
    apart, matched = each.minus_covariates, each.matched_auroc
    return [
        " + ".join(field_title(name) for name in each.fields),
        "not defined" if each.covariates_auroc is None else f"{each.covariates_auroc:.3f}",
        each.variant,
        "-" if apart.value is None else f"{apart.value:+.3f}",
        "-" if apart.interval is None else f"{apart.interval[0]:+.2f} to {apart.interval[1]:+.2f}",
        "-" if apart.t_test is None else f"{apart.t_test.p:.2g}",
        "-" if each.p_beyond is None else p_value(each.p_beyond),
        str(each.matched_pairs),
        "-" if matched is None else f"{matched:.2f}",
    ]
