"""Does the prediction fall faster when the most important parts are removed than when any others are?

Deletion and insertion curves (Petsiuk et al., RISE, BMVC 2018): cells of the recording are replaced by a baseline in
the order of the map, and the score is followed; insertion begins with the baseline alone. The same in random orders
shows what removing any cells does, because a recording with holes is unlike all that the network has seen. What counts
is the area between the two.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from monai_fusion.explain.method import Step
from monai_fusion.explain.similarity import Mean, mean_of
from monai_fusion.wording import counted

Score = Callable[[Tensor], Tensor]
"""[N, ...] inputs -> [N] scores, such as `Scorer.of_segments` or `Scorer.of_volumes` beside a participant's rest."""
Floats = NDArray[np.float64]
Places = NDArray[np.int64]

POINTS = 10
SEEDS = 3
AT_ONCE = 16


@dataclass(frozen=True)
class Curves:
    """The curves of one participant, in logits of the predicted class.

    Attributes:
        share: [P] share of the cells that are removed (deletion) or there (insertion), 0 to 1.
        deletion: [P] in the map's order.
        insertion: [P] in the map's order.
        random_deletion: [seed, P] in random orders.
        random_insertion: [seed, P]
    """

    share: Floats
    deletion: Floats
    insertion: Floats
    random_deletion: Floats
    random_insertion: Floats

    @property
    def deletion_gain(self) -> float:
        """Area between random order and the map's: above 0 if the map finds what the prediction rests on."""
        return float(area(self.share, self.random_deletion).mean() - area(self.share, self.deletion))

    @property
    def insertion_gain(self) -> float:
        """Area between the map's order and random order: above 0 if the map finds what is enough to predict."""
        return float(area(self.share, self.insertion) - area(self.share, self.random_insertion).mean())


@dataclass(frozen=True)
class CurveSummary:
    """The curves of several participants.

    Attributes:
        share: As in `Curves`, the same for all.
        deletion: [P] mean over participants.
        insertion: [P]
        random_deletion: [P] mean over participants and seeds.
        random_insertion: [P]
        deletion_gain: Mean over participants of the area between.
        insertion_gain: The same.
    """

    share: Floats
    deletion: Floats
    insertion: Floats
    random_deletion: Floats
    random_insertion: Floats
    deletion_gain: Mean
    insertion_gain: Mean

    def as_json(self) -> dict[str, object]:
        """Plain lists and numbers."""
        curves = ("share", "deletion", "insertion", "random_deletion", "random_insertion")
        lists: dict[str, object] = {name: getattr(self, name).tolist() for name in curves}
        return lists | {
            "deletion_gain": self.deletion_gain.as_json(),
            "insertion_gain": self.insertion_gain.as_json(),
        }


def eeg_cells(shape: Sequence[int], row_edges: Sequence[int], column_edges: Sequence[int]) -> Places:
    """Cells of electrode x rows x time.

    Args:
        shape: (electrodes, F, T).
        row_edges: The first row of each band, then one past the last band's end: rows outside belong to no cell.
        column_edges: The same for time.

    Returns:
        [electrodes, F, T] the number of each point's cell; -1 outside.
    """
    rows, columns = _numbered(shape[1], row_edges), _numbered(shape[2], column_edges)
    bands, blocks = len(row_edges) - 1, len(column_edges) - 1
    electrodes = np.arange(shape[0])[:, None, None]
    cells = (electrodes * bands + rows[None, :, None]) * blocks + columns[None, None, :]
    return np.where((rows[None, :, None] < 0) | (columns[None, None, :] < 0), -1, cells)


def block_cells(shape: Sequence[int], block: int) -> Places:
    """Cubes with edges of ``block`` voxels: [*shape] the number of each voxel's cube; those at the end are smaller."""
    cells = np.zeros((1,) * len(shape), np.int64)
    for axis, length in enumerate(shape):
        places = (np.arange(length) // block).reshape([-1 if a == axis else 1 for a in range(len(shape))])
        cells = cells * (-(-length // block)) + places
    return cells


def even_edges(length: int, count: int) -> list[int]:
    """The edges of ``count`` blocks of an axis, as equal as can be."""
    return [round(length * place / count) for place in range(count + 1)]


def _numbered(length: int, edges: Sequence[int]) -> Places:
    numbers = np.full(length, -1, np.int64)
    for place, (first, end) in enumerate(itertools.pairwise(edges)):
        numbers[first:end] = place
    return numbers


def cell_sums(attribution: NDArray[Any], cells: Places) -> Floats:
    """The attribution of each cell, the sum over its points: [R, *shape] or [*shape] -> [R, n] or [n]."""
    values = np.asarray(attribution, np.float64)
    rows = values.reshape(-1, cells.size)
    inside = cells.ravel() >= 0
    numbers = cells.ravel()[inside]
    count = int(numbers.max()) + 1
    sums = np.stack([np.bincount(numbers, row[inside], count) for row in rows])
    return np.asarray(sums[0] if values.ndim == cells.ndim else sums, np.float64)


def area(share: Floats, curve: Floats) -> Floats:
    """The area under curves [..., P], by the trapezoidal rule."""
    widths = np.diff(share)
    return np.asarray(((curve[..., 1:] + curve[..., :-1]) / 2 * widths).sum(axis=-1), np.float64)


def ordered(values: Floats) -> Places:
    """The rank at which each cell goes, largest value first: [R, n] -> [R, n]. Of equal ones the first goes first."""
    order = np.argsort(-values, axis=-1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.broadcast_to(np.arange(values.shape[-1]), order.shape).copy(), axis=-1)
    return ranks


def curves(
    score: Score,
    inputs: Tensor,
    attribution: NDArray[Any],
    cells: Places,
    baseline: Tensor | float = 0.0,
    points: int = POINTS,
    seeds: int = SEEDS,
    seed: int = 0,
    at_once: int = AT_ONCE,
    step: Step = lambda _: None,
) -> Curves:
    """Delete and insert one participant's cells in the order of a map, and in random orders.

    The order is the signed one: first the cells that speak most for the predicted class. Every segment has its own.

    Args:
        score: The score of the class that is explained.
        inputs: [R, *leading, *shape] the segments, or the one volume, on the score's device; ``shape`` is that of
            ``cells``. Every channel of ``leading`` has the same cells.
        attribution: [R, *shape], or [*shape] for all; in favour of the class that is explained.
        cells: [*shape] the number of each point's cell; -1 is never removed.
        baseline: What replaces a removed point: a number, or a tensor that broadcasts to ``inputs``.
        points: How many steps from nothing to everything.
        seeds: How many random orders.
        seed: Of the random orders.
        at_once: The largest batch.
        step: As for a method.

    Returns:
        The curves, means over the segments.
    """
    rows, count = len(inputs), int(cells.max()) + 1
    runner = _Masked(score, inputs, torch.from_numpy(np.ascontiguousarray(cells)), baseline, at_once, step)
    with torch.no_grad():
        towards = 1.0 if float(score(inputs[:at_once]).mean()) >= 0 else -1.0
    values = towards * np.broadcast_to(cell_sums(attribution, cells), (rows, count))
    drawn = np.random.default_rng(seed)
    orders = [ordered(values), *(ordered(drawn.random((rows, count))) for _ in range(seeds))]
    counts = [round(count * place / points) for place in range(points + 1)]
    found = {
        kind: np.stack([towards * runner(order, counts, kind == "insertion") for order in orders])
        for kind in ("deletion", "insertion")
    }
    return Curves(
        np.array(counts) / count,
        found["deletion"][0],
        found["insertion"][0],
        found["deletion"][1:],
        found["insertion"][1:],
    )


def passes(rows: int, points: int = POINTS, seeds: int = SEEDS) -> int:
    """How many passes of a segment or volume :func:`curves` costs."""
    return 2 * (1 + seeds) * (points + 1) * rows


def summary(each: Sequence[Curves]) -> CurveSummary:
    """The mean curves of some participants, who have the same shares, and the areas between with their intervals."""
    names = ("deletion", "insertion", "random_deletion", "random_insertion")
    means = {name: np.mean([np.atleast_2d(getattr(one, name)).mean(axis=0) for one in each], axis=0) for name in names}
    return CurveSummary(
        each[0].share,
        **means,
        deletion_gain=mean_of([one.deletion_gain for one in each]),
        insertion_gain=mean_of([one.insertion_gain for one in each]),
    )


def deletion_warnings(method: str, found: CurveSummary) -> list[str]:
    """Warn of a map whose order is not shown to be better than a random one."""
    gain = found.deletion_gain
    if gain.value is None or (gain.value if gain.interval is None else gain.interval[0]) > 0:
        return []
    interval = "" if gain.interval is None else f", 95 % interval {gain.interval[0]:+.2g} to {gain.interval[1]:+.2g}"
    return [
        f"{method}: removing what the map marks is not shown to change the prediction more than removing anything else "
        f"(area between {gain.value:+.2g} logits{interval}; {counted(gain.participants, 'participant')})"
    ]


class _Masked:
    """Scores of inputs with the first cells of an order removed, or alone there."""

    def __init__(
        self, score: Score, inputs: Tensor, cells: Tensor, baseline: Tensor | float, at_once: int, step: Step
    ) -> None:
        self.score, self.inputs, self.at_once, self.step = score, inputs, at_once, step
        self.baseline = torch.as_tensor(baseline, dtype=inputs.dtype, device=inputs.device).expand_as(inputs)
        self.cells = cells.to(inputs.device)

    @torch.no_grad()
    def __call__(self, ranks: Places, counts: Sequence[int], insertion: bool) -> Floats:
        """[R, n] ranks -> the mean score over the rows for each count: [P]."""
        found = np.empty((len(counts), len(self.inputs)))
        for places in self._batches(len(counts)):
            batch = torch.stack([self._masked(ranks[row], counts[point], row, insertion) for point, row in places])
            scores = self.score(batch).double().cpu().numpy()
            for (point, row), value in zip(places, scores, strict=True):
                found[point, row] = value
            self.step(len(places))
        return found.mean(axis=1)

    def _masked(self, ranks: Places, count: int, row: int, insertion: bool) -> Tensor:
        # One more place for the points of no cell, whose number -1 looks at the last: they always stay.
        first = torch.from_numpy(np.append(ranks < count, insertion)).to(self.cells.device)[self.cells]
        kept, other = self.inputs[row], self.baseline[row]
        return torch.where(first, kept, other) if insertion else torch.where(first, other, kept)

    def _batches(self, points: int) -> Iterator[list[tuple[int, int]]]:
        every = [(point, row) for point in range(points) for row in range(len(self.inputs))]
        for start in range(0, len(every), self.at_once):
            yield every[start : start + self.at_once]
