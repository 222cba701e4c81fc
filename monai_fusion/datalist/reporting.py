"""What the check of a datalist finds, each finding with its line, and how they are printed: grouped by kind."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from monai_fusion.errors import SHOWN_AT_MOST, InputError, Problem
from monai_fusion.messages import visible
from monai_fusion.wording import counted

Place = tuple[str | int, ...]
"""A place in the document: ``("training", 0, "label")``, rows counted from 0."""

# The kinds of findings in the order of the report, and their headings.
GROUPS = {
    "json": "JSON",
    "fields": "Fields",
    "splits": "Participants and splits",
    "labels": "Labels",
    "files": "Files",
    "contents": "What is in the files",
}
WHOLE_FILE = "datalist"
NO_SUCH_FIELD = "there is no such field"
_EXCERPTS_AT_MOST = 3  # of one kind: the place is then known
_MOST_OF_A_GROUP = 100  # lines, should every problem be of a kind of its own
_OF_THIS_ONE = re.compile(r'"(?:[^"\\]|\\.)*"(?: \.\.\.)?|\([^)]*\)|[0-9]+')


@dataclass(frozen=True)
class Finding(Problem):
    """A `Problem` that knows its place in the file.

    Attributes:
        group: A key of `GROUPS`.
        place: Where in the document; empty if it is nowhere, as what is missing is.
        warning: Whether the datalist may be used all the same.
        participant_id: Whom it concerns, if one participant.
        line: Counted from 1 as editors do; ``None`` if there is no such line.
        column: The same, for what is not JSON.
        excerpt: Of what is not JSON: the line, and below it a caret.
    """

    group: str = "fields"
    place: Place = ()
    warning: bool = False
    participant_id: str | None = None
    line: int | None = None
    column: int | None = None
    excerpt: str = ""

    def __str__(self) -> str:
        """``line 12, sub-07 label: "male", expected "M" or "F"``."""
        text = super().__str__()
        if self.line is None:
            return text
        place = f"line {self.line}" if self.column is None else f"line {self.line}, column {self.column}"
        return f"{place}, {text}" if self.where or self.field else f"{place}: {text}"

    def at_line(self, line: int) -> Finding:
        """The same with its line, which is more useful than the word ``datalist``."""
        return replace(self, line=line, where="" if self.where == WHOLE_FILE else self.where)

    def as_json(self) -> dict[str, Any]:
        """What ``datalist check --json`` prints of it."""
        section, row = self.place[:2] if len(self.place) > 1 else (None, None)
        return {
            "severity": "warning" if self.warning else "error",
            "group": self.group,
            "line": self.line,
            "column": self.column,
            "participant_id": self.participant_id,
            "section": section,
            "row": row + 1 if isinstance(row, int) else None,
            "field": self.field or None,
            "seen": self.seen or None,
            "wanted": self.wanted or None,
            "advice": self.advice or None,
            "message": str(self),
        }


class DatalistError(InputError):
    """A datalist has problems: they are listed under the heading of their kind; of many alike ones, the first 20.

    ``datalist check`` and a bundle run print the same text; ``datalist check --json`` lists all problems.
    """

    def __str__(self) -> str:
        """The message as a user reads it, without the leading ``error:``."""
        head = f"{visible(self.heading)}: {counted(len(self.problems), 'problem')}"
        return "\n".join([head, *grouped(self.problems), *self._noted])


def grouped(problems: Iterable[Problem]) -> list[str]:
    """The lines of a report: each group's heading, and indented below it its problems; of many alike, the first 20."""
    groups: dict[str, list[Problem]] = {}
    for problem in problems:
        groups.setdefault(GROUPS[problem.group] if isinstance(problem, Finding) else "", []).append(problem)
    return [
        line
        for heading, members in groups.items()
        for line in ([f"{heading}:"] if heading else []) + _lines_of_a_group(members)
    ]


def _lines_of_a_group(problems: Iterable[Problem]) -> list[str]:
    lines: list[str] = []
    number_of: Counter[tuple[str, str]] = Counter()
    last_shown: dict[tuple[str, str], str] = {}
    left_out: Counter[tuple[str, str] | None] = Counter()
    for shown, problem in enumerate(problems):
        kind = _kind(problem)
        number_of[kind] += 1
        if number_of[kind] > SHOWN_AT_MOST or shown - left_out.total() >= _MOST_OF_A_GROUP:
            left_out[kind if kind in last_shown else None] += 1
            continue
        lines.append(f"  {problem}")
        last_shown[kind] = _place_of(problem)
        if isinstance(problem, Finding) and problem.excerpt and number_of[kind] <= _EXCERPTS_AT_MOST:
            lines += [f"    {visible(line)}" for line in problem.excerpt.splitlines()]
    for each, number in left_out.items():
        lines.append(f"  ... and {number} more" + (f" like that of {last_shown[each]}" if each else ""))
    return lines


def _kind(problem: Problem) -> tuple[str, str]:
    """What problems have in common that differ only in whose they are, in numbers and in quoted values.

    Fields that do not exist differ in their names; alike are those that are likely meant to be the same field.
    """
    if problem.seen == NO_SUCH_FIELD:
        return "", f"{NO_SUCH_FIELD}\n{problem.advice.partition('?')[0]}"
    text = f"{problem.seen}\n{problem.wanted}\n{problem.advice}"
    return problem.field.partition(" ")[0], _OF_THIS_ONE.sub("", text)


def _place_of(problem: Problem) -> str:
    line = problem.line if isinstance(problem, Finding) else None
    return visible(problem.where) if line is None else f"line {line}"


def findings_in_order(findings: Iterable[Finding]) -> list[Finding]:
    """By group, then by line: the order in which a reader goes through the file."""
    order = list(GROUPS)
    return sorted(findings, key=lambda found: (order.index(found.group), found.line or 0, found.column or 0))
