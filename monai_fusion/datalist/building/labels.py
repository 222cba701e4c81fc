"""From a value of the participants table to a class: as it is, by a map of values, or by ranges."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from monai_fusion.datalist.schema import is_class_name
from monai_fusion.datalist.strata import bounds
from monai_fusion.errors import InputError, Problem
from monai_fusion.spelling import equal_in_nfc, nfc
from monai_fusion.wording import did_you_mean, one_of, quoted

_WHOLE_NUMBER = re.compile(r"([+-]?\d+)[.,]0+")


@dataclass(frozen=True, slots=True)
class LabelRule:
    """Which class a value of the table means. A value that means none, or two, is a problem, never a guess.

    Attributes:
        classes: The class names in their order: the first is class 0.
        values: Further values by class, upper and lower case alike: ``{"M": ("2", "male"), "F": ("1", "female")}``. A
            range, ``20-25``, also means the numbers and ranges within, both ends included.
        names_are_values: Whether a class's name, exactly so, is a value of the class too.
    """

    classes: tuple[str, ...]
    values: tuple[tuple[str, tuple[str, ...]], ...] = ()
    names_are_values: bool = True

    def class_of(self, value: str) -> str | Problem:
        """The class that ``value`` means, or what is wrong with it (``where`` and ``field`` are left empty)."""
        if not value:
            return Problem("", seen="empty", wanted=self._wanted)
        if self.names_are_values and (name := equal_in_nfc(value, self.classes)) is not None:
            return name
        listed = {name for name, values in self.values if _same(value) in map(_same, values)}
        meant = listed or {name for name, values in self.values if any(_holds(each, value) for each in values)}
        if len(meant) == 1:
            return meant.pop()
        if meant:
            advice = (
                f"it is in {' and in '.join(sorted(meant, key=self.classes.index))}: the ranges must not overlap there"
            )
            return Problem("", seen=quoted(value), wanted="a value of one class", advice=advice)
        advice = did_you_mean(value, self.classes) if self.names_are_values else ""
        return Problem("", seen=quoted(value), wanted=self._wanted, advice=advice)

    @property
    def _wanted(self) -> str:
        if self.names_are_values:
            return one_of(self.classes)
        return " or ".join(f"{', '.join(values)} ({name})" for name, values in self.values)


def label_rule(classes: Sequence[str], maps: Sequence[str], bins: Sequence[str]) -> LabelRule:
    """The rule of ``--classes M F --label-map 1=F 2=M``, or of ``--bin young=20-25,25-30 --bin old=60-75``.

    Args:
        classes: Class names; empty for ``M`` and ``F``, or for those that ``bins`` name.
        maps: ``VALUE=CLASS`` each.
        bins: ``CLASS=VALUE,VALUE...`` each; a value may be a range.

    Raises:
        InputError: Something cannot be read so, a class is named twice, or a value is given to two classes.
    """
    if bins and (classes or maps):
        advice = "it names the classes and their values itself: leave out --classes and --label-map"
        raise InputError(Problem("--bin", advice=advice))
    values = _bins(bins) if bins else {}
    names = tuple(values) if bins else tuple(classes) or ("M", "F")
    if len({nfc(name) for name in names}) < len(names) or not all(map(is_class_name, names)) or len(names) < 2:
        seen = " ".join(map(quoted, names))
        raise InputError(Problem("--bin" if bins else "--classes", seen=seen, wanted="two or more different names"))
    values = values or _maps(maps, names)
    _refuse_contradictions(values, names, "--bin" if bins else "--label-map")
    return LabelRule(names, tuple((name, tuple(each)) for name, each in values.items()), names_are_values=not bins)


def _maps(maps: Sequence[str], classes: Sequence[str]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    problems = []
    for text in maps:
        value, equals, name = (part.strip() for part in text.rpartition("="))
        if not equals or not value or not name:
            problems.append(Problem("--label-map", seen=quoted(text), wanted="VALUE=CLASS, such as 1=F"))
        elif (known := equal_in_nfc(name, classes)) is None:
            advice = did_you_mean(name, classes) or f"name it with --classes {' '.join(classes)} {name}"
            problems.append(Problem("--label-map", quoted(text), f"class {quoted(name)}", one_of(classes), advice))
        else:
            values.setdefault(known, []).append(value)
    if problems:
        raise InputError(problems)
    return values


def _bins(bins: Sequence[str]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    problems = []
    for text in bins:
        name, equals, listed = (part.strip() for part in text.partition("="))
        found = [value.strip() for value in listed.split(",") if value.strip()]
        if not equals or not name or not found:
            wanted = "CLASS=VALUE,VALUE, such as young=20-25,25-30"
            problems.append(Problem("--bin", seen=quoted(text), wanted=wanted))
        problems += [
            Problem("--bin", quoted(name), quoted(value), "the smaller number first")
            for value in found
            if (ends := bounds(value)) is not None and ends[0] > ends[1]
        ]
        values.setdefault(name, []).extend(found)
    if problems:
        raise InputError(problems)
    return values


def _refuse_contradictions(values: dict[str, list[str]], classes: Sequence[str], option: str) -> None:
    owner = {_same(name): name for name in classes} if option == "--label-map" else {}
    problems = []
    for name, listed in values.items():
        for value in listed:
            other = owner.setdefault(_same(value), name)
            if other != name:
                problems.append(Problem(option, quoted(value), f"is {quoted(name)} and {quoted(other)}", "one class"))
    if problems:
        raise InputError(problems)


def _same(value: str) -> str:
    """What two spellings of a value have in common: case, composed letters, decimals, the kind of dash."""
    value = nfc(value)
    ends = bounds(value)
    if ends is not None and ends[0] != ends[1]:
        return f"{ends[0]}-{ends[1]}"
    whole = _WHOLE_NUMBER.fullmatch(value.strip())
    return whole[1] if whole else value.strip().casefold()


def _holds(listed: str, value: str) -> bool:
    """Whether a listed range holds a number or range of the table."""
    outer, inner = bounds(listed), bounds(value)
    return (
        outer is not None
        and inner is not None
        and outer[0] < outer[1]
        and outer[0] <= inner[0]
        and inner[1] <= outer[1]
    )
