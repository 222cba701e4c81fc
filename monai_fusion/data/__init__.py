"""The datasets over the store, and how an epoch draws from them."""

from monai_fusion.data.collation import EvaluationPrepareBatch, collate_participants
from monai_fusion.data.device_loader import DeviceLoader
from monai_fusion.data.distributed_sampling import DistributedEvaluationSampler, DistributedTrainingSampler
from monai_fusion.data.evaluation_loading import EvaluationLoader
from monai_fusion.data.fusion_dataset import FusionDataset, FusionPrepareBatch, collate_available
from monai_fusion.data.items import SegmentItems, VolumeItems
from monai_fusion.data.loading import training_loader
from monai_fusion.data.preprocessing import Preprocessing
from monai_fusion.data.recordings import EEGDataset, MRIDataset
from monai_fusion.data.sampling import EpochSample, ParticipantSampler
from monai_fusion.data.streamed_participants import StreamedLoader, StreamedParticipants

__all__ = [
    "DeviceLoader",
    "DistributedEvaluationSampler",
    "DistributedTrainingSampler",
    "EEGDataset",
    "EpochSample",
    "EvaluationLoader",
    "EvaluationPrepareBatch",
    "FusionDataset",
    "FusionPrepareBatch",
    "MRIDataset",
    "ParticipantSampler",
    "Preprocessing",
    "SegmentItems",
    "StreamedLoader",
    "StreamedParticipants",
    "VolumeItems",
    "collate_available",
    "collate_participants",
    "training_loader",
]
