"""``comparison.json`` as pydantic models; `docs/comparing.md` describes every field."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from monai_fusion.metrics.metrics_file import ClassCount, Count, Interval, Probability, Score
from monai_fusion.run_folder import COMPARISON_FILE

FILE = COMPARISON_FILE

Name = Literal["auroc", "balanced_accuracy", "accuracy"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class VariantScore(Score):
    """A score of a variant over all folds."""

    folds: Annotated[list[float | None], Field(description="Of each fold alone, mean over the seeds.")]
    fold_mean: Annotated[float | None, Field(description="Plain mean of the folds.")]
    fold_sd: Annotated[float | None, Field(description="Their standard deviation (n - 1).")]


class VariantResult(_Part):
    """One variant."""

    name: Annotated[str, Field(description="The variant.")]
    description: Annotated[str, Field(description="What it is.")]
    settings: Annotated[dict[str, Any], Field(description="The knobs that it sets.")]
    auroc: Annotated[VariantScore, Field(description="Share of pairs of one fold that are ordered rightly.")]
    balanced_accuracy: Annotated[VariantScore, Field(description="Mean recall over all folds together.")]
    accuracy: Annotated[VariantScore, Field(description="Fraction of all participants classified correctly.")]
    kept_epochs: Annotated[list[int | None], Field(description="The epoch that each run kept, in the order of runs.")]
    minutes: Annotated[float, Field(ge=0, description="Training and evaluation of all its runs.")]


class TTest(_Part):
    """A corrected resampled t-test over the folds."""

    mean: Annotated[float, Field(description="Mean difference over the folds.")]
    interval: Annotated[Interval, Field(description="Its 95 % interval.")]
    t: Annotated[float, Field(description="t.")]
    degrees_of_freedom: Annotated[Count, Field(description="Folds - 1.")]
    p: Annotated[Probability, Field(description="Two-sided p-value.")]
    p_holm: Annotated[Probability, Field(description="... adjusted for all variants that are compared (Holm).")]


class Difference(_Part):
    """A variant minus the reference, on the same participants."""

    variant: Annotated[str, Field(description="The variant.")]
    score: Annotated[Name, Field(description="Of which score.")]
    value: Annotated[float | None, Field(description="Variant - reference.")]
    interval: Annotated[Interval | None, Field(description="95 %, participants drawn anew within fold and class.")]
    method: Annotated[str | None, Field(description="bca or percentile.")]
    note: Annotated[str, Field(description="Why something is null; empty if nothing is.")]
    t_test: Annotated[TTest | None, Field(description="Null where a fold lacks a class or all differences are equal.")]


class Fold(_Part):
    """A fold as all variants had it."""

    number: Annotated[Count, Field(description="From 0.")]
    training: Annotated[Count, Field(description="Participants that its models learned from.")]
    validation: Annotated[Count, Field(description="... that chose the epoch and the calibration.")]
    tested: Annotated[list[ClassCount], Field(description="... that were tested.")]


class Comparison(_Part):
    """What a comparison found: the content of comparison.json."""

    model_config = ConfigDict(title="monai-fusion comparison")

    schema_version: Annotated[Literal[1], Field(description="Version of this layout.")] = 1
    monai_fusion: Annotated[str, Field(description="Version of the program that wrote the file.")]
    datalist: Annotated[str, Field(description="The name of the cohort.")]
    classes: Annotated[list[str], Field(min_length=2, description="The class names in their order.")]
    participants: Annotated[Count, Field(description="Everybody, each tested once a variant and seed.")]
    class_counts: Annotated[list[ClassCount], Field(description="Participants of each class.")]
    folds: Annotated[list[Fold], Field(description="The folds.")]
    seeds: Annotated[list[int], Field(description="Seeds of the trainings.")]
    reference: Annotated[str, Field(description="The variant that the others are compared with.")]
    confidence_level: Annotated[Probability, Field(description="Of all intervals: 0.95.")]
    bootstrap_draws: Annotated[Count, Field(description="How often participants were drawn anew.")]
    bootstrap_seed: Annotated[int, Field(description="Keys the draws.")]
    config_files: Annotated[list[str], Field(description="Names of the trainings' configs, the overlays last.")]
    shared_settings: Annotated[dict[str, Any], Field(description="Knobs given for all variants.")]
    variants: Annotated[list[VariantResult], Field(description="The variants, the reference first.")]
    differences: Annotated[list[Difference], Field(description="Each other variant minus the reference, by score.")]
    notes: Annotated[list[str], Field(description="Who takes part.")]
    warnings: Annotated[list[str], Field(description="What a reader of the numbers must know; as printed.")]
