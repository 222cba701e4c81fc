"""Integrated gradients of the EEG: hand calculations, completeness, whatever the batch."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_fusion.errors import InputError
from monai_fusion.explain.eeg_gradients import EegIntegratedGradients, completeness_error
from monai_fusion.explain.method import Arrays, Explained
from tests.explain.eeg_networks import Reader, embedded, participant, sidecar, weights


def explained(method: EegIntegratedGradients, network: Reader, who: Explained, target: int = 1) -> Arrays:
    scorer, embeddings = embedded(network, who, target)
    return method(scorer, who, embeddings, lambda _: None)


def test_of_a_linear_network_they_are_weight_times_value(tmp_path: Path) -> None:
    network, who = Reader(weights()), participant(files=sidecar(tmp_path))
    arrays = explained(EegIntegratedGradients(steps=3), network, who)
    wanted = (who.eeg * network.weights.detach()).mean(dim=0)
    np.testing.assert_allclose(arrays["attributions"], wanted, atol=1e-5)
    assert arrays["attributions"].dtype == np.float32
    assert arrays["completeness_error"].max() < 1e-5
    assert arrays["axis_electrodes"].tolist() == ["F3", "Cz", "O1"]
    np.testing.assert_allclose(
        explained(EegIntegratedGradients(3), network, who, 0)["attributions"], -wanted, atol=1e-5
    )


def test_of_a_square_they_are_weight_times_square() -> None:
    network, who = Reader(weights(), square=True), participant()
    arrays = explained(EegIntegratedGradients(steps=8), network, who)
    np.testing.assert_allclose(arrays["attributions"], (who.eeg**2 * network.weights.detach()).mean(dim=0), atol=1e-4)
    np.testing.assert_allclose(arrays["sums"], arrays["scores"] - arrays["baseline_score"], rtol=1e-3)
    assert arrays["baseline_score"] == pytest.approx(float(who.mri.mean()))


def test_the_completeness_error_is_what_the_steps_miss() -> None:
    class Kinked(Reader):
        def encode_eeg(self, eeg: torch.Tensor) -> torch.Tensor:
            return torch.relu(super().encode_eeg(eeg) - 3)

    network, who = Kinked(100 * weights()), participant(with_mri=False)
    coarse = explained(EegIntegratedGradients(steps=2), network, who)
    fine = explained(EegIntegratedGradients(steps=64), network, who)
    used = coarse["scores"] > 0
    assert used.any()
    np.testing.assert_allclose(
        coarse["completeness_error"][used],
        np.abs(coarse["sums"] - coarse["scores"])[used] / coarse["scores"][used],
        rtol=1e-4,
    )
    assert fine["completeness_error"].max() < 0.1 * coarse["completeness_error"][used].max() + 0.01


def test_a_difference_of_zero_is_no_division() -> None:
    found = completeness_error(np.array([0.0, 1e-3, 2.0]), np.array([0.0, 0.0, -1.0]))
    assert found.tolist() == [0.0, np.inf, 3.0]


def test_neither_batch_size_nor_repetition_changes_numbers() -> None:
    network, who = Reader(weights(), square=True), participant()
    first = explained(EegIntegratedGradients(steps=8, batch_size=1), network, who)
    for size in (1, 3, 64):
        again = explained(EegIntegratedGradients(steps=8, batch_size=size), network, who)
        np.testing.assert_allclose(again["attributions"], first["attributions"], atol=1e-6)


def test_the_networks_parameters_keep_no_gradient() -> None:
    network = Reader(weights())
    explained(EegIntegratedGradients(steps=2), network, participant())
    assert network.weights.grad is None


def test_progress_counts_every_pass_that_was_announced() -> None:
    who, done = participant(), []
    scorer, embeddings = embedded(Reader(weights()), who)
    method = EegIntegratedGradients(steps=4)
    method(scorer, who, embeddings, done.append)
    assert sum(done) == method.passes(who)


def test_without_an_eeg_it_is_refused() -> None:
    nobody = Explained("sub-08", None, torch.zeros(1, 1, 2, 2, 2))
    with pytest.raises(InputError, match="sub-08 eeg"):
        explained(EegIntegratedGradients(), Reader(weights()), nobody)


def test_wrong_knobs_and_a_missing_extra_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"steps: 0, expected a whole number from 1"):
        EegIntegratedGradients(steps=0)
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(InputError, match=r'captum is not installed: pip install "monai-fusion\[explain\]"'):
        EegIntegratedGradients()
