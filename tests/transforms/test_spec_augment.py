"""Masks of time and frequency: their size, their place and how often."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from monai_fusion.errors import InputError
from monai_fusion.transforms import RandSpecAugmentd, mask_time_frequency

LENGTH, WIDTH = 50, 4  # int(0.08 * 50)


def masked_bins(scalogram: torch.Tensor) -> tuple[list[int], list[int]]:
    """The frequencies and the times that are 0 throughout, on all electrodes."""
    empty = scalogram == 0
    frequencies = empty.all(dim=2).all(dim=0).nonzero().flatten().tolist()
    times = empty.all(dim=1).all(dim=0).nonzero().flatten().tolist()
    return frequencies, times


def test_one_band_and_one_stretch_are_zero_and_the_rest_is_as_it_was() -> None:
    x = torch.rand(3, LENGTH, LENGTH) + 1.0
    masked = mask_time_frequency(x, 0.08, frequency_position=0.25, time_position=0.75)
    frequencies, times = masked_bins(masked)
    starts = [int(0.25 * (LENGTH - WIDTH + 1)), int(0.75 * (LENGTH - WIDTH + 1))]
    assert frequencies == list(range(starts[0], starts[0] + WIDTH))
    assert times == list(range(starts[1], starts[1] + WIDTH))
    kept = torch.ones(LENGTH, LENGTH, dtype=torch.bool)
    kept[frequencies] = False
    kept[:, times] = False
    assert torch.equal(masked[:, kept], x[:, kept])
    assert torch.count_nonzero(masked[:, ~kept]) == 0


def test_at_the_cohorts_size_a_mask_is_17_bins_wide() -> None:
    frequencies, times = masked_bins(mask_time_frequency(torch.ones(2, 224, 224), 0.08, 0.0, 0.999999))
    assert frequencies == list(range(17))
    assert times == list(range(207, 224))


@pytest.mark.parametrize("fraction", [0.0, 0.01])
def test_a_mask_narrower_than_one_bin_changes_nothing(fraction: float) -> None:
    x = torch.rand(2, 30, 30)
    assert torch.equal(mask_time_frequency(x, fraction, 0.5, 0.5), x)


def test_every_position_is_equally_likely() -> None:
    transform = RandSpecAugmentd(prob=1.0).set_random_state(seed=0)
    sample = {"eeg": torch.ones(1, 12, 10)}
    transform.fraction = 0.25  # 3 of 12 bins: 10 first bins; 2 of 10: 9
    starts = np.array([[bins[0] for bins in masked_bins(transform(sample)["eeg"])] for _ in range(2000)])
    for axis, positions in enumerate((10, 9)):
        counts = np.bincount(starts[:, axis], minlength=positions)
        assert len(counts) == positions
        assert stats.chisquare(counts).pvalue > 1e-3
    assert abs(np.corrcoef(starts.T)[0, 1]) < 0.1


@pytest.mark.parametrize("prob", [0.0, 0.3, 0.8, 1.0])
def test_a_sample_is_masked_with_probability_prob(prob: float) -> None:
    transform = RandSpecAugmentd(prob=prob).set_random_state(seed=1)
    masked = 0
    for _ in range(4000):
        transform.randomize()
        masked += transform._do_transform
    assert stats.binomtest(masked, 4000, prob).pvalue > 1e-3


def test_the_default_probability_and_width_are_the_specified_ones() -> None:
    assert (RandSpecAugmentd().prob, RandSpecAugmentd().fraction) == (0.8, 0.08)


def test_draws_are_reproducible_and_come_from_the_transforms_own_state() -> None:
    sample = {"eeg": torch.rand(2, 60, 60) + 1.0}
    first = RandSpecAugmentd(prob=0.5).set_random_state(seed=7)
    second = RandSpecAugmentd(prob=0.5).set_random_state(seed=7)
    runs: list[list[torch.Tensor]] = []
    for transform, global_seed in ((first, 0), (second, 1)):
        np.random.seed(global_seed)  # the global state must not matter
        torch.manual_seed(global_seed)
        runs.append([transform(sample)["eeg"] for _ in range(20)])
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))
    assert any(not torch.equal(runs[0][0], other) for other in runs[0][1:])


def test_all_keys_of_a_sample_get_the_same_mask() -> None:
    transform = RandSpecAugmentd(keys=("eeg", "closed"), prob=1.0).set_random_state(seed=0)
    result = transform({"eeg": torch.ones(2, 40, 40), "closed": torch.ones(3, 40, 40)})
    assert masked_bins(result["eeg"]) == masked_bins(result["closed"])


@pytest.mark.parametrize("knobs", [{"prob": 1.5}, {"prob": -0.1}, {"fraction": 8}, {"fraction": float("nan")}])
def test_impossible_knobs_are_refused(knobs: dict) -> None:
    with pytest.raises(InputError, match=f"RandSpecAugmentd {next(iter(knobs))}: .*, expected 0 to 1"):
        RandSpecAugmentd(**knobs)
