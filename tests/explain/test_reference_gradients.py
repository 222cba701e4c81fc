"""Gradients from other participants' recordings, on functions whose attributions are known."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from monai_fusion.errors import InputError
from monai_fusion.explain.method import Explained
from monai_fusion.explain.reference_gradients import ReferenceGradients, ReferenceRecordings
from monai_fusion.explain.scoring import Scorer


class Squares(nn.Module):
    """The score is the sum of the first electrode's squares, or of the volume's first slice."""

    def encode_eeg(self, eeg: Tensor) -> Tensor:
        return (eeg[:, 0] ** 2).flatten(1).sum(dim=1, keepdim=True)

    def encode_mri(self, mri: Tensor) -> Tensor:
        return (mri[:, 0, 0] ** 2).flatten(1).sum(dim=1, keepdim=True)

    def fuse(self, eeg: Tensor | None, mri: Tensor | None, present: Tensor | None = None) -> dict[str, Tensor]:
        both = sum(each for each in (eeg, mri) if each is not None)
        return {"logits": torch.cat([-both / 2, both / 2], dim=1)}


def recordings(recording: str) -> dict[str, Tensor]:
    draws = torch.Generator().manual_seed(4)
    shape = (2, 3, 5, 4) if recording == "eeg" else (1, 1, 3, 5, 4)
    return {f"sub-{k}": torch.randn(shape, generator=draws) for k in range(3)}


def explained(recording: str, values: Tensor, name: str = "sub-9") -> Explained:
    alone = Explained(name, None, None)
    return replace(alone, eeg=values) if recording == "eeg" else replace(alone, mri=values)


@pytest.mark.parametrize("recording", ["eeg", "mri"])
@pytest.mark.parametrize("batch_size", [1, 8])
def test_a_sum_of_squares_by_hand(recording: Literal["eeg", "mri"], batch_size: int) -> None:
    references = recordings(recording)
    own = 2 * references["sub-1"] + 1
    each = explained(recording, own)
    scorer, method = Scorer(Squares(), 1), ReferenceGradients(recording, references, steps=3, batch_size=batch_size)
    done: list[int] = []
    arrays = method(scorer, each, scorer.embed(each.eeg, each.mri), done.append)
    # From r to x, the attribution of a square is x^2 - r^2, whatever the number of steps.
    wanted = torch.stack([own**2 - reference**2 for reference in references.values()]).mean(dim=0)
    wanted = wanted.mean(dim=0) if recording == "eeg" else wanted[0, 0]
    wanted[1:] = 0
    np.testing.assert_allclose(arrays["attributions"], wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(arrays["completeness_error"], 0, atol=1e-5)
    np.testing.assert_allclose(arrays["sums"].mean(), wanted.sum(), rtol=1e-4)
    assert sum(done) == method.passes(each)


def test_a_participant_is_no_reference_of_its_own() -> None:
    references = recordings("mri")
    scorer, method = Scorer(Squares(), 1), ReferenceGradients("mri", references)
    own = explained("mri", references["sub-0"], "sub-0")
    found = method(scorer, own, scorer.embed(None, own.mri), lambda _: None)
    without = ReferenceGradients("mri", {name: each for name, each in references.items() if name != "sub-0"})
    again = without(scorer, own, scorer.embed(None, own.mri), lambda _: None)
    np.testing.assert_array_equal(found["attributions"], again["attributions"])


def test_what_both_have_in_common_is_not_marked() -> None:
    references = recordings("mri")
    own = references["sub-0"].clone()
    own[..., 0, 0] += 3  # in the first slice, where it counts, and in the others
    scorer, method = (
        Scorer(Squares(), 1),
        ReferenceGradients("mri", {"a": references["sub-0"], "b": references["sub-0"]}),
    )
    each = explained("mri", own)
    found = method(scorer, each, scorer.embed(None, own), lambda _: None)["attributions"]
    assert np.flatnonzero(np.abs(found) > 1e-6).tolist() == [0]


def test_the_settings_tell_which_references_and_what_they_hold_and_one_is_too_few() -> None:
    references = recordings("eeg")
    before = ReferenceGradients("eeg", references).settings()
    assert list(before["references"]) == sorted(references) and before["steps"] == 8  # type: ignore[call-overload] # a mapping
    same = {name: each.clone() for name, each in references.items()}
    assert ReferenceGradients("eeg", same).settings() == before
    same["sub-1"][0, 0, 0, 0] += 1  # the file was replaced
    assert ReferenceGradients("eeg", same).settings() != before
    with pytest.raises(InputError, match="1 references"):
        ReferenceGradients("eeg", {"sub-0": references["sub-0"]})


def test_references_are_as_many_of_each_class_and_read_once_when_they_are_needed() -> None:
    read: list[str] = []

    def recordings_of(name: str) -> Explained:
        read.append(name)
        return explained("mri", torch.zeros(1, 1, 2, 2, 2), name)

    labels: dict[str, object] = {f"sub-{k:02d}": int(k > 3) for k in range(20)}
    found = ReferenceRecordings("mri", labels, recordings_of, 4)
    assert sorted(labels[name] for name in found) == [0, 0, 1, 1]  # type: ignore[type-var]
    assert list(found) == list(ReferenceRecordings("mri", dict(reversed(labels.items())), recordings_of, 4))
    method = ReferenceGradients("mri", found)
    assert read == []
    name = next(iter(found))
    assert found[name] is found[name]
    assert read == [name]
    assert list(method.settings()["references"]) == list(found)  # type: ignore[call-overload] # a mapping
    assert sorted(read) == list(found)
    with pytest.raises(KeyError):
        found["sub-99"]
