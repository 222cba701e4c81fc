"""``cohort_profile.json`` as pydantic models: what the recordings of a training part are like."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, ValidationError

from monai_fusion.errors import InputError, Problem
from monai_fusion.files import write_atomically
from monai_fusion.metrics.fields_of_scores import Count, Part
from monai_fusion.model_files import place_in, read_model_json
from monai_fusion.reading import reason_of
from monai_fusion.run_folder import COHORT_PROFILE_FILE


class NumberProfile(Part):
    """One number in the training part."""

    participants: Annotated[Count, Field(description="Participants of whom it is known.")]
    median: float
    mad: Annotated[float, Field(ge=0, description="Median absolute deviation from the median.")]
    low: Annotated[float, Field(description="The 5 % quantile.")]
    high: Annotated[float, Field(description="The 95 % quantile.")]
    low_unit: Annotated[float, Field(gt=0, description="The robust unit below low.")]
    high_unit: Annotated[float, Field(gt=0, description="The robust unit above high.")]
    least: float
    most: float


class CohortProfile(Part):
    """The content of cohort_profile.json."""

    model_config = ConfigDict(title="monai-fusion cohort profile")

    schema_version: Annotated[Literal[1], Field(description="Version of this layout.")] = 1
    monai_fusion: Annotated[str, Field(description="Version of the program that wrote the file.")]
    participants: Annotated[Count, Field(description="Participants of the training part.")]
    with_mri: Annotated[Count, Field(description="Those with an MRI.")]
    with_eeg: Annotated[Count, Field(description="Those with an EEG.")]
    widening: Annotated[
        float, Field(ge=0, description="A number differs if it lies more robust units than this outside low to high.")
    ]
    numbers: Annotated[Mapping[str, NumberProfile], Field(description="By name.")]
    texts: Annotated[
        Mapping[str, Mapping[str, Count]], Field(description="Settings that are no numbers: participants by value.")
    ]
    flat_electrodes: Annotated[Mapping[str, Count], Field(description="Participants with this electrode constant.")]


def write_profile(profile: CohortProfile, folder: str | os.PathLike[str]) -> Path:
    """Write ``cohort_profile.json`` into a run folder, which must exist."""
    path = Path(folder) / COHORT_PROFILE_FILE
    write_atomically(path, (profile.model_dump_json(indent=1) + "\n").encode("utf-8"))
    return path


def read_profile(model: str | os.PathLike[str]) -> CohortProfile | None:
    """Read the profile of a model's training part; None if it has none, as models of earlier versions.

    Args:
        model: The run folder, or an exported file.

    Raises:
        InputError: The file is not one that a training writes.
    """
    path = place_in(model, COHORT_PROFILE_FILE)
    advice = "copy the run folder again; without this file, predictions are made without a comparison"
    try:
        return CohortProfile.model_validate_json(json.dumps(read_model_json(model, COHORT_PROFILE_FILE)))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise InputError(Problem(path, where, "not what a training writes", advice=advice)) from None
    except (OSError, ValueError) as error:
        raise InputError(Problem(path, seen=reason_of(error), advice=advice)) from None
