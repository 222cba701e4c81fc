"""Random transforms of a whole batch on its device, with the draws and numbers of one call for each sample.

A form first draws for each sample (`BatchForm.drawn`), then turns the draws into numbers (`BatchForm.numbers`), which
travel to the device together with those of all other forms, and then changes the batch (`BatchForm.apply`). No step
waits for the device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from monai.transforms import RandFlipd

from monai_fusion.transforms.inplane_rotation import RandInPlaneRotated, turned
from monai_fusion.transforms.spec_augment import RandSpecAugmentd, stretch_at


class BatchForm(Protocol):
    """One random transform, or several in a row, for whole batches."""

    def drawn(self) -> Any:
        """Draw for one sample, from the transforms' own random states."""

    def numbers(self, draws: Sequence[Any], shape: Sequence[int]) -> np.ndarray | None:
        """Return the draws of a batch of this shape, ``[B, C, ...]``, as int64; None if nothing changes.

        A floating-point number travels as the int64 that has its bits.
        """

    def apply(self, batch: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        """Return the changed batch, given the numbers on its device; ``batch`` may be overwritten."""


class BatchSpecAugment:
    """`RandSpecAugmentd` for ``[B, electrode, frequency, time]``."""

    def __init__(self, transform: RandSpecAugmentd) -> None:
        self._transform = transform

    def drawn(self) -> tuple[float, float] | None:
        """Draw the positions of both masks for one sample."""
        return self._transform.drawn()

    def numbers(self, draws: Sequence[tuple[float, float] | None], shape: Sequence[int]) -> np.ndarray | None:
        """Return the first bins of both masks ``[B, 2]``; a mask that ends before the first bin hides nothing."""
        if not any(draws):
            return None
        fraction, lengths = self._transform.fraction, shape[2:]
        nowhere = [-length for length in lengths]
        starts = [
            nowhere if draw is None else [stretch_at(*(lengths[axis], fraction, draw[axis]))[0] for axis in (0, 1)]
            for draw in draws
        ]
        return np.array(starts, dtype=np.int64)

    def apply(self, batch: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        """Set the masked bins to 0."""
        hidden = []
        for axis, length in enumerate(batch.shape[2:]):
            behind = torch.arange(length, device=batch.device) - numbers[:, axis, None]
            width = stretch_at(length, self._transform.fraction, 0.0)[1]
            hidden.append((behind >= 0) & (behind < width))
        return batch.masked_fill_(hidden[0][:, None, :, None] | hidden[1][:, None, None, :], 0.0)


class BatchFlips:
    """Several `RandFlipd` in a row, each along one axis, for ``[B, C, D, H, W]``: one pass over the batch for all."""

    def __init__(self, transforms: Sequence[RandFlipd]) -> None:
        self._transforms = transforms
        self._axes = [flipped_axis(transform) for transform in transforms]

    def drawn(self) -> list[bool]:
        """Draw for one sample which of the transforms flip."""
        for transform in self._transforms:
            transform.randomize(None)
        return [bool(transform._do_transform) for transform in self._transforms]

    def numbers(self, draws: Sequence[list[bool]], shape: Sequence[int]) -> np.ndarray | None:
        """Return the source index of each place along each axis, side by side ``[B, 1 + D + H + W]``, after the row."""
        flips = np.zeros((len(draws), 3), dtype=bool)
        for place, axis in enumerate(self._axes):
            flips[:, axis] ^= np.array([draw[place] for draw in draws])
        if not flips.any():
            return None
        rows = [np.arange(len(draws), dtype=np.int64)[:, None]]
        for axis, length in enumerate(shape[2:]):
            forward = np.arange(length, dtype=np.int64)
            rows.append(np.where(flips[:, axis, None], forward[::-1], forward))
        return np.concatenate(rows, axis=1)

    def apply(self, batch: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        """Gather the batch."""
        rows, depth, height, width = torch.split(numbers, [1, *batch.shape[2:]], dim=1)
        places = rows[:, :, None, None], depth[:, :, None, None], height[:, None, :, None], width[:, None, None, :]
        channels = [batch[:, channel][places] for channel in range(batch.shape[1])]
        return torch.stack(channels, dim=1) if len(channels) > 1 else channels[0][:, None]


class BatchInPlaneRotation:
    """`RandInPlaneRotated` for ``[B, 1, D, H, W]``; computes only the samples that are rotated."""

    def __init__(self, transform: RandInPlaneRotated) -> None:
        self._transform = transform

    def drawn(self) -> float | None:
        """Draw the angle in degrees of one sample."""
        return self._transform.drawn()

    def numbers(self, draws: Sequence[float | None], shape: Sequence[int]) -> np.ndarray | None:
        """Return the place, cosine and sine of each sample that is rotated ``[3, n]``."""
        angles = {place: math.radians(degrees) for place, degrees in enumerate(draws) if degrees is not None}
        if not angles:
            return None
        ratios = np.array([[turn(angle) for angle in angles.values()] for turn in (math.cos, math.sin)])
        return np.concatenate((np.array([list(angles)], dtype=np.int64), ratios.view(np.int64)))

    def apply(self, batch: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        """Rotate some samples of the batch in place."""
        places, ratios = numbers[0], numbers[1:].view(torch.float64)
        cosine, sine = ratios[:, :, None, None]
        rotated = turned(batch.index_select(0, places)[:, 0], cosine, sine)
        return batch.index_copy_(0, places, rotated[:, None])


def batch_forms(transforms: Sequence[Any], key: str) -> list[BatchForm | Any]:
    """Replace each transform, or several flips in a row, by its batch form; a transform that has none stays.

    Args:
        transforms: The augmentation of one recording, in order.
        key: The recording's key. A transform of other keys stays, and so does any subclass, which may do anything.
    """
    forms: list[BatchForm | Any] = []
    flips: list[RandFlipd] = []
    for transform in [*transforms, None]:
        alone = getattr(transform, "keys", None) == (key,)
        if alone and type(transform) is RandFlipd and flipped_axis(transform) is not None:
            flips.append(transform)
            continue
        if flips:
            forms.append(BatchFlips(flips))
            flips = []
        if alone and type(transform) is RandSpecAugmentd:
            forms.append(BatchSpecAugment(transform))
        elif alone and type(transform) is RandInPlaneRotated:
            forms.append(BatchInPlaneRotation(transform))
        elif transform is not None:
            forms.append(transform)
    return forms


def flipped_axis(transform: RandFlipd) -> int | None:
    """The one spatial axis of a volume, 0 to 2, that a transform flips; None if it flips others."""
    axis = transform.flipper.spatial_axis
    axis = axis[0] if isinstance(axis, list | tuple) and len(axis) == 1 else axis
    return axis % 3 if isinstance(axis, int) and -3 <= axis < 3 else None


def has_batch_form(form: object) -> bool:
    """Whether what `batch_forms` returned is a batch form, not a transform that has none."""
    return isinstance(form, BatchSpecAugment | BatchFlips | BatchInPlaneRotation)
