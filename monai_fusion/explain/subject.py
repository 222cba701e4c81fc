"""What is explained: the predictions that a model makes of the participants of a part."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from monai_fusion.data import Preprocessing
from monai_fusion.data.fusion_dataset import FusionDataset


@dataclass(frozen=True)
class ExplainedModel:
    """The model, and how it computes.

    Attributes:
        network: The network; its weights are loaded before it is used.
        classes: The class names.
        device: Where the network is.
        precision: Of the passes without gradients.
        segment_batch_size: EEG segments that are encoded together.
    """

    network: nn.Module
    classes: Sequence[str]
    device: str | torch.device = "cpu"
    precision: str = "float32"
    segment_batch_size: int = 16


@dataclass(frozen=True)
class ExplainedPart:
    """The participants.

    Attributes:
        dataset: Their recordings, with ``segments="all"``.
        section: The part of the datalist that these are.
        datalist: Path of the datalist: a sample cohort's ``cohort.json`` lies near it.
        preprocessing: Of the recordings, for the place of an MRI's map in the head; None leaves maps without a place.
    """

    dataset: FusionDataset
    section: str
    datalist: str | os.PathLike[str] | None = None
    preprocessing: Preprocessing | None = None
