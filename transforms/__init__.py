"""Dictionary transforms for the two recordings; imported as ``monai_fusion.transforms`` and under no other name."""

if __name__ != "monai_fusion.transforms":
    # A second import name would create the classes twice: isinstance() fails and pickles cannot be read back.
    raise ImportError(f"import monai_fusion.transforms instead of {__name__}")

from monai_fusion.file_formats.nifti import load_volume
from monai_fusion.file_formats.npy import load_scalogram
from monai_fusion.transforms.electrode_zscore import ZScoreElectrodesd, zscore_electrodes
from monai_fusion.transforms.inplane_rotation import RandInPlaneRotated, rotate_in_plane
from monai_fusion.transforms.intensity_percentiles import ScaleIntensityPercentilesd, scale_percentiles
from monai_fusion.transforms.scalogram_file import LoadScalogramd
from monai_fusion.transforms.slab_resampling import ResampleSlabd, resample_slab
from monai_fusion.transforms.spec_augment import RandSpecAugmentd, mask_time_frequency
from monai_fusion.transforms.volume_file import LoadVolumed

__all__ = [
    "LoadScalogramd",
    "LoadVolumed",
    "RandInPlaneRotated",
    "RandSpecAugmentd",
    "ResampleSlabd",
    "ScaleIntensityPercentilesd",
    "ZScoreElectrodesd",
    "load_scalogram",
    "load_volume",
    "mask_time_frequency",
    "resample_slab",
    "rotate_in_plane",
    "scale_percentiles",
    "zscore_electrodes",
]
