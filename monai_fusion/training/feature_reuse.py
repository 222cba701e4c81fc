"""Stage A without its frozen MRI blocks: their features are computed once for some variants and then reused."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

import torch
from ignite.engine import Engine, Events
from tqdm import tqdm

from monai_fusion import ranks
from monai_fusion.data import FusionDataset, ParticipantSampler
from monai_fusion.data.features import FeatureVariants
from monai_fusion.errors import InputError, Problem
from monai_fusion.keys import MRI
from monai_fusion.messages import hide_bars
from monai_fusion.networks.digests import tensors_digest
from monai_fusion.precision import autocast
from monai_fusion.training.stages import StagePlan

logger = logging.getLogger(__name__)

# Raise it when the same weights and volumes would give other features.
_VERSION = 1


class FeatureReuse:
    """Evaluate the MRI blocks that the first stage freezes for some augmented variants of each MRI, once.

    In the first stage a participant's MRI is then one of its ``variants`` flips and rotations, drawn anew in each
    epoch, instead of a fresh one; its features come from the preprocessed store, where they stay for later runs. The
    EEG is augmented as ever. Later stages and the validation see volumes as ever.

    Place it after the `StageHandler`.

    Args:
        network: A `FusionNet`.
        dataset: The training data; it must have a ``cache_dir``.
        sampler: The sampler of the training data; it is told in which epochs features are used.
        plan: The stages.
        variants: Variants of each MRI.
        precision: As the training computes.
        batch_size: Volumes that are evaluated together.

    Raises:
        InputError: There is no store, the MRI is not used, the first stage trains its stem, or ``variants`` is below 1.
    """

    def __init__(
        self,
        network: Any,
        dataset: FusionDataset,
        sampler: ParticipantSampler,
        plan: StagePlan,
        variants: int,
        precision: str = "float32",
        batch_size: int = 2,
    ) -> None:
        check_feature_reuse(variants, plan, dataset.use.modalities, stored=dataset.mri.contents is not None)
        self.network = network
        self.dataset = dataset
        self.sampler = sampler
        self.plan = plan
        self.variants = variants
        self.precision = precision
        self.batch_size = batch_size

    def attach(self, engine: Engine) -> None:
        """Attach to a trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Provide the features when the first stage begins, and say in each epoch whether they are used."""
        in_use = self.plan.at(engine.state.epoch) == self.plan.stages[0]
        self.sampler.use_features(in_use)
        if in_use and self.dataset.features is None:
            self.dataset.features = self._provide(engine.state.device)

    def _provide(self, device: torch.device) -> FeatureVariants:
        started = time.perf_counter()
        encoder = self.network.mri_enc
        blocks = encoder.frozen_blocks()
        further = {
            "features": f"MRI blocks {blocks[0]} to {blocks[-1]}, version {_VERSION}",
            "weights": tensors_digest(encoder.backbone.state_dict(), blocks),
            "input_norm": encoder.input_norm,
            "precision": self.precision,
            "seed": self.dataset.seed,
        }
        stored = self.dataset.mri.derived_entries(further)
        variants = FeatureVariants(stored, tuple(self.dataset.mri.contents or ()), self.variants, self.dataset.seed)
        everybody = range(len(self.dataset.mri))
        missing = ranks.gather(list(variants.missing(everybody)))[0]
        self._compute_all(variants, missing[ranks.rank() :: ranks.count()], device)
        ranks.gather(None)  # all have done their share
        # The ranks of another machine may have done theirs into a store of its own: then there is something left.
        self._compute_all(variants, list(variants.missing(everybody)), device)
        total = len(everybody) * self.variants
        logger.info(
            "features of the frozen MRI blocks, %d variants of each MRI: computed %d, reused %d, %.1f s",
            *(self.variants, len(missing), total - len(missing), time.perf_counter() - started),
        )
        return variants

    def _compute_all(self, variants: FeatureVariants, missing: list[tuple[int, int]], device: torch.device) -> None:
        hidden = hide_bars(None if ranks.is_main() else True)
        with tqdm(total=len(missing), desc="features", unit="MRI", leave=False, disable=hidden) as bar:
            for batch in _chunks(missing, self.batch_size):
                self._compute(variants, batch, device)
                bar.update(len(batch))

    def _compute(self, variants: FeatureVariants, batch: list[tuple[int, int]], device: torch.device) -> None:
        volumes = torch.stack(
            [
                self.dataset.mri.draw(index, variants.random_seed(index, variant))[MRI].as_subclass(torch.Tensor)
                for index, variant in batch
            ]
        )
        with autocast(self.precision, device):
            features = self.network.mri_enc.frozen_features(volumes.to(device)).cpu()
        for (index, variant), found in zip(batch, features, strict=True):
            try:
                variants.save(index, variant, found)
            except OSError as error:
                advice = "make room, or leave feature_reuse out"
                seen = error.strerror or str(error)
                raise InputError(Problem(str(variants.stored.folder), seen=seen, advice=advice)) from error


def check_feature_reuse(variants: object, plan: StagePlan, modalities: str, *, stored: bool) -> None:
    """See that a training can reuse features, before anything is prepared; None does not want to.

    Args:
        variants: Variants of each MRI, or None.
        plan: The stages.
        modalities: Which recordings the training uses.
        stored: Whether there is a preprocessed store.

    Raises:
        InputError: There is no store, the MRI is not used, the first stage trains its stem, or ``variants`` is below 1.
    """
    if variants is None:
        return
    option = "--feature_reuse"
    if not isinstance(variants, int) or isinstance(variants, bool) or variants < 1:
        raise InputError(Problem(option, seen=repr(variants), wanted="a whole number from 1, e.g. 4"))
    if modalities == "eeg":
        raise InputError(
            Problem(option, seen="with --modalities eeg", advice="leave it out: no MRI is computed at all")
        )
    if not stored:
        advice = "give --cache_dir a folder, or leave feature_reuse out"
        raise InputError(Problem(option, seen="there is no preprocessed store", advice=advice))
    first = plan.stages[0]
    if "stem" in first.mri_blocks:
        raise InputError(Problem(option, seen=f"stage {first.name} trains the MRI stem", wanted="a frozen stem"))


def _chunks(items: list[tuple[int, int]], size: int) -> Iterator[list[tuple[int, int]]]:
    return (items[start : start + size] for start in range(0, len(items), size))
