"""`Preprocessing`: the transforms computed once for each recording, and where the results are kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from monai.transforms import RandomizableTrait, Transform

from monai_fusion import ranks
from monai_fusion.data.items import SegmentItems, VolumeItems
from monai_fusion.datalist import ParticipantRecord
from monai_fusion.errors import InputError, Problem
from monai_fusion.keys import EEG, MRI
from monai_fusion.store.filling import FillReport, fill
from monai_fusion.store.preparing import PreparationChain
from monai_fusion.store.runners import Runner, Threads
from monai_fusion.store.storage_types import STORAGE_TYPES
from monai_fusion.transforms.standard_chain import shortcut_for

Transforms = Sequence[Callable[..., Any]]
TITLES = {EEG: "EEG", MRI: "MRI"}


class Preprocessing:
    """The deterministic transforms of both recordings: each file is computed once, and its result is kept.

    Args:
        eeg: From the path of a scalogram to ``[electrode, frequency, time]``.
        mri: From the path of an MRI to ``[1, T, H, W]``.
        cache_dir: Folder of the preprocessed store, shared by any number of datasets, runs and processes; None keeps
            results in memory.
        eeg_dtype: The type in which the store keeps EEGs: ``float32`` or ``float16``.
        mri_dtype: The type in which the store keeps MRIs: ``float32`` or ``uint16``.

    Attributes:
        chains: ``{"eeg": chain, "mri": chain}``.
        transforms: ``{"eeg": [...], "mri": [...]}``, as they were given.
        cache_dir: The absolute path of the store; None without one.

    Raises:
        InputError: A transform is random or not a MONAI transform, or a type is unknown.
    """

    def __init__(
        self,
        eeg: Transforms,
        mri: Transforms,
        cache_dir: str | os.PathLike[str] | None = None,
        eeg_dtype: str = "float32",
        mri_dtype: str = "float32",
    ) -> None:
        self.transforms: dict[str, list[Any]] = {EEG: list(eeg), MRI: list(mri)}
        self.cache_dir = None if cache_dir is None else os.fspath(Path(cache_dir).absolute())
        for name, dtype in ((EEG, eeg_dtype), (MRI, mri_dtype)):
            _check(name, self.transforms[name], dtype)
        self.chains = {
            EEG: PreparationChain(EEG, self.transforms[EEG], self.cache_dir, eeg_dtype),
            MRI: PreparationChain(
                MRI, self.transforms[MRI], self.cache_dir, mri_dtype, shortcut_for(self.transforms[MRI], MRI)
            ),
        }

    @property
    def dtypes(self) -> dict[str, str]:
        """The type in which each recording is kept."""
        return {name: chain.dtype for name, chain in self.chains.items()}

    def fill_store(
        self, records: Sequence[ParticipantRecord], runner: Runner | None = None, progress: bool | None = True
    ) -> FillReport:
        """Make sure that every recording of some participants is in the store.

        Args:
            records: The participants, who may lack a recording.
            runner: Where files are prepared; None for one thread per core.
            progress: As for `monai_fusion.store.filling.fill`.

        Returns:
            What was done.

        Raises:
            InputError: All files that cannot be read or are not what they should be; the others are still prepared.
        """
        report = FillReport()
        problems: list[Problem] = []
        for name, items in ((MRI, VolumeItems(records)), (EEG, SegmentItems(records))):
            if not items:
                continue
            try:
                _, done = fill(self.chains[name], items, runner or Threads(ranks.own_cores()), TITLES[name], progress)
                report += done
            except InputError as error:
                problems += error.problems
        if problems:
            raise InputError(problems)
        return report


def _check(name: str, transforms: Sequence[object], dtype: str) -> None:
    for place, transform in enumerate(transforms):
        random = isinstance(transform, RandomizableTrait)
        if random or not isinstance(transform, Transform):
            seen = f"{type(transform).__name__} " + ("draws random numbers" if random else "is not a MONAI transform")
            advice = f"put it into {name}_augmentation" if random else "derive it from monai.transforms.Transform"
            wanted = "deterministic transforms, whose results can be kept"
            raise InputError(Problem(f"{name}_preprocessing#{place}", seen=seen, wanted=wanted, advice=advice))
    if dtype not in STORAGE_TYPES:
        raise InputError(Problem(f"{name}_store_dtype", seen=repr(dtype), wanted=" or ".join(STORAGE_TYPES)))
