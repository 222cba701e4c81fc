"""The methods by their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from torch import Tensor

from monai_fusion.explain.eeg_gradients import EegIntegratedGradients
from monai_fusion.explain.eeg_occlusion import EegOcclusion
from monai_fusion.explain.method import Method
from monai_fusion.explain.mri_gradcam import MriGradCam
from monai_fusion.explain.mri_gradients import MriIntegratedGradients, MriSmoothGradSquared
from monai_fusion.explain.mri_occlusion import MriOcclusion
from monai_fusion.explain.reference_gradients import ReferenceGradients
from monai_fusion.explain.settings import ExplanationSettings
from monai_fusion.options.explanation_choices import MODALITY


def build_methods(
    settings: ExplanationSettings, references: Callable[[Literal["eeg", "mri"], int], Mapping[str, Tensor]]
) -> list[Method]:
    """Make the methods that explain a recording, in the order of the settings.

    Args:
        settings: What is explained.
        references: So many other participants' recordings, for methods that begin at them.

    Raises:
        InputError: An option of a method is out of range.
    """

    def build(name: str) -> Method:
        options = dict(settings.options.get(name, {}))
        if name in _REFERENCED:
            recording = _REFERENCED[name]
            return ReferenceGradients(recording, references(recording, options.pop("participants", 4)), **options)
        return _METHODS[name](**options)

    return [build(name) for name in settings.methods if name != MODALITY]


_REFERENCED: dict[str, Literal["eeg", "mri"]] = {"eeg_reference_gradients": "eeg", "mri_reference_gradients": "mri"}


_METHODS: dict[str, Callable[..., Method]] = {
    "eeg_occlusion": EegOcclusion,
    "eeg_integrated_gradients": EegIntegratedGradients,
    "mri_gradcam": MriGradCam,
    "mri_occlusion": MriOcclusion,
    "mri_integrated_gradients": MriIntegratedGradients,
    "mri_smoothgrad_squared": MriSmoothGradSquared,
}
