"""Which participant an unmatched id probably belongs to, and the option that would join the two ids."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from monai_fusion.datalist.paths import natural_key
from monai_fusion.spelling import cleaned, loose_key
from monai_fusion.wording import counted

LOOSE = "add --loose-ids"
MAP = "if so, add --id-map TABLE with both ids in a row, or write them alike"
_SHOWN_AT_MOST = 10
_NUMBER = re.compile(r"[0-9]+")
_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")


@dataclass(frozen=True, slots=True)
class NearMiss:
    """Two ids that are probably one participant's.

    Attributes:
        name: The one that was looked for.
        other: The one that was found.
        advice: What would join them.
    """

    name: str
    other: str
    advice: str


def near_misses(names: Iterable[str], others: Iterable[str], sources: Iterable[Collection[str]]) -> dict[str, NearMiss]:
    """For each of the names, if there is just one, the one of the others that is nearest to it.

    Args:
        names: Ids that lack something.
        others: Ids without a use.
        sources: All ids of each source: ``--loose-ids`` is not advised if it would make one of two of them.
    """
    ours, theirs = sorted(set(names), key=natural_key), sorted(set(others), key=natural_key)
    ambiguous = {key for source in sources for key, number in Counter(map(loose_key, source)).items() if number > 1}
    found: dict[str, NearMiss] = {}
    for key_of, advice in ((loose_key, LOOSE), (_wide_key, MAP)):
        wanted, there = (_by_key(each, key_of) for each in (ours, theirs))
        for key, names_here in wanted.items():
            if key and len(names_here) == len(there.get(key, ())) == 1 and names_here[0] not in found:
                name, other = names_here[0], there[key][0]
                # Anyone's two ids keep --loose-ids from running at all.
                found[name] = NearMiss(name, other, MAP if ambiguous else advice)
    return {name: near for name, near in found.items() if near.name != near.other}


def leftovers_near(leftovers: Iterable[str], others: Iterable[str]) -> dict[str, str]:
    """For each leftover the one of the others that it probably is, which several may be of one, as of ``sub-02``.

    Args:
        leftovers: Ids without a use, such as ``SUB-02``.
        others: Ids that lack nothing.
    """
    found: dict[str, str] = {}
    names, there = sorted(set(leftovers), key=natural_key), set(others)
    for key_of in (loose_key, _wide_key):
        by_key = _by_key(there, key_of)
        for name in names:
            near = [other for other in by_key.get(key_of(name), ()) if other != name]
            if name not in found and len(near) == 1 and _numbers(name) == _numbers(near[0]):
                found[name] = near[0]
    return found


def rows_near(names: Iterable[str], rows: Iterable[str]) -> dict[str, list[str]]:
    """For each of the names all rows' ids that are near it, in use or not.

    Args:
        names: Ids without a row.
        rows: The ids that have one.
    """
    there = sorted(set(rows), key=natural_key)
    found: dict[str, list[str]] = {}
    for key_of in (loose_key, _wide_key):
        by_key = _by_key(there, key_of)
        for name in names:
            near = [other for other in by_key.get(key_of(name), ()) if _numbers(name) == _numbers(other)]
            found[name] = list(dict.fromkeys((*found.get(name, ()), *near)))
    return found


def first_notes(notes: Iterable[str]) -> Iterator[str]:
    """The first of many notes on `leftovers_near`, and how many more there are."""
    every = list(notes)
    yield from every[:_SHOWN_AT_MOST]
    if len(every) > _SHOWN_AT_MOST:
        yield f"and so are {counted(len(every) - _SHOWN_AT_MOST, 'more id')} like those of other participants"


def notes_on_pairs(
    pairs: Collection[NearMiss], kinds: tuple[str, str], lines: Mapping[str, int] | None = None
) -> Iterator[str]:
    """A note for each pair: ``sub-06 (EEG) and SUB-06 (MRI) are probably one participant: add --loose-ids``.

    Args:
        pairs: The pairs.
        kinds: Where the name and the other come from.
        lines: The line in a table of the others.
    """
    for near in list(pairs)[:_SHOWN_AT_MOST]:
        where = kinds[1] if lines is None or near.other not in lines else f"{kinds[1]}, line {lines[near.other]}"
        yield f"{near.name} ({kinds[0]}) and {near.other} ({where}) are probably one participant: {near.advice}"
    if len(pairs) > _SHOWN_AT_MOST:
        yield f"and so are {counted(len(pairs) - _SHOWN_AT_MOST, 'more pair')} of {kinds[0]} and {kinds[1]}"


def _by_key(names: Iterable[str], key_of: Callable[[str], str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(key_of(name), []).append(name)
    return found


def _numbers(name: str) -> list[str]:
    return [number.lstrip("0") for number in _NUMBER.findall(cleaned(name))]


def _wide_key(name: str) -> str:
    """What is left of an id without accents, characters between words, and zeros in front of any of its numbers."""
    letters = unicodedata.normalize("NFKD", cleaned(name).casefold())
    words = "".join(
        character if character.isalnum() else " " for character in letters if not unicodedata.combining(character)
    )
    return "".join(_ZEROS.sub("", words).split())
