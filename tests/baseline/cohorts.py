"""Small cohorts of real files whose classes differ in the size of the head, and networks that read it or more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from monai_fusion.baseline.predictions import NetworkPredictions
from monai_fusion.metrics.predictions import Prediction
from tests.support import EEG_SHAPE, write_datalist, write_scalogram

SHAPE = (20, 22, 24)
MM = (2.0, 1.5, 1.0)


def write_head(path: Path, radius_mm: float, seed: int = 0, codes: str = "RAS") -> Path:
    """A NIfTI file with a ball of this radius, brighter than the noise around it; the axes point to ``codes``."""
    random = np.random.default_rng(seed)
    axes = np.meshgrid(*((np.arange(n) - (n - 1) / 2) * mm for n, mm in zip(SHAPE, MM, strict=True)), indexing="ij")
    inside = sum(axis**2 for axis in axes) <= radius_mm**2
    values = np.where(inside, 800 + 60 * random.normal(size=SHAPE), 20 * np.abs(random.normal(size=SHAPE)))
    image: Any = nib.Nifti1Image(values.astype(np.int16), np.diag([*MM, 1.0]))
    target = nib.orientations.axcodes2ornt(tuple(codes))
    image = image.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(image.affine), target))
    image.header.set_sform(image.affine, code="scanner")
    nib.save(image, path)
    return path


@dataclass(frozen=True)
class Cohort:
    """A written cohort.

    Attributes:
        path: The datalist.
        labels: Class indices by participant.
        sizes: The heads' radii in mm by participant.
        tested: The ids of the test part.
    """

    path: Path
    labels: Mapping[str, int]
    sizes: Mapping[str, float]
    tested: Sequence[str]

    def network(self, knows: float, reads: float = 1.0, seed: int = 7) -> NetworkPredictions:
        """Predictions of a network that reads the head's size, and knows so much more of the class."""
        second = self.second(knows, reads, seed)
        return NetworkPredictions(
            {name: (1 - p, p) for name, p in second.items()}, {name: int(p > 0.5) for name, p in second.items()}
        )

    def second(self, knows: float, reads: float = 1.0, seed: int = 7) -> dict[str, float]:
        """The same, as the probability of the second class."""
        random = np.random.default_rng(seed)
        middle = float(np.mean(list(self.sizes.values())))
        found = {}
        for name in self.tested:
            logit = 2 * reads * (middle - self.sizes[name]) + knows * (2 * self.labels[name] - 1) + random.normal() / 4
            found[name] = float(1 / (1 + np.exp(-logit)))
        return found

    def predictions(self, knows: float, reads: float = 1.0) -> list[Prediction]:
        """The same as an evaluation has them."""
        second = self.second(knows, reads)
        return [
            Prediction(name, self.labels[name], (1 - p, p), gate=0.5, segments=2, fields={"age": self.age(name)})
            for name, p in second.items()
        ]

    def age(self, name: str) -> str:
        """An age that has nothing to do with the class."""
        return str(20 + sum(map(ord, name)) % 50)


def write_cohort(folder: Path, people: int = 90, apart: float = 1.2, seed: int = 0, tested: int = 40) -> Cohort:
    """People of two classes whose heads differ by ``apart`` mm in radius (SD 0.6); EEGs are noise."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    names = [f"sub-{number:03d}" for number in range(people)]
    labels = {name: number % 2 for number, name in enumerate(names)}
    sizes = {name: float(8.0 + 0.6 * random.normal() - apart * labels[name]) for name in names}
    cohort = Cohort(folder / "list.json", labels, sizes, names[people - tested :])
    rows: dict[str, list[dict[str, object]]] = {"training": [], "validation": [], "test": []}
    for number, name in enumerate(names):
        write_head(folder / f"{name}_T1w.nii", sizes[name], number)
        for segment in range(2):
            write_scalogram(folder / f"{name}_seg{segment}.npy", 10 * number + segment)
        section = "test" if name in cohort.tested else "validation" if number < people // 10 else "training"
        rows[section].append(
            {
                "participant_id": name,
                "label": "MF"[labels[name]],
                "eeg": f"{name}_seg*.npy",
                "mri": f"{name}_T1w.nii",
                "age": cohort.age(name),
            }
        )
    write_datalist(cohort.path, rows)
    return cohort


__all__ = ["EEG_SHAPE", "MM", "SHAPE", "Cohort", "write_cohort", "write_head"]
