"""How a split is balanced, and which columns are confounded with the class."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from monai_fusion.datalist.availability import AvailableModalities
from monai_fusion.datalist.schema import SECTIONS
from monai_fusion.datalist.strata import BOTH, NOT_KNOWN, ONLY_EEG, ONLY_MRI, categories, categories_in_order

CRAMERS_V_WARNED_OF = 0.1
P_WARNED_OF = 0.05

RECORDINGS = "recordings"
"""The column of available recordings, if some participants lack one."""

_NAMES = {BOTH: "both", ONLY_EEG: "EEG only", ONLY_MRI: "MRI only"}

_SHOWN_CATEGORIES = 6
_RANGES_IN_TABLES = 4


@dataclass(frozen=True, slots=True)
class Member:
    """A participant of the finished split.

    Attributes:
        section: The section.
        fold: The fold, if there are folds.
        label: Class index.
        values: Further columns as text.
        recordings: ``both``, ``eeg`` or ``mri``.
    """

    section: str
    fold: int | None
    label: int
    values: Mapping[str, str]
    recordings: AvailableModalities = BOTH


@dataclass(frozen=True, slots=True)
class BalanceRow:
    """One part of the split: how many of each class, and the same within each stratum of `Balance.strata`."""

    name: str
    by_class: tuple[int, ...]
    by_stratum: tuple[tuple[int, ...], ...]

    @property
    def number(self) -> int:
        """All participants of the part."""
        return sum(self.by_class)


@dataclass(frozen=True, slots=True)
class Link:
    """A column that is associated with the class.

    Attributes:
        column: Its name.
        cramers_v: Cramer's V of column and class: 0 independent, 1 each determines the other.
        p: Of Pearson's chi-squared test of independence.
        category: The category whose share differs most between two classes.
        shares: Its share in each class.
    """

    column: str
    cramers_v: float
    p: float
    category: str
    shares: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Balance:
    """The balance table and the columns to warn about.

    Attributes:
        classes: Class names.
        strata: Column and category of the strata, as the rows have them.
        rows: Folds if there are any, sections, and all.
        links: Columns confounded with the class: p below 0.05 and a Cramer's V of at least 0.1, over all participants.
    """

    classes: tuple[str, ...]
    strata: tuple[tuple[str, str], ...]
    rows: tuple[BalanceRow, ...]
    links: tuple[Link, ...]

    def counts(self) -> dict[str, dict[str, int]]:
        """Participants by section and class."""
        rows = {row.name: row.by_class for row in self.rows}
        return {section: dict(zip(self.classes, rows[section], strict=True)) for section in SECTIONS}


def balance_of(
    members: Sequence[Member], classes: Sequence[str], columns: Iterable[str], stratified: Iterable[str] = ()
) -> Balance:
    """The balance table of a split; the available recordings are one more column if some are missing.

    Args:
        members: Everyone in it.
        classes: Class names.
        columns: Columns to look at. Ranges and numbers are put together to four ranges; a column of more than six
            categories is looked at, but not shown unless it is one of ``stratified``.
        stratified: Columns the split was balanced by: always shown.
    """
    shown: list[tuple[str, dict[str, str]]] = []
    links = []
    wanted = tuple(stratified)
    if any(member.recordings != BOTH for member in members):
        members = [replace(each, values={**each.values, RECORDINGS: _NAMES[each.recordings]}) for each in members]
        wanted = (RECORDINGS, *wanted)
    for column in dict.fromkeys((*wanted, *columns)):
        values = {str(index): member.values.get(column, "") for index, member in enumerate(members)}
        found = categories(values, more_than=_RANGES_IN_TABLES, ranges=True)
        number = len(set(found.values()))
        if column in wanted or 1 < number <= _SHOWN_CATEGORIES:
            shown.append((column, found))
        if 1 < number <= max(_SHOWN_CATEGORIES, len(members) // 5):
            link = link_of(column, [(found[str(i)], member.label) for i, member in enumerate(members)], len(classes))
            links += [link] if link.p < P_WARNED_OF and link.cramers_v >= CRAMERS_V_WARNED_OF else []
    strata = tuple((column, name) for column, found in shown for name in categories_in_order(set(found.values())))

    def row(name: str, chosen: Sequence[int]) -> BalanceRow:
        within = Counter((column, found[str(i)], members[i].label) for column, found in shown for i in chosen)
        by_class = Counter(members[index].label for index in chosen)
        labels = range(len(classes))
        return BalanceRow(
            name,
            tuple(by_class[label] for label in labels),
            tuple(tuple(within[column, category, label] for label in labels) for column, category in strata),
        )

    folds = sorted({member.fold for member in members if member.fold is not None})
    parts: dict[str, list[int]] = {name: [] for name in (*(f"fold {fold}" for fold in folds), *SECTIONS)}
    for index, member in enumerate(members):
        parts[member.section].append(index)
        if member.fold is not None:
            parts[f"fold {member.fold}"].append(index)
    rows = [row(name, chosen) for name, chosen in {**parts, "all": range(len(members))}.items()]
    return Balance(tuple(classes), strata, tuple(rows), tuple(links))


def link_of(column: str, pairs: Sequence[tuple[str, int]], classes: int) -> Link:
    """How strongly a column is associated with the class; participants without a value are left out."""
    known = [pair for pair in pairs if pair[0] != NOT_KNOWN]
    cells, by_category = Counter(known), Counter(name for name, _ in known)
    by_class = Counter(label for _, label in known)
    labels = [label for label in range(classes) if by_class[label]]
    if len(by_category) < 2 or len(labels) < 2:
        return Link(column, 0.0, 1.0, "", ())
    chi_squared = 0.0
    for name in sorted(by_category):
        for label in labels:
            expected = by_category[name] * by_class[label] / len(known)
            chi_squared += (cells[name, label] - expected) ** 2 / expected
    freedom = (len(by_category) - 1) * (len(labels) - 1)
    cramers_v = math.sqrt(chi_squared / len(known) / min(len(by_category) - 1, len(labels) - 1))

    def shares(name: str) -> tuple[float, ...]:
        return tuple(cells[name, label] / by_class[label] if by_class[label] else 0.0 for label in range(classes))

    def difference(name: str) -> float:
        found = [shares(name)[label] for label in labels]
        return max(found) - min(found)

    category = max(sorted(by_category), key=difference)
    return Link(column, cramers_v, chi_squared_p(chi_squared, freedom), category, shares(category))


def warning_of(link: Link, classes: Sequence[str]) -> str:
    """The warning about a column that is confounded with the class."""
    shares = ", ".join(f"{100 * share:.0f} % of {name}" for share, name in zip(link.shares, classes, strict=True))
    measured = f"Cramer's V {link.cramers_v:.2f}, chi-squared p {link.p:.2g}"
    return (
        f"{link.column} goes together with the class ({measured}): {link.column} is {link.category} in {shares}. "
        f"A network may learn {link.column} instead, and no split changes that: look within {link.column}, too."
    )


def chi_squared_p(value: float, freedom: int) -> float:
    """The upper tail of the chi-squared distribution, as ``scipy.stats.chi2.sf``, which is too heavy to import here.

    The series and the continued fraction of the incomplete gamma function (DLMF 8.7.1 and 8.9.2), each where it
    converges fast.
    """
    a, x = freedom / 2, value / 2
    if x <= 0:
        return 1.0
    front = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        term = total = 1 / a
        n = a
        while term > total * 1e-15:
            n += 1
            term *= x / n
            total += term
        return max(0.0, 1.0 - front * total)
    # Lentz's method for 1 / (x + 1 - a - 1 (1 - a) / (x + 3 - a - 2 (2 - a) / (x + 5 - a - ...)))
    b = x + 1 - a
    c, d = 1e300, 1 / b
    result = d
    for i in range(1, 1000):
        numerator = -i * (i - a)
        b += 2
        d = 1 / (numerator * d + b or 1e-300)
        c = b + numerator / c or 1e-300
        result *= d * c
        if abs(d * c - 1) < 1e-15:
            break
    return front * result
