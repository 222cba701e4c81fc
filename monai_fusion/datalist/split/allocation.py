"""Puts participants into parts of given size such that every part has its share of every stratum.

All is computed in whole numbers, from sorted ids and a hash of seed and id: the result is the same on every platform,
with every version of Python, and in every order of rows.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from monai_fusion.datalist.strata import SplitParticipant, described_group
from monai_fusion.errors import InputError, Problem

Quotas = Sequence[Sequence[int]]
"""``quotas[label][part]``: how many of a class belong into a part."""

_Kind = tuple[tuple[int, tuple[str, ...]], ...]

_UNIT = 1 << 40  # a target's reciprocal as a whole number: 12 digits, where floats would depend on the order of sums
_IMPROVEMENT_PASSES = 20
_EXCHANGES_AT_MOST = 120_000  # looked at in one pass: about a second


@dataclass(slots=True)
class _Unit:
    """Participants who are moved as one.

    Attributes:
        members: Who they are.
        kind: Class and strata of each: units of one kind are alike.
        content: How many of each category they are.
    """

    members: tuple[SplitParticipant, ...]
    kind: _Kind
    content: Mapping[Hashable, int]


def allocate(
    participants: Sequence[SplitParticipant], quotas: Quotas, fixed: Mapping[str, int], seed: str
) -> dict[str, int]:
    """The part of each participant.

    Without groups every part has exactly its quota of every class, and within that the strata are balanced. With groups
    the sizes are as near as whole groups allow.

    The units (participants or groups) are placed one after the other, the largest and rarest first, each into the
    part that needs it most: the one where ``sum over its categories of u (2 x + u) / t`` is smallest, for ``u`` of the
    unit, ``x`` in the part and a target of ``t``. That is the growth of the chi-squared distance between parts and
    targets; for one category it is the method of Sainte-Lague, which rounds shares to the nearest. The categories are
    the class (with groups), each column, class with each column, and class with all columns. Then units change places
    as long as that lowers the distance.

    Args:
        participants: All, also those whose part is known.
        quotas: The size of each part by class, with participants whose part is known; the sums are the class sizes.
        fixed: The part of participants who stay where they are.
        seed: Draws who goes where among participants alike.

    Raises:
        InputError: Participants of one group are fixed in two parts.
    """
    everyone = sorted(participants, key=lambda participant: participant.participant_id)
    placed = {
        participant.participant_id: fixed[participant.participant_id]
        for participant in everyone
        if participant.participant_id in fixed
    }
    grouped = any(participant.group is not None for participant in everyone)
    if grouped:
        placed = with_their_group(everyone, placed)
    waiting = [participant for participant in everyone if participant.participant_id not in placed]
    if not grouped and not any(participant.strata for participant in everyone):
        return {**placed, **_cut(waiting, _open(quotas, everyone, placed), seed)}
    board = _Board(everyone, quotas, grouped)
    for participant in everyone:
        if participant.participant_id in placed:
            board.add(board.unit([participant]), placed[participant.participant_id], 1)
    units = _in_order(waiting, board, seed)
    if grouped:
        parts = [board.place(unit, None) for unit in units]
    else:
        room = _open(quotas, everyone, placed)
        # No comparing for what every part gets of a kind in any case: of 100,000 participants, that is nearly all.
        certain = {} if placed else _certain(units, quotas)
        for number, part in certain.items():
            room[units[number].members[0].label][part] -= 1  # kept free for them
        parts = [board.place(unit, room, certain.get(number)) for number, unit in enumerate(units)]
    board.improve(units, parts, exchange_only=not grouped)
    return {**placed, **{m.participant_id: part for unit, part in zip(units, parts, strict=True) for m in unit.members}}


def drawn(participants: Iterable[SplitParticipant], seed: str) -> list[SplitParticipant]:
    """Participants in an order that depends on seed and ids only; one more does not change the order of the others."""

    def key(participant: SplitParticipant) -> tuple[bytes, str]:
        text = f"{seed}/{participant.participant_id}"
        return hashlib.blake2b(
            text.encode("utf-8", "surrogatepass"), digest_size=8
        ).digest(), participant.participant_id

    return sorted(participants, key=key)


def with_their_group(everyone: Sequence[SplitParticipant], placed: Mapping[str, int]) -> dict[str, int]:
    """The part of participants who are placed, and of those whose group is in it already.

    Raises:
        InputError: Participants of one group are placed in two parts.
    """
    part_of: dict[str, set[int]] = defaultdict(set)
    for participant in everyone:
        if participant.group is not None and participant.participant_id in placed:
            part_of[participant.group].add(placed[participant.participant_id])
    torn = sorted(group for group, parts in part_of.items() if len(parts) > 1)
    if torn:
        kept_by = "--extend, --keep-test, --keep-folds"
        advice = f"put them into one part by hand, or split without what keeps them there ({kept_by})"
        raise InputError(
            [
                Problem("--group-by", described_group(everyone, group), "in several parts", "in one", advice)
                for group in torn
            ]
        )
    joined = {
        participant.participant_id: next(iter(part_of[participant.group]))
        for participant in everyone
        if participant.group is not None and participant.group in part_of
    }
    return {**placed, **joined}


def _open(quotas: Quotas, everyone: Iterable[SplitParticipant], placed: Mapping[str, int]) -> list[list[int]]:
    """How many of each class each part still takes, so that all who wait are taken.

    Where a part holds more than its quota already, the others take the fewer: the part with most room gives first.
    """
    room = [list(parts) for parts in quotas]
    waiting = [0] * len(quotas)
    for participant in everyone:
        if participant.participant_id in placed:
            room[participant.label][placed[participant.participant_id]] -= 1
        else:
            waiting[participant.label] += 1
    for parts, number in zip(room, waiting, strict=True):
        parts[:] = [max(0, left) for left in parts]
        while sum(parts) > number:
            parts[parts.index(max(parts))] -= 1
    return room


def _cut(waiting: Iterable[SplitParticipant], room: Sequence[Sequence[int]], seed: str) -> dict[str, int]:
    queues = [[part for part, number in enumerate(parts) for _ in range(number)] for parts in room]
    positions = [iter(queue) for queue in queues]
    return {participant.participant_id: next(positions[participant.label]) for participant in drawn(waiting, seed)}


def _certain(units: Sequence[_Unit], quotas: Quotas) -> dict[int, int]:
    """The part of those units, by their number, that make up the whole part of each kind's share of each part."""
    by_kind: dict[_Kind, list[int]] = defaultdict(list)
    for number, unit in enumerate(units):
        by_kind[unit.kind].append(number)
    certain: dict[int, int] = {}
    for kind, numbers in by_kind.items():
        sizes = quotas[kind[0][0]]
        parts = [part for part, size in enumerate(sizes) for _ in range(len(numbers) * size // sum(sizes))]
        certain.update(zip(numbers, parts, strict=False))
    return certain


def _in_order(waiting: Sequence[SplitParticipant], board: _Board, seed: str) -> list[_Unit]:
    """Units from the hardest to place to the easiest: large groups, then rare kinds of participants."""
    by_group: dict[str, list[SplitParticipant]] = defaultdict(list)
    alone = []
    shuffled = drawn(waiting, seed)
    for participant in shuffled:
        if participant.group is None:
            alone.append([participant])
        else:
            by_group[participant.group].append(participant)
    units = [board.unit(members) for members in [*by_group.values(), *alone]]
    kinds = Counter((participant.label, participant.strata) for participant in waiting)
    place = {participant.participant_id: number for number, participant in enumerate(shuffled)}

    def key(unit: _Unit) -> tuple[int, int, tuple[int, tuple[str, ...]], int]:
        rarest = min((kinds[kind], kind) for kind in unit.kind)
        return -len(unit.members), *rarest, place[unit.members[0].participant_id]

    return sorted(units, key=key)


class _Board:
    """The parts while they are filled: how many of every category are in each, and how many should be."""

    def __init__(self, everyone: Sequence[SplitParticipant], quotas: Quotas, grouped: bool) -> None:
        self._parts = range(len(quotas[0]))
        self._grouped = grouped
        self._contents: dict[_Kind, Mapping[Hashable, int]] = {}
        sizes: dict[Hashable, Counter[int]] = defaultdict(Counter)  # category -> participants by class
        for (label, strata), number in Counter(
            (participant.label, participant.strata) for participant in everyone
        ).items():
            for category in self._categories(label, strata):
                sizes[category][label] += number
        totals = [sum(parts) for parts in quotas]
        self._reciprocals: dict[Hashable, list[int]] = {}  # of the targets
        for category, by_label in sizes.items():
            self._reciprocals[category] = [
                # 1 / t for t = sum over classes of their participants in this category times their share of this part.
                _UNIT * product // max(1, sum(n * quotas[c][part] * product // totals[c] for c, n in by_label.items()))
                for product in [_product(totals[c] for c in by_label)]
                for part in self._parts
            ]
        self._counts: dict[Hashable, list[int]] = {category: [0] * len(self._parts) for category in sizes}

    def unit(self, members: Sequence[SplitParticipant]) -> _Unit:
        kind = tuple(sorted((participant.label, participant.strata) for participant in members))
        if kind not in self._contents:
            self._contents[kind] = Counter(category for each in kind for category in self._categories(*each))
        return _Unit(tuple(members), kind, self._contents[kind])

    def add(self, unit: _Unit, part: int, times: int) -> None:
        for category, number in unit.content.items():
            self._counts[category][part] += times * number

    def place(self, unit: _Unit, room: list[list[int]] | None, certain: int | None = None) -> int:
        """Put a unit into the part that is certain, or else where it lacks most, among those that have room for it."""
        label = unit.members[0].label
        if certain is not None:
            self.add(unit, certain, 1)
            return certain
        parts = [part for part in self._parts if room is None or room[label][part] > 0]
        best = min(parts, key=lambda part: self._growth(unit, part))
        self.add(unit, best, 1)
        if room is not None:
            room[label][best] -= 1
        return best

    def improve(self, units: Sequence[_Unit], parts: list[int], exchange_only: bool) -> None:
        """Move units, or exchange two of one class, as long as that brings the parts nearer to their targets."""
        for _ in range(_IMPROVEMENT_PASSES):
            changed = False if exchange_only else self._move(units, parts)
            changed = self._exchange(units, parts) or changed
            if not changed:
                return

    def _move(self, units: Sequence[_Unit], parts: list[int]) -> bool:
        changed = False
        for index, unit in enumerate(units):
            self.add(unit, parts[index], -1)
            best = min(self._parts, key=lambda part: (self._growth(unit, part), part != parts[index], part))
            self.add(unit, best, 1)
            changed = changed or best != parts[index]
            parts[index] = best
        return changed

    def _exchange(self, units: Sequence[_Unit], parts: list[int]) -> bool:
        """Exchange one unit of a kind and part with one of another kind in another part; all of a kind are alike."""
        places: dict[_Kind, dict[int, list[int]]] = {}
        for index, unit in enumerate(units):
            places.setdefault(unit.kind, {part: [] for part in self._parts})[parts[index]].append(index)
        kinds = sorted(places)
        occupied = sum(bool(indices) for by_part in places.values() for indices in by_part.values())
        if occupied**2 > _EXCHANGES_AT_MOST:
            return False
        changed = False
        for position, one in enumerate(kinds):
            for other in kinds[position + 1 :]:
                if not self._grouped and one[0][0] != other[0][0]:  # a part keeps its quota of every class
                    continue
                for first in self._parts:
                    for second in self._parts:
                        if first != second and places[one][first] and places[other][second]:
                            changed = (
                                self._exchanged(units, parts, places[one], places[other], first, second) or changed
                            )
        return changed

    def _exchanged(
        self,
        units: Sequence[_Unit],
        parts: list[int],
        ones: dict[int, list[int]],
        others: dict[int, list[int]],
        first: int,
        second: int,
    ) -> bool:
        one, other = units[ones[first][-1]], units[others[second][-1]]
        self.add(one, first, -1)
        self.add(other, second, -1)
        before = self._growth(one, first) + self._growth(other, second)
        after = self._growth(other, first) + self._growth(one, second)
        if after < before:
            first, second = second, first
        self.add(one, first, 1)
        self.add(other, second, 1)
        if after < before:
            index, partner = ones[second].pop(), others[first].pop()
            ones[first].append(index)
            others[second].append(partner)
            parts[index], parts[partner] = first, second
        return after < before

    def _growth(self, unit: _Unit, part: int) -> int:
        """How much nearer to too much the part would come: the growth of the chi-squared distance, less a constant."""
        return sum(
            number * (2 * self._counts[category][part] + number) * self._reciprocals[category][part]
            for category, number in unit.content.items()
        )

    def _categories(self, label: int, strata: tuple[str, ...]) -> list[Hashable]:
        columns = list(enumerate(strata))
        found: list[Hashable] = [("label", label)] if self._grouped else []
        found += [("column", *column) for column in columns]
        found += [("label and column", label, *column) for column in columns]
        return found + ([("all", label, strata)] if len(columns) > 1 else [])


def _product(numbers: Iterable[int]) -> int:
    result = 1
    for number in numbers:
        result *= number
    return result
