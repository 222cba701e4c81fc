"""Sets of electrodes by name, in the order in which they become the planes of a scalogram."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from monai_fusion.recordings.montage import ELECTRODES_1020_17


@dataclass(frozen=True, slots=True)
class Preset:
    """A set of electrodes.

    Attributes:
        electrodes: In order.
        labels: What each is called by recordings that use other names; empty if they have the standard ones.
        about: A line for a list of presets.
    """

    electrodes: tuple[str, ...]
    about: str
    labels: Mapping[str, str] = field(default_factory=dict)


_LEMON_61 = (
    "Fp1 Fp2 F7 F3 Fz F4 F8 FC5 FC1 FC2 FC6 T7 C3 Cz C4 T8 CP5 CP1 CP2 CP6 AFz P7 P3 Pz P4 P8 PO9 O1 Oz O2 PO10 AF7 "
    "AF3 AF4 AF8 F5 F1 F2 F6 FT7 FC3 FC4 FT8 C5 C1 C2 C6 TP7 CP3 CPz CP4 TP8 P5 P1 P2 P6 PO7 PO3 POz PO4 PO8"
)
# BioSemi's cap of 128 electrodes has names of its own (A1 is the vertex, not an ear). Where it has no electrode at a
# place of the 10-20 system, the nearest one by BioSemi's table of angles: F3, F4, P3 and P4, 6 degrees away.
_BIOSEMI_128 = {
    "Fp1": "C29", "Fp2": "C16", "F7": "D7", "F3": "D4", "Fz": "C21", "F4": "C4", "F8": "C7",
    "T7": "D23", "C3": "D19", "Cz": "A1", "C4": "B22", "T8": "B26",
    "P7": "D31", "P3": "A7", "Pz": "A19", "P4": "B4", "P8": "B11", "O1": "A15", "O2": "A28",
}  # fmt: skip

PRESETS: dict[str, Preset] = {
    "lemon17": Preset(ELECTRODES_1020_17, "the 10-20 system without Fp1 and Fp2: 17 electrodes, the standard input"),
    "10-20": Preset(("Fp1", "Fp2", *ELECTRODES_1020_17), "the 10-20 system: 19 electrodes"),
    "biosemi128-1020": Preset(
        ELECTRODES_1020_17,
        "the electrodes of lemon17 from BioSemi's cap of 128 (A1 ... D32)",
        {name: _BIOSEMI_128[name] for name in ELECTRODES_1020_17},
    ),
    "lemon61": Preset(tuple(_LEMON_61.split()), "all 61 electrodes of LEMON"),
}
"""The presets that a user may name."""
