"""Axes of scalograms: names, hertz and seconds from the sidecar; without one, assumptions that are called so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monai_fusion.errors import InputError
from monai_fusion.explain.eeg_axes import FROM_NUMBERS, FROM_PRESET, FROM_SIDECAR, Block, EegAxes, axes_of
from monai_fusion.recordings.montage import ELECTRODES_1020_17
from monai_fusion.recordings.morlet import row_frequencies
from tests.explain.eeg_networks import sidecar

STANDARD = [round(float(each), 4) for each in row_frequencies()]


def test_the_sidecar_names_electrodes_bands_and_seconds(tmp_path: Path) -> None:
    files = sidecar(tmp_path, RowFrequenciesHz=STANDARD)
    axes = axes_of("sub-07", files, (3, 224, 224))
    assert axes.electrodes == ("F3", "Cz", "O1")
    assert axes.source == FROM_SIDECAR
    assert [each.name for each in axes.bands] == ["high gamma", "low gamma", "beta", "alpha", "theta", "delta"]
    assert (axes.bands[0].start, axes.bands[-1].stop) == (0, 224)
    for band, (low, high) in zip(axes.bands, [(45, 999), (30, 45), (13, 30), (8, 13), (4, 8), (1, 4)], strict=True):
        inside = row_frequencies()[band.indices]
        assert low <= inside.min() <= inside.max() < high
        assert axes.band_hertz(band) == pytest.approx((inside.min(), inside.max()), abs=1e-4)
    assert [each.name for each in axes.times] == ["0-2.5 s", "2.5-5 s", "5-7.5 s", "7.5-10 s"]
    assert axes.time_span(axes.times[1]) == (2.5, 5.0)
    assert axes.notes == ()


def test_resized_rows_have_the_frequencies_of_their_own_cells(tmp_path: Path) -> None:
    files = sidecar(tmp_path, RowFrequenciesHz=STANDARD)
    axes = axes_of("sub-07", files, (3, 56, 56))
    np.testing.assert_allclose(axes.hertz, row_frequencies(56), rtol=0.01)


def test_rising_frequencies_and_rows_below_1_hertz_are_in_bands_too(tmp_path: Path) -> None:
    files = sidecar(tmp_path, RowFrequenciesHz=[0.5, 1.0, 3.9, 4.0, 50.0])
    axes = axes_of("sub-07", files, (3, 5, 4))
    assert axes.bands == (
        Block("below 1 Hz", 0, 1), Block("delta", 1, 3), Block("theta", 3, 4), Block("high gamma", 4, 5),
    )  # fmt: skip


def test_without_a_sidecar_names_are_an_assumption_and_rows_have_numbers(tmp_path: Path) -> None:
    axes = axes_of("sub-07", (tmp_path / "sub-07_EO_seg0.npy", tmp_path / "other.npy"), (17, 224, 224))
    assert axes.electrodes == ELECTRODES_1020_17
    assert axes.source == FROM_PRESET
    assert axes.hertz is None
    assert axes.band_hertz(axes.bands[0]) is None
    assert [each.name for each in axes.bands[:2]] == ["rows 1-37", "rows 38-75"]
    assert axes.bands[-1].stop == 224
    assert [each.name for each in axes.times] == [
        "columns 1-56", "columns 57-112", "columns 113-168", "columns 169-224",
    ]  # fmt: skip
    assert axes.time_span(axes.times[3]) == (0.75, 1.0)
    assert len(axes.notes) == 3
    numbered = axes_of("sub-07", (), (2, 224, 224))
    assert (numbered.electrodes, numbered.source) == (("E01", "E02"), FROM_NUMBERS)


@pytest.mark.parametrize(
    ("field", "value"),
    [("Electrodes", ["F3", "O1", "Cz"]), ("RowFrequenciesHz", [9.0] * 12), ("SegmentSeconds", 8.0)],
)
def test_sidecars_of_a_participant_that_differ_are_one_message(tmp_path: Path, field: str, value: object) -> None:
    files = (*sidecar(tmp_path), *sidecar(tmp_path, "sub-07_EC", **{field: value}))
    with pytest.raises(InputError, match=r"^sub-07 eeg: .* \(sub-07_EC_scalogram.json\), expected .*EO") as caught:
        axes_of("sub-07", files, (3, 12, 8))
    assert "\n" not in str(caught.value)


def test_other_electrodes_than_planes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"names 3 electrodes \(F3, Cz, O1\), expected 17"):
        axes_of("sub-07", sidecar(tmp_path), (17, 12, 8))


def test_scalograms_that_the_sidecar_does_not_know_are_noted(tmp_path: Path) -> None:
    files = (*sidecar(tmp_path, segments=2), tmp_path / "sub-07_EO_seg9.npy")
    assert axes_of("sub-07", files, (3, 12, 8)).notes[0].startswith("1 of 3 scalograms")


@pytest.mark.parametrize("values", [[5.0, 9.0, 2.0], [5.0, -1.0], ["5"], [], None, [float("inf")]])
def test_frequencies_that_are_none_are_not_used(tmp_path: Path, values: object) -> None:
    axes = axes_of("sub-07", sidecar(tmp_path, RowFrequenciesHz=values), (3, 12, 8))
    assert axes.hertz is None
    assert axes.bands[0].name == "rows 1-2"


@pytest.mark.parametrize("with_sidecar", [True, False])
def test_axes_come_back_from_their_arrays(tmp_path: Path, with_sidecar: bool) -> None:
    axes = axes_of("sub-07", sidecar(tmp_path) if with_sidecar else (), (3, 12, 8), time_blocks=3)
    path = tmp_path / "axes.npz"
    np.savez(path, **axes.arrays())
    with np.load(path, allow_pickle=False) as arrays:
        back = EegAxes.of_arrays(arrays)
    for field in ("electrodes", "source", "seconds", "rows", "columns", "bands", "times", "notes"):
        assert getattr(back, field) == getattr(axes, field)
    assert (back.hertz is None) == (axes.hertz is None) == (not with_sidecar)
