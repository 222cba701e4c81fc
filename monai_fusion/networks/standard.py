"""The network of the shipped config, for programs that have no config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monai_fusion.networks.eeg import EEGEncoder
from monai_fusion.networks.fusion import FusionNet
from monai_fusion.networks.head import GatedFusionHead
from monai_fusion.networks.mri import MRIEncoder

_NOTHING: Mapping[str, Any] = {}


def standard_network(
    pretrained: bool = True,
    eeg: Mapping[str, Any] = _NOTHING,
    mri: Mapping[str, Any] = _NOTHING,
    head: Mapping[str, Any] = _NOTHING,
    absence: bool = False,
    modalities: str = "both",
) -> FusionNet:
    """Assemble an `EEGEncoder`, an `MRIEncoder` and a `GatedFusionHead` into one network.

    Args:
        pretrained: Whether the encoders that are used start from their downloaded weights.
        eeg: Further arguments of the `EEGEncoder`.
        mri: ... of the `MRIEncoder`.
        head: ... of the `GatedFusionHead`.
        absence: Whether participants may lack a recording; see `FusionNet`.
        modalities: ``both``, ``eeg`` or ``mri``; see `FusionNet`.

    Raises:
        InputError: Weights are not available or do not fit.
    """
    return FusionNet(
        EEGEncoder(**{"pretrained": pretrained and modalities != "mri", **eeg}),
        MRIEncoder(**{"pretrained": pretrained and modalities != "eeg", **mri}),
        GatedFusionHead(**head),
        absence,
        modalities,
    )
