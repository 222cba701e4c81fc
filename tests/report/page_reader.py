"""A report as a program sees it: its elements, its text, its figures."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

_VOID = {"meta", "link", "img", "br"}


@dataclass
class Element:
    """An element with its attributes, what is in it, and its text."""

    tag: str
    attributes: dict[str, str]
    parent: Element | None = None
    children: list[Element] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text inside, in order, blanks made one."""
        return " ".join("".join(self.texts).split())

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """Every element of a kind inside."""
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        found = [] if self.tag != tag or not wanted.items() <= self.attributes.items() else [self]
        return found + [each for child in self.children for each in child.all(tag, **attributes)]


class Page(HTMLParser):
    """A page, parsed; an element that is closed by another's end is an error."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.folder = path.parent
        self.source = path.read_text(encoding="utf-8")
        self.root = self._open = Element("", {})
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(self.source)
        self.close()
        assert self._open is self.root, self._open.tag

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, self._open)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self._open.children.append(element)
        if tag not in _VOID:
            self._open = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.tag == tag, f"<{self._open.tag}> is closed by </{tag}>"
        assert self._open.parent is not None
        self._open = self._open.parent

    def handle_data(self, data: str) -> None:
        element: Element | None = self._open
        while element is not None:
            element.texts.append(data)
            element = element.parent

    def section(self, name: str) -> Element:
        """The section with this anchor."""
        (found,) = [each for tag in ("section", "header", "div") for each in self.root.all(tag, id=name)]
        return found

    def figures(self) -> list[ElementTree.Element]:
        """Every figure, read as XML."""
        texts = re.findall(r"<svg .*?</svg>", self.source, re.DOTALL)
        return [ElementTree.fromstring(text) for text in texts]  # noqa: S314 # the program's own


def table_of(element: Element) -> list[list[str]]:
    """The rows of the first table inside, cell by cell."""
    table = element.all("table")[0]
    return [[cell.text for cell in row.children if cell.tag in ("th", "td")] for row in table.all("tr")]
