import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from monai_fusion.percentile_selection import select_percentiles

RNG = np.random.default_rng(0)


def check(values: np.ndarray, lower: float, upper: float) -> None:
    expected = np.percentile(values.astype(np.float64), np.array([lower, upper]))
    np.testing.assert_allclose(select_percentiles(values, lower, upper), expected, rtol=1e-15, atol=0)
    mirrored = -np.percentile(-values.astype(np.float64), np.array([lower, upper]))
    np.testing.assert_allclose(select_percentiles(values, lower, upper, descending=True), mirrored, rtol=1e-12)


@settings(deadline=None, max_examples=200)
@given(
    arrays.arrays(st.sampled_from([np.int16, np.uint8, np.float32]), st.integers(1, 60)).filter(
        lambda values: bool(np.isfinite(values).all())
    ),
    st.sampled_from([(1, 99), (0, 100), (5, 80), (0.3, 99.97)]),
)
def test_it_is_numpys_percentile_on_small_arrays(values: np.ndarray, percents: tuple[float, float]) -> None:
    check(values, *percents)


LARGE = {
    "normal": RNG.normal(size=400_000).astype(np.float32),
    "integers": RNG.integers(-3000, 3000, 400_000).astype(np.int16),
    "half background": np.where(RNG.random(400_000) < 0.5, 0, RNG.integers(0, 255, 400_000)).astype(np.uint8),
    "sorted": np.sort(RNG.normal(size=400_000)),
    "rows": np.tile(np.arange(512, dtype=np.int16), 800),
    "one outlier": np.r_[np.zeros(399_999), 1.0],
    "constant": np.full(400_000, 7, np.int32),
}


@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize(("lower", "upper"), [(1, 99), (0, 100), (49.9, 50.1), (0.001, 99.999)])
def test_it_is_numpys_percentile_on_large_arrays(name: str, lower: float, upper: float) -> None:
    check(LARGE[name], lower, upper)


def test_a_sample_that_misleads_costs_time_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monai_fusion.percentile_selection._sample", lambda values: np.full(99, values[0]))
    check(LARGE["normal"], 1, 99)


def test_the_values_are_left_as_they_were() -> None:
    before = LARGE["normal"].copy()
    select_percentiles(LARGE["normal"], 1, 99)
    np.testing.assert_array_equal(LARGE["normal"], before)
