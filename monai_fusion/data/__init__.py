"""The preprocessed store, the datasets over it, and how an epoch draws from them.

Names are imported when they are first asked for, so that what only looks into the store (``monai-fusion cache``) does
not wait for torch and monai.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monai_fusion.on_demand import names_on_demand

if TYPE_CHECKING:
    from monai_fusion.data.fusion import FusionDataset, FusionPrepareBatch, collate_available, collate_participant
    from monai_fusion.data.items import SegmentItems, VolumeItems
    from monai_fusion.data.recordings import EEGDataset, MRIDataset
    from monai_fusion.data.sampling import Draw, ParticipantSampler
    from monai_fusion.data.sharing import EvaluationShare, TrainingShare
    from monai_fusion.data.sources import SourceIndex
    from monai_fusion.data.store import StoredChain

_MODULES = {
    "Draw": "sampling",
    "EEGDataset": "recordings",
    "EvaluationShare": "sharing",
    "FusionDataset": "fusion",
    "FusionPrepareBatch": "fusion",
    "MRIDataset": "recordings",
    "ParticipantSampler": "sampling",
    "SegmentItems": "items",
    "SourceIndex": "sources",
    "StoredChain": "store",
    "TrainingShare": "sharing",
    "VolumeItems": "items",
    "collate_available": "fusion",
    "collate_participant": "fusion",
}

__all__ = [
    "Draw",
    "EEGDataset",
    "EvaluationShare",
    "FusionDataset",
    "FusionPrepareBatch",
    "MRIDataset",
    "ParticipantSampler",
    "SegmentItems",
    "SourceIndex",
    "StoredChain",
    "TrainingShare",
    "VolumeItems",
    "collate_available",
    "collate_participant",
]

__getattr__ = names_on_demand(__name__, _MODULES)
