"""Occlusion of the MRI: the score of the whole less that with a block blanked, for blocks that tile the volume."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from monai_fusion.errors import InputError
from monai_fusion.explain.method import Explained
from monai_fusion.explain.mri_occlusion import MriOcclusion
from monai_fusion.explain.scoring import Embeddings, Scorer
from monai_fusion.networks import EnsembleNet
from tests.explain.mri_networks import SHAPE, Linear, convolving_net, ignored, participant


def explained(net: torch.nn.Module, whom: Explained, **knobs: Any) -> dict[str, np.ndarray]:
    scorer = Scorer(net, 1)
    return dict(MriOcclusion(**knobs)(scorer, whom, scorer.embed(whom.eeg, whom.mri), ignored))


def test_of_a_weighted_sum_it_is_the_sum_of_the_blocks_share() -> None:
    net, whom = Linear(), participant()
    found = explained(net, whom, grid=(3, 2, 3))
    share = (net.weight * whom.mri[0, 0]).detach().double().numpy()
    assert found["cells"].shape == (3, 2, 3)
    assert [found[f"edges_{axis}"].tolist() for axis in "thw"] == [[0, 2, 4, 6], [0, 4, 8], [0, 3, 6, 9]]
    for t, h, w in np.ndindex(3, 2, 3):
        box = np.s_[2 * t : 2 * t + 2, 4 * h : 4 * h + 4, 3 * w : 3 * w + 3]
        assert found["cells"][t, h, w] == pytest.approx(share[box].sum(), abs=1e-5)
        assert (found["attributions"][box] == found["cells"][t, h, w]).all()
    assert found["cells"].min() < 0 < found["cells"].max()


def test_blocks_tile_lengths_that_do_not_divide() -> None:
    found = explained(Linear(), participant(), grid=(4, 3, 40))
    assert [found[f"edges_{axis}"].tolist() for axis in "th"] == [[0, 1, 3, 4, 6], [0, 2, 5, 8]]
    assert found["edges_w"].tolist() == list(range(10))  # no more blocks than voxels
    found = explained(Linear(), participant(), block=(4, 3, 9))
    assert [found[f"edges_{axis}"].tolist() for axis in "thw"] == [[0, 4, 6], [0, 3, 6, 8], [0, 9]]
    assert found["cells"].shape == (2, 3, 1)


def test_the_mean_inside_the_head_leaves_the_background_as_it_is() -> None:
    net, whom = Linear(), participant()
    whom.mri[..., :5] = 0
    found = explained(net, whom, grid=(2, 2, 3), baseline="head")
    volume = whom.mri[0, 0].double().numpy()
    mean = volume[volume > 0].mean()
    share = net.weight.detach().double().numpy() * np.where(volume > 0, volume - mean, 0)
    assert found["cells"][1, 0, 2] == pytest.approx(share[3:, :4, 6:].sum(), abs=1e-5)
    assert found["cells"][1, 0, 1] == pytest.approx(share[3:, :4, 3:6].sum(), abs=1e-5)
    assert not found["cells"][:, :, 0].any()


def test_blocks_of_background_cost_no_pass_and_are_0() -> None:
    net, whom = Linear(), participant()
    whom.mri[:, :, :, 4:] = 0
    scorer, done = Scorer(net, 1), []
    embeddings = scorer.embed(whom.eeg, whom.mri)
    net.batches.clear()
    method = MriOcclusion((3, 4, 1), batch_size=4)
    found = method(scorer, whom, embeddings, done.append)
    assert not found["cells"][:, 2:].any()
    assert found["cells"][:, :2].all()
    empty = Explained("sub-1", None, torch.empty(1, 1, *SHAPE, device="meta"))
    assert method.passes(empty) == method.passes(whom) == 12 == sum(done)
    assert done == [6, 4, 2]  # the blank ones at once
    assert net.batches == [1, 4, 2]  # the whole volume, then the six blocks


@pytest.mark.parametrize("segments", [3, 0])
def test_the_batch_size_changes_no_number(segments: int) -> None:
    net, whom = EnsembleNet([convolving_net(0), convolving_net(1)]), participant(segments=segments)
    one, many = (explained(net, whom, grid=(2, 3, 3), batch_size=size) for size in (1, 7))
    np.testing.assert_allclose(one["cells"], many["cells"], atol=1e-5 * np.abs(many["cells"]).max())
    assert one["cells"].all()


def test_the_eeg_is_encoded_by_others_and_counts_with_all_its_segments() -> None:
    net, whom = convolving_net(), participant()
    scorer = Scorer(net, 1)
    embeddings = scorer.embed(whom.eeg, whom.mri)
    net.encode_eeg = None  # not asked again
    found = MriOcclusion((1, 1, 1))(scorer, whom, embeddings, ignored)
    empty = scorer.embed(None, torch.zeros(1, 1, *SHAPE))
    expected = scorer.of_participant(embeddings) - scorer.of_participant(Embeddings(embeddings.eeg, empty.mri))
    assert found["cells"].item() == pytest.approx(expected, rel=1e-4)


def test_the_recordings_are_not_changed() -> None:
    whom = participant()
    before = whom.mri.clone()
    explained(Linear(), whom)
    assert torch.equal(whom.mri, before)


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"grid": (6, 4)}, "grid"),
        ({"grid": "644"}, "grid"),
        ({"grid": (6, 0, 4)}, "three whole numbers from 1"),
        ({"block": (1.5, 2, 2)}, "block"),
        ({"baseline": "mean"}, "background or head"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_a_wrong_knob_is_one_message(knobs: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        MriOcclusion(**knobs)
    assert len(str(caught.value).splitlines()) == 1


def test_settings_are_what_changes_the_numbers() -> None:
    assert MriOcclusion(batch_size=3).settings() == {"grid": [6, 4, 4], "baseline": "background"}
    assert MriOcclusion(block=[2, 3, 4], baseline="head").settings() == {"block": [2, 3, 4], "baseline": "head"}
