"""The answer of a comparison in a few sentences: is fusion worth it, and how certain is the answer?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from monai_fusion.comparison.comparison_file import Comparison, Difference, VariantResult
from monai_fusion.report.number_text import number, p_value

SIGNIFICANT = 0.05
SINGLE = {"eeg": "the EEG alone", "mri": "the MRI alone"}
SCORE_TITLES = {"auroc": "AUROC", "balanced_accuracy": "balanced accuracy", "accuracy": "accuracy"}
_WITH_NUMBERS = 3  # differences in a sentence, beyond which their numbers are in the table only


@dataclass(frozen=True, slots=True)
class _Gain:
    """The gain of one variant over another on the same participants.

    Attributes:
        value: Difference of the AUROCs.
        interval: Its 95 % interval, if there is one.
        p: Of the t-test over the folds, adjusted for all variants, if there is one.
    """

    value: float
    interval: tuple[float, float] | None
    p: float | None


def fusion_verdict(found: Comparison) -> list[str]:
    """Compare fusion with the best single recording, in sentences, the answer first.

    The sentences call a difference shown only if both the interval (other participants, these models) and the t-test
    over the folds (other trainings too) show it.
    """
    singles = [each for each in found.variants if _modalities(each) in SINGLE]
    fusions = [each for each in found.variants if _modalities(each) == "both"]
    reference = next(each for each in found.variants if each.name == found.reference)
    if len(found.variants) == 1:
        return [f"Only {_titled(reference)} was trained, so there is no comparison.", _alone(reference)]
    if not singles:
        return [
            "This comparison does not answer whether fusion is worth it: it includes no single recording.",
            *_among(found),
        ]
    if not fusions:
        return [
            "This comparison does not answer whether fusion is worth it: it includes only single recordings.",
            *_among(found),
        ]
    known = [each for each in singles if each.auroc.value is not None]
    if not known:
        return ["This comparison does not answer whether fusion is worth it: the AUROC is not defined."]
    single = max(known, key=lambda each: each.auroc.value or 0.0)
    if reference in fusions:
        fusion, gain = reference, _gain(_difference(found, single.name, "auroc"), -1)
    else:
        fusion = max(fusions, key=lambda each: -1.0 if each.auroc.value is None else each.auroc.value)
        gain = _gain(_difference(found, fusion.name, "auroc"), 1) if single is reference else None
    both = f"{_titled(single)} {_auroc(single)}, {_titled(fusion)} {_auroc(fusion)}"
    if fusion.auroc.value is None:
        return [f"This comparison does not answer whether fusion is worth it: {both}."]
    if gain is None:
        return [
            f"This comparison does not test whether fusion is worth it: {both} (AUROC).",
            f"Both were compared with {_titled(reference)} only, so their difference has no interval.",
        ]
    return list(_answer(both, gain))


def disagreements(found: Comparison) -> list[str]:
    """Explain each difference for which the interval and the t-test disagree."""
    by_interval: list[Difference] = []
    by_test: list[Difference] = []
    for each in found.differences:
        if each.score == "accuracy" or each.interval is None or each.t_test is None:
            continue
        outside, p = each.interval[0] > 0 or each.interval[1] < 0, each.t_test.p
        if outside and p > SIGNIFICANT:
            by_interval.append(each)
        elif not outside and p <= SIGNIFICANT:
            by_test.append(each)
    sentences = []
    if by_interval:
        sentences.append(
            f"The interval excludes 0 and the t-test does not, so a difference is not shown: {_listed(by_interval)}. "
            "The interval is about other participants for these trained models; the t-test is about other trainings "
            f"too, and the {len(found.folds)} folds vary too much to show it."
        )
    if by_test:
        sentences.append(
            f"The t-test excludes 0 and the interval does not, so a difference is not shown: {_listed(by_test)}. "
            "The folds agree, but with other participants the difference may disappear."
        )
    return sentences


def _listed(differences: list[Difference]) -> str:
    """The differences with their numbers; of many, the variants of each score, as the table has the numbers."""
    if len(differences) <= _WITH_NUMBERS:
        return "; ".join(
            f"{each.variant}, {SCORE_TITLES[each.score]} ({range_text(each.interval)}; p = {p_value(each.t_test.p)})"
            for each in differences
            if each.interval is not None and each.t_test is not None
        )
    scores = dict.fromkeys(each.score for each in differences)
    return "; ".join(
        f"{SCORE_TITLES[score]} of {', '.join(each.variant for each in differences if each.score == score)}"
        for score in scores
    )


def _answer(both: str, gain: _Gain) -> Iterator[str]:
    numbers = f"AUROC: {both}"
    if gain.interval is None:
        yield f"This comparison does not answer whether fusion is worth it: there is no interval. {numbers}."
        return
    low, high = gain.interval
    p = "" if gain.p is None else f", Holm-adjusted p = {p_value(gain.p)}"
    difference = f"difference {_signed(gain.value)}{p}; for these models, 95 % interval {range_text(gain.interval)}"
    tested = gain.p is not None and gain.p <= SIGNIFICANT
    if low > 0 and tested:
        yield "Fusion is worth it here."
    elif high < 0 and tested:
        yield "Fusion is worse here than the best single recording."
    else:
        yield "Fusion is not shown to be worth it here."
    yield f"{numbers} ({difference})."
    if (low > 0 or high < 0) and not tested:
        better = "better" if low > 0 else "worse"
        why = "there is no t-test over the folds" if gain.p is None else "the t-test over the folds does not confirm it"
        yield f"These trained models are {better} with fusion, but {why}: other trainings may not be."


def _among(found: Comparison) -> Iterator[str]:
    """The answer without fusion or without single recordings: the best variant against the reference."""
    others = [each for each in found.variants if each.name != found.reference and each.auroc.value is not None]
    if not others:
        return
    best = max(others, key=lambda each: each.auroc.value or 0.0)
    reference = next(each for each in found.variants if each.name == found.reference)
    gain = _gain(_difference(found, best.name, "auroc"), 1)
    yield f"AUROC: {_titled(reference)} {_auroc(reference)}, the best other variant, {best.name}, {_auroc(best)}"
    if gain is None or gain.interval is None:
        yield "(no interval)."
        return
    low, high = gain.interval
    yield f"(difference {_signed(gain.value)}, 95 % interval {range_text(gain.interval)})."
    shown = (low > 0 or high < 0) and gain.p is not None and gain.p <= SIGNIFICANT
    yield f"The difference is {'' if shown else 'not '}shown."


def _alone(variant: VariantResult) -> str:
    interval = variant.auroc.interval
    between = f" (95 % interval {number(interval[0])} to {number(interval[1])})" if interval else ""
    return f"AUROC {_auroc(variant)}{between}."


def _difference(found: Comparison, variant: str, score: str) -> Difference | None:
    return next((each for each in found.differences if (each.variant, each.score) == (variant, score)), None)


def _gain(difference: Difference | None, sign: int) -> _Gain | None:
    if difference is None or difference.value is None:
        return None
    interval = difference.interval
    if interval is not None and sign < 0:
        interval = (-interval[1], -interval[0])
    p = None if difference.t_test is None else difference.t_test.p_holm
    return _Gain(sign * difference.value, interval, p)


def _modalities(variant: VariantResult) -> str:
    return str(variant.settings.get("modalities", "both"))


def _titled(variant: VariantResult) -> str:
    return SINGLE.get(_modalities(variant), f"{variant.name} fusion")


def _auroc(variant: VariantResult) -> str:
    return number(variant.auroc.value, 3)


def range_text(interval: tuple[float, float]) -> str:
    """An interval with enough digits that its ends look like 0 only if they are 0."""
    digits = 2
    while digits < 6 and any(end != 0 and abs(end) < 0.5 * 10**-digits for end in interval):
        digits += 1
    return " to ".join(number(end, digits) for end in interval)


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "\u2212")
