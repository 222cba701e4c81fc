"""The meta device in the place of a GPU: what would fail there fails here, on a machine that has none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

META = torch.device("meta")
_ATEN = torch.ops.aten
_INDEXING = (_ATEN.index.Tensor, _ATEN.index_put_.default, _ATEN.index_put.default, _ATEN._index_put_impl_.default)


class NoTensorOnTheCPU(TorchDispatchMode):
    """Fails where an operation reads or makes a CPU tensor of more than one element: a GPU would wait, or refuse.

    Args:
        sends: Whether CPU tensors may be copied to the device.
    """

    def __init__(self, sends: bool = False) -> None:
        super().__init__()
        self.sends = sends

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the operation and look at its tensors."""
        result = func(*args, **(kwargs or {}))
        if self.sends and func in (_ATEN._to_copy.default, _ATEN.lift_fresh.default):
            return result
        for value in tree_leaves((args, kwargs, result)):
            if isinstance(value, torch.Tensor) and value.device.type == "cpu" and value.numel() > 1:
                raise AssertionError(f"{func} uses a tensor of shape {tuple(value.shape)} on the CPU")
        return result


class GPURules(TorchDispatchMode):
    """Fails where an operation mixes tensors of the CPU with those of the meta device, as CUDA does.

    CUDA takes tensors of both only to copy, as the place in an indexing, and if those of the CPU are single numbers.
    Values that are read from the meta device are made up: a half, 1, and of two tensors that they differ.

    Args:
        truth: What is made up where a truth is read.
    """

    def __init__(self, truth: bool = True) -> None:
        super().__init__()
        self.truth = truth

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the operation if CUDA could, and make up what it reads."""
        kwargs = kwargs or {}
        tensors = [each for each in tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor)]
        if not any(each.device == META for each in tensors):
            return func(*args, **kwargs)
        if func is _ATEN._local_scalar_dense.default:
            return self._made_up(args[0].dtype)
        if func is _ATEN.equal.default:
            return False
        if func is _ATEN.nonzero.default:
            return args[0].new_empty(args[0].numel(), args[0].dim(), dtype=torch.int64)
        if func is _ATEN._to_copy.default and torch.device(kwargs.get("device") or META) != META:
            dtype = kwargs.get("dtype") or args[0].dtype
            return torch.full(args[0].shape, self._made_up(dtype), dtype=dtype, device=kwargs["device"])
        if func is _ATEN.copy_.default:
            return args[0].fill_(self._made_up(args[0].dtype)) if args[0].device != META else func(*args, **kwargs)
        if func in _INDEXING:
            # Places may be on the CPU, but those of a tensor of the CPU must be.
            tensors = [each for each in tensors if each.device == META or all(each is not place for place in args[1])]
            args = (args[0], _without_masks(args[1]), *args[2:])
        here = [each for each in tensors if each.device != META and each.dim() > 0]
        if here and any(each.device == META for each in tensors):
            raise AssertionError(
                f"{func} mixes tensors of the device with one of shape {tuple(here[0].shape)} elsewhere"
            )
        return func(*args, **kwargs)

    def _made_up(self, dtype: torch.dtype) -> float | int | bool:
        return self.truth if dtype == torch.bool else 0.5 if dtype.is_floating_point else 1


def _without_masks(places: Sequence[Any]) -> list[Any]:
    """Masks as the rows and columns of all their elements: how many are chosen is a value."""
    found: list[Any] = []
    for each in places:
        if each is not None and each.dtype == torch.bool:
            found += [torch.empty(each.numel(), dtype=torch.int64, device=META) for _ in range(each.dim())]
        else:
            found.append(each)
    return found


@contextmanager
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch, mode: TorchDispatchMode | None = None) -> Iterator[None]:
    """Run something on the meta device under a mode, `GPURules` unless another is given; in float32."""
    with monkeypatch.context() as patch, mode or GPURules():
        # torch has no autocast on meta.
        patch.setattr(torch, "is_autocast_enabled", lambda *device: False)
        patch.setattr(torch, "autocast", lambda *device, **options: nullcontext())
        yield
