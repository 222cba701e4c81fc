"""What the baselines and the covariates mean, as sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from monai_fusion.baseline.baseline_file import (
    Baseline,
    BaselineResult,
    ConfoundResult,
    CovariateBalance,
    PairedDifference,
)
from monai_fusion.baseline.paired import best_baseline, is_as_good, what_numbers_do
from monai_fusion.metrics.confounds import IMBALANCED
from monai_fusion.wording import counted, listed

SIGNIFICANT = 0.05
_FIELDS = {"head_volume": "head volume"}
FEW = 16
"""Below it, chance alone makes such differences all the time."""

NETWORK = "the network"

_UNITS = {"head_volume": " l"}


def field_title(name: str) -> str:
    """A covariate as a sentence names it."""
    return _FIELDS.get(name, name)


def unit_of(name: str) -> str:
    """The unit of a covariate, with a space before it; empty if it is not known."""
    return _UNITS.get(name, "")


def as_good(found: Baseline) -> BaselineResult | None:
    """Return the baseline that the report must begin with: one that is as good as the network; None if none is."""
    named = _named(found)
    return named if named is not None and is_as_good(_difference(named)) else None


def reaches_network(found: Baseline) -> bool:
    """Whether a baseline scores at least as high as the network."""
    return any((value := _value(each)) is not None and value <= 0 for each in found.baselines)


def _named(found: Baseline) -> BaselineResult | None:
    place = best_baseline([_difference(each) for each in found.baselines])
    return None if place is None else found.baselines[place]


def first_sentence(found: Baseline) -> str | None:
    """Say which plain numbers do as well as the network; None if the network is shown to be better than all."""
    baseline = as_good(found)
    if baseline is None:
        return None
    difference, score = _difference(baseline), _score_name(baseline)
    assert difference is not None and difference.value is not None  # noqa: S101 # as_good looked
    own = _own(baseline)
    network = own + difference.value
    between = _interval_text(difference.interval)
    numbers = f"{score} {own:.2f}, the network {network:.2f} (difference {_signed(difference.value)}{between})"
    does = what_numbers_do([_difference(each) for each in found.baselines])
    if does != "not worse":
        best = min(found.baselines, key=lambda each: _value(each) or 0.0)
        more = "" if best is baseline or difference.value <= 0 else f"; on {best.title} it has {_own(best):.2f}"
        return f"Plain numbers do {does}: a logistic regression on {baseline.title} has {numbers}{more}."
    return f"Not shown to be better than plain numbers: a logistic regression on {baseline.title} has {numbers}."


def better_than_numbers(found: Baseline) -> str | None:
    """Say that the network is better than every baseline; None if it is not, or there are none."""
    closest = _named(found)
    difference = None if closest is None else _difference(closest)
    if closest is None or difference is None or difference.value is None or is_as_good(difference):
        return None
    return (
        f"Better than plain numbers: the best logistic regression, on {closest.title}, has {_score_name(closest)} "
        f"{_own(closest):.2f} (network minus it {_signed(difference.value)}{_interval_text(difference.interval)})."
    )


def beyond_covariates(
    confounds: Sequence[ConfoundResult], balance: Sequence[CovariateBalance], who: str = NETWORK
) -> Iterator[str]:
    """Say for each covariate, and for all together, whether the network knows more of the class.

    Args:
        confounds: What one network knows beyond each of them.
        balance: The covariates by class.
        who: The network, in words.
    """
    for each in confounds:
        if each.p_beyond is None:
            continue
        names = listed([field_title(name) for name in each.fields])
        p = f"{each.method}, p = {_p_text(each.p_beyond)}" + (f"; {each.note}" if each.note else "")
        does = "does" if len(each.fields) == 1 else "do"
        if each.p_beyond > SIGNIFICANT:
            yield f"It is not shown that {who} knows more of the class than {names} {does} ({p})."
        elif _alone_matters(each, balance):
            subject = "The network" if who == NETWORK else who  # a variant keeps its name
            yield f"{subject} knows more of the class than {names} {does} ({p}){_matched(each)}."


def warnings_of_baseline(found: Baseline) -> list[str]:
    """Return the warnings: plain numbers that do as well, and covariates that differ between the classes."""
    sentence = first_sentence(found)
    first = [] if sentence is None else [sentence[:1].lower() + sentence[1:].rstrip(".")]
    return [*first, *(imbalance(each, found.classes) for each in found.balance if is_imbalanced(each))]


def is_imbalanced(row: CovariateBalance) -> bool:
    """Whether a covariate differs between the classes by more than `IMBALANCED`, among enough participants."""
    return (
        row.participants >= FEW
        and row.standardised_difference is not None
        and abs(row.standardised_difference) > IMBALANCED
    )


def imbalance(row: CovariateBalance, classes: Sequence[str]) -> str:
    """A covariate that differs between the classes, in words."""
    unit = unit_of(row.field)
    known = [(name, mean) for name, mean in zip(classes, row.means, strict=True) if mean is not None]
    if row.category:
        values = ", ".join(f"{100 * mean:.0f} % of {name}" for name, mean in known)
        what = f"{field_title(row.field)} {row.category}"
    else:
        values = ", ".join(f"{mean:.3g}{unit} for {name}" for name, mean in known)
        what = field_title(row.field)
    return (
        f"{what} differs between the classes ({values}; standardised difference "
        f"{row.standardised_difference:+.2f}): a network may recognise it instead of the class"
    )


def terminal_lines(found: Baseline) -> list[str]:
    """The baselines for the terminal, one a line, and what the covariates explain."""
    lines = [f"a logistic regression on plain numbers, tested on the same participants ({found.section}):"]
    for each in found.baselines:
        value = "not defined" if each.auroc.value is None else f"{each.auroc.value:.3f}"
        balanced = each.balanced_accuracy.value
        accuracy = "not defined" if balanced is None else f"{balanced:.3f}"
        line = f"  {each.title}: AUROC {value}, balanced accuracy {accuracy}"
        if each.network_minus_auroc is not None and each.network_minus_auroc.value is not None:
            apart = each.network_minus_auroc
            line += f"; network minus it {apart.value:+.3f}{_interval_text(apart.interval)}"
        lines.append(line)
    if not found.baselines:
        lines = []
    elif found.residualised:
        lines.append(f"  (without what {listed([field_title(name) for name in found.residualised])} explains)")
    better = better_than_numbers(found)
    lines += [] if better is None else [better]
    return [*lines, *beyond_covariates(found.confounds, found.balance), *found.notes]


def _alone_matters(each: ConfoundResult, balance: Sequence[CovariateBalance]) -> bool:
    """Whether a covariate goes with the class, so that it is worth a sentence that the network knows more."""
    return any(row.field in each.fields and is_imbalanced(row) for row in balance)


def _matched(each: ConfoundResult) -> str:
    if each.matched_auroc is None or each.matched_interval is None:
        return ""
    low, high = each.matched_interval
    return (
        f"; of {counted(each.matched_pairs, 'pair')} of two classes that agree in it,"
        f" {100 * each.matched_auroc:.0f} % are in the "
        f"right order (95 % interval {100 * low:.0f} to {100 * high:.0f} %)"
    )


def _difference(each: BaselineResult) -> PairedDifference | None:
    """Of the AUROC, or of the balanced accuracy if there is no AUROC."""
    auroc = each.network_minus_auroc
    return each.network_minus_balanced_accuracy if auroc is None or auroc.value is None else auroc


def _score_name(each: BaselineResult) -> str:
    auroc = each.network_minus_auroc
    return "balanced accuracy" if auroc is None or auroc.value is None else "AUROC"


def _own(each: BaselineResult) -> float:
    score = each.auroc if _score_name(each) == "AUROC" else each.balanced_accuracy
    return score.value or 0.0


def _value(each: BaselineResult) -> float | None:
    difference = _difference(each)
    return None if difference is None else difference.value


def _interval_text(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f", 95 % interval {_signed(interval[0])} to {_signed(interval[1])}"


def _signed(value: float) -> str:
    return f"{value:+.2f}"


def _p_text(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else f"{value:.1g}"
