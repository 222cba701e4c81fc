"""What differs from a training part, in a clinician's words: ``voxel size: 2 mm left-right, in the training 1 mm``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from monai_fusion.cohort_profile.measures import (
    AMPLITUDE,
    BACKGROUND,
    ELECTRODE,
    ELECTRODES,
    FLAT,
    HEAD,
    HISTOGRAM,
    LINE_POWER,
    SEGMENTS,
    SIDES,
    SLOPE,
    Measure,
)
from monai_fusion.cohort_profile.profile_file import NumberProfile
from monai_fusion.cohort_profile.sidecar_facts import ELECTRODE_LIST
from monai_fusion.wording import a_few, counted

SEPARATOR = "; "
_NAMED_AT_MOST = 5
_UNIT_STEPS = {3: "microvolts and millivolts", 6: "volts and microvolts"}
_NEAR = 0.5  # of log10: a factor of 3 either way


class Worded(Protocol):
    """What has words."""

    @property
    def words(self) -> str:
        """The words."""


def of_number(measure: Measure, value: float, number: NumberProfile) -> str:
    """Describe a number outside the training's range."""
    title, low, high = measure.group, number.low, number.high
    if title == AMPLITUDE:
        return f"{title}: {_times(value - number.median)} than in the training{_unit_hint(value - number.median)}"
    if title == ELECTRODES:
        electrode = measure.name.removeprefix(ELECTRODE)
        how = _times(value - number.median)
        return f"{title}: {electrode} {how} than in the training, against the other electrodes"
    if title == LINE_POWER:
        line = next(word for word in measure.name.split() if word.isdigit())
        seen, least, most = (10**each for each in (value, low, high))
        return f"{title}: at {line} Hz {seen:.3g} times that beside it, in the training {_range(least, most)}"
    if title == HEAD:
        seen, least, most = (10**each for each in (value, low, high))
        hint = " (brain extracted, or cut off?)" if value < low else " (is it a head?)"
        return f"{title}: {seen:.2g} litres, in the training {_range(least, most, '.2g')}{hint}"
    if title == SEGMENTS:
        seen, least, most = (10**each for each in (value, low, high))
        return f"{title}: {seen:.0f}, in the training {_range(least, most, '.0f')}"
    if title == BACKGROUND:
        masked = " (masked or extracted?)" if value > high else " (not masked?)"
        usual = _range(100 * low, 100 * high, ".0f")
        return f"{title}: {100 * value:.0f} % of one value, in the training {usual} %{masked}"
    if title in (HISTOGRAM, SLOPE):
        return f"{title}: {measure.name} is {value:.2f}, in the training {_range(low, high, '.2f')}"
    side = next((f" {side}" for side in SIDES if measure.name.endswith(side)), "")
    form = measure.number_format
    return f"{title}: {value:{form}}{measure.unit}{side}, in the training {_range(low, high, form)}{measure.unit}"


def of_text(title: str, value: str, counts: Mapping[str, int]) -> str:
    """Describe a setting that the training does not have."""
    usual = max(counts, key=lambda text: counts[text])
    if title == ELECTRODE_LIST:
        theirs, ours = value.split(), usual.split()
        if sorted(theirs) == sorted(ours):
            return f"{title}: in another order than in the training"
        lacking = [name for name in ours if name not in theirs]
        more = [name for name in theirs if name not in ours]
        return f"{title}: {a_few(more) or 'none'} instead of {a_few(lacking) or 'none'}"
    return f"{title}: {value}, in the training {a_few(counts)}"


def of_flat(electrode: str, segments: int, of: int) -> str:
    """Describe a constant electrode."""
    some = "" if segments == of else f" in {segments} of {of} segments"
    return f"{FLAT}: {electrode}{some}"


def with_more(text: str, others: Sequence[Worded]) -> str:
    """The words of a difference with those of the same title, or their number."""
    if not others:
        return text
    if text.startswith(f"{FLAT}: "):
        names = [text.partition(": ")[2], *(each.words.partition(": ")[2] for each in others)]
        return f"{FLAT}: {a_few(names, _NAMED_AT_MOST)}"
    return f"{text} (and {len(others)} more)"


def joined(found: Sequence[Worded]) -> str:
    """All that differs as one text; empty for nothing."""
    more = [f"and {len(found) - _NAMED_AT_MOST} more"] if len(found) > _NAMED_AT_MOST else []
    return SEPARATOR.join([*(each.words for each in found[:_NAMED_AT_MOST]), *more])


def warning_of(texts: Iterable[str | None]) -> str:
    """Count the participants who are unlike, and name what differs most often; empty if none is.

    Args:
        texts: For each participant what `joined` returned, or None without a comparison.
    """
    compared = [text for text in texts if text is not None]
    differing = [text for text in compared if text]
    if not differing:
        return ""
    titles = Counter(part.partition(": ")[0] for text in differing for part in text.split(SEPARATOR) if ": " in part)
    what = ""
    if titles:
        (title, number), *others = titles.most_common()
        and_more = " and more" if others else ""
        what = f" in {title}{and_more}" if len(differing) == 1 else f", most often in {title} ({number})"
    were = "is" if len(differing) == 1 else "are"
    by_chance = "; up to 1 in 20 is by chance" if 20 * len(differing) <= len(compared) else ""
    return f"{len(differing)} of {counted(len(compared), 'participant')} {were} unlike the training's{what}{by_chance}"


def _times(log10: float) -> str:
    factor = 10 ** abs(log10)
    text = f"{float(f'{factor:.2g}'):,.0f}" if factor >= 10 else f"{factor:.1f}"
    return f"{text} times {'larger' if log10 > 0 else 'smaller'}"


def _unit_hint(log10: float) -> str:
    return next((f" ({hint}?)" for step, hint in _UNIT_STEPS.items() if abs(abs(log10) - step) < _NEAR), "")


def _range(low: float, high: float, form: str = ".3g") -> str:
    ends = [f"{each:{form}}" for each in (low, high)]
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"
