"""EEG occlusion: what hand calculations and captum say, whatever the batch; segments shared out evenly."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from captum.attr import FeatureAblation
from torch import Tensor

from monai_fusion.errors import InputError
from monai_fusion.explain.eeg_axes import EegAxes
from monai_fusion.explain.eeg_occlusion import EegOcclusion, design
from monai_fusion.explain.eeg_summary import summary_of
from monai_fusion.explain.method import Arrays, Explained
from tests.explain.eeg_networks import COLUMNS, ELECTRODES, ROWS, Reader, embedded, participant, sidecar, weights


def kept(method: EegOcclusion, network: Reader, who: Explained, target: int = 1) -> Arrays:
    scorer, embeddings = embedded(network, who, target)
    return method(scorer, who, embeddings, lambda _: None)


def effects_of(method: EegOcclusion, network: Reader, who: Explained, target: int = 1) -> np.ndarray:
    return kept(method, network, who, target)["effects"]


def block_sums(values: Tensor, axes: EegAxes) -> np.ndarray:
    """[..., electrode, band, time block] by loops."""
    sums = [[values[..., band.indices, time.indices].sum(dim=(-2, -1)) for time in axes.times] for band in axes.bands]
    return np.stack([np.stack(row, -1) for row in sums], -2)


def test_of_a_linear_network_it_is_weight_times_value_summed_over_each_part(tmp_path: Path) -> None:
    network, who = Reader(weights()), participant(files=sidecar(tmp_path))
    scorer, embeddings = embedded(network, who)
    arrays = EegOcclusion("all", time_blocks=2)(scorer, who, embeddings, lambda _: None)
    axes = EegAxes.of_arrays(arrays)
    assert len(axes.bands) > 3
    wanted = block_sums(who.eeg * network.weights.detach(), axes)
    np.testing.assert_allclose(np.moveaxis(arrays["effects"], 3, 0), wanted, atol=1e-5)
    np.testing.assert_allclose(arrays["scores"], scorer.of_segments(who.eeg, embeddings).detach(), rtol=1e-6)


def test_it_equals_captums_feature_ablation() -> None:
    network, who = Reader(weights(), square=True), participant()
    scorer, embeddings = embedded(network, who)
    arrays = EegOcclusion("all")(scorer, who, embeddings, lambda _: None)
    axes = EegAxes.of_arrays(arrays)
    shape = arrays["effects"].shape[:3]
    parts = torch.zeros(1, ELECTRODES, ROWS, COLUMNS, dtype=torch.int64)
    numbers = torch.arange(np.prod(shape)).view(shape)
    for band, rows in enumerate(axes.bands):
        for time, columns in enumerate(axes.times):
            parts[0, :, rows.indices, columns.indices] = numbers[:, band, time, None, None]
    ablation = FeatureAblation(lambda segments: scorer.of_segments(segments, embeddings))
    with torch.no_grad():
        found = ablation.attribute(who.eeg, baselines=0.0, feature_mask=parts, perturbations_per_eval=1)
    first = torch.stack([found[:, parts[0] == number][:, 0] for number in numbers.flatten()], 1)
    np.testing.assert_allclose(np.moveaxis(arrays["effects"], 3, 0).reshape(5, -1), first, atol=1e-5)


def test_a_network_that_reads_one_electrode_in_one_band_is_found_out(tmp_path: Path) -> None:
    only = torch.zeros(ELECTRODES, ROWS, COLUMNS)
    only[1, 0] = 2.0
    who = participant(files=sidecar(tmp_path))
    effects = effects_of(EegOcclusion("all"), Reader(only, square=True), who)
    elsewhere = np.ones(effects.shape, bool)
    elsewhere[1, 0] = False
    assert np.abs(effects[elsewhere]).max() < 1e-5
    assert effects[1, 0].min() > 0


def test_the_sign_is_towards_the_explained_class() -> None:
    network, who = Reader(weights()), participant()
    np.testing.assert_allclose(
        effects_of(EegOcclusion("all"), network, who, 0), -effects_of(EegOcclusion("all"), network, who, 1), atol=1e-6
    )


def test_the_mean_over_time_hides_the_course_and_not_the_level() -> None:
    constant = torch.ones(2, ELECTRODES, ROWS, COLUMNS) * torch.arange(1.0, ROWS + 1)[:, None]
    who = Explained("sub-07", constant, None)
    network = Reader(weights())
    np.testing.assert_allclose(effects_of(EegOcclusion("all", baseline="mean"), network, who), 0, atol=1e-4)
    assert np.abs(effects_of(EegOcclusion("all"), network, who)).max() > 1
    varied = participant(with_mri=False)
    effects = effects_of(EegOcclusion("all", 2, baseline="mean"), network, varied)
    rows = slice(0, 2)
    left = varied.eeg[0, 0, rows, :4] - varied.eeg[0, 0, rows].mean(dim=1, keepdim=True)
    assert effects[0, 0, 0, 0] == pytest.approx(float((left * network.weights.detach()[0, rows, :4]).sum()), abs=1e-5)


def test_a_part_of_the_segments_gives_the_same_numbers_for_those_and_nan_for_others() -> None:
    network, who = Reader(weights(), square=True), participant(segments=6)
    every = effects_of(EegOcclusion("all"), network, who)
    some = effects_of(EegOcclusion(2), network, who)
    tried = np.isfinite(some)
    assert (tried.sum(axis=3) == 2).all()
    assert "first_order" not in kept(EegOcclusion("all"), network, who)
    np.testing.assert_allclose(some[tried], every[tried], atol=1e-6)
    assert np.isfinite(effects_of(EegOcclusion(99), network, who)).all()


@pytest.mark.parametrize("baseline", ["zero", "mean"])
def test_of_a_linear_network_one_segment_for_each_mask_is_as_good_as_all(baseline: str) -> None:
    network, who = Reader(weights()), participant(segments=6)
    one = summary_of(kept(EegOcclusion(1, baseline=baseline), network, who))
    every = summary_of(kept(EegOcclusion("all", baseline=baseline), network, who))
    np.testing.assert_allclose(one.blocks, every.blocks, atol=1e-5)
    assert one.errors.max() < 1e-5
    without = summary_of(kept(EegOcclusion(1, baseline=baseline, first_order=False), network, who))
    assert np.abs(without.blocks - every.blocks).max() > 0.1
    assert without.errors.max() > 0.1


@pytest.mark.parametrize("baseline", ["zero", "mean"])
def test_neither_batch_size_nor_repetition_changes_numbers(baseline: str) -> None:
    network, who = Reader(weights(), square=True), participant()
    first = effects_of(EegOcclusion(2, baseline=baseline, batch_size=1), network, who)
    for size in (1, 3, 64):
        again = effects_of(EegOcclusion(2, baseline=baseline, batch_size=size), network, who)
        np.testing.assert_allclose(again, first, atol=1e-6)


@pytest.mark.parametrize(("segments", "tried"), [(8, 2), (8, 1), (16, 3), (5, 2), (7, 7)])
def test_cells_and_blocks_of_time_meet_all_segments_evenly(segments: int, tried: int) -> None:
    electrodes, bands, times = 17, 6, 4
    cells: dict[tuple[int, int], Counter[int]] = {}
    blocks: dict[int, Counter[int]] = {}
    for masks in design(electrodes, bands, times, segments, tried):
        pairs = list(zip(masks.electrodes.tolist(), masks.segments.tolist(), strict=True))
        assert len(set(pairs)) == len(pairs) == electrodes * tried
        for electrode, segment in pairs:
            cells.setdefault((electrode, masks.band), Counter(dict.fromkeys(range(segments), 0)))[segment] += 1
            blocks.setdefault(masks.time, Counter(dict.fromkeys(range(segments), 0)))[segment] += 1
    assert len(cells) == electrodes * bands
    assert all(max(each.values()) - min(each.values()) <= 1 for each in cells.values())
    for each in blocks.values():
        assert max(each.values()) - min(each.values()) <= tried


@pytest.mark.parametrize("first_order", [True, False])
def test_progress_counts_every_pass_that_was_announced(first_order: bool) -> None:
    who, done = participant(), []
    scorer, embeddings = embedded(Reader(weights()), who)
    method = EegOcclusion(2, batch_size=4, first_order=first_order)
    method(scorer, who, embeddings, done.append)
    assert sum(done) == method.passes(who) == 5 + (10 if first_order else 0) + ELECTRODES * 6 * 4 * 2


def test_a_participant_without_an_mri_is_explained_and_one_without_an_eeg_refused() -> None:
    assert np.isfinite(effects_of(EegOcclusion("all"), Reader(weights()), participant(with_mri=False))).all()
    nobody = Explained("sub-08", None, torch.zeros(1, 1, 2, 2, 2))
    scorer, embeddings = embedded(Reader(weights()), nobody)
    with pytest.raises(InputError, match=r"^sub-08 eeg: none, expected an EEG"):
        EegOcclusion()(scorer, nobody, embeddings, lambda _: None)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"baseline": "noise"}, "baseline: 'noise', expected zero or mean"),
        ({"segments_per_mask": 0}, "segments_per_mask: 0, expected all or a whole number from 1"),
        ({"segments_per_mask": "most"}, "segments_per_mask: 'most'"),
        ({"precision": "bfloat16"}, "precision: 'bfloat16', expected float32 or auto"),
        ({"first_order": 1}, "first_order: 1, expected true or false"),
        ({"time_blocks": True}, "time_blocks: True"),
        ({"batch_size": 1.5}, "batch_size: 1.5"),
    ],
)
def test_wrong_knobs_are_refused(knobs: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        EegOcclusion(**knobs)
