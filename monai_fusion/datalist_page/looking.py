"""Looks at each recording once, while the check has it open, and keeps small pictures of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from monai_fusion.baseline.participant_numbers import SEGMENTS
from monai_fusion.datalist.records import ParticipantRecord
from monai_fusion.datalist_page.pictures import (
    COLUMNS,
    DARKEST,
    PEOPLE_PER_SHEET,
    Grid,
    Picture,
    SegmentPicture,
    grid_of,
    mri_pictures,
    scalogram_pictures,
    segment_picture,
    sheets_of,
    side_for,
)
from monai_fusion.metrics.conditions import conditions_of
from monai_fusion.recordings.montage import ELECTRODES_1020_17
from monai_fusion.spreading import some_of

_MOST_CONDITIONS = 4
_COLOURS = 256


@dataclass
class Looker:
    """What the check calls for every recording that can be used, by several threads.

    Attributes:
        records: The participants by the numbers of their rows.
        pictures: Whether pictures are wanted.
    """

    records: Mapping[int, ParticipantRecord]
    pictures: bool = True
    usable: set[Path] = field(default_factory=set)
    _mri: dict[Path, Picture] = field(default_factory=dict)
    _eeg: dict[Path, SegmentPicture] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Choose the segments that are shown: a few of each condition."""
        self.side = side_for(len(self.records))
        self.conditions, self._chosen = _chosen_segments(self.records)
        self._shown = {path for of_person in self._chosen.values() for paths in of_person for path in paths}

    def eeg(self, path: Path, values: np.ndarray) -> None:
        """Look at a scalogram [electrode, frequency, time]."""
        self.usable.add(path)
        if self.pictures and path in self._shown:
            self._eeg[path] = segment_picture(values, self.side)

    def mri(self, path: Path, values: np.ndarray, spacing: Sequence[float]) -> None:
        """Look at a volume [X, Y, Z] in RAS, and the edges of its voxels."""
        self.usable.add(path)
        if self.pictures:
            self._mri[path] = mri_pictures(values, spacing, self.side)

    def usable_records(self) -> dict[int, ParticipantRecord]:
        """The participants with the recordings that could be used, without those who have none."""
        found = {number: self._usable(record) for number, record in self.records.items()}
        return {number: record for number, record in found.items() if record.files}

    def _usable(self, record: ParticipantRecord) -> ParticipantRecord:
        return ParticipantRecord(
            record.participant_id,
            record.label,
            tuple(path for path in record.eeg if path in self.usable),
            record.mri if record.mri in self.usable else None,
            record.section,
            record.extra,
        )

    def layout(self) -> tuple[dict[str, Any] | None, list[str]]:
        """Where the page finds each picture, and the sheets; nothing if there are no pictures."""
        if not self._mri and not self._eeg:
            return None, []
        electrodes = len(next(iter(self._eeg.values())).electrodes) if self._eeg else 0
        grid = grid_of(electrodes, self.side)
        of_condition = self.side + (0 if grid is None else grid.width)
        width = 3 * self.side + len(self.conditions) * of_condition
        cells: list[dict[int, Picture]] = []
        people: dict[int, dict[str, Any]] = {}
        for number, record in self.records.items():
            cell: dict[int, Picture] = {}
            segments = []
            if record.mri in self._mri and record.mri is not None:
                cell[0] = self._mri[record.mri]
            for place, paths in enumerate(self._chosen.get(number, ())):
                found = [self._eeg[path] for path in paths if path in self._eeg]
                found = [each for each in found if len(each.electrodes) == electrodes]
                segments.append(len(found))
                if found:
                    cell[3 * self.side + place * of_condition] = scalogram_pictures(found, self.side)
            if cell:
                people[number] = {"place": len(cells), "mri": 0 in cell, "segments": segments}
                cells.append(cell)
        layout = {
            "side": self.side,
            "cell": [width, self.side],
            "columns": min(COLUMNS, len(cells)),
            "people_per_sheet": PEOPLE_PER_SHEET,
            "conditions": self.conditions,
            "condition_width": of_condition,
            "grid": None if grid is None else _grid(grid, electrodes),
            "palette": _palette(),
            "people": people,
        }
        return layout, list(sheets_of(cells, width, self.side))


def _chosen_segments(
    records: Mapping[int, ParticipantRecord],
) -> tuple[list[str], dict[int, list[list[Path]]]]:
    """The conditions, and of each participant at most `SEGMENTS` files of each condition, at even distances."""
    of_each = conditions_of(records.values())
    named = sorted({name for conditions in of_each.values() for name in conditions if name is not None})
    conditions = named[:_MOST_CONDITIONS] or ([""] if any(record.eeg for record in records.values()) else [])
    chosen = {}
    for number, record in records.items():
        names = of_each.get(record.participant_id) or ("",) * len(record.eeg)
        files = [[path for path, name in zip(record.eeg, names, strict=True) if name == each] for each in conditions]
        chosen[number] = [some_of(paths, SEGMENTS) for paths in files]
    return conditions, chosen


def _grid(grid: Grid, electrodes: int) -> dict[str, Any]:
    names = list(ELECTRODES_1020_17) if electrodes == len(ELECTRODES_1020_17) else []
    return {"columns": grid.columns, "rows": grid.rows, "tile": grid.tile, "names": names}


def _palette() -> list[int]:
    """Viridis, readable in grey and for colour-blind readers, as 0xRRGGBB; black for what is not there."""
    import matplotlib as mpl

    black = round(DARKEST * _COLOURS / 2)  # JPEG's traces around 0 stay below it
    colours = mpl.colormaps["viridis"](np.linspace(0, 1, _COLOURS - black), bytes=True)[:, :3].astype(int)
    return [0] * black + [int(red) << 16 | int(green) << 8 | int(blue) for red, green, blue in colours]
