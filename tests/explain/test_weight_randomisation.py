"""Weight randomisation: what is random at which stage, and which maps are warned of."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from monai_fusion.explain.hits import hit
from monai_fusion.explain.method import Arrays, Explained, Step
from monai_fusion.explain.scoring import Embeddings, Scorer
from monai_fusion.explain.weight_randomisation import (
    cascade,
    chosen_participants,
    draw_again,
    passes,
    randomisation_warnings,
    randomised,
    stages_of,
    weight_randomisation,
)
from monai_fusion.networks import EnsembleNet, FusionNet, GatedFusionHead, standard_network
from monai_fusion.networks.encoder import PROJECTION, Encoder

SIZE = 12


class Small(Encoder):
    """Two layers and a projection."""

    def __init__(self, points: int) -> None:
        backbone = nn.Sequential(nn.Linear(points, 16), nn.BatchNorm1d(16), nn.Linear(16, 8))
        super().__init__(backbone, nn.Linear(8, 6), 6)
        self.scale = nn.Parameter(torch.arange(8.0))

    def blocks(self) -> dict[str, tuple[nn.Module, ...]]:
        return {"stem": (self.backbone[:2],), "layer1": (self.backbone[2],), PROJECTION: (self.projection,)}

    def forward(self, x: Tensor) -> Tensor:
        return self.projection(self.backbone(x.flatten(1)))


class Linear(nn.Module):
    """The logit is a weighted sum of the volume; the weights are large in the first 20 of 400 voxels only."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.Linear(400, 1), nn.Identity()
        with torch.no_grad():
            self.layer.weight[:, :20] += torch.where(torch.arange(20) % 2 == 0, 3.0, -3.0)

    def blocks(self) -> dict[str, tuple[nn.Module, ...]]:
        return {"mri_enc.projection": (self.layer,), "head": (self.head,)}

    def encode_mri(self, mri: Tensor) -> Tensor:
        return self.layer(mri.flatten(1))

    def fuse(self, eeg: Tensor | None, mri: Tensor, present: Tensor | None = None) -> dict[str, Tensor]:
        return {"logits": torch.cat([-mri / 2, mri / 2], dim=1)}


class Gradient:
    """A method: the gradient, its product with the input, or only the input."""

    name = "of_test"
    recording: Literal["eeg", "mri"] = "mri"

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def passes(self, participant: Explained) -> int:
        return 3

    def __call__(self, scorer: Scorer, participant: Explained, embeddings: Embeddings, step: Step) -> Arrays:
        assert participant.mri is not None
        leaf = participant.mri.clone().requires_grad_()
        scorer.of_volumes(leaf, embeddings).sum().backward()
        step(3)
        assert leaf.grad is not None
        maps = {"gradient": leaf.grad, "product": leaf.grad * participant.mri, "input": participant.mri}
        return {"map": maps[self.kind].numpy()[0]}

    def settings(self) -> Mapping[str, object]:
        return {}


def network() -> FusionNet:
    torch.manual_seed(0)
    head = GatedFusionHead(6, 2, gate_hidden=4, hidden=5)
    return FusionNet(Small(SIZE), Small(SIZE), head, absence=True).eval()


def participants() -> list[Explained]:
    draws = torch.Generator().manual_seed(5)
    return [Explained(f"sub-{k}", None, torch.randn(1, 1, 4, 10, 10, generator=draws)) for k in range(3)]


def changed(before: FusionNet, after: nn.Module) -> set[str]:
    now = after.state_dict()
    return {name for name, value in before.state_dict().items() if not torch.equal(value, now[name])}


def test_the_cascade_begins_at_the_head_and_ends_at_the_stem_of_one_encoder() -> None:
    names = ["head", "mri_enc.projection", "mri_enc.layer1", "mri_enc.stem"]
    assert list(cascade(network(), "mri")) == names
    assert list(cascade(EnsembleNet([network(), network()]), "mri")) == names


def test_every_stage_adds_one_random_block_and_leaves_the_network_and_the_other_encoder() -> None:
    net = network()
    with torch.no_grad():  # as after a training
        for value in net.state_dict().values():
            if value.is_floating_point():
                value.add_(torch.rand_like(value))
    before = copy.deepcopy(net)
    seen: set[str] = set()
    for name, copied in randomised(net, "mri"):
        now = changed(before, copied)
        assert now > seen
        assert all(each.startswith(("head", "mri_enc")) for each in now)
        assert name.split(".")[0] in {each.split(".")[0] for each in now - seen}
        seen = now
    assert seen == {
        each for each in before.state_dict() if each.startswith(("head.", "mri_enc.")) and "num_batches" not in each
    } - {"mri_enc.scale"}
    assert "mri_enc.backbone.1.running_mean" in seen
    assert not changed(before, net)


def test_every_weight_of_the_shipped_encoders_and_head_becomes_random() -> None:
    net = standard_network(pretrained=False)
    with torch.no_grad():  # as after a training: no tensor is as it began
        for value in net.state_dict().values():
            if value.is_floating_point():
                value.add_(torch.rand_like(value))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    for recording in ("eeg", "mri"):
        *_, (last, copied) = randomised(net, recording)
        assert last == f"{recording}_enc.stem"
        now = copied.state_dict()
        left = {name for name, value in before.items() if torch.equal(value, now[name]) and value.is_floating_point()}
        assert left == {name for name in before if name.startswith("mri_enc" if recording == "eeg" else "eeg_enc")} & {
            name for name, value in before.items() if value.is_floating_point()
        }
        assert all(torch.isfinite(value).all() for value in now.values())


def test_same_seed_same_weights_and_no_other_generator_moves() -> None:
    torch.manual_seed(7)
    state = torch.get_rng_state()
    once, again, other = (
        [copy.deepcopy(net.state_dict()) for _, net in randomised(network(), "eeg", s)] for s in (1, 1, 2)
    )
    torch.manual_seed(7)
    assert torch.equal(torch.get_rng_state(), state)
    for one, two in zip(once, again, strict=True):
        assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(once[0]["head.classifier.0.weight"], other[0]["head.classifier.0.weight"])
    torch.manual_seed(7)
    list(randomised(net := network(), "eeg"))
    torch.manual_seed(0)
    network()
    after = torch.get_rng_state()
    torch.manual_seed(0)
    network()
    draw_again([net], 3)
    assert torch.equal(torch.get_rng_state(), after)


def test_parameters_that_no_layer_initialises_are_permuted() -> None:
    module = nn.Module()
    module.scale = nn.Parameter(torch.arange(50.0))
    draw_again([module], 1)
    assert sorted(module.scale.tolist()) == list(range(50))
    assert module.scale.tolist() != list(range(50))


def test_stages_hold_the_head_and_everything() -> None:
    blocks = ["head", "projection", "stage4", "stage3", "stage2", "stage1", "stem"]
    assert stages_of(blocks, 3) == ["head", "stage3", "stem"]
    assert stages_of(blocks, 99) == blocks
    assert stages_of(blocks, 1) == ["stem"]
    assert stages_of(["head"], 3) == ["head"]


def test_the_choice_of_participants_does_not_depend_on_their_order() -> None:
    ids = [f"sub-{k}" for k in range(30)]
    assert chosen_participants(ids, 4) == chosen_participants(ids[::-1], 4)
    assert len(chosen_participants(ids, 4)) == 4
    assert chosen_participants(ids[:2], 4) == ids[:2]


def test_the_map_of_a_linear_network_is_lost_with_its_weights() -> None:
    torch.manual_seed(1)
    scorer, method, people = Scorer(Linear().eval(), 1), Gradient("gradient"), participants()
    maps = {each.participant_id: maps_of(method, scorer, each) for each in people}
    inside = np.zeros((4, 10, 10), bool)
    inside.flat[:20] = True
    done: list[int] = []
    rows = weight_randomisation(
        method, scorer, people, lambda arrays: arrays["map"], maps, stages=2, step=done.append,
        hits_of=lambda _, each: {"voxels": hit(each["map"][0], inside)},
    )  # fmt: skip
    assert [row.down_to for row in rows] == ["head", "mri_enc.projection"]
    assert rows[0].signed.value == pytest.approx(1)  # this head has no weights
    assert abs(rows[1].signed.value or 1) < 0.1
    assert hit(maps["sub-0"][0], inside).rate > 15  # type: ignore[union-attr]
    assert rows[1].hit_summaries["voxels"].rate.value == pytest.approx(1, abs=0.4)
    assert sum(done) == passes(method, people, 2)
    assert randomisation_warnings("of_test", rows[1:]) == []


@pytest.mark.parametrize(
    ("kind", "words"),
    [("input", "shows the recording, not what the network has learned"), ("product", "read its signs")],
)
def test_a_map_that_shows_the_recording_is_warned_of(kind: str, words: str) -> None:
    torch.manual_seed(1)
    scorer, method, people = Scorer(Linear().eval(), 1), Gradient(kind), participants()
    maps = {each.participant_id: maps_of(method, scorer, each) for each in people}
    rows = weight_randomisation(method, scorer, people, lambda arrays: arrays["map"], maps)
    (warning,) = randomisation_warnings("of_test", rows)
    assert words in warning


def maps_of(method: Gradient, scorer: Scorer, each: Explained) -> np.ndarray:
    return np.asarray(method(scorer, each, Embeddings(None, None), lambda _: None)["map"])
