"""A label column without a value that is a class: ranges, numbers, or other names; and the options that make classes.

The default classes are M and F, and ``--label-column age`` holds neither. The example in the message is tried before it
is shown: with it, every value of the column means exactly one class. A word for a missing value (``n/a``) is no class.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise

from monai_fusion.datalist.building.labels import label_rule
from monai_fusion.datalist.building.participants_table import is_no_id
from monai_fusion.datalist.schema import is_class_name
from monai_fusion.datalist.strata import bounds
from monai_fusion.errors import InputError, Problem
from monai_fusion.messages import pasteable
from monai_fusion.wording import a_few, quoted

_CODES_AT_MOST = 3  # different numbers that are rather codes, for --label-map, than measured values
_NAMES_AT_MOST = 8
_A_NAME = "none"  # no id, but maybe a diagnosis
_M_AND_F = {
    "M": ("m", "male", "man", "men", "boy", "männlich", "maennlich", "mann"),
    "F": ("f", "female", "woman", "women", "girl", "weiblich", "w", "frau"),
}
_REGRESSION = "regression is not possible"

_Bounds = tuple[Fraction, Fraction]


def about_other_column(column: str, values: Iterable[str], classes: Sequence[str]) -> Problem | None:
    """What a column holds instead of the classes, and how to make classes of it; ``None`` if unclear.

    Args:
        column: Its name.
        values: Its values, of which none means a class.
        classes: The classes that the command names; empty if it names none.
    """
    different = list(dict.fromkeys(value for value in values if not is_no_id(value) or value.casefold() == _A_NAME))
    found = [(value, ends) for value in different if (ends := bounds(value)) is not None]
    if found and 2 * len(found) > len(different):  # a few may be "unknown"
        return _about_numbers(column, found, classes)
    if classes or len(different) < 2 or column.casefold() in ("sex", "gender"):
        return None
    return _about_names(column, different)


def _about_names(column: str, different: Sequence[str]) -> Problem:
    can_be_typed = all(is_class_name(value) and not value.startswith("-") for value in different)
    if len(different) > _NAMES_AT_MOST or not can_be_typed:
        seen = f"holds {len(different)} different values ({a_few(map(quoted, different))})"
        advice = "name the column of labels with --label-column, or give --bin CLASS=VALUE,VALUE once for each class"
        return Problem(column, seen=seen, wanted=f"{quoted('M')} or {quoted('F')}", advice=advice)
    seen = f"holds {a_few(map(quoted, different), _NAMES_AT_MOST)}, expected {quoted('M')} or {quoted('F')}"
    method = " --method stratified" if len(different) > 2 else ""
    if (meant := _as_m_and_f(different)) is not None:
        return Problem(column, seen=seen, advice=f"if these are the classes M and F: --label-map {pasteable(meant)}")
    advice = f"name the classes with --classes {pasteable(different)}{method}{_together(different)}"
    return Problem(column, seen=seen, advice=advice)


def _as_m_and_f(different: Sequence[str]) -> list[str] | None:
    """``--label-map`` of words for male and female, for the user to confirm; ``None`` if another word is among them."""
    meant = [(value, name) for value in different for name, words in _M_AND_F.items() if value.casefold() in words]
    known = len(meant) == len(different) and len({name for _, name in meant}) == 2
    return [f"{value}={name}" for value, name in meant if value != name] if known else None


def _together(different: Sequence[str]) -> str:
    """An example of several values in one class, if these values can be written so."""
    one, *others = different
    bins = [f"one={one}", f"other={','.join(others)}"]
    if len(different) < 3 or not _means(bins, [("one", one), *(("other", value) for value in others)]):
        return ""
    first, second = (pasteable([each]) for each in bins)
    return f"; several values in one class: --bin {first} --bin {second}"


def _about_numbers(column: str, found: Sequence[tuple[str, _Bounds]], classes: Sequence[str]) -> Problem | None:
    ranges = any(low != high for _, (low, high) in found)
    if not ranges and len(found) <= _CODES_AT_MOST:
        return None
    ordered = sorted(found, key=lambda each: each[1])
    if ranges:
        seen = f"holds ranges ({a_few((quoted(value) for value, _ in ordered), 4)})"
    else:
        seen = f"holds numbers (from {ordered[0][0]} to {ordered[-1][0]})"
    names = tuple(classes) or (("young", "old") if "age" in column.casefold() else ("low", "high"))
    example = " ".join(f"--bin {each}" for each in _example(ordered, names))
    way = f"make classes of them with {example or '--bin NAME=FROM-TO, once for each class'}"
    return Problem(column, seen=seen, wanted="classes", advice=f"{way}; {_REGRESSION}")


def _example(ordered: Sequence[tuple[str, _Bounds]], names: Sequence[str]) -> list[str]:
    """As many ranges as there are names, with about as many different values each; none if that does not work."""
    if len(ordered) < len(names):
        return []
    cuts = [len(ordered) * index // len(names) for index in range(len(names) + 1)]
    parts = [ordered[start:end] for start, end in pairwise(cuts)]
    bins = [f"{name}={_range([ends for _, ends in part])}" for name, part in zip(names, parts, strict=True)]
    if any(set(' "=,') & set(name) for name in names):
        return []
    wanted = [(name, value) for name, part in zip(names, parts, strict=True) for value, _ in part]
    return bins if _means(bins, wanted) else []


def _means(bins: Sequence[str], wanted: Iterable[tuple[str, str]]) -> bool:
    """Whether ``--bin`` with these gives each value its class."""
    try:
        rule = label_rule((), (), bins)
    except InputError:
        return False
    return all(rule.class_of(value) == name for name, value in wanted)


def _range(ends: Sequence[_Bounds]) -> str:
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    return _written(low) if low == high else f"{_written(low)}-{_written(high)}"


def _written(number: Fraction) -> str:
    return str(number) if number.denominator == 1 else str(float(number))
