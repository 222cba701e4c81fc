"""Digests of tensors."""

import torch

from monai_fusion.networks.digests import tensors_digest

STATE = {"a.x": torch.tensor([1.0, 2.0]), "b.x": torch.zeros(2, 2, dtype=torch.bfloat16)}


def test_order_and_memory_format_do_not_count() -> None:
    again = {"b.x": torch.zeros(2, 2, dtype=torch.bfloat16).t(), "a.x": torch.tensor([1.0, 9.0, 2.0])[::2]}
    assert tensors_digest(again) == tensors_digest(STATE)


def test_a_bit_a_name_a_type_and_a_shape_count() -> None:
    others = (
        {**STATE, "a.x": torch.tensor([1.0, 2.0000002])},
        {"a.x": STATE["a.x"], "c.x": STATE["b.x"]},
        {**STATE, "b.x": torch.zeros(2, 2, dtype=torch.float16)},
        {**STATE, "b.x": torch.zeros(4, dtype=torch.bfloat16)},
    )
    assert len({tensors_digest(other) for other in (STATE, *others)}) == 5


def test_a_modules_digest_is_that_of_its_tensors_alone() -> None:
    changed = {**STATE, "b.x": torch.ones(2, 2), "ab.x": torch.ones(1)}
    assert tensors_digest(changed, ["a"]) == tensors_digest(STATE, ["a"]) != tensors_digest(STATE, ["b"])
