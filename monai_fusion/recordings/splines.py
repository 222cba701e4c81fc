"""Interpolation of an electrode from the others by spherical splines (Perrin et al. 1989)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.polynomial.legendre import legval
from numpy.typing import NDArray

from monai_fusion.recordings.positions import directions

_STIFFNESS = 4
_TERMS = 50
_REGULARISATION = 1e-5


def spline_weights(
    donors: Sequence[tuple[float, float, float]], targets: Sequence[tuple[float, float, float]]
) -> NDArray[np.float64]:
    """The weights that make the signals at some places from those at others.

    Perrin F, Pernier J, Bertrand O, Echallier JF, Electroencephalogr Clin Neurophysiol 1989, 72: 184-187, with m = 4.

    Args:
        donors: Positions of the electrodes that have a signal; only their directions from the origin count.
        targets: Positions of those that need one.

    Returns:
        ``[target, donor]`` float64; each row sums to 1.
    """
    start, end = directions(donors), directions(targets)
    count = len(start)
    system = np.ones((count + 1, count + 1))
    system[:count, :count] = _kernel(start @ start.T) + _REGULARISATION * np.eye(count)
    system[count, count] = 0.0
    toward = np.hstack([_kernel(end @ start.T), np.ones((len(end), 1))])
    weights: NDArray[np.float64] = np.asarray(toward @ np.linalg.pinv(system))[:, :count]
    return weights


def _kernel(cosines: NDArray[np.float64]) -> NDArray[np.float64]:
    """The function g of the cosine of the angle between two electrodes."""
    n = np.arange(1, _TERMS + 1, dtype=np.float64)
    factors = (2 * n + 1) / (n**_STIFFNESS * (n + 1) ** _STIFFNESS * 4 * np.pi)
    return np.asarray(legval(np.clip(cosines, -1, 1), np.concatenate([[0.0], factors])), np.float64)
