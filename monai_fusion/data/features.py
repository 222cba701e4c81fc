"""Features of frozen blocks, computed once for some augmented variants of each MRI and served in place of the MRI."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import xxhash

from monai_fusion.data.store import StoredChain
from monai_fusion.errors import InputError, Problem


@dataclass(frozen=True)
class FeatureVariants:
    """Where the features of each MRI's variants lie in the store.

    An entry is found by the MRI's content, the number of the variant and, through ``stored``, by all else that
    determines the features: preprocessing, augmentation, seed and the frozen weights.

    Attributes:
        stored: The store's entries.
        contents: The content hash of each MRI, in the order of the `MRIDataset`.
        count: Variants of each MRI.
        seed: Keys the variants' random transforms.
    """

    stored: StoredChain
    contents: tuple[str, ...]
    count: int
    seed: int

    def load(self, index: int, variant: int) -> torch.Tensor:
        """Return the features [C, t, h, w] of an MRI's variant, float16 as they are stored.

        Raises:
            InputError: They are no longer in the store.
        """
        array = self.stored.read(self.key(index, variant))
        if array is None:
            advice = "run again with --resume true, and leave the store alone meanwhile"
            raise InputError(Problem(str(self.stored.folder), seen="features are gone or damaged", advice=advice))
        return torch.from_numpy(array)

    def save(self, index: int, variant: int, features: torch.Tensor) -> None:
        """Store the features [C, t, h, w] of an MRI's variant as float16.

        Raises:
            OSError: The disk is full or read-only.
        """
        limit = torch.finfo(torch.float16).max
        self.stored.write(self.key(index, variant), features.clamp(-limit, limit).to(torch.float16).numpy())

    def missing(self, indices: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Yield (index, variant) for what has to be computed; two MRIs may share one content."""
        seen: set[str] = set()
        for index in indices:
            for variant in range(self.count):
                key = self.key(index, variant)
                if key not in seen and self.stored.state(key) != "sound":
                    yield index, variant
                seen.add(key)

    def key(self, index: int, variant: int) -> str:
        """The name of an entry, 32 hexadecimal digits."""
        return xxhash.xxh3_128_hexdigest(f"{self.contents[index]} variant {variant}".encode())

    def random_seed(self, index: int, variant: int) -> int:
        """What seeds the random transforms of an MRI's variant: its content counts, not its place in a list."""
        key = np.random.SeedSequence((self.seed, int(self.contents[index], 16), variant))
        return int(key.generate_state(1, np.uint32)[0])
