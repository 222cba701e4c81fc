"""All that is measured about the maps of a method, on a network whose truth is known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from monai_fusion.explain.believing import Believing, BelievingSettings, believing
from monai_fusion.explain.maps import cells_of, own_map, point_map
from monai_fusion.explain.method import Arrays, Explained, Step
from monai_fusion.explain.planted_truth import EegRegion, MriRegion, PlantedTruth
from monai_fusion.explain.scoring import Embeddings, Scorer
from monai_fusion.explain.similarity import Mean

VOLUME = (8, 8, 8)
SCALOGRAM = (4, 12, 8)
WORLD = np.diag([2.0, 2.0, 2.0, 1.0])


class Planted(nn.Module):
    """The logit is the sum over the planted region, a cube's sphere in the MRI and rows 4 to 7 of two electrodes."""

    def __init__(self, mri: np.ndarray, eeg: np.ndarray) -> None:
        super().__init__()
        self.mri_layer, self.eeg_layer = nn.Linear(mri.size, 1, bias=False), nn.Linear(eeg.size, 1, bias=False)
        self.head = nn.Identity()
        with torch.no_grad():
            self.mri_layer.weight.copy_(torch.from_numpy(mri.reshape(1, -1)).float())
            self.eeg_layer.weight.copy_(torch.from_numpy(eeg.reshape(1, -1)).float())

    def blocks(self) -> dict[str, tuple[nn.Module, ...]]:
        return {"eeg_enc.stem": (self.eeg_layer,), "mri_enc.stem": (self.mri_layer,), "head": (self.head,)}

    def encode_eeg(self, eeg: Tensor) -> Tensor:
        return self.eeg_layer(eeg.flatten(1))

    def encode_mri(self, mri: Tensor) -> Tensor:
        return self.mri_layer(mri.flatten(1))

    def fuse(self, eeg: Tensor | None, mri: Tensor | None, present: Tensor | None = None) -> dict[str, Tensor]:
        both = sum(each for each in (eeg, mri) if each is not None)
        return {"logits": torch.cat([-both / 2, both / 2], dim=1)}


class Product:
    """Input times gradient, exact for a linear network."""

    def __init__(self, recording: Literal["eeg", "mri"], error: float = 0.01) -> None:
        self.name, self.recording, self.error = f"{recording}_product", recording, error

    def passes(self, participant: Explained) -> int:
        return 1

    def settings(self) -> Mapping[str, object]:
        return {}

    def __call__(self, scorer: Scorer, participant: Explained, embeddings: Embeddings, step: Step) -> Arrays:
        inputs = participant.eeg if self.recording == "eeg" else participant.mri
        assert inputs is not None
        leaf = inputs.clone().requires_grad_()
        score = scorer.of_segments if self.recording == "eeg" else scorer.of_volumes
        score(leaf, embeddings).mean().backward()
        assert leaf.grad is not None
        values = (leaf.grad * inputs).detach().numpy()
        step(1)
        return {
            "attributions": values.sum(axis=0) if self.recording == "eeg" else values[0, 0],
            "completeness_error": np.array([self.error]),
        }


@pytest.fixture
def truth() -> PlantedTruth:
    centres = {f"sub-{k}": (6.0, 8.0, 8.0) for k in range(6)}
    return PlantedTruth(
        MriRegion("middle", centres, dict.fromkeys(centres, 2.0), True), EegRegion("beta", (4, 7), (0, 2))
    )


@pytest.fixture
def people() -> dict[str, Explained]:
    draws = torch.Generator().manual_seed(2)
    found = {}
    for k in range(6):
        mri = torch.rand(1, 1, *VOLUME, generator=draws) + 0.5
        mri[..., 0] = 0  # air
        found[f"sub-{k}"] = Explained(f"sub-{k}", torch.rand(2, *SCALOGRAM, generator=draws) + 0.5, mri)
    return found


def measured(
    recording: Literal["eeg", "mri"], people: dict[str, Explained], truth: PlantedTruth | None, error: float = 0.01
) -> tuple[Believing, int, int]:
    regions = truth or PlantedTruth(None, None)
    mri = np.zeros(VOLUME) if regions.mri is None else regions.mri.inside("sub-0", WORLD, VOLUME)
    eeg = np.zeros(SCALOGRAM) if regions.eeg is None else regions.eeg.inside(SCALOGRAM)
    assert mri is not None
    scorer, method = Scorer(Planted(mri, eeg).eval(), 1), Product(recording, error)
    arrays = {
        name: method(scorer, each, scorer.embed(each.eeg, each.mri), lambda _: None) for name, each in people.items()
    }
    settings = BelievingSettings(2, 2, 4, curve_points=5, curve_orders=4)
    done: list[int] = []
    found = believing(
        method, scorer, list(people), people.__getitem__, arrays.__getitem__, settings, truth, lambda _: WORLD,
        done.append,
    )  # fmt: skip
    return found, sum(done), settings.passes(method, list(people.values()))


@pytest.mark.parametrize("recording", ["eeg", "mri"])
def test_a_perfect_map_is_believed(
    recording: Literal["eeg", "mri"], people: dict[str, Explained], truth: PlantedTruth
) -> None:
    found, done, promised = measured(recording, people, truth)
    assert done == promised
    way = "electrodes_rows" if recording == "eeg" else "voxels"
    marked = found.hits[way]
    assert (marked.mass.value, marked.mass.participants) == (pytest.approx(1), 6)
    assert marked.rate.value == pytest.approx(1 / (marked.share.value or 1))
    assert found.curves is not None
    assert found.curves.deletion_gain.value is not None
    assert found.curves.deletion_gain.value > 0
    assert found.curves.deletion_gain.participants == 4
    last = found.randomised[-1].hit_summaries[way]
    assert last.rate.value == pytest.approx(1, abs=0.5)  # random weights know no place
    assert not any("learned" in each or "removing" in each for each in found.warnings)
    json.dumps(found.as_json(), allow_nan=False)


def test_the_head_is_the_fair_comparison_for_an_mri(people: dict[str, Explained], truth: PlantedTruth) -> None:
    found, _, _ = measured("mri", people, truth)
    ratio = (found.hits["voxels"].rate.value or 0) / (found.hits["head"].rate.value or 1)
    assert ratio == pytest.approx(8 / 7)  # one voxel in eight is air
    blurred = found.hits["head_smoothed"].rate.value or 0
    assert 1 < blurred < (found.hits["head"].rate.value or 0)


def test_a_network_that_knows_nothing_is_not_believed(people: dict[str, Explained]) -> None:
    found, _, _ = measured("mri", people, None)
    assert found.hits == {}
    assert any("removing what the map marks is not shown" in each for each in found.warnings)


def test_a_large_completeness_error_is_warned_of(people: dict[str, Explained], truth: PlantedTruth) -> None:
    found, _, _ = measured("mri", people, truth, error=0.08)
    assert found.completeness == Mean(pytest.approx(0.08), (pytest.approx(0.08), pytest.approx(0.08)), 6)
    assert any("miss the difference of scores that they share out by 8 %" in each for each in found.warnings)


def test_effects_of_cells_are_shared_out_over_their_points() -> None:
    effects = np.arange(16.0).reshape(2, 2, 2, 2)
    effects[0, 1, 0, 1] = np.nan
    arrays = {
        "effects": effects,
        "axis_band_rows": np.array([[0, 1], [1, 4]]),
        "axis_time_columns": np.array([[0, 2], [2, 4]]),
    }
    own, points, cells = own_map(arrays), point_map(arrays), cells_of(arrays, "eeg")
    assert own[0].tolist() == [[0.5, 2.5], [4.0, 6.5]]
    assert points.shape == cells.shape == (2, 4, 4)
    assert points[0, 0].tolist() == [0.25, 0.25, 1.25, 1.25]
    assert points[0, 2].tolist() == pytest.approx([4 / 6, 4 / 6, 6.5 / 6, 6.5 / 6])
    assert np.bincount(cells.ravel(), points.ravel()) == pytest.approx(own.ravel())


def test_cells_without_axes_are_even() -> None:
    assert cells_of({"attributions": np.zeros((17, 224, 224))}, "eeg").max() == 17 * 6 * 4 - 1
    assert cells_of({"attributions": np.zeros((32, 48, 48))}, "mri").max() == 6 * 8 * 8 - 1
    with pytest.raises(ValueError, match="no map among the arrays scores"):
        own_map({"scores": np.zeros(3)})
