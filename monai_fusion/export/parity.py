"""Whether what was exported gives the numbers of the network in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from monai_fusion import keys
from monai_fusion.errors import RunFailed
from monai_fusion.export.deployed_network import PRESENT
from monai_fusion.export.trained_run import TrainedRun
from monai_fusion.networks.onnx_parts import OUTPUTS

TOLERANCE = 1e-4
"""The largest absolute difference in float32 that is no difference."""

_SIZES = (1, 2, 5)
_MIXED = ((True, True), (True, False), (False, True), (True, True), (False, True))
_SEED = 20

Compute = Callable[[Mapping[str, Tensor]], Sequence[Any]]
"""From inputs by name to logits, probabilities and gate."""


@dataclass(frozen=True)
class Case:
    """Some participants, with random recordings.

    Attributes:
        title: For the user: ``2 participants``.
        feeds: The inputs by name.
        expected: The outputs of the trained network in PyTorch, by name.
    """

    title: str
    feeds: Mapping[str, Tensor]
    expected: Mapping[str, Any]


@dataclass(frozen=True)
class Difference:
    """How far an exported network is from PyTorch for the participants of a case; NaN if a number is missing.

    Attributes:
        title: Of the case.
        largest: Of each output, by its name.
    """

    title: str
    largest: Mapping[str, float]

    @property
    def is_small(self) -> bool:
        """Whether every output is within the tolerance."""
        return all(value <= TOLERANCE for value in self.largest.values())  # not of a NaN


def difference(case: Case, compute: Compute) -> Difference:
    """Compare an exported network with PyTorch.

    Args:
        case: The participants.
        compute: The exported network.
    """
    found = dict(zip(OUTPUTS, compute(case.feeds), strict=True))
    return Difference(case.title, {name: _largest(found[name], case.expected[name]) for name in OUTPUTS})


def refuse_other_numbers(found: Sequence[Difference], by: str) -> None:
    """See that all differences are small.

    Raises:
        RunFailed: One is not; it says by how much.
    """
    for difference in found:
        if not difference.is_small:
            shown = ", ".join(f"{name} by {value:.2g}" for name, value in difference.largest.items())
            raise RunFailed(
                f"the exported network does not give the numbers of PyTorch: {shown} ({difference.title}; {by}; "
                f"allowed: {TOLERANCE:g})",
                "nothing was written",
            )


def cases(run: TrainedRun) -> Iterator[Case]:
    """Participants with random recordings: 1, 2 and 5 of them; of a model that can do without one, without it too.

    What PyTorch gives for them is computed once, as a case is asked for.
    """
    generator = torch.Generator().manual_seed(_SEED)

    def random(number: int) -> dict[str, Tensor]:
        shapes = run.input_shapes
        draws = {"eeg": torch.randn, "mri": torch.rand}  # z-scores, and intensities from 0 to 1
        return {name: draws[name](number, *shape, generator=generator) for name, shape in shapes.items()}

    def patterns(rows: Sequence[Sequence[bool]]) -> dict[str, Tensor]:
        return {PRESENT: torch.tensor(rows)} if run.takes_missing else {}

    def case(title: str, feeds: dict[str, Tensor]) -> Case:
        return Case(title, feeds, eager(run, feeds))

    for size in _SIZES:
        noun = "participant" if size == 1 else "participants"
        yield case(f"{size} {noun}", random(size) | patterns([[True, True]] * size))
    if run.takes_missing:
        yield case("1 participant without an MRI", random(1) | patterns([[True, False]]))
        yield case("1 participant without an EEG", random(1) | patterns([[False, True]]))
        yield case(f"{len(_MIXED)} participants, 3 with one recording", random(len(_MIXED)) | patterns(_MIXED))


def eager(run: TrainedRun, feeds: Mapping[str, Tensor]) -> dict[str, Any]:
    """The outputs of the trained network in PyTorch, computed as an evaluation computes them."""
    number = len(next(iter(feeds.values())))
    here = feeds.get(PRESENT)
    if here is None:
        here = torch.tensor([["eeg" in run.modalities, "mri" in run.modalities]] * number)
    eeg, mri = (feeds[name][here[:, column]] if name in feeds else None for column, name in enumerate(("eeg", "mri")))
    with torch.no_grad():
        embeddings = (
            None if eeg is None or not len(eeg) else run.network.encode_eeg(eeg),
            None if mri is None or not len(mri) else run.network.encode_mri(mri),
        )
        answer = run.network.fuse(*embeddings, None if bool(here.all()) else here)
    logits = answer[keys.LOGITS]
    shares = logits.double().softmax(dim=1).numpy()
    return dict(zip(OUTPUTS, (logits.numpy(), run.calibration.probabilities(shares), answer[keys.GATE]), strict=True))


def _largest(found: Any, expected: Any) -> float:
    found, expected = np.asarray(found, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    if found.shape != expected.shape:
        return float("inf")
    return float(np.abs(found - expected).max())  # NaN if there is one
