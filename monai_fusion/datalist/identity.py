"""Makes ids of one participant the same where EEG, MRI and table write them differently: only when told how."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from monai_fusion.datalist.files import natural_key
from monai_fusion.datalist.presets import LEMON_ID_MAP
from monai_fusion.datalist.table import read_participants_table
from monai_fusion.datalist.wording import a_few
from monai_fusion.errors import InputError, Problem

_PREFIX = re.compile(r"sub[-_]?", re.IGNORECASE)
_LEMON_IDS = (re.compile(r"(?:sub-)?032\d{3}"), re.compile(r"(?:sub-)?010\d{3}"))


@dataclass(frozen=True, slots=True)
class IdMap:
    """Two names of each participant, from a table such as LEMON's ``name_match.csv``.

    Attributes:
        path: The table.
        names: Both columns' names.
        pairs: The two ids of each participant.
    """

    path: Path
    names: tuple[str, str]
    pairs: tuple[tuple[str, str], ...]

    def translation(self, *sources: Collection[str]) -> dict[str, str]:
        """The id to use for every id: that of the column which the first source that tells them apart uses more."""
        to = 1
        for ids in sources:
            first, second = (sum(pair[column] in ids for pair in self.pairs) for column in (0, 1))
            if first != second:
                to = 0 if first > second else 1
                break
        return {name: pair[to] for pair in self.pairs for name in pair}


def read_id_map(path: Path) -> IdMap:
    """Read a table with two columns of ids (LEMON's ``INDI_ID`` and ``Initial_ID`` may stand among others).

    Raises:
        InputError: The table cannot be read, has not two columns, or gives one id to two participants.
    """
    table = read_participants_table(path)
    names = LEMON_ID_MAP if set(LEMON_ID_MAP) <= set(table.columns) else table.columns
    if len(names) != 2:
        seen = f"the columns {', '.join(table.columns)}"
        wanted = f"two columns of ids, such as {' and '.join(LEMON_ID_MAP)}"
        raise InputError(Problem(str(path), seen=seen, wanted=wanted, advice="delete the others"))
    problems = []
    partner: dict[str, str] = {}
    pairs = []
    for row in table.rows:
        one, other = row.values[names[0]], row.values[names[1]]
        if not one or not other:
            continue  # someone who has only one of the ids needs no translation
        pairs.append((one, other))
        for this, that in ((one, other), (other, one)):
            if partner.setdefault(this, that) != that:
                seen = f"belongs to {partner[this]} and, in line {row.line}, to {that}"
                problems.append(Problem(this, seen=seen, wanted="one"))
    if problems:
        raise InputError(problems, heading=str(path))
    return IdMap(path, (names[0], names[1]), tuple(dict.fromkeys(pairs)))


def loose_key(participant_id: str) -> str:
    """What ``10002``, ``010002``, ``sub-010002`` and ``SUB-010002`` have in common."""
    return _PREFIX.sub("", participant_id, count=1).casefold().lstrip("0") or "0"


def loosely(ids: Iterable[Iterable[str]]) -> Callable[[str], str]:
    """Translates ids to the longest spelling of `loose_key` found in ``ids``, one collection a source.

    Raises:
        InputError: Two ids of one source mean the same participant then.
    """
    spellings: dict[str, set[str]] = defaultdict(set)
    problems = []
    for source in ids:
        here: dict[str, str] = {}
        for name in sorted(source):
            other = here.setdefault(loose_key(name), name)
            spellings[loose_key(name)].add(name)
            if other != name:
                problems.append(Problem("--loose-ids", seen=f"{other} and {name}", wanted="one participant"))
    if problems:
        raise InputError(problems)
    chosen = {key: max(names, key=lambda name: (len(name), name)) for key, names in spellings.items()}
    return lambda name: chosen.get(loose_key(name), name)


def why_nobody_agrees(ones: Collection[str], others: Collection[str]) -> str:
    """What to do when two sources have not one id in common."""
    ours, theirs = ({loose_key(name): name for name in sorted(ids, reverse=True)} for ids in (ones, others))
    same = sorted(ours.keys() & theirs.keys(), key=lambda key: ours[key])
    if same and len(same) * 2 >= min(len(ours), len(theirs)):
        example = f"{ours[same[0]]} and {theirs[same[0]]}"
        return f"if {example} are one participant, and so with {len(same)} of them, add --loose-ids"
    for first, second in (_LEMON_IDS, _LEMON_IDS[::-1]):
        if any(map(first.fullmatch, ones)) and any(map(second.fullmatch, others)):
            names = " and ".join(LEMON_ID_MAP)
            return f"LEMON gives everyone two ids: add --id-map name_match.csv, its table with the columns {names}"
    return "if a table has both ids of everyone in two columns, add --id-map TABLE"


def nobody_agrees(what: tuple[str, Collection[str]], other: tuple[str, Collection[str]]) -> Problem:
    """The problem that two sources have not one participant in common, with three ids of each."""
    ids, others = (a_few(sorted(names, key=natural_key)) or "nobody" for _, names in (what, other))
    seen = f"{what[0]} of {ids}; {other[0]} of {others}"
    return Problem(
        "participants", seen=seen, wanted="the same ids in both", advice=why_nobody_agrees(what[1], other[1])
    )


def translated(by_id: Mapping[str, list[Path]], translate: Callable[[str], str]) -> dict[str, list[Path]]:
    """The files by translated ids."""
    found: dict[str, list[Path]] = defaultdict(list)
    for name, paths in by_id.items():
        found[translate(name)] += paths
    return dict(found)
