"""``comparison.json`` as pydantic models; `docs/comparing.md` describes every field."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from monai_fusion.baseline.baseline_file import ConfoundResult, CovariateBalance
from monai_fusion.metrics.fields_of_scores import ClassCount, Count, GroupsSection, Interval, Part, Probability, Score
from monai_fusion.run_folder import COMPARISON_FILE

FILE = COMPARISON_FILE

ScoreName = Literal["auroc", "balanced_accuracy", "accuracy"]


class VariantScore(Score):
    """A score of a variant over all folds."""

    folds: Annotated[list[float | None], Field(description="Of each fold of each repeat, averaged over the seeds.")]
    fold_mean: Annotated[float | None, Field(description="Unweighted mean of the folds.")]
    fold_sd: Annotated[float | None, Field(description="Their standard deviation (n - 1).")]


class VariantResult(Part):
    """One variant."""

    name: Annotated[str, Field(description="The variant.")]
    description: Annotated[str, Field(description="What the variant is.")]
    settings: Annotated[dict[str, Any], Field(description="The knobs that the variant sets.")]
    auroc: Annotated[VariantScore, Field(description="Fraction of the pairs within a fold that are ordered correctly.")]
    balanced_accuracy: Annotated[VariantScore, Field(description="Mean recall over all folds together.")]
    accuracy: Annotated[VariantScore, Field(description="Fraction of all participants classified correctly.")]
    kept_epochs: Annotated[
        list[int | None], Field(description="The epoch that each run kept, in the order of the runs.")
    ]
    minutes: Annotated[float, Field(ge=0, description="Training and evaluation of all its runs.")]


class TTest(Part):
    """A corrected resampled t-test over the folds of all repeats."""

    mean: Annotated[float, Field(description="Mean difference over the folds.")]
    interval: Annotated[Interval, Field(description="Its 95 % interval.")]
    t: Annotated[float, Field(description="t.")]
    degrees_of_freedom: Annotated[Count, Field(description="Repeats x folds - 1.")]
    p: Annotated[Probability, Field(description="Two-sided p-value.")]
    p_holm: Annotated[Probability, Field(description="... adjusted for the number of compared variants (Holm).")]


class Difference(Part):
    """A variant minus the reference, on the same participants."""

    variant: Annotated[str, Field(description="The variant.")]
    score: Annotated[ScoreName, Field(description="The score.")]
    value: Annotated[float | None, Field(description="Variant - reference.")]
    interval: Annotated[
        Interval | None, Field(description="95 %, for these trained models: participants, or whole groups, resampled.")
    ]
    method: Annotated[str | None, Field(description="bca or percentile; of participants in groups bootstrap t.")]
    note: Annotated[str, Field(description="Why a value is null; empty if none is.")]
    t_test: Annotated[TTest | None, Field(description="Null if a fold lacks a class or all differences are equal.")]


class NumbersResult(Part):
    """A ridge logistic regression on plain numbers of the recordings, on the same folds; it needs no training run."""

    name: Annotated[str, Field(description="head_volume, covariates, mri, eeg, eeg_raw_power or all.")]
    title: Annotated[str, Field(description="The numbers, in words.")]
    numbers: Annotated[Count, Field(description="How many numbers of a participant it uses.")]
    auroc: Annotated[VariantScore, Field(description="Fraction of the pairs within a fold that are ordered correctly.")]
    balanced_accuracy: Annotated[VariantScore, Field(description="Mean recall over all folds together.")]
    reference_minus: Annotated[list[Difference], Field(description="The reference minus this one, by score.")]


class VariantConfound(ConfoundResult):
    """What a variant knows beyond covariates; ``covariates_auroc`` is of models of each fold's other participants."""

    variant: Annotated[str, Field(description="The variant.")]
    minus_covariates: Annotated[
        Difference, Field(description="Its AUROC within folds minus that of the covariates, on the same participants.")
    ]


class SiteScores(Part):
    """The scores of a variant at one site."""

    variant: Annotated[str, Field(description="The variant.")]
    auroc: Annotated[VariantScore, Field(description="Among the participants of the site.")]
    balanced_accuracy: Annotated[VariantScore, Field(description="... by the threshold of the fold.")]


class SiteResult(Part):
    """A site (or scanner) that was tested by models which had not seen it."""

    site: Annotated[str, Field(description="Its name in the datalist.")]
    class_counts: Annotated[list[ClassCount], Field(description="Its participants of each class.")]
    variants: Annotated[list[SiteScores], Field(description="The scores of every variant.")]


class Fold(Part):
    """A fold, the same for all variants."""

    repeat: Annotated[Count, Field(description="Which division of the cohort into folds it belongs to, from 1.")] = 1
    number: Annotated[Count, Field(description="From 0.")]
    training: Annotated[Count, Field(description="Participants from whom its models learned.")]
    validation: Annotated[Count, Field(description="... on whom the epoch and the calibration were chosen.")]
    tested: Annotated[list[ClassCount], Field(description="... who were tested.")]


class Comparison(Part):
    """The results of a comparison: the content of comparison.json."""

    model_config = ConfigDict(title="monai-fusion comparison")

    schema_version: Annotated[Literal[1], Field(description="Version of this layout.")] = 1
    monai_fusion: Annotated[str, Field(description="Version of the program that wrote the file.")]
    datalist: Annotated[str, Field(description="The name of the cohort.")]
    classes: Annotated[list[str], Field(min_length=2, description="The class names in their order.")]
    participants: Annotated[
        Count, Field(description="All participants, each tested once with each variant, repeat and seed.")
    ]
    class_counts: Annotated[list[ClassCount], Field(description="Participants of each class.")]
    repeats: Annotated[Count, Field(description="How often the cohort was divided into folds.")] = 1
    folds: Annotated[list[Fold], Field(description="The folds of each repeat.")]
    seeds: Annotated[
        list[int], Field(description="Seeds of the trainings of repeat 1; those of repeat r are 1000 (r - 1) more.")
    ]
    primary_score: Annotated[
        ScoreName, Field(description="The score that the answer is about, the same in every comparison.")
    ] = "auroc"
    reference: Annotated[str, Field(description="The variant that the others are compared with.")]
    confidence_level: Annotated[Probability, Field(description="Of all intervals: 0.95.")]
    bootstrap_draws: Annotated[Count, Field(description="The number of bootstrap resamples of the participants.")]
    bootstrap_seed: Annotated[int, Field(description="Seed of the resamples.")]
    groups: Annotated[
        GroupsSection | None, Field(description="Groups that are resampled whole; null if the datalist names none.")
    ] = None
    config_files: Annotated[list[str], Field(description="Names of the trainings' configs, the overlays last.")]
    shared_settings: Annotated[dict[str, Any], Field(description="Knobs given for all variants.")]
    variants: Annotated[list[VariantResult], Field(description="The variants, the reference first.")]
    differences: Annotated[list[Difference], Field(description="Each other variant minus the reference, by score.")]
    numbers: Annotated[
        list[NumbersResult], Field(description="Logistic regressions on plain numbers; empty if they are not known.")
    ] = Field(default_factory=list)
    balance: Annotated[list[CovariateBalance], Field(description="The covariates by class.")] = Field(
        default_factory=list
    )
    confounds: Annotated[
        list[VariantConfound], Field(description="For each covariate, then for all together: every variant.")
    ] = Field(default_factory=list)
    left_out: Annotated[
        str, Field(description="The field whose places are each tested by models that have not seen them; or empty.")
    ] = ""
    sites: Annotated[list[SiteResult], Field(description="The scores of each of these places.")] = Field(
        default_factory=list
    )
    notes: Annotated[list[str], Field(description="Who takes part.")]
    warnings: Annotated[list[str], Field(description="Warnings about the results, as printed.")]

    @property
    def folds_text(self) -> str:
        """``5 folds``, ``5 folds, drawn 3 times`` or ``5 folds, leave-site-out``."""
        each = len(self.folds) // self.repeats
        drawn = "" if self.repeats == 1 else f", drawn {self.repeats} times"
        return f"{each} folds{drawn}" + (f", leave-{self.left_out.lower()}-out" if self.left_out else "")
