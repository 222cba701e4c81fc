"""Occlusion of the EEG: how the score changes when an electrode's band is hidden for a while.

Each mask hides one electrode x one band x one block of time. Its value is the score of the whole segment less the score
without the masked part, in logit: positive where the masked part speaks for the class.

A mask need not be tried on every segment. What it would do to the others is nearly known from the gradient of the
score, which costs one backward pass a segment for all masks together: the sum of gradient x what is hidden, the first
order of a Taylor series. The tried ones measure by how much this is wrong (a control variate): the mean of the first
order over all segments, plus the mean error of the tried ones, estimates the mean over all segments, however wrong the
first order is, and is exact where all are tried (`eeg_summary.occlusion_of`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from monai_fusion.errors import InputError, Problem
from monai_fusion.explain.eeg_axes import Block, EegAxes, axes_of
from monai_fusion.explain.method import Arrays, Explained, Step
from monai_fusion.explain.method_parts import GRADIENT_PASSES, eeg_of, is_count
from monai_fusion.explain.scoring import Embeddings, Scorer

BASELINES = ("zero", "mean")
ALL = "all"
AUTO = "auto"
PRECISIONS = ("float32", AUTO)
_WITH_GRADIENT = 4  # segments in one pass with its gradient, which takes a tenth of a GB for each
_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class Masks:
    """All masks of one window (a band and a block of time): the electrodes, each on some segments.

    Attributes:
        band: Index of the band.
        time: Index of the block of time.
        electrodes: [N] the electrode that is hidden.
        segments: [N] the segment in which it is hidden.
    """

    band: int
    time: int
    electrodes: NDArray[np.int64]
    segments: NDArray[np.int64]


class EegOcclusion:
    """Method ``eeg_occlusion``: electrodes x named bands x blocks of time, in batches of masks.

    Each mask is tried on ``segments_per_mask`` of the participant's segments; the masks of an electrode and band meet
    every segment equally often, or as equally as the numbers allow.

    Args:
        segments_per_mask: A whole number from 1, or ``all``: exact, and as many times as slow.
        first_order: Whether the gradient says what is nearly known of the segments on which a mask is not tried;
            without it, more ``segments_per_mask`` are needed.
        precision: ``float32``; or ``auto`` for that of the run, which on many machines is bfloat16: three times as fast
            on a CPU, but its rounding hides the effects of weak bands.
        time_blocks: Equal blocks of the time axis.
        baseline: What replaces the hidden values. ``zero``: the mean of the electrode's scalogram, which z-scoring
            makes 0. ``mean``: the mean over time of the same row, electrode and segment, so that only the course over
            time is hidden; it cannot show a rhythm that is equally strong all the time.
        batch_size: Masked segments in one pass of the encoder; it affects memory and speed only.

    Raises:
        InputError: A value is none of these.
    """

    name = "eeg_occlusion"
    recording: Literal["eeg", "mri"] = "eeg"

    def __init__(
        self,
        segments_per_mask: int | str = 1,
        time_blocks: int = 4,
        baseline: str = "zero",
        first_order: bool = True,
        precision: str = "float32",
        batch_size: int = 16,
    ) -> None:
        problems = []
        if precision not in PRECISIONS:
            problems.append(Problem("eeg_occlusion", "precision", repr(precision), " or ".join(PRECISIONS)))
        if not isinstance(first_order, bool):
            problems.append(Problem("eeg_occlusion", "first_order", repr(first_order), "true or false"))
        if baseline not in BASELINES:
            problems.append(Problem("eeg_occlusion", "baseline", repr(baseline), " or ".join(BASELINES)))
        if segments_per_mask != ALL and not is_count(segments_per_mask):
            seen = repr(segments_per_mask)
            problems.append(Problem("eeg_occlusion", "segments_per_mask", seen, f"{ALL} or a whole number from 1"))
        for field, value in (("time_blocks", time_blocks), ("batch_size", batch_size)):
            if not is_count(value):
                problems.append(Problem("eeg_occlusion", field, repr(value), "a whole number from 1"))
        if problems:
            raise InputError(problems)
        self.segments_per_mask = segments_per_mask
        self.time_blocks = time_blocks
        self.baseline = baseline
        self.first_order = first_order
        self.precision = precision
        self.batch_size = batch_size

    def settings(self) -> Mapping[str, object]:
        """What changes the numbers."""
        return {
            "segments_per_mask": self.segments_per_mask,
            "time_blocks": self.time_blocks,
            "baseline": self.baseline,
            "first_order": self.first_order,
            "occlusion_precision": self.precision,
        }

    def passes(self, participant: Explained) -> int:
        """Each mask on its segments, and each segment once as it is and once with its gradient."""
        eeg = eeg_of(participant)
        axes = self._axes(participant, eeg)
        masks = len(axes.electrodes) * len(axes.bands) * len(axes.times)
        once = 1 + GRADIENT_PASSES * self._estimates(len(eeg))
        return len(eeg) * once + masks * self._tried(len(eeg))

    def __call__(self, scorer: Scorer, participant: Explained, embeddings: Embeddings, step: Step) -> Arrays:
        """Hide each part in turn.

        Returns:
            ``effects`` [electrode, band, time block, segment] float32, the change of the segment's score, NaN where a
            mask was not tried on a segment; where there are such, ``first_order`` of the same shape, float32, what the
            gradient says of all; ``scores`` [segment] float32 of the whole segments; and the axes.
        """
        eeg = eeg_of(participant)
        axes = self._axes(participant, eeg)
        single = scorer.at("float32")
        estimated = {}
        if self._estimates(len(eeg)):
            estimated["first_order"] = self._first_order(single, eeg, axes, embeddings, step)
        scorer = scorer if self.precision == AUTO else single
        shape = (len(axes.electrodes), len(axes.bands), len(axes.times), len(eeg))
        effects = np.full(shape, np.nan, np.float32)
        with torch.no_grad():
            whole = self._whole(scorer, eeg, embeddings, step)
            for masks in design(*shape, self._tried(len(eeg))):
                for part in _batches(masks, self.batch_size):
                    values = scorer.of_segments(self._masked(eeg, axes, part).to(scorer.device), embeddings)
                    place = (part.electrodes, part.band, part.time, part.segments)
                    effects[place] = whole[part.segments] - values.cpu().numpy()
                    step(len(part.segments))
        return {"effects": effects, **estimated, "scores": whole, **axes.arrays()}

    def _tried(self, segments: int) -> int:
        wanted = self.segments_per_mask
        return segments if isinstance(wanted, str) else min(wanted, segments)

    def _estimates(self, segments: int) -> bool:
        return self.first_order and self._tried(segments) < segments

    def _axes(self, participant: Explained, eeg: Tensor) -> EegAxes:
        _, electrodes, rows, columns = eeg.shape
        return axes_of(participant.participant_id, participant.eeg_files, (electrodes, rows, columns), self.time_blocks)

    def _whole(self, scorer: Scorer, eeg: Tensor, embeddings: Embeddings, step: Step) -> NDArray[np.float32]:
        scores = []
        for some in torch.split(eeg, self.batch_size):
            scores.append(scorer.of_segments(some.to(scorer.device), embeddings).cpu().numpy())
            step(len(some))
        return np.concatenate(scores)

    def _first_order(
        self, scorer: Scorer, eeg: Tensor, axes: EegAxes, embeddings: Embeddings, step: Step
    ) -> NDArray[np.float32]:
        """[electrode, band, time block, segment]: gradient x what is hidden, summed over each part."""
        parts = []
        for some in torch.split(eeg, min(_WITH_GRADIENT, self.batch_size)):
            segments = some.to(scorer.device, copy=True).requires_grad_()
            with torch.enable_grad():
                (gradient,) = torch.autograd.grad(scorer.of_segments(segments, embeddings).sum(), segments)
            hidden = some if self.baseline == "zero" else some - some.mean(dim=3, keepdim=True)
            parts.append(axes.block_sums((gradient.cpu() * hidden).double().numpy()))
            step(len(some) * GRADIENT_PASSES)
        # In C order, as a file gives it back: sums have the same bits before and after.
        return np.ascontiguousarray(np.moveaxis(np.concatenate(parts), 0, 3), np.float32)

    def _masked(self, eeg: Tensor, axes: EegAxes, masks: Masks) -> Tensor:
        """[N, electrode, frequency, time]: the segments, each with its part replaced."""
        band, time = axes.bands[masks.band], axes.times[masks.time]
        batch = eeg[torch.from_numpy(masks.segments)]  # indexing by a tensor copies
        for image, electrode in zip(batch, masks.electrodes.tolist(), strict=True):
            image[electrode, band.indices, time.indices] = self._instead(image[electrode], band)
        return batch

    def _instead(self, plane: Tensor, band: Block) -> Tensor:
        if self.baseline == "zero":
            return plane.new_zeros(())
        return plane[band.indices].mean(dim=1, keepdim=True)


def design(electrodes: int, bands: int, times: int, segments: int, tried: int) -> Iterator[Masks]:
    """Which mask is tried on which segments, one window after the other; the same on every call.

    Runs of ``tried`` segments follow each other over the blocks of time, so that the masks of an electrode and band
    together meet each segment ``times * tried / segments`` times, rounded up or down. The runs of the next electrode
    and band begin one segment later, so that each block of time, too, meets all segments equally. Segments that follow
    each other in a run lie far apart in the recording, where conditions (EO, EC) lie in blocks.
    """
    apart = np.argsort((np.arange(segments) * _GOLDEN) % 1, kind="stable")
    for band in range(bands):
        for time in range(times):
            first = np.arange(electrodes) * bands + band + time * tried
            places = (first[:, None] + np.arange(tried)) % segments
            yield Masks(band, time, np.repeat(np.arange(electrodes), tried), apart[places].ravel())


def _batches(masks: Masks, size: int) -> Iterator[Masks]:
    for start in range(0, len(masks.segments), size):
        part = slice(start, start + size)
        yield Masks(masks.band, masks.time, masks.electrodes[part], masks.segments[part])
