"""Which electrodes the 17 planes of a scalogram are, and where they sit."""

from __future__ import annotations

# The international 10-20 system's 19 electrodes less Fp1 and Fp2, which eye movements dominate; LEMON has them all.
# Files in use do not name their electrodes, so this order is a preset and not a fact about them.
ELECTRODES_1020_17 = (
    "F7", "F3", "Fz", "F4", "F8",
    "T7", "C3", "Cz", "C4", "T8",
    "P7", "P3", "Pz", "P4", "P8",
    "O1", "O2",
)  # fmt: skip

# Seen from above, the nose towards +y and the right ear towards +x; the circle through T7, T8, O1 and O2 has radius 1
# (azimuthal equidistant projection of the ideal 10-20 positions on a sphere, 0.25 per 18 degrees from the vertex).
POSITIONS_1020_17: dict[str, tuple[float, float]] = {
    "F7": (-0.81, 0.59), "F3": (-0.55, 0.67), "Fz": (0.0, 0.5), "F4": (0.55, 0.67), "F8": (0.81, 0.59),
    "T7": (-1.0, 0.0), "C3": (-0.5, 0.0), "Cz": (0.0, 0.0), "C4": (0.5, 0.0), "T8": (1.0, 0.0),
    "P7": (-0.81, -0.59), "P3": (-0.55, -0.67), "Pz": (0.0, -0.5), "P4": (0.55, -0.67), "P8": (0.81, -0.59),
    "O1": (-0.31, -0.95), "O2": (0.31, -0.95),
}  # fmt: skip
