"""Integrated gradients of the EEG: the score, less the score of a blank scalogram, shared out over every value.

Sundararajan, Taly and Yan, Axiomatic attribution for deep networks, ICML 2017; computed by captum.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from monai_fusion.explain.eeg_axes import axes_of
from monai_fusion.explain.method import Arrays, Explained, Step
from monai_fusion.explain.method_parts import GRADIENT_PASSES, captum_attr, completeness_error, eeg_of, require_counts
from monai_fusion.explain.scoring import Embeddings, Scorer


class EegIntegratedGradients:
    """Method ``eeg_integrated_gradients``: the path from a scalogram of zeros to the segment, one segment at a time.

    The values of a segment add up to its score less the score of the zeros, but for the rule that integrates in
    ``steps`` steps (Gauss-Legendre): what it misses is the completeness error, which is kept for each segment.
    Computed in float32 in any precision, because half precision loses small gradients.

    Args:
        steps: Points of the path.
        batch_size: Points in one pass of the encoder; it affects memory and speed only.
        time_blocks: Equal blocks of the time axis in tables.

    Raises:
        InputError: A value is no whole number from 1, or captum is not installed.
    """

    name = "eeg_integrated_gradients"
    recording: Literal["eeg", "mri"] = "eeg"

    def __init__(self, steps: int = 32, batch_size: int = 8, time_blocks: int = 4) -> None:
        require_counts(self.name, steps=steps, batch_size=batch_size, time_blocks=time_blocks)
        self.steps = steps
        self.batch_size = batch_size
        self.time_blocks = time_blocks
        self._captum = captum_attr(self.name)

    def settings(self) -> Mapping[str, object]:
        """What changes the numbers."""
        return {"steps": self.steps, "time_blocks": self.time_blocks}

    def passes(self, participant: Explained) -> int:
        """Each point of each segment's path with its gradient, and the segment and the zeros as they are."""
        return len(eeg_of(participant)) * (self.steps * GRADIENT_PASSES + 1) + 1

    def __call__(self, scorer: Scorer, participant: Explained, embeddings: Embeddings, step: Step) -> Arrays:
        """Integrate the gradients of each segment.

        Returns:
            ``attributions`` [electrode, frequency, time] float32, the mean over the segments, in logit;
            ``scores``, ``sums`` and ``completeness_error`` [segment] float32: a segment's score, the sum of its
            attributions, and abs(sum - (score - baseline score)) / abs(score - baseline score);
            ``baseline_score`` float32, and the axes.
        """
        eeg = eeg_of(participant)
        single = scorer.at("float32")
        axes = axes_of(
            participant.participant_id, participant.eeg_files, (eeg.shape[1], eeg.shape[2], eeg.shape[3]),
            self.time_blocks,
        )  # fmt: skip

        def score(segments: Tensor) -> Tensor:
            return single.of_segments(segments, embeddings)

        method = self._captum.IntegratedGradients(score)
        total = np.zeros(tuple(eeg.shape[1:]), np.float64)
        scores, sums = [], []
        with torch.no_grad():
            baseline_score = float(score(torch.zeros_like(eeg[:1], device=single.device))[0])
        step(1)
        for segment in torch.split(eeg, 1):
            inputs = segment.to(single.device)
            with torch.no_grad():
                scores.append(float(score(inputs)[0]))
            step(1)
            attributed = method.attribute(
                inputs, baselines=0.0, n_steps=self.steps, method="gausslegendre",
                internal_batch_size=min(self.batch_size, self.steps),
            )  # fmt: skip
            values = attributed[0].detach().cpu().double().numpy()
            total += values
            sums.append(float(values.sum()))
            step(self.steps * GRADIENT_PASSES)
        return {
            "attributions": (total / len(eeg)).astype(np.float32),
            "scores": np.array(scores, np.float32),
            "sums": np.array(sums, np.float32),
            "baseline_score": np.array(baseline_score, np.float32),
            "completeness_error": completeness_error(np.array(sums), np.array(scores) - baseline_score),
            **axes.arrays(),
        }
