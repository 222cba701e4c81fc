"""Google-style docstrings as Markdown."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

_LISTS = ("Args", "Attributes", "Raises")
_HEADING = re.compile(rf"({'|'.join(_LISTS)}|Returns|Yields):")
_ENTRY = re.compile(r"(?P<name>\*{0,2}[\w.]+(?:, \*{0,2}[\w.]+)*)(?: \([^)]*\))?: (?P<text>.*)")
_ROLE = re.compile(r":(?:meth|class|func|mod|attr|data|exc):`~?([^`]+)`")
_CODE = re.compile(r"(`+[^`]+`+)")


def as_markdown(docstring: str) -> str:
    """Return a docstring as Markdown: paragraphs as they are, sections with a bold heading and lists of their entries.

    Args:
        docstring: As ``ast.get_docstring`` returns it, without the indentation of the code.
    """
    parts = []
    for heading, lines in _sections(docstring):
        body = textwrap.dedent("\n".join(lines)).strip("\n")
        if heading in _LISTS:
            parts.append("\n".join([f"**{heading}**\n", *map(_item, _entries(body))]))
        elif body:
            parts.append((f"**{heading}**\n\n" if heading else "") + _shown(body))
    return "\n\n".join(parts)


def _sections(docstring: str) -> Iterator[tuple[str, list[str]]]:
    """The parts of a docstring in their order, each with its heading; the text before the first one has none."""
    heading = ""
    lines: list[str] = []
    for line in docstring.splitlines():
        found = _HEADING.fullmatch(line)
        if found or (heading and line and not line.startswith(" ")):  # text behind a section has no heading again
            yield heading, lines
            heading, lines = (found[1], []) if found else ("", [line])
        else:
            lines.append(line)
    yield heading, lines


def _entries(body: str) -> Iterator[list[str]]:
    entry: list[str] = []
    for line in body.splitlines():
        if entry and line and not line.startswith(" "):
            yield entry
            entry = []
        if line.strip():
            entry.append(line.strip())
    if entry:
        yield entry


def _item(entry: list[str]) -> str:
    text = " ".join(entry)
    found = _ENTRY.fullmatch(text)
    return f"- `{found['name']}`: {_shown(found['text'])}" if found else f"- {_shown(text)}"


def _shown(text: str) -> str:
    """Text whose ``*`` and ``<`` are shown; roles of Sphinx are code."""
    parts = _CODE.split(_ROLE.sub(r"`\1`", text))
    return "".join(
        part if number % 2 else re.sub(r"(?<!^)\*", r"\\*", part, flags=re.MULTILINE).replace("<", "&lt;")
        for number, part in enumerate(parts)
    )
