"""Mosaics of MRI maps: left is left, colours are symmetric about 0, and words say what is seen."""

from __future__ import annotations

import io

import numpy as np
import pytest
from nibabel.orientations import apply_orientation, axcodes2ornt, ornt_transform
from PIL import Image

from monai_fusion.explain.mri_figures import colour_limit, draw_mosaic
from monai_fusion.report.style import Picture, drawing

SHAPE = (20, 24, 16)


@pytest.fixture
def anatomy() -> np.ndarray:
    grid = np.meshgrid(*(np.linspace(-1, 1, length) for length in SHAPE), indexing="ij")
    return (sum(axis**2 for axis in grid) < 0.8).astype(np.float32)


def spot(place: tuple[int, int, int], value: float) -> np.ndarray:
    values = np.zeros(SHAPE, np.float32)
    values[tuple(slice(at - 1, at + 2) for at in place)] = value
    values[place] = 1.5 * value
    return values


def pixels(picture: Picture) -> np.ndarray:
    stream = io.BytesIO()
    with drawing():
        picture.figure.savefig(stream, format="png", dpi=40)
    return np.asarray(Image.open(stream).convert("RGB")).astype(int)


def test_a_spot_on_the_left_is_drawn_on_the_left(anatomy: np.ndarray) -> None:
    values = spot((4, 12, 8), 1.0)
    picture = draw_mosaic(values, anatomy, "RAS", (1, 1, 1), "m", "A map")
    drawn = picture.figure.axes[2]  # an axial slice
    colours = np.asarray(drawn.images[1].get_array())
    columns = np.flatnonzero(colours[..., 3].any(axis=0))
    assert drawn.images[1].origin == "lower"
    assert columns.tolist() == [3, 4, 5]  # across is x, of which 0 is the left end
    rows = np.flatnonzero(colours[..., 3].any(axis=1))
    assert rows.tolist() == [11, 12, 13]
    texts = [text.get_text() for axes in picture.figure.axes for text in axes.texts]
    assert texts == ["L", "R", "L", "R", "P", "A"]
    assert "left is left (neurological convention)" in picture.figure.get_suptitle()


@pytest.mark.parametrize("orientation", ["LPS", "SAR", "PIR"])
def test_axes_of_any_direction_give_the_same_picture(anatomy: np.ndarray, orientation: str) -> None:
    turn = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(orientation))
    values = spot((4, 15, 6), -0.4)
    plain = draw_mosaic(values, anatomy, "RAS", (1, 1.5, 2), "m", "A map")
    spacing = np.empty(3)
    spacing[turn[:, 0].astype(int)] = (1, 1.5, 2)
    turned = draw_mosaic(
        apply_orientation(values, turn), apply_orientation(anatomy, turn), orientation, spacing, "m", "A map"
    )
    np.testing.assert_array_equal(pixels(turned), pixels(plain))
    assert turned.values == plain.values


def test_for_and_against_have_opposite_colours_on_one_scale(anatomy: np.ndarray) -> None:
    reds = []
    for value in (1.0, -1.0):
        picture = draw_mosaic(spot((10, 12, 8), value), anatomy, "RAS", (1, 1, 1), "m", "t", limit=2.0)
        shown = np.asarray(picture.figure.axes[2].images[1].get_array())
        red, _, blue, cover = shown[12, 10]
        reds.append(red > blue)
        assert cover > 0.5
    assert reds == [True, False]


def test_words_say_what_is_seen(anatomy: np.ndarray) -> None:
    values = spot((4, 20, 3), 1.0) + spot((14, 5, 12), -0.2)
    words = draw_mosaic(values, anatomy, "RAS", (1, 1, 1), "m", "t", marked=values > 0).values
    assert words == (
        "Most for the class: +1.5 logit at x 4, y 20, z 3 (left, front, lower).",
        "Most against it: -0.3 logit at x 14, y 5, z 12 (right, back, upper).",
        "83 % of all magnitudes lie in the left half.",
        "Outlined: 27 of 7680 voxels.",
    )
    assert draw_mosaic(np.zeros(SHAPE), None, "RAS", (1, 1, 1), "m", "t").values == ("All values are 0.",)


def test_a_map_without_a_sign_speaks_neither_for_nor_against() -> None:
    picture = draw_mosaic(spot((4, 20, 3), 1.0), None, "RAS", (1, 1, 1), "m", "t", unit="logit²", signed=False)
    assert picture.values[0].startswith("Largest: +1.5 logit² at x 4")
    assert picture.figure.axes[-1].get_ylabel() == "logit²"


def test_it_works_without_anatomy_and_saves_the_same_bytes(anatomy: np.ndarray) -> None:
    first, again = (draw_mosaic(spot((4, 20, 3), 1.0), None, "RAS", (1, 1, 3), "m", "t", unit="") for _ in range(2))
    np.testing.assert_array_equal(pixels(first), pixels(again))
    assert "no unit" in first.figure.axes[-1].get_ylabel()
    assert 'aria-label="t"' in first.__html__()


def test_few_voxels_beyond_do_not_set_the_colours() -> None:
    values = np.ones((10, 10, 10))
    values[0, 0, 0] = 1000
    assert colour_limit([values]) == pytest.approx(1.0)
    assert colour_limit([0 * values]) == 1.0
