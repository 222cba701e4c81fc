"""Where a sample cohort's signal really is: read from its `cohort.json`, in the network's space.

Only a cohort whose signal was planted has a known answer, and only on such a cohort can a map be right or wrong.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_fusion.errors import InputError, Problem
from monai_fusion.reading import read_json, reason_of

COHORT_FILE = "cohort.json"
KIND = "monai-fusion synthetic sample cohort"
SDS = 1.5
"""A region ends at this many standard deviations of its Gaussian, where a third of the contrast is left."""
_LEVELS_UP = 4
_ADVICE = "make the sample cohort again, with this version"


@dataclass(frozen=True)
class MriRegion:
    """A Gaussian in each participant's MRI.

    Attributes:
        name: Of the place.
        centres: By participant, [3] world coordinates of the file (RAS+) in mm.
        sds: By participant, the standard deviation in mm.
        alone: Whether nothing else in the MRI shows the score; with a signal of size, the head's outline does.
    """

    name: str
    centres: Mapping[str, tuple[float, float, float]]
    sds: Mapping[str, float]
    alone: bool

    def inside(
        self, participant_id: str, world_of_network: NDArray[np.floating], shape: Sequence[int], sds: float = SDS
    ) -> NDArray[np.bool_] | None:
        """The voxels of the network's volume whose middle is in the region.

        Args:
            participant_id: The id; None is returned if the cohort has no MRI of this participant.
            world_of_network: [4, 4] affine from indices (t, h, w) of the volume to mm in the world of the file.
            shape: (T, H, W).
            sds: Radius in standard deviations.

        Returns:
            [T, H, W].
        """
        if participant_id not in self.centres:
            return None
        affine = np.asarray(world_of_network, np.float64)
        axes = np.meshgrid(*(np.arange(length) for length in shape), indexing="ij")
        world = np.einsum("ij,j...->i...", affine[:3, :3], np.stack(axes)) + affine[:3, 3, None, None, None]
        offset = world - np.array(self.centres[participant_id])[:, None, None, None]
        return np.asarray((offset**2).sum(axis=0) <= (sds * self.sds[participant_id]) ** 2)


@dataclass(frozen=True)
class EegRegion:
    """Rows of a scalogram, of some electrodes.

    Attributes:
        name: Of the band.
        rows: The first and the last, from 0.
        electrodes: Planes whose power in the band goes with the score, in either direction.
    """

    name: str
    rows: tuple[int, int]
    electrodes: tuple[int, ...]

    def inside(self, shape: Sequence[int]) -> NDArray[np.bool_]:
        """The points of a scalogram in the region: (electrodes, F, T) -> [electrodes, F, T].

        Raises:
            InputError: The scalogram is smaller than the region.
        """
        if max(self.electrodes) >= shape[0] or self.rows[1] >= shape[1]:
            seen = f"electrode {max(self.electrodes)} and row {self.rows[1]}, scalograms have {shape[0]} and {shape[1]}"
            raise InputError(Problem(COHORT_FILE, "signal.eeg.region", seen, advice="is it of this cohort?"))
        found = np.zeros(tuple(shape), bool)
        found[list(self.electrodes), self.rows[0] : self.rows[1] + 1] = True
        return found


@dataclass(frozen=True)
class PlantedTruth:
    """Where the signal of a sample cohort is.

    Attributes:
        mri: None if no place in the MRI shows the score.
        eeg: The same of the EEG.
    """

    mri: MriRegion | None
    eeg: EegRegion | None


def cohort_file(datalist: Path, recordings: Iterable[Path] = ()) -> Path | None:
    """Find the `cohort.json` of a sample cohort: beside the datalist, or in a folder above a recording.

    Args:
        datalist: Its path.
        recordings: A few recordings' paths.

    Returns:
        None if there is none, or only that of another program.
    """
    above = [folder for path in recordings for folder in path.absolute().parents[:_LEVELS_UP]]
    for folder in dict.fromkeys([datalist.absolute().parent, *above]):
        path = folder / COHORT_FILE
        if path.is_file() and _content(path).get("kind") == KIND:
            return path
    return None


def planted_truth(path: Path) -> PlantedTruth:
    """Read the planted regions from a `cohort.json`.

    Raises:
        InputError: It is damaged, or of a version that does not have them.
    """
    content = _content(path)
    if content.get("kind") != KIND:
        raise InputError(Problem(str(path), "kind", seen=repr(content.get("kind"))[:60], wanted=repr(KIND)))
    try:
        return PlantedTruth(_mri(content), _eeg(content))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InputError(Problem(str(path), "signal", "has no planted regions", advice=_ADVICE)) from None


def _content(path: Path) -> dict[str, Any]:
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        raise InputError(Problem(str(path), seen=f"cannot be read ({reason_of(error)})")) from None
    return content if isinstance(content, dict) else {}


def _mri(content: Mapping[str, Any]) -> MriRegion | None:
    signal = content["signal"]["mri"]
    region = signal["region"]
    if region is None or not content["options"]["mri_effect"]:
        return None
    each = region["participants"]
    centres, sds = {}, {}
    for name, place in each.items():
        x, y, z = (_finite(value) for value in place["centre_mm"])
        centres[name], sds[name] = (x, y, z), _finite(place["sd_mm"])
    return MriRegion(str(region["name"]), centres, sds, not signal["head_size_shows_the_score"])


def _eeg(content: Mapping[str, Any]) -> EegRegion | None:
    region = content["signal"]["eeg"]["region"]
    if region is None or not content["options"]["eeg_effect"]:
        return None
    first, last = (_index(value) for value in region["rows"])
    electrodes = tuple(sorted(_index(value) for value in (*region["rising_planes"], *region["falling_planes"])))
    if last < first or not electrodes:
        raise ValueError
    return EegRegion(str(region["name"]), (first, last), electrodes)


def _finite(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError
    return float(value)


def _index(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError
    return value
