"""The encoders, the gated head and the network assembled from them."""

from monai_fusion.networks.backbone_encoder import BackboneEncoder
from monai_fusion.networks.eeg import EEGEncoder, expand_stem
from monai_fusion.networks.encoder import BlockSize, Encoder
from monai_fusion.networks.ensemble_net import EnsembleNet, joined_states, with_members
from monai_fusion.networks.fusion import FusionNet
from monai_fusion.networks.head import ConcatenationHead, FusionHead, GatedFusionHead, MeanHead, head_named
from monai_fusion.networks.mri import MRIEncoder
from monai_fusion.networks.packed_net import PackedNet
from monai_fusion.networks.standard import standard_network
from monai_fusion.networks.weights import CONVNEXT_TAG, R3D18_WEIGHTS, read_exported_state

__all__ = [
    "CONVNEXT_TAG",
    "R3D18_WEIGHTS",
    "BackboneEncoder",
    "BlockSize",
    "ConcatenationHead",
    "EEGEncoder",
    "Encoder",
    "EnsembleNet",
    "FusionHead",
    "FusionNet",
    "GatedFusionHead",
    "MRIEncoder",
    "MeanHead",
    "PackedNet",
    "expand_stem",
    "head_named",
    "joined_states",
    "read_exported_state",
    "standard_network",
    "with_members",
]
