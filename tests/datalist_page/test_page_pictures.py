"""The small pictures of recordings: which side is left, true proportions, and electrodes that stand out."""

import base64
import io

import numpy as np
from PIL import Image

from monai_fusion.datalist_page.pictures import (
    DARKEST,
    grid_of,
    mri_pictures,
    scalogram_pictures,
    segment_picture,
    sheets_of,
)

SIDE = 96


def marked(x: slice, y: slice, z: slice) -> np.ndarray:
    """A dark volume with a bright block, in RAS."""
    volume = np.zeros((40, 40, 40), np.float32)
    volume[x, y, z] = 100
    return volume


def centre(picture: np.ndarray) -> tuple[float, float]:
    """Row and column of the middle of what is bright, from 0 to 1."""
    rows, columns = np.nonzero(picture > 128)
    return float(rows.mean()) / picture.shape[0], float(columns.mean()) / picture.shape[1]


def test_the_participants_left_is_on_the_left_and_up_is_up() -> None:
    # R, A, S: small X is left, large Y is front, large Z is up.
    middle = slice(15, 25)
    axial = mri_pictures(marked(slice(2, 8), slice(30, 38), middle), (5, 5, 5), SIDE)[:, 2 * SIDE :]
    row, column = centre(axial)
    assert row < 0.3 and column < 0.3  # front is at the top, left on the left
    coronal = mri_pictures(marked(slice(32, 38), middle, slice(2, 8)), (5, 5, 5), SIDE)[:, SIDE : 2 * SIDE]
    row, column = centre(coronal)
    assert row > 0.7 and column > 0.7  # right on the right, down below
    sagittal = mri_pictures(marked(middle, slice(30, 38), slice(30, 38)), (5, 5, 5), SIDE)[:, :SIDE]
    row, column = centre(sagittal)
    assert row < 0.3 and column > 0.7  # the nose on the right


def test_slices_have_the_proportions_of_the_head_in_millimetres() -> None:
    volume = np.ones((40, 40, 40), np.float32)
    volume[:20] = 2
    axial = mri_pictures(volume, (2, 4, 4), SIDE)[:, 2 * SIDE :]
    columns = np.flatnonzero(axial.any(axis=0))
    assert len(columns) <= SIDE // 2 and columns.min() >= SIDE // 4  # half as wide as long, in the middle


def test_an_electrode_that_is_loud_is_bright_and_a_constant_one_is_black() -> None:
    drawn = np.random.default_rng(0)
    values = drawn.lognormal(0, 0.1, (17, 32, 32)).astype(np.float32)
    values[3] *= 8
    values[5] = 1
    picture = segment_picture(values, SIDE)
    levels = picture.electrodes.mean(axis=(1, 2))
    assert levels[3] > 0.9 and levels[5] == 0 and 0.45 < np.median(levels) < 0.55
    grid = grid_of(17, SIDE)
    assert grid is not None and (grid.columns, grid.rows, grid.tile) == (5, 4, 24)
    both = scalogram_pictures([picture], SIDE)
    assert both.shape == (SIDE, SIDE + 120)
    tile = both[24:47, SIDE : SIDE + 23]  # the sixth electrode begins the second row
    assert tile.max() == 0 and both[:SIDE, :SIDE].min() >= round(255 * DARKEST)


def test_values_without_a_logarithm_are_shown_too() -> None:
    values = np.random.default_rng(1).normal(0, 1, (4, 20, 20)).astype(np.float32)
    values[2] += 30
    levels = segment_picture(values, SIDE).electrodes.mean(axis=(1, 2))
    assert np.isfinite(levels).all() and levels.argmax() == 2


def test_a_sheet_holds_200_participants_each_in_a_cell_of_its_own() -> None:
    cells = [{0: np.full((16, 16), 100 + number % 2 * 100, np.uint8)} for number in range(201)]
    sheets = list(sheets_of(cells, 16, 16))
    assert len(sheets) == 2
    kind, _, content = sheets[0].partition(",")
    assert kind == "data:image/jpeg;base64"
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))
    assert sheet.shape == (40 * 16, 5 * 16)
    for number in (0, 1, 4, 5, 199):
        top, left = number // 5 * 16, number % 5 * 16
        assert abs(int(sheet[top + 8, left + 8]) - (100 + number % 2 * 100)) < 5
