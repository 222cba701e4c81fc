"""The random transforms of a training batch on its device, with the draws of the items one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.transforms import Compose, Randomizable
from monai.utils import MAX_SEED

from monai_fusion.transforms.batch_forms import BatchForm, batch_forms, has_batch_form


class Parcel:
    """Whole numbers that travel to a device together: one transfer for each batch, which nothing waits for."""

    def __init__(self) -> None:
        self._arrays: list[np.ndarray] = []
        self._sent: tuple[torch.Tensor, ...] = ()

    def add(self, numbers: np.ndarray | None) -> int | None:
        """Add int64 numbers, and return their place; None for None."""
        if numbers is None:
            return None
        self._arrays.append(numbers)
        return len(self._arrays) - 1

    def send(self, device: torch.device) -> None:
        """Send everything."""
        if not self._arrays:
            return
        whole = torch.from_numpy(np.concatenate([array.reshape(-1) for array in self._arrays]))
        if device.type == "cuda":
            whole = whole.pin_memory()
        parts = torch.split(whole.to(device, non_blocking=True), [array.size for array in self._arrays])
        self._sent = tuple(part.view(array.shape) for part, array in zip(parts, self._arrays, strict=True))

    def get(self, place: int | None) -> torch.Tensor | None:
        """Return numbers on the device, in their shape; None for None."""
        return None if place is None else self._sent[place]


class BatchAugmentation:
    """The augmentation of one kind of recording for whole batches.

    Transforms that have a batch form are applied in it; from the first one without on, each sample of the batch is
    transformed alone, on the device.

    Args:
        compose: A dataset's transforms.
        augmentation: Those of them that are computed in each draw.
        key: The recording's key.
    """

    def __init__(self, compose: Compose, augmentation: Sequence[Any], key: str) -> None:
        self._compose, self._key = compose, key
        forms = batch_forms(augmentation, key)
        split = next((place for place, form in enumerate(forms) if not has_batch_form(form)), len(forms))
        self._forms: list[BatchForm] = forms[:split]
        singles = forms[split:]
        # A row of flips behind such a transform became one form, which stands for several transforms.
        first = next((place for place, each in enumerate(augmentation) if singles and each is singles[0]), 0)
        self._singles = list(augmentation[first:]) if singles else []
        alone = {id(transform) for transform in self._singles}
        self._state = np.random.RandomState(0)
        self._states = [  # in the order in which Compose seeds them
            (transform, None if id(transform) in alone else np.random.RandomState(0))
            for transform in compose.transforms
            if isinstance(transform, Randomizable)
        ]

    @property
    def singles(self) -> list[str]:
        """The names of the transforms that have no batch form, or stand behind one."""
        return [type(transform).__name__ for transform in self._singles]

    @property
    def foreign(self) -> list[str]:
        """Those of `singles` that may know no tensors on a GPU: MONAI's and this project's do."""
        classes = [type(transform) for transform in self._singles]
        return [each.__name__ for each in classes if each.__module__.split(".")[0] not in ("monai", "monai_fusion")]

    def draw(self, seeds: Sequence[int], shape: Sequence[int], parcel: Parcel) -> list[int | None]:
        """Draw for each sample, and put what the device needs into a parcel.

        Args:
            seeds: Of the samples.
            shape: Of each sample.
            parcel: Travels to the device before `apply`.

        Returns:
            The places in the parcel.
        """
        if not self._forms:
            return []
        draws: list[list[Any]] = [[] for _ in self._forms]
        for seed in seeds:
            self._seed(seed)
            for form, drawn in zip(self._forms, draws, strict=True):
                drawn.append(form.drawn())
        whole = (len(seeds), *shape)
        return [parcel.add(form.numbers(drawn, whole)) for form, drawn in zip(self._forms, draws, strict=True)]

    def _seed(self, seed: int) -> None:
        """Do what `Compose.set_random_state` does, with random states that are kept: a new one costs 20 times more."""
        self._state.seed(seed % MAX_SEED)
        for transform, state in self._states:
            own = int(self._state.randint(MAX_SEED, dtype="uint32"))
            if state is not None:
                state.seed(own % MAX_SEED)
                transform.R = state

    def apply(
        self,
        batch: torch.Tensor,
        numbers: Sequence[torch.Tensor | None],
        seeds: Sequence[int],
        items: Sequence[Mapping[str, Any]],
    ) -> torch.Tensor:
        """Return the transformed batch.

        Args:
            batch: ``[n, ...]`` float32 on the device; may be overwritten.
            numbers: What `draw` put into the parcel, on the device.
            seeds: Of the samples.
            items: The samples' further entries, for transforms without a batch form.
        """
        for form, found in zip(self._forms, numbers, strict=True):
            batch = batch if found is None else form.apply(batch, found)
        return self._one_by_one(batch, seeds, items) if self._singles else batch

    def _one_by_one(
        self, batch: torch.Tensor, seeds: Sequence[int], items: Sequence[Mapping[str, Any]]
    ) -> torch.Tensor:
        results = []
        for values, seed, item in zip(batch, seeds, items, strict=True):
            self._compose.set_random_state(seed=seed)  # of each transform, whatever the others have drawn
            sample: Any = {**item, self._key: values}
            for transform in self._singles:
                sample = transform(sample)
            # A transform of a user's may return an array, or a tensor elsewhere.
            results.append(torch.as_tensor(sample[self._key], device=batch.device).as_subclass(torch.Tensor))
        return torch.stack(results)
