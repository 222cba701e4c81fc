"""Class weights of the loss, from the user's knob."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from monai_fusion.errors import InputError, Problem

BALANCED = "balanced"


def check_class_weights(value: Any, classes: Sequence[str], balanced_sampling: bool) -> None:
    """Refuse weights that make no sense, before anything is prepared.

    Args:
        value: The knob: None, ``balanced`` or one weight per class.
        classes: The class names, in the datalist's order.
        balanced_sampling: Whether classes are drawn equally often; weights would balance them a second time.

    Raises:
        InputError: What is wrong with the value.
    """
    if value is None:
        return
    if balanced_sampling:
        advice = "add --balanced_sampling false: together they would balance the classes twice"
        raise InputError(Problem("class_weights", seen=f"{value!r} with balanced sampling", advice=advice))
    if isinstance(value, str) and value == BALANCED:
        return
    named = ", ".join(classes)
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != len(classes):
        wanted = f"balanced, or a list of {len(classes)} numbers, one per class ({named})"
        raise InputError(Problem("class_weights", seen=repr(value), wanted=wanted))
    if not all(isinstance(one, int | float) and not isinstance(one, bool) and 0 < one < np.inf for one in value):
        raise InputError(Problem("class_weights", seen=repr(value), wanted="numbers above 0"))


def class_weights(
    value: Any, classes: Sequence[str], labels: Sequence[int], balanced_sampling: bool
) -> list[float] | None:
    """Return the weight of each class in the loss; None for no weights.

    Args:
        value: None, one weight per class, or ``balanced``: participants / (classes * participants of the class), as
            scikit-learn's ``class_weight="balanced"``.
        classes: The class names, in the datalist's order.
        labels: The class index of each training participant.
        balanced_sampling: Whether classes are drawn equally often.

    Raises:
        InputError: The value makes no sense, or a class to be balanced has no training participant.
    """
    check_class_weights(value, classes, balanced_sampling)
    if value is None:
        return None
    if not isinstance(value, str):
        return [float(weight) for weight in value]
    absent = [name for index, name in enumerate(classes) if index not in set(labels)]
    if absent:
        seen = f"no training participant of {', '.join(absent)}"
        raise InputError(Problem("class_weights balanced", seen=seen, wanted="participants of every class"))
    weights = compute_class_weight(BALANCED, classes=np.arange(len(classes)), y=np.asarray(labels))
    return [float(weight) for weight in weights]
