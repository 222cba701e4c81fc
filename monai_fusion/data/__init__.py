"""The preprocessed store, the datasets over it, and how an epoch draws from them."""

from monai_fusion.data.fusion import FusionDataset, FusionPrepareBatch, collate_participant
from monai_fusion.data.items import SegmentItems, VolumeItems
from monai_fusion.data.recordings import EEGDataset, MRIDataset
from monai_fusion.data.sampling import Draw, ParticipantSampler
from monai_fusion.data.store import SourceIndex, StoredChain

__all__ = [
    "Draw",
    "EEGDataset",
    "FusionDataset",
    "FusionPrepareBatch",
    "MRIDataset",
    "ParticipantSampler",
    "SegmentItems",
    "SourceIndex",
    "StoredChain",
    "VolumeItems",
    "collate_participant",
]
