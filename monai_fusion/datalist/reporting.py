"""What the check of a datalist finds, each finding with its line, and how all of them are told: grouped by kind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from monai_fusion.datalist.wording import counted
from monai_fusion.errors import InputError, Problem

Place = tuple[str | int, ...]
"""Where something stands in the document: ``("training", 0, "label")``, rows counted from 0."""

# The kinds of findings in the order in which they are told, and how each is headed.
GROUPS = {
    "json": "JSON",
    "fields": "Fields",
    "splits": "Participants and splits",
    "labels": "Labels",
    "files": "Files",
    "contents": "What is in the files",
}
WHOLE_FILE = "datalist"


@dataclass(frozen=True)
class Finding(Problem):
    """A `Problem` that knows where in the file it stands.

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
        """The same with its line, which says better than the word ``datalist`` where it is."""
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
    """A datalist is wrong: every problem under the heading of its kind, however many there are.

    ``datalist check`` and a bundle run print the same text: whoever corrects the file wants to correct all of it.
    """

    def __str__(self) -> str:
        """The message as a user reads it, without the leading ``error:``."""
        return "\n".join([f"{self.heading}: {counted(len(self.problems), 'problem')}", *grouped(self.problems)])


def grouped(problems: Iterable[Problem]) -> list[str]:
    """The lines of a report: each group's heading, and indented below it its problems."""
    lines: list[str] = []
    heading = None
    for problem in problems:
        group = GROUPS[problem.group] if isinstance(problem, Finding) else ""
        if group != heading:
            heading = group
            lines += [f"{heading}:"] if heading else []
        lines.append(f"  {problem}")
        if isinstance(problem, Finding) and problem.excerpt:
            lines += [f"    {line}" for line in problem.excerpt.splitlines()]
    return lines


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """By group, then by line: the order in which a reader goes through the file."""
    order = list(GROUPS)
    return sorted(findings, key=lambda found: (order.index(found.group), found.line or 0, found.column or 0))
