"""Writes a datalist with one participant a line, so that an edit is one line and a comparison shows who changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai_fusion.datalist.schema import SECTIONS, DatalistFile, datalist_json_schema
from monai_fusion.errors import InputError, Problem
from monai_fusion.files import write_atomically


def datalist_text(datalist: DatalistFile) -> str:
    """The file's text: the head's fields a line each, then one participant a line; letters as they are, not escaped."""
    return document_text(datalist.model_dump(by_alias=True, exclude_unset=True))


def document_text(document: Mapping[str, Any]) -> str:
    """As `datalist_text`, of a file's content as parsed JSON: every field in its place, known or not."""
    fields = [
        f"  {_json(name)}: {_rows(value) if name in SECTIONS else _json(value)}" for name, value in document.items()
    ]
    return "{\n" + ",\n".join(fields) + "\n}\n"


def write_schema(path: Path) -> None:
    """Write the JSON Schema of datalists; an older one is replaced.

    Raises:
        InputError: The file cannot be written there, or is there already and something else.
    """
    if path.is_file() and not _is_schema(path):
        seen = "already exists, and is not a JSON Schema"
        raise InputError(Problem(str(path), seen=seen, advice="choose another --out"))
    write_text(schema_text(), path)


def _is_schema(path: Path) -> bool:
    try:
        return b"json-schema.org" in path.read_bytes()[:1_000]
    except OSError:
        return False


def schema_text() -> str:
    """The JSON Schema of datalists as text."""
    return json.dumps(datalist_json_schema(), indent=2, ensure_ascii=False) + "\n"


def write_text(text: str, path: Path, *, private: bool = False) -> None:
    """Write UTF-8 text with Unix line ends, at once or not at all; ``private`` for its owner only.

    Raises:
        InputError: The file cannot be written there, or the text holds a name that is not valid text.
    """
    if not path.parent.is_dir():
        raise InputError(
            Problem(str(path), seen=f"there is no folder {path.parent}", advice="make it, or choose another")
        )
    try:
        write_atomically(path, text.encode(), private=private)
    except UnicodeEncodeError as error:
        seen = f"a name that is not valid text: {error.object[max(0, error.start - 20) : error.end]!r}"
        raise InputError(Problem(str(path), seen=seen, advice="rename that file")) from None
    except OSError as error:
        raise InputError(Problem(str(path), seen=f"cannot be written ({error.strerror or error})")) from None


def _rows(entries: list[Any]) -> str:
    return "[\n" + ",\n".join(f"    {_json(entry)}" for entry in entries) + "\n  ]" if entries else "[]"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
