"""The methods by their names."""

from __future__ import annotations

from collections.abc import Callable

from monai_fusion.explain.eeg_gradients import EegIntegratedGradients
from monai_fusion.explain.eeg_occlusion import EegOcclusion
from monai_fusion.explain.method import Method
from monai_fusion.explain.mri_gradcam import MriGradCam
from monai_fusion.explain.mri_gradients import MriIntegratedGradients, MriSmoothGradSquared
from monai_fusion.explain.mri_occlusion import MriOcclusion
from monai_fusion.explain.settings import MODALITY, ExplanationSettings


def build_methods(settings: ExplanationSettings) -> list[Method]:
    """Make the methods that explain a recording, in the order of the settings.

    Raises:
        InputError: An option of a method is out of range.
    """
    return [_METHODS[name](**settings.options.get(name, {})) for name in settings.methods if name != MODALITY]


_METHODS: dict[str, Callable[..., Method]] = {
    "eeg_occlusion": EegOcclusion,
    "eeg_integrated_gradients": EegIntegratedGradients,
    "mri_gradcam": MriGradCam,
    "mri_occlusion": MriOcclusion,
    "mri_integrated_gradients": MriIntegratedGradients,
    "mri_smoothgrad_squared": MriSmoothGradSquared,
}
