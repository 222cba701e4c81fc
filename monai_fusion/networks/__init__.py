"""The encoders, the gated head and the network assembled from them."""

from monai_fusion.networks.eeg import EEG_BLOCKS, EEGEncoder, expand_stem
from monai_fusion.networks.encoder import BlockSize
from monai_fusion.networks.ensemble_net import EnsembleNet, joined_states, with_members
from monai_fusion.networks.fusion import FusionNet
from monai_fusion.networks.head import ConcatenationHead, GatedFusionHead, MeanHead
from monai_fusion.networks.mri import MRI_BLOCKS, MRIEncoder
from monai_fusion.networks.weights import CONVNEXT_TAG, R3D18_WEIGHTS, read_exported_state

__all__ = [
    "CONVNEXT_TAG",
    "EEG_BLOCKS",
    "MRI_BLOCKS",
    "R3D18_WEIGHTS",
    "BlockSize",
    "ConcatenationHead",
    "EEGEncoder",
    "EnsembleNet",
    "FusionNet",
    "GatedFusionHead",
    "MRIEncoder",
    "MeanHead",
    "expand_stem",
    "joined_states",
    "read_exported_state",
    "with_members",
]
