"""``metrics.json`` as pydantic models, and the JSON Schema made from them.

The models define the fields and the meaning of each number; those of the sections are in `fields_of_scores`,
`fields_of_probabilities` and `fields_of_recordings`. `docs/metrics.md` lists every field; the schema is committed
beside it as `docs/metrics.schema.json`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError
from pydantic.json_schema import GenerateJsonSchema

from monai_fusion.datalist.schema import SchemaOfFiles
from monai_fusion.metrics.fields_of_probabilities import CalibrationSection
from monai_fusion.metrics.fields_of_recordings import GateSection, ModalitiesSection
from monai_fusion.metrics.fields_of_scores import (
    ClassCount,
    ClassScores,
    ConditionScores,
    Count,
    GroupsSection,
    LeftOutField,
    Part,
    PatternScores,
    Permutation,
    Probability,
    Scores,
    StratumScores,
)
from monai_fusion.metrics.fields_of_sets import SetsSection
from monai_fusion.reading import read_json_object

SCHEMA_FILE = "metrics.schema.json"


class Metrics(Part):
    """The results of an evaluation: the content of metrics.json."""

    model_config = ConfigDict(title="monai-fusion metrics")

    schema_version: Annotated[Literal[3], Field(description="Version of this layout.")] = 3
    monai_fusion: Annotated[str, Field(description="Version of the program that wrote the file.")]
    datalist: Annotated[str, Field(description="The name of the cohort.")] = ""
    section: Annotated[str, Field(description="The part of the datalist: training, validation or test.")] = ""
    classes: Annotated[list[str], Field(min_length=2, description="The class names in their order.")]
    positive_class: Annotated[str | None, Field(description="The second class, for two classes; null beyond.")]
    participants: Annotated[Count, Field(description="Participants with a label; only these are scored.")]
    unlabelled: Annotated[Count, Field(description="Participants without a label: predicted, not scored.")]
    class_counts: Annotated[list[ClassCount], Field(description="Participants of each class.")]
    majority_class: Annotated[str, Field(description="The most frequent class of these participants.")]
    headline: Annotated[list[str], Field(description="The result in two lines, as printed.")]
    warnings: Annotated[list[str], Field(description="Warnings about the results, as printed.")]
    confidence_level: Annotated[Probability, Field(description="Of all intervals: 0.95.")]
    bootstrap_draws: Annotated[Count, Field(description="The number of bootstrap resamples of the participants.")]
    seed: Annotated[int, Field(description="Seed of bootstrap and permutations.")]
    groups: Annotated[
        GroupsSection | None, Field(description="Groups that are resampled whole; null if the datalist names none.")
    ] = None
    scores: Annotated[Scores, Field(description="Scores of all participants.")]
    per_class: Annotated[list[ClassScores], Field(description="Each class against the rest.")]
    confusion_matrix: Annotated[
        list[list[Count]], Field(description="Participants by true class (row) and predicted class (column).")
    ]
    classification_report: Annotated[
        dict[str, Any], Field(description="scikit-learn's classification_report(output_dict=True).")
    ]
    calibration: Annotated[CalibrationSection, Field(description="Calibration and operating threshold.")]
    prediction_sets: Annotated[
        SetsSection | None, Field(description="Prediction sets; null if no coverage was asked for.")
    ] = None
    permutation: Annotated[Permutation, Field(description="Permutation tests.")]
    strata: Annotated[list[StratumScores], Field(description="Results by field and category of the datalist.")]
    strata_left_out: Annotated[list[LeftOutField], Field(description="Fields without results by category.")]
    conditions: Annotated[
        list[ConditionScores],
        Field(description="Results by EEG condition; empty unless the file names give at least two."),
    ]
    patterns: Annotated[
        list[PatternScores],
        Field(description="Results by available recordings; empty if all participants have the same."),
    ] = Field(default=[])
    gate: Annotated[GateSection | None, Field(description="The gate; null if no participant has both recordings.")]
    modalities: Annotated[
        ModalitiesSection | None,
        Field(
            description="What each modality contributes to the predictions from both; null if that was not "
            "requested or only one participant has both."
        ),
    ]


def read_metrics(path: Path) -> tuple[Metrics | None, str]:
    """Read ``metrics.json``.

    Args:
        path: The file.

    Returns:
        The scores, and an empty text; or None, and a sentence that says why there are none and what to do.
    """
    content = read_json_object(path)
    if content is None:
        return None, f"There is no {path.name}: the participants have no labels, or the evaluation did not finish."
    version, wanted = content.get("schema_version"), Metrics.model_fields["schema_version"].default
    if version != wanted:
        found = f"version {version}" if type(version) is int else "no version"
        return (
            None,
            f"{path.name} was written by another version of monai-fusion ({found}, not {wanted}): evaluate again.",
        )
    try:
        return Metrics.model_validate_json(json.dumps(content)), ""
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        return None, f"{path.name} does not have the layout of an evaluation ({place}: {first['msg']}): evaluate again."


def _metrics_json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of ``metrics.json``, as committed in ``docs/metrics.schema.json``."""
    schema = Metrics.model_json_schema(mode="serialization", schema_generator=SchemaOfFiles)
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema}


def metrics_schema_text() -> str:
    """The schema as it is committed."""
    return json.dumps(_metrics_json_schema(), indent=2, ensure_ascii=False) + "\n"
