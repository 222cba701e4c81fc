"""A cohort of small recordings that can be opened, and its page."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from monai_fusion.datalist.schema import SECTIONS

SHAPE = (16, 16, 17)
"""Frequency, time, electrode of a scalogram."""

EEG_SHAPE = "16,16,17"
Document = dict[str, Any]


def scalogram(seed: int) -> np.ndarray:
    """Power that falls with the frequency; electrodes differ a little."""
    drawn = np.random.default_rng(seed)
    falling = 1 / np.arange(1, SHAPE[0] + 1)[:, np.newaxis, np.newaxis]
    return np.asarray(falling * drawn.lognormal(0, 0.2, SHAPE) * drawn.lognormal(0, 0.1, SHAPE[2]), np.float32)


def head(seed: int, size: float = 1.0) -> np.ndarray:
    """A bright ball in dark air."""
    drawn = np.random.default_rng(seed)
    places = np.stack(np.meshgrid(*[np.linspace(-1, 1, 24)] * 3, indexing="ij"))
    inside = np.linalg.norm(places, axis=0) < 0.7 * size * drawn.normal(1, 0.02)
    return np.asarray(np.where(inside, 800 + 100 * places[2], 20) + drawn.normal(0, 10, inside.shape), np.float32)


def write_volume(path: Path, values: np.ndarray, spacing: float = 8.0) -> None:
    """A NIfTI file in RAS."""
    nib.Nifti1Image(values, np.diag([spacing] * 3 + [1])).to_filename(path)


def write_cohort(
    folder: Path,
    people: int = 12,
    edit: Callable[[Document], None] = lambda _: None,
    named: Mapping[int, str] = {},  # never changed
) -> Path:
    """Write recordings and their datalist, a participant a line: two EEG conditions and an MRI each.

    Args:
        folder: Where.
        people: How many, alternately M and F; the last four are the validation and the test part.
        edit: Changes the datalist before it is written.
        named: Ids of some, by number.

    Returns:
        The datalist.
    """
    for kind in ("eeg", "mri"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(people):
        stem = f"sub-{number:02d}"
        for place, condition in enumerate(("EC", "EO")):
            np.save(folder / f"eeg/{stem}_{condition}_seg0.npy", scalogram(10 * number + place))
        write_volume(folder / f"mri/{stem}_T1w.nii.gz", head(number))
        rows.append(
            {
                "participant_id": named.get(number, stem),
                "label": "MF"[number % 2],
                "eeg": f"eeg/{stem}_*.npy",
                "mri": f"mri/{stem}_T1w.nii.gz",
                "age": 20 + number,
                "site": "AB"[number // 3 % 2],
            }
        )
    parts = dict(zip(SECTIONS, (rows[:-4], rows[-4:-2], rows[-2:]), strict=True))
    document = {"name": "Small cohort", "classes": ["M", "F"], "data_root": ".", **parts}
    edit(document)
    path = folder / "cohort.json"
    path.write_text(as_text(document), encoding="utf-8")
    return path


def as_text(document: Document) -> str:
    """A datalist as the program writes it, but with numbers that another program would write otherwise."""

    def value(content: object) -> str:
        if isinstance(content, list) and any(isinstance(entry, dict) for entry in content):
            rows = (f"    {json.dumps(entry, ensure_ascii=False)}" for entry in content)
            return "[\n" + ",\n".join(rows) + "\n  ]"
        return json.dumps(content, ensure_ascii=False)

    return "{\n" + ",\n".join(f"  {json.dumps(name)}: {value(content)}" for name, content in document.items()) + "\n}\n"
