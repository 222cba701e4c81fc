"""``baseline.json`` as pydantic models: what plain numbers predict, and what the covariates explain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from monai_fusion.files import write_for_readers
from monai_fusion.metrics.fields_of_scores import ClassCount, Count, Interval, Part, Probability, Score

BaselineName = Literal["head_volume", "covariates", "mri", "eeg", "eeg_raw_power", "all"]


class PairedDifference(Part):
    """The network's score minus the baseline's, on the same participants."""

    value: Annotated[float | None, Field(description="Network - baseline; null if a score is not defined.")]
    interval: Annotated[
        Interval | None,
        Field(description="95 %, participants, or whole groups of them, resampled within their class, for both alike."),
    ]
    note: Annotated[str, Field(description="Why there is no interval; empty if there is one.")] = ""


class BaselineResult(Part):
    """A ridge logistic regression on plain numbers."""

    name: Annotated[BaselineName, Field(description="head_volume, covariates, mri, eeg, eeg_raw_power or all.")]
    title: Annotated[str, Field(description="The numbers, in words.")]
    numbers: Annotated[Count, Field(description="How many numbers of a participant it uses.")]
    strength: Annotated[float, Field(description="scikit-learn's C, chosen within the fitted participants.")]
    auroc: Annotated[Score, Field(description="On the tested participants.")]
    balanced_accuracy: Annotated[Score, Field(description="... of its most probable class.")]
    network_minus_auroc: Annotated[PairedDifference | None, Field(description="Null without a network.")]
    network_minus_balanced_accuracy: Annotated[PairedDifference | None, Field(description="Null without a network.")]


class CovariateBalance(Part):
    """One covariate among all participants of the datalist."""

    field: Annotated[str, Field(description="The field; head_volume is computed from the MRIs, in litres.")]
    participants: Annotated[Count, Field(description="Participants with a label and a value.")]
    means: Annotated[list[float | None], Field(description="Of each class; of a category, its share.")]
    sds: Annotated[list[float | None], Field(description="Standard deviation within each class.")]
    standardised_difference: Annotated[
        float | None,
        Field(description="Second class minus first, in SD within the classes; the largest one beyond two classes."),
    ]
    category: Annotated[str, Field(description="The category that differs most; empty for a number.")] = ""


class ConfoundResult(Part):
    """What the network knows beyond covariates."""

    fields: Annotated[list[str], Field(description="The covariates, taken together.")]
    participants: Annotated[Count, Field(description="Tested participants with a value of each.")]
    reference: Annotated[Count, Field(description="Participants of the datalist that gave p(class | covariates).")]
    covariates_auroc: Annotated[
        float | None, Field(description="AUROC of p(class | covariates) alone among the tested participants.")
    ]
    p_beyond: Annotated[
        Probability | None,
        Field(
            description="Conditional randomisation, one-sided (of participants in groups, sign flipping): does the "
            "network know more than the covariates?"
        ),
    ]
    method: Annotated[
        Literal["conditional randomisation", "sign flipping of groups"], Field(description="Of p_beyond.")
    ] = "conditional randomisation"
    matched_pairs: Annotated[Count, Field(description="Pairs of two classes within the calliper of 0.2 SD.")]
    matched_auroc: Annotated[Probability | None, Field(description="Fraction of them in the right order.")]
    matched_interval: Annotated[
        Interval | None, Field(description="Its 95 % Wilson interval; of groups, with the design effect.")
    ]
    confounding_index: Annotated[
        Probability | None,
        Field(description="Adjusted R^2 of the network's logit on the covariates within the classes."),
    ]
    note: Annotated[str, Field(description="What limits the test; empty if nothing does.")] = ""


class Baseline(Part):
    """The content of baseline.json."""

    model_config = ConfigDict(title="monai-fusion baseline")

    schema_version: Annotated[Literal[1], Field(description="Version of this layout.")] = 1
    monai_fusion: Annotated[str, Field(description="Version of the program that wrote the file.")]
    datalist: Annotated[str, Field(description="The name of the cohort.")]
    section: Annotated[str, Field(description="The part that was tested.")]
    classes: Annotated[list[str], Field(min_length=2, description="The class names in their order.")]
    fitted: Annotated[list[ClassCount], Field(description="Participants that the models learned from, by class.")]
    tested: Annotated[list[ClassCount], Field(description="Participants that were tested, by class.")]
    residualised: Annotated[
        list[str], Field(description="Covariates that a regression within the fitted participants removed first.")
    ] = Field(default_factory=list)
    baselines: Annotated[list[BaselineResult], Field(description="The models; empty if none could be fitted.")]
    balance: Annotated[list[CovariateBalance], Field(description="The covariates by class.")]
    confounds: Annotated[list[ConfoundResult], Field(description="Each covariate, then all; empty without a network.")]
    notes: Annotated[list[str], Field(description="What is missing, and why.")]
    warnings: Annotated[list[str], Field(description="Warnings, as printed.")]


def save_baseline(found: Baseline, path: Path) -> Path:
    """Write a baseline as JSON.

    Returns:
        The path of the file: a new name if another program keeps the old file open.
    """
    return write_for_readers(path, found.model_dump_json(indent=2).encode("utf-8"))
