"""Makes ids of one participant the same where EEG, MRI and table differ: only as an option allows."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from monai_fusion.datalist.building.participants_table import is_no_id, read_participants_table
from monai_fusion.datalist.building.presets import LEMON_ID_MAP
from monai_fusion.datalist.paths import natural_key
from monai_fusion.errors import InputError, Problem
from monai_fusion.spelling import cleaned, loose_key, nfc, spelled_out, written_twice
from monai_fusion.wording import a_few, quoted

_LEMON_IDS = (re.compile(r"(?:sub-)?032\d{3}"), re.compile(r"(?:sub-)?010\d{3}"))


@dataclass(frozen=True, slots=True)
class IdMap:
    """Two names of each participant, from a table such as LEMON's ``name_match.csv``.

    Attributes:
        path: The table.
        names: Both columns' names.
        pairs: The two ids of each participant.
        notes: What the reader of the table should know.
    """

    path: Path
    names: tuple[str, str]
    pairs: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()

    def translation(self, *sources: Collection[str]) -> dict[str, str]:
        """The id to use for every id: that of the column which the first source that has more of one uses more."""
        to = 1
        for ids in sources:
            first, second = (sum(pair[column] in ids for pair in self.pairs) for column in (0, 1))
            if first != second:
                to = 0 if first > second else 1
                break
        return {name: pair[to] for pair in self.pairs for name in pair}


def read_id_map(path: Path) -> IdMap:
    """Read a table with two columns of ids (LEMON's ``INDI_ID`` and ``Initial_ID`` may be among others).

    Raises:
        InputError: The table cannot be read, has not two columns, or gives one id to two participants.
    """
    table = read_participants_table(path).with_columns(LEMON_ID_MAP)
    names = LEMON_ID_MAP if set(LEMON_ID_MAP) <= set(table.columns) else table.columns
    if len(names) != 2:
        seen = f"the columns {', '.join(table.columns)}"
        wanted = f"two columns of ids, such as {' and '.join(LEMON_ID_MAP)}"
        raise InputError(Problem(str(path), seen=seen, wanted=wanted, advice="delete the others"))
    problems = []
    partner: dict[str, str] = {}
    pairs = []
    without: dict[str, list[int]] = defaultdict(list)
    for row in table.rows:
        one, other = row.values[names[0]], row.values[names[1]]
        if is_no_id(one) or is_no_id(other):
            for value in filter(None, (one, other)):
                if is_no_id(value):
                    without[value].append(row.line)
            continue  # a participant with only one of the ids needs no translation
        pairs.append((one, other))
        for this, that in ((one, other), (other, one)):
            if nfc(partner.setdefault(nfc(this), that)) != nfc(that):
                seen = f"belongs to {partner[nfc(this)]} and, in line {row.line}, to {that}"
                problems.append(Problem(this, seen=seen, wanted="one"))
    if problems:
        raise InputError(problems, heading=str(path))
    notes = (
        f"{path}, line{'s' * (len(lines) > 1)} {a_few(map(str, lines), 5)}: {quoted(value)} is not read as an id"
        for value, lines in without.items()
    )
    return IdMap(path, (names[0], names[1]), tuple(dict.fromkeys(pairs)), (*table.notes, *notes))


def one_spelling(preferred: Iterable[Collection[str]], files: Mapping[str, Collection[str]]) -> Callable[[str], str]:
    """Translates ids that are equal in NFC to one spelling: that of the first collection which has the id.

    Args:
        preferred: Ids that are not of files: their spellings come first.
        files: The ids by what has them, ``EEG`` or ``MRIs``; the last one's spellings come before the others'.

    Raises:
        InputError: Files of one kind have an id in two spellings: it is not known whether they are one participant's.
    """
    advice = "they differ only in how letters with accents are stored: if they are one participant, rename the files"
    problems = [
        Problem(what, seen=" and ".join(map(spelled_out, sorted(found))), wanted="one spelling", advice=advice)
        for what, names in files.items()
        for found in written_twice(names).values()
    ]
    if problems:
        raise InputError(problems)
    chosen: dict[str, str] = {}
    for names in (*preferred, *reversed(list(files.values()))):
        for name in names:
            chosen.setdefault(nfc(name), name)
    return lambda name: chosen.get(nfc(name), name)


def loosely(ids: Iterable[Collection[str]], preferred: Collection[str] = ()) -> Callable[[str], str]:
    """Translates ids to one spelling of `loose_key` found in ``ids``, one collection a source.

    It is that of ``preferred``, or else the longest without anything that a spreadsheet added; of two, the first
    source's.

    Raises:
        InputError: Two ids of one source mean the same participant then.
    """
    spellings: dict[str, dict[str, int]] = defaultdict(dict)  # each with the number of the first source that has it
    problems = []
    for number, source in enumerate(ids):
        here: dict[str, str] = {}
        for name in sorted(source):
            other = here.setdefault(loose_key(name), name)
            spellings[loose_key(name)].setdefault(name, number)
            if other != name:
                problems.append(Problem("--loose-ids", seen=f"{other} and {name}", wanted="one participant"))
    if problems:
        raise InputError(problems)
    chosen = {}
    for key, names in spellings.items():
        ranks = {name: (name in preferred, name == cleaned(name), len(name), -first) for name, first in names.items()}
        chosen[key] = max(names, key=ranks.__getitem__)
    return lambda name: chosen.get(loose_key(name), name)


def _why_no_id_agrees(ones: Collection[str], others: Collection[str]) -> str:
    """What to do when two sources have no id in common."""
    ours, theirs = ({loose_key(name): name for name in sorted(ids, reverse=True)} for ids in (ones, others))
    same = sorted(ours.keys() & theirs.keys(), key=lambda key: ours[key])
    each_is_one = len(ours) == len(ones) and len(theirs) == len(others)  # else --loose-ids would not run
    if same and each_is_one and len(same) * 2 >= min(len(ours), len(theirs)):
        example = f"{ours[same[0]]} and {theirs[same[0]]}"
        return f"if {example} are one participant, and so with {len(same)} of them, add --loose-ids"
    for first, second in (_LEMON_IDS, _LEMON_IDS[::-1]):
        if any(map(first.fullmatch, ones)) and any(map(second.fullmatch, others)):
            names = " and ".join(LEMON_ID_MAP)
            table = f"its table with the columns {names}"
            return f"LEMON gives each participant two ids: add --id-map name_match.csv, {table}"
    return "if a table has both ids of each participant in two columns, add --id-map TABLE"


def no_id_agrees(what: tuple[str, Collection[str]], other: tuple[str, Collection[str]]) -> Problem:
    """The problem that two sources have no participant in common, with three ids of each."""
    ids, others = (a_few(sorted(names, key=natural_key)) or "no participant" for _, names in (what, other))
    seen = f"{what[0]} of {ids}; {other[0]} of {others}"
    return Problem(
        "participants", seen=seen, wanted="the same ids in both", advice=_why_no_id_agrees(what[1], other[1])
    )


def translated(by_id: Mapping[str, list[Path]], translate: Callable[[str], str]) -> dict[str, list[Path]]:
    """The files by translated ids."""
    found: dict[str, list[Path]] = defaultdict(list)
    for name, paths in by_id.items():
        found[translate(name)] += paths
    return dict(found)
