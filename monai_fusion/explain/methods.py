"""The methods by their names."""

from __future__ import annotations

from monai_fusion.explain.method import Method
from monai_fusion.explain.settings import MODALITY, ExplanationSettings


def build_methods(settings: ExplanationSettings) -> list[Method]:
    """Make the methods that explain a recording, in the order of the settings.

    Raises:
        InputError: An option of a method is out of range.
    """
    return [_METHODS[name](**settings.options.get(name, {})) for name in settings.methods if name != MODALITY]


_METHODS: dict[str, type[Method]] = {}
