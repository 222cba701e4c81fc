"""A small cohort of files without content with a right datalist, for tests to spoil."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Document = dict[str, Any]


def one_row_a_line(document: Document) -> str:
    """The document as the program writes it: line 2 is ``$schema``, sub-01 stands in line 8, sub-06 in line 17."""

    def value(content: object) -> str:
        if isinstance(content, list) and any(isinstance(entry, dict) for entry in content):
            return "[\n" + ",\n".join(f"    {json.dumps(entry, ensure_ascii=False)}" for entry in content) + "\n  ]"
        return json.dumps(content, ensure_ascii=False)

    return "{\n" + ",\n".join(f"  {json.dumps(name)}: {value(content)}" for name, content in document.items()) + "\n}\n"


def _row(number: int, label: str | None) -> Document:
    name = f"sub-{number:02d}"
    return {"participant_id": name, "label": label, "eeg": f"eeg/{name}_*.npy", "mri": f"mri/{name}_T1w.nii.gz"}


@pytest.fixture
def document(tmp_path: Path) -> Document:
    """A right datalist of eight participants with two EEG segments and an MRI each; of the files, the first bytes."""
    for folder in ("eeg", "mri"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    for number in range(1, 9):
        for segment in ("EO_seg2", "EO_seg10"):
            (tmp_path / f"data/eeg/sub-{number:02d}_{segment}.npy").write_bytes(b"\x93NUMPY")
        (tmp_path / f"data/mri/sub-{number:02d}_T1w.nii.gz").write_bytes(b"\x1f\x8b")
    return {
        "$schema": "datalist.schema.json",
        "name": "Eight",
        "target": "gender",
        "classes": ["M", "F"],
        "data_root": "../data",
        "training": [_row(1, "M"), _row(2, "F"), _row(3, "M")],
        "validation": [_row(4, "M"), _row(5, "F")],
        "test": [_row(6, "M"), _row(7, "M"), _row(8, "F")],
    }


@pytest.fixture
def save(tmp_path: Path) -> Callable[[Document | str | bytes], Path]:
    """Writes a datalist (or any text) where the document's data_root fits."""

    def write(content: Document | str | bytes) -> Path:
        path = tmp_path / "lists" / "eight.json"
        path.parent.mkdir(exist_ok=True)
        if isinstance(content, dict):
            content = one_row_a_line(content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write
