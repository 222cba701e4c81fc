"""What explanations cost: each method against passes of the network, and maps on their way to the file's grid.

    python tests/benchmarks/bench_explain.py
    python tests/benchmarks/bench_explain.py --slab 32 64 64 --repetitions 3      # tries the script itself
    python tests/benchmarks/bench_explain.py --only mri

Times are CPU seconds of this process, the least of some repetitions, so that what else the machine does matters little.
Every ratio has its reference in the same run. Ends with code 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from common import Row, Work, in_s, least_cpu, show, write_brain
from nibabel.processing import resample_from_to

from monai_fusion.explain.max_statistic import max_statistic
from monai_fusion.explain.method import Explained
from monai_fusion.explain.mri_files import write_map
from monai_fusion.explain.mri_gradcam import MriGradCam
from monai_fusion.explain.mri_gradients import MriIntegratedGradients
from monai_fusion.explain.mri_occlusion import MriOcclusion
from monai_fusion.explain.mri_space import SlabGeometry, VolumeSpace
from monai_fusion.explain.scoring import Embeddings, Scorer
from monai_fusion.networks import standard_network

PEOPLE, DRAWS = 40, 1000


def no_step(done: int) -> None:
    """No progress bar."""


def mri_works(slab: tuple[int, ...]) -> tuple[dict[str, Work], int]:
    """The works of the MRI by name, and the blocks of an occlusion."""
    network = standard_network(pretrained=False).eval().requires_grad_(False)
    scorer = Scorer(network, 1)
    draws = torch.Generator().manual_seed(0)
    volume = torch.rand(1, 1, *slab, generator=draws)
    embeddings = Embeddings(torch.nn.functional.normalize(torch.randn(8, 512, generator=draws), dim=1), None)
    person = Explained("sub-1", None, volume)

    def forward() -> None:
        with torch.no_grad():
            scorer.of_volumes(volume, embeddings)

    def forward_and_backward() -> None:
        leaf = volume.clone().requires_grad_()
        scorer.of_volumes(leaf, embeddings).sum().backward()

    def explaining(method: Callable[..., object]) -> Work:
        return partial(method, scorer, person, embeddings, no_step)

    occlusion = MriOcclusion((2, 2, 2))
    works: dict[str, Work] = {
        "forward": forward,
        "forward and backward": forward_and_backward,
        "gradcam": explaining(MriGradCam()),
        "gradcam of layer3": explaining(MriGradCam("layer3")),
        "occlusion": explaining(occlusion),
        "integrated gradients": explaining(MriIntegratedGradients(4)),
    }
    return works, occlusion.passes(person)


def mri_rows(slab: tuple[int, ...], repetitions: int) -> list[Row]:
    """Methods against passes, and what follows them against reading a file."""
    works, blocks = mri_works(slab)
    for work in works.values():
        work()
    least = dict(zip(works, least_cpu(list(works.values()), repetitions), strict=True))
    one, both = least["forward"], least["forward and backward"]
    rows = [
        Row(f"MRI: {name}", *in_s(both, least[name]), least[name] / both, -1.5)
        for name in ("gradcam", "gradcam of layer3")
    ]
    occlusion, steps = least["occlusion"] / (blocks + 1), (least["integrated gradients"] - 2 * one) / 4
    rows.append(Row("MRI: a block of an occlusion, against a pass", *in_s(one, occlusion), occlusion / one, -1.2))
    rows.append(Row("MRI: a step of integrated gradients, with both passes", *in_s(both, steps), steps / both, -1.2))
    return [*rows, *_map_rows(repetitions)]


def _map_rows(repetitions: int) -> list[Row]:
    geometry = SlabGeometry()
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t1.nii.gz"
        write_brain(path, "int16", 0)
        values = random.normal(size=geometry.shape).astype(np.float32)
        space = VolumeSpace.of_file(path, geometry)
        network = nib.Nifti1Image(values, space.network_affine)

        def by_nibabel() -> None:
            nib.save(resample_from_to(network, nib.load(path), order=1), Path(folder) / "own.nii.gz")
            nib.save(network, Path(folder) / "network.nii.gz")

        ours = partial(write_map, Path(folder), "sub-1", "ig", values, space)
        old, new = least_cpu([by_nibabel, ours], repetitions)
    people = random.normal(size=(PEOPLE, 100_000)).astype(np.float32)
    labels = np.arange(PEOPLE) % 2 == 0
    (test,) = least_cpu([lambda: max_statistic(people, labels, DRAWS)], repetitions)
    (product,) = least_cpu([lambda: random.random((DRAWS, PEOPLE)) @ people.astype(np.float64)], repetitions)
    what = f"MRI: test of 100,000 voxels, {PEOPLE} people, {DRAWS} draws, against its matrix product"
    return [
        Row("MRI: a map on both grids as files, against nibabel's resampling", *in_s(old, new), old / new, 3),
        Row(what, *in_s(product, test), test / product, -6),
    ]


def main() -> int:
    """Measure, print, and return 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slab", type=int, nargs=3, default=(96, 128, 128), help="voxels of the network's volume")
    parser.add_argument("--repetitions", type=int, default=3, help="of each work")
    parser.add_argument("--only", choices=("mri",), help="rows of one recording")
    chosen = parser.parse_args()
    load = os.getloadavg()
    rows = mri_rows(tuple(chosen.slab), chosen.repetitions)
    show(rows, load)
    return 0 if all(row.reached for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
