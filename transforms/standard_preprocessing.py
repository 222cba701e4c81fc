"""The deterministic chains of the shipped bundle, for programs that have no config."""

from __future__ import annotations

from collections.abc import Sequence

from monai.transforms import MapTransform

from monai_fusion.keys import EEG, MRI
from monai_fusion.transforms.electrode_zscore import ZScoreElectrodesd
from monai_fusion.transforms.intensity_percentiles import ScaleIntensityPercentilesd
from monai_fusion.transforms.scalogram_file import LoadScalogramd
from monai_fusion.transforms.slab_resampling import ResampleSlabd
from monai_fusion.transforms.storage_type import StoreAsd
from monai_fusion.transforms.volume_file import LoadVolumed


def standard_preprocessing(
    eeg_shape: Sequence[int] = (224, 224, 17),
    orientation: str = "RAS",
    assume_orientation: str | None = None,
    mri_size: Sequence[int] = (128, 128, 128),
    slab_depth: int = 96,
    eeg_store_dtype: str = "float32",
    mri_store_dtype: str = "float32",
    percentiles_over: str = "all",
) -> dict[str, list[MapTransform]]:
    """Return ``{"eeg": [...], "mri": [...]}`` as in the bundle's ``train.yaml`` with knobs of these names.

    Raises:
        InputError: A knob has an impossible value.
    """
    return {
        EEG: [LoadScalogramd(EEG, eeg_shape), ZScoreElectrodesd(EEG), StoreAsd(EEG, eeg_store_dtype)],
        MRI: [
            LoadVolumed(MRI, orientation, assume_orientation),
            ScaleIntensityPercentilesd(MRI, over=percentiles_over),
            ResampleSlabd(MRI, mri_size, slab_depth),
            StoreAsd(MRI, mri_store_dtype),
        ],
    }
