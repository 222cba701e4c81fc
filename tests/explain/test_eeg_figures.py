"""Pictures of EEG explanations: 0 is white, sides are sides, and the text says what the picture shows."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import AxesImage

from monai_fusion.explain.eeg_axes import EegAxes, axes_of
from monai_fusion.explain.eeg_figures import DIVERGING, draw_electrode_band, draw_frequency_time, draw_topography
from monai_fusion.report.style import Picture
from tests.explain.eeg_networks import sidecar


def image_of(picture: Picture) -> AxesImage:
    return picture.figure.axes[0].images[0]


def png(picture: Picture) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "png")
    return stream.getvalue()


@pytest.fixture
def axes() -> EegAxes:
    return axes_of("sub-07", (), (17, 24, 16))


def test_the_centre_of_the_colours_is_0_and_white(axes: EegAxes) -> None:
    values = np.linspace(-1, 3, 17 * 6).reshape(17, 6)
    image = image_of(draw_electrode_band(values, axes, "eb", "Electrodes by band"))
    assert (image.norm.vmin, image.norm.vmax) == (-3.0, 3.0)
    assert min(DIVERGING(0.5)[:3]) > 0.95
    for share in (0.2, 0.4):  # red against blue, so that no colour vision confuses the ends
        assert DIVERGING(0.5 - share)[2] > DIVERGING(0.5 - share)[0] + 0.2
        assert DIVERGING(0.5 + share)[0] > DIVERGING(0.5 + share)[2] + 0.2


def test_the_text_names_the_largest_values_of_either_sign(axes: EegAxes) -> None:
    values = np.zeros((17, 6))
    values[7, 1], values[3, 5] = 0.5, -2.0
    marked = np.zeros((17, 6), bool)
    marked[7, 1] = True
    picture = draw_electrode_band(values, axes, "eb", "Electrodes by band", marked)
    assert picture.values == (
        "Most for the class: Cz rows 5-8 +0.5 logit.", "Most against it: F4 rows 21-24 -2 logit.",
        "Marked with a dot: 1 of 102.",
    )  # fmt: skip
    assert draw_electrode_band(0 * values, axes, "eb", "").values == ("All values are 0.",)
    assert 'role="img"' in picture.__html__()


def test_left_electrodes_are_drawn_left_and_frontal_ones_above(axes: EegAxes) -> None:
    for electrode, half in {"C3": np.s_[:, :60], "C4": np.s_[:, 61:], "Fz": np.s_[61:], "O1": np.s_[:60]}.items():
        values = np.where(np.array(axes.electrodes) == electrode, 1.0, 0.0)
        image = image_of(draw_topography(values, axes, "t", "Head"))
        surface = np.ma.filled(image.get_array(), np.nan)
        assert image.origin == "lower"
        row, column = np.unravel_index(np.nanargmax(surface), surface.shape)
        inside = np.zeros(surface.shape, bool)
        inside[half] = True
        assert inside[row, column], electrode
        assert 0.7 < np.nanmax(surface) < 1.1


def test_equal_values_are_one_colour_over_the_whole_head(axes: EegAxes) -> None:
    surface = np.ma.filled(image_of(draw_topography(np.full(17, 0.3), axes, "t", "Head")).get_array(), np.nan)
    np.testing.assert_allclose(surface[np.isfinite(surface)], 0.3, atol=1e-6)


def test_electrodes_without_a_place_are_named_and_too_few_are_not_drawn(axes: EegAxes) -> None:
    odd = axes_of("sub-07", (), (5, 24, 16))
    assert draw_topography(np.ones(5), odd, "t", "Head") is None
    mixed = EegAxes(**{**vars(odd), "electrodes": ("F3", "F4", "P3", "P4", "X9")})
    assert draw_topography(np.ones(5), mixed, "t", "Head").values[-1].endswith("no place for them: X9.")


def test_frequencies_of_a_map_are_in_hertz_where_they_are_known(tmp_path: Path, axes: EegAxes) -> None:
    known = axes_of("sub-07", sidecar(tmp_path), (3, 12, 8))
    values = np.random.default_rng(0).normal(size=(12, 8))
    plot = draw_frequency_time(values, known, "ft", "Frequency by time").figure.axes[0]
    ticks = [each.get_text() for each in plot.get_yticklabels()]
    assert "5 Hz" in ticks
    at = plot.get_yticks()[ticks.index("5 Hz")]
    assert np.interp(at, np.arange(12), known.hertz) == pytest.approx(5, rel=0.1)
    assert plot.get_xlabel() == "s"
    by_block = draw_frequency_time(np.ones((6, 4)), axes, "ft", "Bands by time")
    assert by_block.figure.axes[0].get_xlabel() == "% of the segment"
    assert by_block.values[0].startswith("Most for the class: rows 21-24, columns 13-16 +1")


def test_the_same_values_give_the_same_bytes(axes: EegAxes) -> None:
    values = np.random.default_rng(1).normal(size=17)
    assert png(draw_topography(values, axes, "t", "Head")) == png(draw_topography(values, axes, "t", "Head"))
