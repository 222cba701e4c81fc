"""Matched classes: participants of two classes are paired by covariates, and those without a partner are left out."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from monai_fusion.datalist.saving.document import Document, DocumentRow
from monai_fusion.datalist.strata import bounds
from monai_fusion.errors import InputError, Problem
from monai_fusion.spelling import field_of
from monai_fusion.wording import a_few, counted, did_you_mean, quoted

CALLIPER = 0.2
"""The largest distance within a pair, in standard deviations within the classes, of each covariate."""

Measured = Mapping[str, Mapping[str, float]]
"""By covariate, the number of each participant that the datalist does not hold, such as the head volume."""


@dataclass(frozen=True, slots=True)
class Matched:
    """A datalist whose classes agree in some covariates.

    Attributes:
        document: The datalist; participants without a partner have an ``exclude`` reason.
        notes: How many pairs there are, and what is left of the differences.
    """

    document: Document
    notes: tuple[str, ...]


def match_classes(document: Document, names: Sequence[str], allow_missing: bool, measured: Measured) -> Matched:
    """Pair every participant of one class with one of the other who agrees in all covariates.

    The nearest are paired first; nobody is in two pairs. A covariate is a number, or a range that counts as its middle.

    Args:
        document: The datalist, of two classes.
        names: The covariates.
        allow_missing: Whether participants with one recording take part.
        measured: Covariates that are not fields.

    Raises:
        InputError: There are more than two classes, a covariate is not a field of numbers, or nobody has a partner.
    """
    if len(document.classes) != 2:
        raise InputError(Problem("--match", seen=f"{len(document.classes)} classes", wanted="two classes"))
    rows = [row for row in document.rows if row.in_use(allow_missing)]
    values = {name: _numbers(document, rows, name, measured) for name in names}
    complete = [row for row in rows if all(row.participant_id in column for column in values.values())]
    groups = [[row.participant_id for row in complete if document.class_index(row) == label] for label in (0, 1)]
    if min(map(len, groups)) < 2:
        seen = f"{len(groups[0])} and {len(groups[1])} participants of the two classes with {a_few(names)}"
        raise InputError(Problem("--match", seen=seen, wanted="two or more of each"))
    scales = {name: _spread(values[name], groups) for name in names}
    partners = dict(_pairs(groups, {name: values[name] for name in names if scales[name] > 0}, scales))
    # Without any spread within the classes, only equal values agree.
    constant = [values[name] for name in names if scales[name] == 0]
    partners = {one: other for one, other in partners.items() if all(each[one] == each[other] for each in constant)}
    if not partners:
        seen = f"no two participants of different classes agree in {a_few(names)}"
        raise InputError(Problem("--match", seen=seen, wanted=f"a distance of at most {CALLIPER:g} SD"))
    paired = {*partners, *partners.values()}
    reason = not_matched(names)
    changed = [
        row
        if row.participant_id in paired or not row.in_use(allow_missing)
        else DocumentRow(row.section, {**row.fields, "exclude": reason})
        for row in document.rows
    ]
    notes = [
        f"{counted(len(partners), 'pair')} of the two classes that agree in {a_few(names)} within {CALLIPER:g} SD; "
        f'{counted(len(rows) - 2 * len(partners), "participant")} left out ("exclude": "{reason}")'
    ]
    for name in names:
        before, after = (_difference(values[name], each) for each in (groups, [list(partners), [*partners.values()]]))
        notes.append(f"{name}: standardised difference {before:+.2f} before, {after:+.2f} among the pairs")
    return Matched(replace(document, rows=tuple(changed)), tuple(notes))


def not_matched(names: Sequence[str]) -> str:
    """The ``exclude`` reason of participants without a partner."""
    return f"not matched by {' and '.join(names)}"


def _numbers(document: Document, rows: Sequence[DocumentRow], name: str, measured: Measured) -> Mapping[str, float]:
    if name in measured:
        return measured[name]
    known = dict.fromkeys(field for row in rows for field in row.fields)
    if field_of(known, name) is None:
        there = ", ".join(quoted(field) for field in known if field not in ("participant_id", "label", "eeg", "mri"))
        known_names = [*known, "head_volume"]
        advice = did_you_mean(name, known_names) or f"the rows have {there or 'no further fields'}, or use head_volume"
        raise InputError(Problem("--match", quoted(name), "no participant has this field", advice=advice))
    found = {}
    for row in rows:
        text = row.text(name).strip()
        ends = _number(text)
        if text and ends is None:
            raise InputError(Problem(row.participant_id, name, quoted(text), "a number or a range, for --match"))
        if ends is not None:
            found[row.participant_id] = ends
    return found


def _number(text: str) -> float | None:
    ends = bounds(text)
    return None if ends is None else float(sum(ends)) / 2


def _pairs(
    groups: Sequence[Sequence[str]], values: Mapping[str, Mapping[str, float]], scales: Mapping[str, float]
) -> Iterator[tuple[str, str]]:
    """Yield pairs, the nearest first; ids decide between equal ones, so that the order of rows does not."""
    if not values:  # no covariate varies: everyone agrees
        yield from zip(*(sorted(group) for group in groups), strict=False)
        return
    first = next(iter(values))
    others = sorted((values[first][name], name) for name in groups[1])
    numbers = [number for number, _ in others]
    near = []
    for one in groups[0]:
        middle, reach = values[first][one], CALLIPER * scales[first]
        for _, other in others[bisect_left(numbers, middle - reach) : bisect_right(numbers, middle + reach)]:
            apart = [abs(column[one] - column[other]) / scales[name] for name, column in values.items()]
            if max(apart) <= CALLIPER:
                near.append((math.hypot(*apart), one, other))
    taken: set[str] = set()
    for _, one, other in sorted(near):
        if one not in taken and other not in taken:
            taken |= {one, other}
            yield one, other


def _spread(values: Mapping[str, float], groups: Sequence[Sequence[str]]) -> float:
    """The standard deviation within the classes, each of equal weight."""
    return math.sqrt(sum(_variance([values[name] for name in group]) for group in groups) / len(groups))


def _difference(values: Mapping[str, float], groups: Sequence[Sequence[str]]) -> float:
    means = [sum(values[name] for name in group) / len(group) for group in groups]
    spread = _spread(values, groups)
    return (means[1] - means[0]) / spread if spread > 0 else 0.0


def _variance(numbers: Sequence[float]) -> float:
    if len(numbers) < 2:
        return 0.0
    mean = sum(numbers) / len(numbers)
    return sum((number - mean) ** 2 for number in numbers) / (len(numbers) - 1)
