"""Where the electrodes of the 10-10 system sit on a sphere: ideal angles, from the system's own construction.

The outermost ring (Fpz, T7, Oz, T8) is the sphere's equator and Cz its pole. Steps of 10 % of the way from nasion to
inion are 22.5 degrees along the midline, those along the ring 18 degrees; the electrodes of each coronal row divide the
circle through its two ends on the ring and its electrode on the midline evenly. References: American
Electroencephalographic Society, J Clin Neurophysiol 1991, 8: 200-202; Oostenveld and Praamstra, Clin Neurophysiol 2001,
112: 713-719.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from monai_fusion.recordings.electrode_names import standard_name

_STEP = 22.5  # degrees for 10 % along the midline
_RING = 18.0  # degrees for 10 % along the ring
# Along the midline, degrees in front of the vertex.
_MIDLINE = {
    "Nz": 112.5, "Fpz": 90.0, "AFz": 67.5, "Fz": 45.0, "FCz": 22.5, "Cz": 0.0,
    "CPz": -22.5, "Pz": -45.0, "POz": -67.5, "Oz": -90.0, "Iz": -112.5,
}  # fmt: skip
# Left half of the ring in steps from Fpz, and the row that ends there.
_ENDS = {"Fp": 1, "AF": 2, "F": 3, "FT": 4, "T": 5, "TP": 6, "P": 7, "PO": 8, "O": 9}
# Rows between the ring's electrodes 7 and 8, with what their inner electrodes are called.
_ROWS = {"AF": "AF", "F": "F", "FT": "FC", "T": "C", "TP": "CP", "P": "P", "PO": "PO"}
_BELOW = _STEP  # degrees below the ring: F9, T9, P9 ...


def _on_sphere(inclination: float, azimuth: float) -> NDArray[np.float64]:
    """Right, front, up of a point so many degrees from the vertex; azimuth in degrees from the front to the left."""
    theta, phi = np.radians([inclination, azimuth])
    return np.array([-np.sin(theta) * np.sin(phi), np.sin(theta) * np.cos(phi), np.cos(theta)])


def _arc(left: NDArray[np.float64], middle: NDArray[np.float64], fraction: float) -> NDArray[np.float64]:
    """A point of the circle through ``left``, ``middle`` and the mirror image of ``left``; fraction 1 is ``left``."""
    # The circle lies in a plane that holds the left-right direction; its centre is on the plane of symmetry.
    half = -left[0]
    foot = np.array([0.0, left[1], left[2]])
    up = middle - foot
    height = float(np.linalg.norm(up))
    up = up / height
    centre_height = (height**2 - half**2) / (2 * height)
    radius = height - centre_height
    reach = float(np.arctan2(half, -centre_height))
    angle = reach * fraction
    point: NDArray[np.float64] = (
        foot + up * (centre_height + radius * np.cos(angle)) + np.array([-radius * np.sin(angle), 0.0, 0.0])
    )
    return point


@lru_cache(maxsize=1)
def sphere_positions() -> Mapping[str, tuple[float, float, float]]:
    """``{electrode: (right, front, up)}`` on the unit sphere, of all electrodes of the 10-10 system."""
    places = {name: _on_sphere(abs(angle), 0.0 if angle >= 0 else 180.0) for name, angle in _MIDLINE.items()}
    for row, steps in _ENDS.items():
        on_ring = 1 if row in ("Fp", "O") else 7
        end = _on_sphere(90.0, steps * _RING)
        places[f"{row}{on_ring}"] = end
        if row != "Fp":
            places[f"{row}9"] = _on_sphere(90.0 + _BELOW, steps * _RING)
        inner = _ROWS.get(row)
        if inner is not None:
            for number, quarter in ((1, 1), (3, 2), (5, 3)):
                places[f"{inner}{number}"] = _arc(end, places[f"{inner}z"], quarter / 4)
    places["N1"] = _on_sphere(90.0 + _BELOW, _RING)
    places["I1"] = _on_sphere(90.0 + _BELOW, 9 * _RING)
    places["O9"] = places["I1"]
    places["M1"] = places["TP9"]
    for name in [each for each in places if each[-1].isdigit()]:
        # All of the left have one digit, an odd one; the right has the next number.
        places[f"{name[:-1]}{int(name[-1]) + 1}"] = places[name] * np.array([-1.0, 1.0, 1.0])
    return MappingProxyType({name: (float(x), float(y), float(z)) for name, (x, y, z) in places.items()})


def position_of(electrode: str) -> tuple[float, float, float] | None:
    """The place of an electrode on the unit sphere, in any spelling of its name; None of one that has none."""
    return sphere_positions().get(standard_name(electrode))


def directions(places: Sequence[tuple[float, float, float]]) -> NDArray[np.float64]:
    """``[electrode, 3]``: positions of any size as unit vectors."""
    array = np.asarray(places, np.float64).reshape(-1, 3)
    return array / np.linalg.norm(array, axis=1, keepdims=True)
