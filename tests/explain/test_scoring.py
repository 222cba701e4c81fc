"""Scores: log-odds of a class, the mean over a participant's segments, differentiable."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import logit, softmax
from torch import Tensor, nn

from monai_fusion.explain.scoring import Embeddings, Scorer


class Two(nn.Module):
    """Embeddings are sums over two features; three classes from e + 2 m, or from what is there."""

    def encode_eeg(self, eeg: Tensor) -> Tensor:
        return eeg.flatten(1)[:, :3]

    def encode_mri(self, mri: Tensor) -> Tensor:
        return mri.flatten(1)[:, :3]

    def fuse(self, eeg: Tensor | None, mri: Tensor | None, present: Tensor | None = None) -> dict[str, Tensor]:
        assert (present is None) == (eeg is not None and mri is not None)
        parts = ([] if eeg is None else [eeg]) + ([] if mri is None else [2 * mri.expand(len(mri), -1)])
        return {"logits": parts[0] + parts[1] if len(parts) == 2 else parts[0]}


@pytest.fixture
def recordings() -> tuple[Tensor, Tensor]:
    draws = torch.Generator().manual_seed(3)
    return torch.randn(5, 1, 2, 2, generator=draws), torch.randn(1, 1, 1, 2, 2, generator=draws)


def expected(eeg: Tensor | None, mri: Tensor | None, target: int) -> np.ndarray:
    parts = [scale * each.flatten(1)[:, :3] for each, scale in ((eeg, 1), (mri, 2)) if each is not None]
    return logit(softmax(sum(part.double().numpy() for part in parts), axis=1)[:, target])


def test_the_score_is_the_logarithm_of_the_odds_of_the_class(recordings: tuple[Tensor, Tensor]) -> None:
    eeg, mri = recordings
    for target in range(3):
        scorer = Scorer(Two(), target)
        embeddings = scorer.embed(eeg, mri, at_once=2)
        np.testing.assert_allclose(scorer.fused(embeddings), expected(eeg, mri, target), rtol=1e-5)
        assert scorer.of_participant(embeddings) == pytest.approx(expected(eeg, mri, target).mean(), rel=1e-5)


def test_of_two_classes_it_is_the_difference_of_the_logits() -> None:
    logits = torch.tensor([[0.3, 1.5], [90.0, -4.0]])
    assert Scorer(Two(), 1).log_odds(logits).tolist() == pytest.approx([1.2, -94.0])


def test_segments_and_volumes_are_scored_beside_the_other_recording(recordings: tuple[Tensor, Tensor]) -> None:
    eeg, mri = recordings
    scorer = Scorer(Two(), 2)
    embeddings = scorer.embed(eeg, mri)
    np.testing.assert_allclose(scorer.of_segments(3 * eeg, embeddings), expected(3 * eeg, mri, 2), rtol=1e-5)
    volumes = torch.cat([mri, -mri])
    wanted = [expected(eeg, mri, 2).mean(), expected(eeg, -mri, 2).mean()]
    np.testing.assert_allclose(scorer.of_volumes(volumes, embeddings), wanted, rtol=1e-5)


def test_an_absent_recording_is_left_to_the_network(recordings: tuple[Tensor, Tensor]) -> None:
    eeg, mri = recordings
    scorer = Scorer(Two(), 0)
    np.testing.assert_allclose(scorer.of_segments(eeg, Embeddings(None, None)), expected(eeg, None, 0), rtol=1e-5)
    np.testing.assert_allclose(scorer.of_volumes(mri, Embeddings(None, None)), expected(None, mri, 0), rtol=1e-5)


def test_scores_have_gradients(recordings: tuple[Tensor, Tensor]) -> None:
    eeg, mri = recordings
    scorer = Scorer(Two(), 1)
    embeddings = scorer.embed(eeg, mri)
    leaf = mri.clone().requires_grad_()
    scorer.of_volumes(leaf, embeddings).sum().backward()
    small = 1e-3 * torch.eye(3)
    flat = mri.flatten(1)[:, :3]
    steps = [
        expected(eeg, flat + step[None, :], 1).mean() - expected(eeg, flat - step[None, :], 1).mean() for step in small
    ]
    np.testing.assert_allclose(leaf.grad.flatten()[:3], np.array(steps) / 2e-3, rtol=1e-3)
