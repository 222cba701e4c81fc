"""Deletion and insertion curves of functions whose curves are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from monai_fusion.explain.deletion import (
    Curves,
    block_cells,
    cell_sums,
    curves,
    deletion_warnings,
    eeg_cells,
    even_edges,
    passes,
    summary,
)

EFFECTS = np.array([4.0, 3.0, 2.0, 1.0])


def summed(batch: Tensor) -> Tensor:
    """[N, 1, 4] -> the sum: each cell is worth its value."""
    return batch.flatten(1).sum(dim=1)


def found(attribution: np.ndarray, sign: float = 1.0, seeds: int = 40) -> Curves:
    inputs = torch.tensor(sign * EFFECTS, dtype=torch.float32)[None, None]
    return curves(summed, inputs, attribution, np.arange(4), points=4, seeds=seeds)


def test_the_right_order_by_hand() -> None:
    right = found(EFFECTS)
    assert right.share.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert right.deletion.tolist() == [10, 6, 3, 1, 0]
    assert right.insertion.tolist() == [0, 4, 7, 9, 10]
    # The areas: 3.75 and 6.25; in random order a straight line, with the area 5.
    assert right.random_deletion.mean(axis=0) == pytest.approx([10, 7.5, 5, 2.5, 0], abs=0.5)
    assert right.deletion_gain == pytest.approx(1.25, abs=0.3)
    assert right.insertion_gain == pytest.approx(1.25, abs=0.3)


def test_the_wrong_order_loses() -> None:
    wrong = found(-EFFECTS)
    assert wrong.deletion.tolist() == [10, 9, 7, 4, 0]
    assert wrong.deletion_gain == pytest.approx(-1.25, abs=0.3)


def test_the_order_is_towards_the_predicted_class() -> None:
    other = found(-EFFECTS, sign=-1.0)  # the other class is predicted: negative values speak for it
    assert other.deletion.tolist() == [10, 6, 3, 1, 0]
    assert other.deletion_gain == pytest.approx(1.25, abs=0.3)


def test_every_segment_has_its_own_order_and_the_batch_changes_nothing() -> None:
    inputs = torch.tensor(np.stack([EFFECTS, EFFECTS[::-1]]), dtype=torch.float32)[:, None]
    maps = np.stack([EFFECTS, EFFECTS[::-1]])
    done: list[int] = []
    both = [curves(summed, inputs, maps, np.arange(4), points=4, at_once=n, step=done.append) for n in (1, 7)]
    for each in both:
        assert each.deletion.tolist() == [10, 6, 3, 1, 0]
    np.testing.assert_array_equal(both[0].random_insertion, both[1].random_insertion)
    assert sum(done) == 2 * passes(2, 4)


def test_the_baseline_replaces_what_is_removed_and_points_of_no_cell_stay() -> None:
    inputs = torch.tensor([[[1.0, 2.0, 4.0]]])
    baseline = torch.tensor([[[0.5, 0.25, 100.0]]])
    one = curves(summed, inputs, np.array([3.0, 1.0, 2.0]), np.array([0, 1, -1]), baseline, points=2, seeds=1)
    assert one.deletion.tolist() == [7, 6.5, 4.75]
    assert one.insertion.tolist() == [4.75, 5.25, 7]


def test_cells_of_electrode_band_and_time() -> None:
    cells = eeg_cells((2, 5, 4), [1, 3, 5], [0, 2, 4])
    assert cells[0].tolist() == [[-1] * 4, [0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]
    np.testing.assert_array_equal(cells[1, 1:], cells[0, 1:] + 4)
    assert even_edges(10, 4) == [0, 2, 5, 8, 10]


def test_cubes_and_their_sums() -> None:
    cells = block_cells((2, 3, 4), 2)
    assert cells[0].tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3]]
    values = np.arange(24.0).reshape(2, 3, 4)
    assert cell_sums(values, cells).tolist() == [values[cells == k].sum() for k in range(4)]
    assert cell_sums(np.stack([values, 2 * values]), cells).shape == (2, 4)


def test_a_map_no_better_than_random_is_warned_of() -> None:
    good = summary([found(EFFECTS + k / 10) for k in range(4)])
    assert deletion_warnings("a_method", good) == []
    assert good.as_json()["deletion"] == [10, 6, 3, 1, 0]
    drawn = np.random.default_rng(0)
    chance = summary([found(drawn.permutation(EFFECTS), seeds=3) for _ in range(6)])
    (warning,) = deletion_warnings("a_method", chance)
    assert warning.startswith("a_method: removing what the map marks is not shown")
