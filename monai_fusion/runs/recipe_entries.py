"""The valid entries of ``recipe.json``: a recipe may come from another person, and a network is built from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from monai_fusion.errors import Problem
from monai_fusion.recordings.scalogram_recipe import ENTRY, read_recipe_entry

_SHOWN = 60
_LONGEST = 10_000  # letters of a text
_LARGEST = 65_536  # voxels or samples along an axis
_MOST_VALUES = 2**28  # of a recording: 1 GiB in float32
_ADVICE = "copy the run folder again"

Check = Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and "\0" not in value and len(value) <= _LONGEST


def _one_of(*choices: object) -> Check:
    return lambda value: any(type(value) is type(choice) and value == choice for choice in choices)


def _is_whole(value: Any) -> bool:
    return type(value) is int and 1 <= value <= _LARGEST


def _is_size(value: Any) -> bool:
    if not (isinstance(value, list) and len(value) == 3 and all(map(_is_whole, value))):
        return False
    return math.prod(value) <= _MOST_VALUES


def _is_axes(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 3 and sorted(map(_axis, value)) == [0, 1, 2]


def _axis(letter: str) -> int:
    return next((place for place, pair in enumerate(("RL", "AP", "SI")) if letter.upper() in pair), -1)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _are_classes(value: Any) -> bool:
    return _are_texts(value) and 2 <= len(value) == len(set(value)) <= 1000


def _are_digests(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


def _is_part(value: Any) -> bool:
    return isinstance(value, dict) and _is_text(value.get("_target_"))


def _are_chains(value: Any) -> bool:
    chains = [value.get(name) for name in ("eeg", "mri")] if isinstance(value, dict) else [None]
    return all(isinstance(chain, list) and all(map(_is_part, chain)) for chain in chains)


def _are_types(value: Any) -> bool:
    is_type = _one_of("float32", "float16", "uint16")
    return isinstance(value, dict) and sorted(value) == ["eeg", "mri"] and all(map(is_type, value.values()))


# The type of each entry; a report shows all other entries, and nothing is built from them.
_WANTED: dict[str, tuple[str, Check]] = {
    "monai_fusion": ("text", _is_text),
    "classes": ("at least two different names", _are_classes),
    "target": ("text", _is_text),
    "preprocessing": ("the transforms of eeg and mri", _are_chains),
    "kept_as": ("float32, float16 or uint16 for each of eeg and mri", _are_types),
    "preprocessing_digests": ("a digest for each recording", _are_digests),
    "network": ("a network", _is_part),
    "eeg_shape": ("three whole numbers", _is_size),
    "orientation": ("the codes of three axes, such as RAS", _is_axes),
    "assume_orientation": ("null or the codes of three axes", lambda value: value is None or _is_axes(value)),
    "mri_size": ("three whole numbers", _is_size),
    "slab_depth": ("a whole number above 0", _is_whole),
    "eeg_store_dtype": ("float32 or float16", _one_of("float32", "float16")),
    "mri_store_dtype": ("float32 or uint16", _one_of("float32", "uint16")),
    "mri_input_norm": ("kinetics or none", _one_of("kinetics", "none")),
    "fusion": ("text", _is_text),
    "modalities": ("text", _is_text),
    "absence": ("true or false", _one_of(True, False)),
    "allow_missing": ("true or false", _one_of(True, False)),
    "unseen_absence": ("a list", _are_texts),
    "members": ("a whole number", lambda value: type(value) is int),
    "member_weights": ("a list of texts", _are_texts),
    "trained_on": ("a list of texts", _are_texts),
    "validated_on": ("a list of texts", _are_texts),
    ENTRY: ("how the scalograms were made", lambda value: read_recipe_entry(value) is not None),
}

# Knobs of the shipped train.yaml whose values are words of its own.
_KNOBS = ("precision", "class_weights", "keep_epoch", "percentiles_over", "stage_blocks", "epoch_score")
KNOWN_ENTRIES = frozenset((*_WANTED, *_KNOBS))
"""The entries that a training of the shipped config writes and that hold text; a config of one's own may add others."""


def wrong_entries(recipe: Mapping[str, Any], path: str) -> Iterator[Problem]:
    """Name the entries that no training writes.

    Args:
        recipe: The content of the file.
        path: The file, for the message.
    """
    for name, (wanted, is_right) in _WANTED.items():
        if name in recipe and not is_right(recipe[name]):
            yield Problem(path, name, _shown(recipe[name]), wanted, _ADVICE)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
