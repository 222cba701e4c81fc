"""Checks of constructor arguments, which users set in the bundle's config."""

from __future__ import annotations

from monai_fusion.errors import InputError, Problem


def require_between(owner: object, name: str, value: float, lowest: float, highest: float) -> float:
    """Return ``value`` as a float.

    Raises:
        InputError: It lies outside ``lowest..highest`` or is NaN. MONAI would clamp a probability silently.
    """
    if not lowest <= float(value) <= highest:
        raise InputError(Problem(type(owner).__name__, name, f"{value!r}", f"{lowest:g} to {highest:g}"))
    return float(value)
