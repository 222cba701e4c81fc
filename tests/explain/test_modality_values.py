"""What each recording is worth: two-player Shapley values, against sums written out by hand."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from torch import Tensor

from monai_fusion.explain.modality_values import ModalityValuer, ModalityValues
from monai_fusion.explain.scoring import Embeddings, Scorer
from monai_fusion.networks import FusionNet
from tests.support import tiny_absence_net

WIDTH = 8


@pytest.fixture
def network() -> FusionNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        network = tiny_absence_net(WIDTH)
        for token in (network.head.absent_eeg, network.head.absent_mri):
            assert token is not None
            torch.nn.init.normal_(token)
    return network.eval()


def person(seed: int, segments: int, mri: bool = True) -> Embeddings:
    draws = torch.Generator().manual_seed(seed)
    eeg = torch.randn(segments, WIDTH, generator=draws) if segments else None
    return Embeddings(eeg, torch.randn(1, WIDTH, generator=draws) if mri else None)


def score(network: FusionNet, eeg: Tensor, mri: Tensor) -> float:
    logits = network.fuse(eeg[None], mri[None])["logits"][0]
    return float(logits[1] - logits[0])


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


@torch.no_grad()
def test_swapped_recordings_are_averaged_over_the_references_each_once(network: FusionNet) -> None:
    references, own = [person(1, 3), person(2, 1), person(3, 5)], person(4, 4)
    assert own.eeg is not None and own.mri is not None
    found = ModalityValuer(Scorer(network, 1), references)(own)

    both = mean([score(network, e, own.mri[0]) for e in own.eeg])
    eeg = mean([mean([score(network, e, r.mri[0]) for e in own.eeg]) for r in references if r.mri is not None])
    mri = mean([mean([score(network, e, own.mri[0]) for e in r.eeg]) for r in references if r.eeg is not None])
    neither = mean(
        [
            mean([score(network, e, r.mri[0]) for e in r.eeg])
            for r in references
            if r.eeg is not None and r.mri is not None
        ]
    )
    assert (found.both, found.eeg, found.mri, found.neither) == pytest.approx((both, eeg, mri, neither), rel=1e-4)
    # Shapley's definition: the mean of what a player adds, over the orders in which they come.
    assert found.of_eeg == pytest.approx(((eeg - neither) + (both - mri)) / 2, rel=1e-3)
    assert found.of_eeg + found.of_mri == pytest.approx(both - neither, rel=1e-4)


@torch.no_grad()
def test_an_absent_recording_is_the_embedding_that_the_network_has_learned(network: FusionNet) -> None:
    own = person(4, 2)
    assert own.eeg is not None and own.mri is not None
    found = ModalityValuer(Scorer(network, 1), [person(1, 3)], "absent")(own)
    logits = network.fuse(None, own.mri, torch.tensor([[False, True]]))["logits"][0]
    assert found.mri == pytest.approx(float(logits[1] - logits[0]), rel=1e-5)
    with_eeg = network.fuse(own.eeg, None, torch.tensor([[True, False]] * 2))["logits"]
    assert found.eeg == pytest.approx(float((with_eeg[:, 1] - with_eeg[:, 0]).mean()), rel=1e-5)


def test_of_a_participant_with_one_recording_this_one_has_all_of_the_change(network: FusionNet) -> None:
    valuer = ModalityValuer(Scorer(network, 1), [person(1, 3), person(2, 2)])
    alone = valuer(person(7, 3, mri=False))
    assert alone.of_eeg == pytest.approx(alone.both - valuer.neither) and math.isnan(alone.of_mri)
    other = valuer(person(8, 0))
    assert other.of_mri == pytest.approx(other.both - valuer.neither) and math.isnan(other.of_eeg)
    assert math.isnan(alone.interaction) and math.isnan(other.interaction)


def test_without_an_interaction_the_values_are_the_single_effects() -> None:
    """An additive game by hand: v = 2 e - 3 m + 1."""
    values = ModalityValues(*(2 * e - 3 * m + 1 for e, m in ((1, 1), (1, 0), (0, 1), (0, 0))))
    assert (values.of_eeg, values.of_mri, values.interaction) == (2, -3, 0)


def test_the_values_satisfy_the_axioms_of_shapley() -> None:
    for both, eeg, mri, neither in product((-1.0, 0.5, 2.0), repeat=4):
        values = ModalityValues(both, eeg, mri, neither)
        assert values.of_eeg + values.of_mri == pytest.approx(both - neither)  # efficiency
        swapped = ModalityValues(both, mri, eeg, neither)
        assert (swapped.of_eeg, swapped.of_mri) == (values.of_mri, values.of_eeg)  # symmetry
        assert ModalityValues(mri, neither, mri, neither).of_eeg == 0  # a player who adds nothing


def test_there_must_be_references(network: FusionNet) -> None:
    with pytest.raises(ValueError, match="references"):
        ModalityValuer(Scorer(network, 1), [])
