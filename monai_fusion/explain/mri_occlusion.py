"""Occlusion of the MRI: how much the score falls when a block of the volume is blanked (Zeiler & Fergus, ECCV 2014)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from monai_fusion.errors import InputError, Problem
from monai_fusion.explain.method import Arrays, Explained, Step
from monai_fusion.explain.method_parts import is_count, mri_of
from monai_fusion.explain.scoring import Embeddings, Scorer

BASELINES = ("background", "head")
_VOXELS_AT_ONCE = 4 * 96 * 128 * 128  # R3D-18 takes about 1 GB for these without gradients
_AT_MOST = 64

Box = tuple[slice, slice, slice]


class MriOcclusion:
    """Blocks that tile the volume, blanked one after another: ``mri_occlusion``.

    A block's value is the score of the whole volume less the score with the block blanked, in logit: positive where the
    block speaks for the class. Every voxel of ``attributions`` has its block's value, which is not divided among them.
    The EEG is encoded once.

    Args:
        grid: Blocks along T, H and W; where a length does not divide, blocks differ by one voxel.
        block: Voxels of a block along T, H and W instead, fewer at the end of an axis; None for ``grid``.
        baseline: What a blanked voxel becomes: ``background``, 0, or ``head``, the mean of the voxels above 0; then
            only these are blanked, so that the head keeps its shape.
        batch_size: Volumes in one pass; None for as many as take about 1 GB of memory. It changes no number but for
            rounding.

    Raises:
        InputError: An argument is wrong.
    """

    name = "mri_occlusion"
    recording: Literal["eeg", "mri"] = "mri"

    def __init__(
        self,
        grid: Sequence[int] = (6, 4, 4),
        block: Sequence[int] | None = None,
        baseline: str = "background",
        batch_size: int | None = None,
    ) -> None:
        wrong = [
            Problem(self.name, field, repr(value), "three whole numbers from 1")
            for field, value in (("grid", grid), ("block", (1, 1, 1) if block is None else block))
            if not _three_counts(value)
        ]
        if baseline not in BASELINES:
            wrong.append(Problem(self.name, "baseline", repr(baseline), " or ".join(BASELINES)))
        if batch_size is not None and not is_count(batch_size):
            wrong.append(Problem(self.name, "batch_size", repr(batch_size), "a whole number from 1, or null"))
        if wrong:
            raise InputError(wrong)
        self.grid = tuple(grid)
        self.block = None if block is None else tuple(block)
        self.baseline = baseline
        self.batch_size = batch_size

    def settings(self) -> Mapping[str, object]:
        """The blocks and the baseline."""
        blocks = {"grid": list(self.grid)} if self.block is None else {"block": list(self.block)}
        return {**blocks, "baseline": self.baseline}

    def passes(self, participant: Explained) -> int:
        """One for each block, also for those that turn out to be blank; a volume without data will do."""
        return math.prod(len(each) - 1 for each in self._edges(mri_of(participant)))

    def __call__(self, scorer: Scorer, participant: Explained, embeddings: Embeddings, step: Step) -> Arrays:
        """Explain one participant.

        Returns:
            ``attributions`` [T, H, W] float32, ``cells`` [t, h, w] float32, one value for each block, and ``edges_t``,
            ``edges_h``, ``edges_w``: the first voxel of each block, and the length. Blocks that are blank anyway cost
            no pass and are 0.
        """
        mri = mri_of(participant)
        edges = self._edges(mri)
        cells = np.zeros([len(each) - 1 for each in edges], np.float32)
        attributions = np.zeros(tuple(mri.shape[2:]), np.float32)
        volume = mri.to(scorer.device)
        blank = self._blank(volume)
        changed = [(place, box) for place, box in self._boxes(mri) if _differs(volume, blank, box)]
        step(cells.size - len(changed))
        size = self._batch_size(mri)
        with torch.no_grad():
            # The same encoder, precision and kernels for the whole volume as for the others.
            whole = float(scorer.of_volumes(volume, embeddings)[0])
            for start in range(0, len(changed), size):
                batch = changed[start : start + size]
                occluded = volume.repeat(len(batch), 1, 1, 1, 1)
                for row, (_, box) in enumerate(batch):
                    occluded[(row, slice(None), *box)] = blank[(0, slice(None), *box)]
                scores = scorer.of_volumes(occluded, embeddings).cpu().double().numpy()
                for (place, box), score in zip(batch, scores, strict=True):
                    cells[place] = attributions[box] = whole - score
                step(len(batch))
        names = ("edges_t", "edges_h", "edges_w")
        return {
            "attributions": attributions,
            "cells": cells,
            **{name: np.array(each, np.int32) for name, each in zip(names, edges, strict=True)},
        }

    def _edges(self, mri: Tensor) -> list[list[int]]:
        lengths = list(mri.shape[2:])
        if self.block is not None:
            return [[*range(0, length, size), length] for length, size in zip(lengths, self.block, strict=True)]
        counts = [min(count, length) for count, length in zip(self.grid, lengths, strict=True)]
        return [
            [place * length // count for place in range(count + 1)]
            for count, length in zip(counts, lengths, strict=True)
        ]

    def _boxes(self, mri: Tensor) -> Iterator[tuple[tuple[int, ...], Box]]:
        """The place of each block in the grid, and its voxels."""
        edges = self._edges(mri)
        for place in product(*(range(len(each) - 1) for each in edges)):
            t, h, w = (slice(each[at], each[at + 1]) for each, at in zip(edges, place, strict=True))
            yield place, (t, h, w)

    def _blank(self, mri: Tensor) -> Tensor:
        """The volume with every voxel blanked."""
        if self.baseline == "background":
            return torch.zeros_like(mri)
        head = mri > 0
        mean = mri[head].mean() if head.any() else mri.new_zeros(())
        return torch.where(head, mean, mri)

    def _batch_size(self, mri: Tensor) -> int:
        if self.batch_size is not None:
            return self.batch_size
        return max(1, min(_AT_MOST, _VOXELS_AT_ONCE // math.prod(mri.shape[2:])))


def _three_counts(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 3 and all(map(is_count, value))


def _differs(mri: Tensor, blank: Tensor, box: Box) -> bool:
    index = (slice(None), slice(None), *box)
    return not torch.equal(mri[index], blank[index])
