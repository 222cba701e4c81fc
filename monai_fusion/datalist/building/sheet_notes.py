"""What the values of an Excel sheet do not show: rows that a filter hides, formulas without a value."""

from __future__ import annotations

import io
import posixpath
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree import ElementTree

from monai_fusion.wording import a_few, counted

_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_STRICT_RELATION = "{http://purl.oclc.org/ooxml/officeDocument/relationships}id"
_NAMED_AT_MOST = 10


def notes_on_sheet(content: bytes, cells: Sequence[tuple[int, Sequence[Any]]], position: int = 0) -> list[str]:
    """Notes on a worksheet of a workbook; none if its XML is another than what is known here.

    Args:
        content: The .xlsx file.
        cells: The values of its rows by their numbers; rows that are empty are not spoken of.
        position: Which of the sheets that are no charts it is, from 0.
    """
    filled = {number for number, row in cells if any(cell is not None for cell in row)}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as book:
            hidden, uncomputed = _looked_at(book, _sheet(book, position))
    except (zipfile.BadZipFile, ElementTree.ParseError, KeyError, ValueError, IndexError, OSError, RuntimeError):
        return []  # the values were read, and that is what counts
    return [*_on_hidden([number for number in hidden if number in filled]), *_on_formulas(uncomputed)]


def _on_hidden(lines: Sequence[int]) -> Iterator[str]:
    if lines:
        which = a_few(map(str, lines), _NAMED_AT_MOST)
        are = f"line {which} is" if len(lines) == 1 else f"lines {which} are"
        yield f"{are} hidden in the sheet, by a filter or by hand, and read like the others"


def _on_formulas(lines: Sequence[int]) -> Iterator[str]:
    if lines:
        distinct = list(dict.fromkeys(lines))
        where = f"line{'s' * (len(distinct) > 1)} {a_few(map(str, distinct), _NAMED_AT_MOST)}"
        has = "was never computed, so it is empty" if len(lines) == 1 else "were never computed, so they are empty"
        yield f"{counted(len(lines), 'formula')} ({where}) {has}: open the file in a spreadsheet program and save it"


def _sheet(book: zipfile.ZipFile, position: int) -> str:
    """The name within the archive of one of the sheets that are no charts."""
    with book.open("xl/_rels/workbook.xml.rels") as file:
        targets = {
            element.get("Id"): element.get("Target", "")
            for element in ElementTree.parse(file).getroot()  # noqa: S314 - openpyxl has parsed it, and expat is safe
            if element.get("Type", "").endswith("/worksheet")
        }
    with book.open("xl/workbook.xml") as file:
        sheets = [each for each in ElementTree.parse(file).getroot().iter() if _name(each) == "sheet"]  # noqa: S314 - as above
    relations = (sheet.get(_RELATION) or sheet.get(_STRICT_RELATION) for sheet in sheets)
    target = [targets[relation] for relation in relations if relation in targets][position]
    return target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"xl/{target}")


def _looked_at(book: zipfile.ZipFile, name: str) -> tuple[list[int], list[int]]:
    """The hidden rows, and the row of each formula that has no value."""
    hidden: list[int] = []
    uncomputed: list[int] = []
    number = 0
    with book.open(name) as file:
        for _, element in ElementTree.iterparse(file):  # noqa: S314 - as above
            if _name(element) != "row":
                continue
            number = int(element.get("r", number + 1))
            if element.get("hidden") in ("1", "true"):
                hidden.append(number)
            for cell in element:
                parts = {_name(part): part for part in cell}
                if "f" in parts and ("v" not in parts or not parts["v"].text) and "is" not in parts:
                    uncomputed.append(number)
            element.clear()
    return hidden, uncomputed


def _name(element: ElementTree.Element) -> str:
    return str(element.tag).rpartition("}")[2]
