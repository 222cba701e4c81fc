"""Summaries and tables of EEG explanations: sums that add up, errors of what was left out, names and units."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from monai_fusion.explain.eeg_gradients import EegIntegratedGradients
from monai_fusion.explain.eeg_occlusion import EegOcclusion
from monai_fusion.explain.eeg_summary import EegSummary, occlusion_of, standard_errors, summary_of, write_summary
from monai_fusion.explain.method import Arrays
from tests.explain.eeg_networks import Reader, embedded, participant, sidecar, weights


def kept(method: EegOcclusion | EegIntegratedGradients, folder: Path | None = None, square: bool = False) -> Arrays:
    who = participant(files=() if folder is None else sidecar(folder))
    scorer, embeddings = embedded(Reader(weights(), square), who)
    return method(scorer, who, embeddings, lambda _: None)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def test_both_methods_summarise_a_linear_network_alike(tmp_path: Path) -> None:
    one = summary_of(kept(EegOcclusion("all"), tmp_path))
    other = summary_of(kept(EegIntegratedGradients(steps=2), tmp_path))
    assert one.axes.bands == other.axes.bands
    for name in ("blocks", "electrode_band", "electrodes", "band_time"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-4)
    assert one.score == other.score
    assert other.frequency_time.shape == (12, 8)
    np.testing.assert_allclose(other.frequency_time.sum(), other.electrodes.sum(), rtol=1e-4)
    assert one.frequency_time.shape == (len(one.axes.bands), 4)


def test_integrated_gradients_add_up_to_the_difference_of_the_scores() -> None:
    arrays = kept(EegIntegratedGradients(steps=8), square=True)
    summary = summary_of(arrays)
    assert summary.electrode_band.sum() == pytest.approx(summary.score - float(arrays["baseline_score"]), rel=1e-3)


def test_standard_errors_by_hand() -> None:
    effects = np.full((1, 1, 2, 4), np.nan)
    effects[0, 0, 0, :2] = 1.0, 3.0  # variance 2
    effects[0, 0, 1, 2:] = 5.0, 9.0  # variance 8
    pooled = (2.0 + 8.0) / 2
    np.testing.assert_allclose(standard_errors(effects), np.full((1, 1, 2), np.sqrt(pooled / 2 * (1 - 2 / 4))))
    assert standard_errors(np.ones((1, 1, 2, 4))).max() == 0
    once = np.full((1, 1, 2, 4), np.nan)
    once[0, 0, :, 0] = 1.0, 3.0
    np.testing.assert_allclose(standard_errors(once), np.full((1, 1, 2), np.sqrt(2.0 * (1 - 1 / 4))))
    assert np.isnan(standard_errors(once[:, :, :1])).all()


def test_the_first_order_is_corrected_by_what_was_tried() -> None:
    known = np.arange(16.0).reshape(1, 1, 4, 4)
    effects = np.full((1, 1, 4, 4), np.nan)
    for block in range(4):  # twice the first order, and 5 more
        effects[0, 0, block, block] = 2 * known[0, 0, block, block] + 5
    values, errors = occlusion_of(effects, known)
    np.testing.assert_allclose(values, 2 * known.mean(axis=3) + 5)
    np.testing.assert_allclose(errors, 0, atol=1e-6)


def test_a_first_order_that_says_nothing_is_left_aside() -> None:
    draws = np.random.default_rng(9)
    effects = draws.normal(size=(17, 1, 4, 8))
    effects[..., 1:] = np.nan
    for known in (np.zeros(effects.shape), np.ones(effects.shape)):
        np.testing.assert_allclose(occlusion_of(effects, known)[0], effects[..., 0])
    noise = 100 * draws.normal(size=effects.shape)
    off = occlusion_of(effects, noise)[0] - effects[..., 0]
    assert np.sqrt(np.mean(off**2)) < 0.5


def test_where_all_segments_are_tried_the_first_order_changes_nothing() -> None:
    draws = np.random.default_rng(10)
    effects, known = draws.normal(size=(2, 3, 2, 4, 8))
    values, errors = occlusion_of(effects, known)
    np.testing.assert_allclose(values, effects.mean(axis=3), atol=1e-12)
    assert errors.max() == 0


def test_the_estimate_is_unbiased_and_its_error_stated_for_a_first_order_that_is_half_right() -> None:
    draws = np.random.default_rng(11)
    missed, stated, plain = [], [], []
    for _ in range(100):
        known = draws.normal(size=(17, 1, 4, 8))
        every = known + 0.3 * draws.normal(size=known.shape) + 1
        some = np.where(draws.permuted(np.arange(8) < np.ones((17, 1, 4, 1)), axis=3), every, np.nan)
        values, errors = occlusion_of(some, known)
        missed.append(values - every.mean(axis=3))
        stated.append(errors**2)
        plain.append(np.nanmean(some, axis=3) - every.mean(axis=3))
    assert abs(np.mean(missed)) < 0.02
    assert np.mean(stated) == pytest.approx(np.var(missed), rel=0.1)
    assert np.std(missed) < 0.4 * np.std(plain)


def test_the_error_is_as_large_as_estimates_scatter() -> None:
    draws = np.random.default_rng(5)
    missed, stated = [], []
    for _ in range(400):
        every = draws.normal(size=(1, 1, 4, 8))
        some = np.where(draws.permuted(np.arange(8) < 2 * np.ones((1, 1, 4, 1)), axis=3), every, np.nan)
        missed.append(np.nanmean(some, axis=3) - every.mean(axis=3))
        stated.append(standard_errors(some) ** 2)
    assert np.mean(stated) == pytest.approx(np.var(missed), rel=0.1)


def test_tables_have_names_hertz_seconds_and_logit(tmp_path: Path) -> None:
    summary = summary_of(kept(EegOcclusion(2), tmp_path))
    files = write_summary(tmp_path, "sub-07_desc-eegocclusion", summary)
    names = ["_electrodes-bands.tsv", "_bands-times.tsv", "_electrodes.tsv", ".npz"]
    assert [each.name for each in files] == [f"sub-07_desc-eegocclusion{name}" for name in names]
    rows = table(files[0])
    assert len(rows) == 3 * len(summary.axes.bands)
    assert rows[0]["electrode"] == "F3"
    assert rows[0]["band"] == "low gamma"
    assert float(rows[0]["lowest_hz"]) >= 30
    assert float(rows[1]["value_logit"]) == pytest.approx(summary.electrode_band[0, 1], rel=1e-5)
    assert float(rows[1]["standard_error_logit"]) == pytest.approx(summary.electrode_band_errors[0, 1], rel=1e-5)
    assert table(files[1])[1]["from_s"] == "2.5"
    assert [row["electrode"] for row in table(files[2])] == ["F3", "Cz", "O1"]
    assert table(files[2])[1]["up"] == "1"
    with np.load(files[3], allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["electrode_band"], summary.electrode_band)
        assert arrays["axis_electrodes"].tolist() == ["F3", "Cz", "O1"]


def test_without_a_sidecar_what_is_not_known_is_not_available(tmp_path: Path) -> None:
    summary = summary_of(kept(EegIntegratedGradients(steps=2)))
    files = write_summary(tmp_path, "sub-07", summary)
    first = table(files[0])[0]
    assert (first["electrode"], first["band"]) == ("E01", "rows 1-2")
    assert first["lowest_hz"] == first["standard_error_logit"] == "n/a"
    assert table(files[1])[1]["from_share"] == "0.25"
    assert table(files[2])[0]["right"] == "n/a"


def test_kept_arrays_give_the_same_summary_to_the_bit(tmp_path: Path) -> None:
    for method in (EegOcclusion(), EegIntegratedGradients(steps=2)):
        arrays = kept(method, tmp_path, square=True)
        np.savez_compressed(tmp_path / "kept.npz", **arrays)
        with np.load(tmp_path / "kept.npz", allow_pickle=False) as back:
            np.testing.assert_array_equal(summary_of(dict(back)).blocks, summary_of(arrays).blocks)


def test_a_summary_is_the_same_again(tmp_path: Path) -> None:
    first, again = (summary_of(kept(EegOcclusion(2), tmp_path)) for _ in range(2))
    assert isinstance(first, EegSummary)
    np.testing.assert_array_equal(first.blocks, again.blocks)
    np.testing.assert_array_equal(first.errors, again.errors)
