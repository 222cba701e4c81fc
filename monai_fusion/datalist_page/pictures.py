"""Small pictures of recordings, and sheets of them: one grey JPEG for 200 participants, coloured in by the page."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

PEOPLE_PER_SHEET = 200
COLUMNS = 5  # of a sheet
SIDE, SMALL_SIDE = 96, 64  # pixels of a slice
SMALL_FROM = 501
"""From this many participants on, pictures are small."""

QUALITY = 85
"""Of JPEG: at this size its traces cannot be seen."""

DARKEST = 10 / 255
"""Of what is there; what is darker is black: no picture, or a constant electrode."""

_CLIPPED = (0.5, 99.5)  # percentiles that become black and white
_GRID_COLUMNS = {17: 5}  # the standard electrodes by region: F, C, P, O
_MOST_ELECTRODES = 80
_DECADE = 1.0  # log10 around the middle of all electrodes that an electrode's picture spans, either way
_MADS = 6.0  # the same, where values have no logarithm

Floats = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Grid:
    """How the pictures of single electrodes are laid out: electrodes in the file's order, a row after the other."""

    columns: int
    rows: int
    tile: int

    @property
    def width(self) -> int:
        """Pixels."""
        return self.columns * self.tile


@dataclass(frozen=True, slots=True)
class SegmentPicture:
    """A segment.

    Attributes:
        mean: [side, side], the mean over electrodes, each z-scored; frequency first.
        electrodes: [electrode, tile, tile], each against the middle of all electrodes: 0.5 is as usual, 0 a constant.
    """

    mean: Floats
    electrodes: Floats


def side_for(people: int) -> int:
    """Pixels along each side of a slice in a cohort of so many."""
    return SIDE if people < SMALL_FROM else SMALL_SIDE


def grid_of(electrodes: int, side: int) -> Grid | None:
    """Lay out the pictures of electrodes in the height of a slice; None for too many."""
    if not 2 <= electrodes <= _MOST_ELECTRODES:
        return None
    columns = _GRID_COLUMNS.get(electrodes, math.ceil(math.sqrt(electrodes)))
    rows = math.ceil(electrodes / columns)
    return Grid(columns, rows, side // rows)


def mri_pictures(values: npt.NDArray[np.generic], spacing: Sequence[float], side: int) -> Picture:
    """Return the middle sagittal, coronal and axial slice [side, 3 side]; the participant's left is on the left.

    Args:
        values: [X, Y, Z] in RAS.
        spacing: The edges of a voxel along the same axes: slices have the proportions of the head.
        side: Pixels of a slice.
    """
    middle = [length // 2 for length in values.shape]
    planes = [values[middle[0]], values[:, middle[1]], values[:, :, middle[2]]]
    spans = [(1, 2), (0, 2), (0, 1)]
    low, high = np.percentile(np.concatenate([np.ravel(plane) for plane in planes]).astype(np.float32), _CLIPPED)
    lengths = np.asarray(spacing, dtype=np.float64) * values.shape
    lengths = np.where(np.isfinite(lengths) & (lengths > 0), lengths, 1.0)
    scale = side / lengths.max()
    picture = np.zeros((side, 3 * side), np.uint8)
    for number, (plane, (across, up)) in enumerate(zip(planes, spans, strict=True)):
        width, height = (min(side, max(1, round(lengths[axis] * scale))) for axis in (across, up))
        shown = (np.asarray(plane, dtype=np.float32).T[::-1] - low) / ((high - low) or 1.0)
        top, left = (side - height) // 2, number * side + (side - width) // 2
        picture[top : top + height, left : left + width] = _bytes(_resized(shown, height, width))
    return picture


def segment_picture(scalogram: npt.NDArray[np.generic], side: int) -> SegmentPicture:
    """Return the pictures of a scalogram [electrode, frequency, time]."""
    values = np.asarray(scalogram, dtype=np.float32)
    mean = values.mean(axis=(1, 2), dtype=np.float64)[:, np.newaxis, np.newaxis]
    spread = values.std(axis=(1, 2), dtype=np.float64)[:, np.newaxis, np.newaxis]
    flat = (spread <= 1e-12 * np.abs(mean)).ravel()
    # The mean of z-scores, without an array of all of them.
    weights = np.where(flat, 0.0, 1 / np.where(flat, 1.0, spread.ravel())) / max(1, int((~flat).sum()))
    scored = np.tensordot(weights, values, axes=(0, 0)) - float(np.sum(weights * mean.ravel()))
    grid = grid_of(len(values), side)
    tile = 1 if grid is None else grid.tile
    small = np.stack([_resized(each, tile, tile) for each in values]) if grid is not None else values[:0, :1, :1]
    return SegmentPicture(_resized(scored.astype(np.float32), side, side), _against_others(small, flat))


def _against_others(values: Floats, flat: npt.NDArray[np.bool_]) -> Floats:
    """Scale each electrode [electrode, frequency, time] by how far it is from the middle one at each frequency."""
    if not values.size:
        return values
    if (values[~flat] > 0).all():
        values, step = np.log10(np.where(values > 0, values, 1e-30)), _DECADE
    else:
        step = _MADS * float(np.median(np.abs(values - np.median(values)))) or 1.0
    used = values if flat.all() else values[~flat]
    middle = np.median(used, axis=(0, 2), keepdims=True)
    shown = np.clip((values - middle) / (2 * step) + 0.5, DARKEST, 1.0)
    shown[flat] = 0.0
    return np.asarray(shown, dtype=np.float32)


def scalogram_pictures(segments: Sequence[SegmentPicture], side: int) -> Picture:
    """Return the mean scalogram of segments and beside it the grid of electrodes, [side, side + grid]."""
    mean = np.mean([each.mean for each in segments], axis=0)
    low, high = np.percentile(mean, _CLIPPED)
    parts = [_bytes(DARKEST + np.clip((mean - low) / ((high - low) or 1.0), 0, 1) * (1 - DARKEST))]
    electrodes = np.mean([each.electrodes for each in segments], axis=0)
    if (grid := grid_of(len(electrodes), side)) is not None:
        tiles = np.zeros((side, grid.width), np.uint8)
        for number, tile in enumerate(electrodes):
            top, left = (number // grid.columns) * grid.tile, (number % grid.columns) * grid.tile
            tiles[top : top + grid.tile - 1, left : left + grid.tile - 1] = _bytes(tile)[:-1, :-1]
        parts.append(tiles)
    return np.hstack(parts)


def sheets_of(cells: Sequence[Mapping[int, Picture]], width: int, side: int) -> Iterator[str]:
    """Put the pictures of participants on sheets, and return each as a ``data:`` address.

    Args:
        cells: Of each participant, pictures [side, w] by where they begin in the cell.
        width: Pixels of a participant's cell.
        side: Its height.
    """
    for start in range(0, len(cells), PEOPLE_PER_SHEET):
        people = cells[start : start + PEOPLE_PER_SHEET]
        rows = math.ceil(len(people) / COLUMNS)
        sheet = np.zeros((rows * side, min(COLUMNS, len(people)) * width), np.uint8)
        for number, pictures in enumerate(people):
            top, left = (number // COLUMNS) * side, (number % COLUMNS) * width
            for at, picture in pictures.items():
                sheet[top : top + side, left + at : left + at + picture.shape[1]] = picture
        stream = io.BytesIO()
        Image.fromarray(sheet).save(stream, format="JPEG", quality=QUALITY, optimize=True)
        yield "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def _resized(plane: npt.NDArray[np.generic], height: int, width: int) -> Floats:
    image = Image.fromarray(np.ascontiguousarray(plane, dtype=np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR), dtype=np.float32)


def _bytes(values: npt.NDArray[np.floating]) -> Picture:
    return np.asarray(np.rint(np.clip(values, 0, 1) * 255), dtype=np.uint8)
