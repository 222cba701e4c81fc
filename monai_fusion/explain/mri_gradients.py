"""Maps of the MRI from gradients: integrated gradients, and squared gradients of noisy copies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from monai_fusion.errors import InputError, Problem
from monai_fusion.explain.method import Arrays, Explained, Step
from monai_fusion.explain.method_parts import GRADIENT_PASSES, captum_attr, completeness_error, mri_of, require_counts
from monai_fusion.explain.scoring import Embeddings, Scorer


class MriIntegratedGradients:
    """Integrated gradients from an empty volume to the MRI: ``mri_integrated_gradients``.

    Sundararajan, Taly and Yan, Axiomatic attribution for deep networks, ICML 2017; computed by captum in float32. The
    values add up to the score less that of the empty volume, but for the rule that integrates in ``steps`` points
    (Gauss-Legendre): what it misses is the completeness error.

    Args:
        steps: Points of the path.
        batch_size: Points in one pass; R3D-18 takes about 2 GB for one with its gradients. It changes no number but for
            rounding.

    Raises:
        InputError: An argument is no whole number from 1, or captum is not installed.
    """

    name = "mri_integrated_gradients"
    recording: Literal["eeg", "mri"] = "mri"

    def __init__(self, steps: int = 16, batch_size: int = 1) -> None:
        require_counts(self.name, steps=steps, batch_size=batch_size)
        self.steps = steps
        self.batch_size = batch_size
        self._captum = captum_attr(self.name)

    def settings(self) -> Mapping[str, object]:
        """The steps."""
        return {"steps": self.steps}

    def passes(self, participant: Explained) -> int:
        """Each point of the path with its gradient, and both of its ends as they are."""
        return self.steps * GRADIENT_PASSES + 2

    def __call__(self, scorer: Scorer, participant: Explained, embeddings: Embeddings, step: Step) -> Arrays:
        """Explain one participant.

        Returns:
            ``attributions`` [T, H, W] float32, in logit, added up over channels. As numbers, float32: ``score`` and
            ``baseline_score``, ``sum`` of the attributions, and ``completeness_error`` [1], abs(sum - difference) /
            abs(difference), where the difference is that of both scores.
        """
        single = scorer.at("float32")
        mri = mri_of(participant).detach().to(scorer.device)

        def score(volumes: Tensor) -> Tensor:
            scores = single.of_volumes(volumes, embeddings)
            step(len(volumes) * (GRADIENT_PASSES if torch.is_grad_enabled() else 1))
            return scores

        with torch.no_grad():
            ends = [float(score(volume)[0]) for volume in (mri, torch.zeros_like(mri))]
        with torch.enable_grad():
            attributed = self._captum.IntegratedGradients(score).attribute(
                mri, baselines=0.0, n_steps=self.steps, internal_batch_size=min(self.batch_size, self.steps)
            )
        values = attributed[0].detach().sum(dim=0).cpu().double().numpy()
        total, difference = float(values.sum()), ends[0] - ends[1]
        numbers = {"score": ends[0], "baseline_score": ends[1], "sum": total}
        return {
            "attributions": values.astype(np.float32),
            **{name: np.array(number, np.float32) for name, number in numbers.items()},
            "completeness_error": completeness_error(np.array([total]), np.array([difference])),
        }


class MriSmoothGradSquared:
    """The mean squared gradient over noisy copies of the MRI: ``mri_smoothgrad_squared``.

    Hooker et al., A benchmark for interpretability methods in deep neural networks, NeurIPS 2019. It says where the
    score is sensitive, not in which direction: values are never negative, in squared logit per squared intensity, and
    do not add up to anything. Computed in float32.

    Args:
        draws: Noisy copies.
        noise: The standard deviation of the noise, as a share of the volume's range of intensities.
        batch_size: Copies in one pass. It changes no number but for rounding.
        seed: Same seed, same noise.

    Raises:
        InputError: An argument is wrong.
    """

    name = "mri_smoothgrad_squared"
    recording: Literal["eeg", "mri"] = "mri"

    def __init__(self, draws: int = 16, noise: float = 0.1, batch_size: int = 1, seed: int = 0) -> None:
        require_counts(self.name, draws=draws, batch_size=batch_size)
        is_number = isinstance(noise, int | float) and not isinstance(noise, bool)
        if not is_number or not 0 < noise <= 1:
            raise InputError(Problem(self.name, "noise", repr(noise), "a number above 0, to 1", "0.1 is a good start"))
        if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
            raise InputError(Problem(self.name, "seed", repr(seed), "a whole number from 0"))
        self.draws = draws
        self.noise = float(noise)
        self.batch_size = batch_size
        self.seed = seed

    def settings(self) -> Mapping[str, object]:
        """The draws, the noise and the seed."""
        return {"draws": self.draws, "noise": self.noise, "seed": self.seed}

    def passes(self, participant: Explained) -> int:
        """Each noisy copy, with its gradient."""
        return self.draws * GRADIENT_PASSES

    def __call__(self, scorer: Scorer, participant: Explained, embeddings: Embeddings, step: Step) -> Arrays:
        """Explain one participant.

        Returns:
            ``attributions`` [T, H, W] float32, not negative.
        """
        single = scorer.at("float32")
        mri = mri_of(participant).detach()
        deviation = self.noise * float(mri.max() - mri.min())
        # Drawn one by one on the CPU: the same noise in any batch and on any device.
        generator = torch.Generator().manual_seed(self.seed)
        total = torch.zeros(mri.shape[2:], dtype=torch.float64)
        for start in range(0, self.draws, self.batch_size):
            count = min(self.batch_size, self.draws - start)
            noisy = [mri.cpu() + deviation * torch.randn(mri.shape, generator=generator) for _ in range(count)]
            volumes = torch.cat(noisy).to(single.device).requires_grad_()
            with torch.enable_grad():
                score = single.of_volumes(volumes, embeddings).sum()
                (gradient,) = torch.autograd.grad(score, volumes, materialize_grads=True)
            total += gradient.cpu().double().square().sum(dim=(0, 1))
            step(count * GRADIENT_PASSES)
        return {"attributions": (total / self.draws).float().numpy()}
