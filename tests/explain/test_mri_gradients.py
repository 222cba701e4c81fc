"""Integrated gradients and squared gradients of noisy copies, compared with what they are by hand."""

from __future__ import annotations

import copy
import sys
from typing import Any

import numpy as np
import pytest
import torch

from monai_fusion.errors import InputError
from monai_fusion.explain.method import Explained, Method
from monai_fusion.explain.mri_gradients import MriIntegratedGradients, MriSmoothGradSquared
from monai_fusion.explain.scoring import Embeddings, Scorer
from monai_fusion.networks import EnsembleNet
from tests.explain.mri_networks import SHAPE, Linear, Squared, convolving_net, ignored, participant


def explained(method: Method, net: torch.nn.Module, whom: Explained) -> dict[str, np.ndarray]:
    scorer = Scorer(net, 1)
    return dict(method(scorer, whom, scorer.embed(whom.eeg, whom.mri), ignored))


@pytest.mark.parametrize("net", [Linear(), Squared()])
def test_integrated_gradients_of_sums_are_each_voxels_share(net: Linear) -> None:
    whom = participant()
    power = 2 if isinstance(net, Squared) else 1
    expected = (net.weight * whom.mri[0, 0] ** power).detach()
    found = explained(MriIntegratedGradients(steps=3), net, whom)
    np.testing.assert_allclose(found["attributions"], expected, atol=1e-6)
    eeg = float(whom.eeg.mean())
    assert found["score"] == pytest.approx(eeg + float(expected.sum()), abs=1e-4)
    assert found["baseline_score"] == pytest.approx(eeg, abs=1e-5)
    assert found["sum"] == pytest.approx(float(expected.sum()), abs=1e-4)
    assert found["completeness_error"] < 1e-4


@pytest.mark.parametrize("segments", [3, 0])
def test_they_add_up_to_the_difference_of_the_scores_the_better_the_more_steps(segments: int) -> None:
    net, whom = EnsembleNet([convolving_net(0), convolving_net(1)]), participant(segments=segments)
    few, many = (explained(MriIntegratedGradients(steps), net, whom) for steps in (1, 128))
    difference = float(many["score"] - many["baseline_score"])
    scorer = Scorer(net, 1)
    embeddings = scorer.embed(whom.eeg, whom.mri)
    empty = scorer.embed(None, torch.zeros(1, 1, *SHAPE)).mri
    wanted = scorer.of_participant(embeddings) - scorer.of_participant(Embeddings(embeddings.eeg, empty))
    assert difference == pytest.approx(wanted, abs=1e-5)
    assert abs(difference) > 0.01
    assert many["attributions"].astype(float).sum() == pytest.approx(difference, abs=2e-2 * abs(difference))
    assert many["completeness_error"] < 2e-2 < few["completeness_error"]
    error = abs(few["sum"] - difference) / abs(difference)
    assert few["completeness_error"].item() == pytest.approx(error, rel=1e-3)


@pytest.mark.parametrize("kind", [MriIntegratedGradients, MriSmoothGradSquared])
def test_the_batch_size_changes_no_number(kind: Any) -> None:
    net, whom = convolving_net(), participant()
    one, many = (explained(kind(5, batch_size=size), net, whom)["attributions"] for size in (1, 3))
    np.testing.assert_allclose(one, many, atol=1e-5 * np.abs(many).max())
    assert one.any()


def test_squared_gradients_are_those_of_finite_differences_in_float64() -> None:
    net, whom = convolving_net(), participant((3, 3, 4))
    found = explained(MriSmoothGradSquared(draws=2, noise=0.2, seed=7), net, whom)["attributions"]
    generator = torch.Generator().manual_seed(7)
    deviation = 0.2 * float(whom.mri.max() - whom.mri.min())
    doubled = copy.deepcopy(net).double()
    eeg = doubled.encode_eeg(whom.eeg.double())

    def score(mri: torch.Tensor) -> float:
        probabilities = doubled.fuse(eeg, doubled.encode_mri(mri))["logits"].softmax(dim=1)
        return float(torch.logit(probabilities[:, 1]).mean())

    expected = np.zeros((3, 3, 4))
    with torch.no_grad():
        for _ in range(2):
            noisy = (whom.mri + deviation * torch.randn(whom.mri.shape, generator=generator)).double()
            for place in np.ndindex(3, 3, 4):
                ends = []
                for sign in (1, -1):
                    moved = noisy.clone()
                    moved[(0, 0, *place)] += sign * 1e-6
                    ends.append(score(moved))
                expected[place] += ((ends[0] - ends[1]) / 2e-6) ** 2 / 2
    np.testing.assert_allclose(found, expected, atol=1e-4 * expected.max())


def test_the_noise_is_that_of_the_seed() -> None:
    net, whom = convolving_net(), participant()
    first, again, other = (
        explained(MriSmoothGradSquared(draws=3, seed=seed), net, whom)["attributions"] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert first.min() >= 0


@pytest.mark.parametrize("method", [MriIntegratedGradients(4, batch_size=3), MriSmoothGradSquared(4, batch_size=3)])
def test_progress_counts_all_passes_and_the_network_stays_as_it_is(method: Method) -> None:
    net, whom, done = convolving_net(), participant(), []
    scorer = Scorer(net, 1)
    before = [parameter.requires_grad for parameter in net.parameters()]
    with torch.no_grad():  # as a caller may have it
        method(scorer, whom, scorer.embed(whom.eeg, whom.mri), done.append)
    assert sum(done) == method.passes(whom)
    assert all(parameter.grad is None for parameter in net.parameters())
    assert [parameter.requires_grad for parameter in net.parameters()] == before
    assert not whom.mri.requires_grad


def test_without_captum_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(InputError, match=r'pip install "monai-fusion\[explain\]"') as caught:
        MriIntegratedGradients()
    assert len(str(caught.value).splitlines()) == 1
    MriSmoothGradSquared()  # needs none


@pytest.mark.parametrize(
    ("kind", "knobs"),
    [
        (MriIntegratedGradients, {"steps": 0}),
        (MriIntegratedGradients, {"batch_size": True}),
        (MriSmoothGradSquared, {"draws": 2.5}),
        (MriSmoothGradSquared, {"noise": 0}),
        (MriSmoothGradSquared, {"noise": "a"}),
        (MriSmoothGradSquared, {"seed": -1}),
    ],
)
def test_a_wrong_knob_is_one_message(kind: Any, knobs: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(knobs))) as caught:
        kind(**knobs)
    assert len(str(caught.value).splitlines()) == 1
