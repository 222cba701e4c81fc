"""The order of the electrodes, where a file of the training tells it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from monai_fusion.cohort_profile.sidecar_facts import ELECTRODE_LIST
from monai_fusion.datalist import read_datalist
from monai_fusion.errors import InputError
from monai_fusion.reading import read_json_object
from monai_fusion.recordings.scalogram_recipe import ENTRY
from monai_fusion.run_folder import path_in_manifest
from monai_fusion.sidecar import MOST_BYTES, is_sidecar, sidecar_name

UNKNOWN_ORDER = "in the order of the scalogram files"


def electrodes_of(recipe: Mapping[str, Any], manifest: Mapping[str, Any], profile: str | None) -> tuple[str, ...]:
    """The names of the EEG's channels in their order.

    They are in the recipe, if all scalograms of the training were made alike; else in the profile of the training
    cohort, or in the JSON files beside the scalograms, if these are still where they were.

    Args:
        recipe: Of the model.
        manifest: Of the training.
        profile: The text of its ``cohort_profile.json``, if there is one.

    Returns:
        The names; none if no file tells them, or two files differ.
    """
    channels = recipe["eeg_shape"][2]
    made = recipe.get(ENTRY)
    if isinstance(made, Mapping) and (found := _names(made.get("electrodes"), channels)):
        return found
    listed = [each.split() for each in json.loads(profile)["texts"].get(ELECTRODE_LIST, ())] if profile else []
    orders = {_names(names, channels) for names in (listed or _in_sidecars(manifest))}
    return orders.pop() if len(orders) == 1 else ()


def _in_sidecars(manifest: Mapping[str, Any]) -> Iterable[Any]:
    path = path_in_manifest(manifest, "datalist")
    try:
        cohort = None if path is None else read_datalist(path, ["training"])
    except (InputError, OSError):  # moved, or on another machine
        return
    files = [file for record in cohort.records("training") for file in record.eeg[:1]] if cohort else []
    for file in files:
        name = sidecar_name(Path(file).name)
        content = None if name is None else read_json_object(Path(file).with_name(name), MOST_BYTES)
        if is_sidecar(content) and content is not None:
            yield content.get("Electrodes")


def _names(found: Any, channels: int) -> tuple[str, ...]:
    """The names; none if it is not a name for each channel."""
    is_list = isinstance(found, list) and len(found) == channels
    return tuple(found) if is_list and all(isinstance(each, str) for each in found) else ()
