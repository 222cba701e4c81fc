"""Hit rate, relevance mass and relevance rank of maps whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from monai_fusion.explain.hits import hit, summary

SHAPE = (6, 8, 10)


@pytest.fixture
def inside() -> np.ndarray:
    region = np.zeros(SHAPE, bool)
    region[1:3, 2:5, 4:8] = True  # 24 of 480
    return region


def test_a_perfect_map_has_all_its_mass_in_the_region(inside: np.ndarray) -> None:
    found = hit(np.where(inside, -2.0, 0.0), inside)
    assert found is not None
    assert (found.mass, found.rank) == (1.0, 1.0)
    assert found.rate == pytest.approx(480 / 24)


def test_a_uniform_map_is_at_chance(inside: np.ndarray) -> None:
    found = hit(np.full(SHAPE, 0.3), inside)
    assert found is not None
    assert found.rate == pytest.approx(1)
    assert found.rank == pytest.approx(24 / 480)


def test_a_map_elsewhere_has_nothing(inside: np.ndarray) -> None:
    found = hit(np.where(inside, 0.0, 1.0), inside)
    assert found is not None
    assert (found.rate, found.rank) == (0.0, 0.0)


def test_a_map_of_the_whole_head_is_at_chance_among_the_voxels_of_the_head(inside: np.ndarray) -> None:
    head = np.zeros(SHAPE, bool)
    head[:4, :6] = True
    found, everywhere = hit(head * 1.0, inside, among=head), hit(head * 1.0, inside)
    assert found is not None
    assert everywhere is not None
    assert found.rate == pytest.approx(1)
    assert everywhere.rate == pytest.approx(2)  # which is no knowledge of the region


def test_mass_and_rank_by_hand() -> None:
    found = hit(np.array([4.0, -3.0, 2.0, 1.0]), np.array([True, False, True, False]))
    assert found is not None
    assert found.mass == pytest.approx(0.6)
    assert found.rank == pytest.approx(0.5)
    assert found.rate == pytest.approx(1.2)


def test_segments_are_summed_by_magnitude() -> None:
    maps = np.array([[4.0, 0.0], [-4.0, 2.0]])
    found = hit(maps, np.array([True, False]))
    assert found is not None
    assert found.mass == pytest.approx(0.8)


def test_of_equal_values_the_rank_counts_a_part() -> None:
    found = hit(np.array([5.0, 1.0, 1.0, 1.0, 0.0]), np.array([True, True, False, False, False]))
    assert found is not None
    assert found.rank == pytest.approx((1 + 1 / 3) / 2)


@pytest.mark.parametrize("fill", [0.0, np.nan])
def test_a_map_without_attribution_has_no_hit_rate(inside: np.ndarray, fill: float) -> None:
    assert hit(np.full(SHAPE, fill), inside) is None
    assert hit(np.ones(SHAPE), np.zeros(SHAPE, bool)) is None
    assert summary([None, None]).rate.value is None
