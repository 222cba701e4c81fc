"""``metrics.json`` as pydantic models, and the JSON Schema made from them.

The models define the fields and the meaning of each number. `docs/metrics.md` lists every field; the schema is
committed beside it as `docs/metrics.schema.json`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.json_schema import GenerateJsonSchema

from monai_fusion.datalist.schema import SchemaOfFiles
from monai_fusion.reading import read_json_object

SCHEMA_FILE = "metrics.schema.json"

Probability = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Interval = tuple[float, float]
Method = Literal[
    "bca",
    "percentile",
    "wilson",
    "wilson, combined",
    "bca or wilson, combined",
    "bootstrap t",
    "newcombe",
    "logit bootstrap",
    "profile likelihood",
    "wilson, design effect",
    "wilson, combined, design effect",
    "bca or wilson, combined, design effect",
    "newcombe, design effect",
    "profile likelihood, design effect",
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Score(_Part):
    """One score with its interval and the baseline without skill."""

    value: Annotated[
        float | None, Field(description="The score; null if it is not defined, and then note has the reason.")
    ]
    interval: Annotated[
        Interval | None, Field(description="Its 95 % interval; null if there is none, and then note has the reason.")
    ] = None
    method: Annotated[
        Method | None,
        Field(
            description="The method of the interval: bca (bootstrap over participants within each class, or over whole "
            "groups, see groups), percentile "
            "(of the same draws, where BCa is not defined), wilson (a proportion), wilson, combined (a mean of "
            "proportions), bca or wilson, combined (what either contains: a class has fewer than 10), newcombe (an "
            "AUROC of 0 or 1), logit bootstrap (an AUPRC: the draws' standard deviation on the scale of log-odds), "
            "bootstrap t (a loss: Student's t times the draws' standard deviation) or profile likelihood (slope and "
            "intercept of the calibration). Where participants are in groups, the methods that resample nothing count "
            "as many participants as the design effect leaves, and their name ends in design effect."
        ),
    ] = None
    baseline: Annotated[
        float | None,
        Field(
            description="The score of always predicting the most frequent class of these participants; for Brier score "
            "and cross-entropy, the score of predicting the class shares for every participant; for the ECE, its mean "
            "if the probabilities were true."
        ),
    ] = None
    note: Annotated[str, Field(description="Why a value is null or unusual; empty if none is.")] = ""


class ClassCount(_Part):
    """How many participants a class has."""

    class_name: Annotated[str, Field(description="The class.")]
    participants: Annotated[Count, Field(description="The number of participants in this class.")]


class Scores(_Part):
    """The scores of all participants together."""

    auroc: Annotated[
        Score, Field(description="Area under the ROC curve; beyond two classes the mean of each against the rest.")
    ]
    balanced_accuracy: Annotated[Score, Field(description="Mean recall over the classes that occur.")]
    accuracy: Annotated[Score, Field(description="Fraction of participants classified correctly.")]
    sensitivity: Annotated[
        Score | None,
        Field(description="Recall of the positive (second) class; null beyond two classes, see per_class."),
    ]
    specificity: Annotated[
        Score | None, Field(description="Recall of the negative (first) class; null beyond two classes, see per_class.")
    ]
    macro_f1: Annotated[Score, Field(description="Mean F1 over the classes that occur or are predicted.")]
    auprc: Annotated[
        Score,
        Field(
            description="Average precision of the positive class; beyond two classes the mean of each against the rest."
        ),
    ]
    mcc: Annotated[Score, Field(description="Matthews correlation coefficient, -1 to 1; 0 if a margin is empty.")]
    brier: Annotated[
        Score,
        Field(
            description="Brier score: mean squared error of the probability, of the positive class for two classes (0 "
            "to 1), summed over all classes beyond (0 to 2)."
        ),
    ]
    ece: Annotated[
        Score,
        Field(
            description="Expected calibration error: mean distance between confidence (probability of the most "
            "probable class) and accuracy of that class, over bins of equally many participants."
        ),
    ]
    cross_entropy: Annotated[Score, Field(description="Mean of -log p(true class), natural logarithm.")]


class ClassScores(_Part):
    """One class against the rest."""

    class_name: Annotated[str, Field(description="The class.")]
    participants: Annotated[Count, Field(description="The number of participants in this class.")]
    predicted: Annotated[Count, Field(description="The number of participants for whom this class was predicted.")]
    recall: Annotated[Score, Field(description="Fraction of its participants for whom it was predicted.")]
    precision: Annotated[Score, Field(description="Fraction of those for whom it was predicted who belong to it.")]
    f1: Annotated[Score, Field(description="Harmonic mean of precision and recall.")]
    auroc: Annotated[Score, Field(description="Area under the ROC curve of its probability.")]
    auprc: Annotated[Score, Field(description="Average precision of its probability.")]


class ReliabilityBin(_Part):
    """One point of a reliability diagram."""

    participants: Annotated[Count, Field(description="The number of participants in the bin.")]
    confidence: Annotated[Probability, Field(description="Their mean probability of the most probable class.")]
    accuracy: Annotated[Probability, Field(description="The fraction of them for whom that class is the true one.")]
    interval: Annotated[
        Interval, Field(description="95 % Wilson interval of the accuracy, with the design effect of groups.")
    ]


class ProbabilityQuality(_Part):
    """How good the probabilities are, before or after calibration."""

    brier: Annotated[float, Field(description="Brier score, as in scores.")]
    ece: Annotated[float, Field(description="Expected calibration error, as in scores.")]
    cross_entropy: Annotated[float, Field(description="Cross-entropy, as in scores.")]
    accuracy: Annotated[float, Field(description="Accuracy of the predicted class.")]
    balanced_accuracy: Annotated[float, Field(description="Balanced accuracy of the predicted class.")]
    reliability: Annotated[list[ReliabilityBin], Field(description="Reliability diagram, by rising confidence.")]


class AtTargetShares(_Part):
    """The same probabilities, with the participants weighted so that their classes have the target shares."""

    tested_shares: Annotated[list[Probability], Field(description="The class shares of the scored participants.")]
    p: Annotated[
        Probability,
        Field(
            description="p-value of these shares if participants come at the target shares: binomial test; beyond two "
            "classes the smallest of a class, times their number."
        ),
    ]
    brier: Annotated[float, Field(description="Brier score, as in scores.")]
    ece: Annotated[float, Field(description="Expected calibration error, as in scores.")]
    cross_entropy: Annotated[float, Field(description="Cross-entropy, as in scores.")]
    accuracy: Annotated[float, Field(description="Accuracy of the predicted class.")]


class ExpectedEce(_Part):
    """The ECE of a perfectly calibrated model: labels are drawn from the scored probabilities."""

    mean: Annotated[Probability, Field(description="Mean over the draws.")]
    low: Annotated[Probability, Field(description="2.5 % of the draws are below.")]
    high: Annotated[Probability, Field(description="2.5 % of the draws are above.")]


class CalibrationSection(_Part):
    """The calibration of the network's probabilities, and its effect."""

    applied: Annotated[bool, Field(description="Whether the scores and predictions.csv are calibrated.")]
    network_prior: Annotated[
        list[Probability] | None, Field(description="The class shares that the network learned under.")
    ]
    target_prior: Annotated[
        list[Probability] | None, Field(description="The class shares that the probabilities were corrected to.")
    ]
    fitted: Annotated[bool, Field(description="Whether slope and intercepts were fitted; otherwise 1 and 0.")]
    slope: Annotated[
        float, Field(gt=0, description="Multiplies the evidence of the recordings, log p - log(network prior).")
    ]
    intercepts: Annotated[
        list[float], Field(description="Added to the evidence of each class, together 0; empty without calibration.")
    ]
    threshold: Annotated[
        Probability | None,
        Field(
            description="The second class is predicted above this probability of it; null beyond two classes (see "
            "operating_point)."
        ),
    ]
    operating_point: Annotated[
        str,
        Field(
            description="How the decision was chosen: balanced (the most probable class at equal class shares), prior "
            "(... at the target shares), youden, sensitivity 0.9, or fixed (given, or the network's own)."
        ),
    ]
    fitted_on: Annotated[
        str, Field(description="The part on which slope and intercepts were fitted; never the test part.")
    ]
    fitted_participants: Annotated[Count, Field(description="The number of participants in that part.")]
    notes: Annotated[list[str], Field(description="What could not be fitted, and why.")]
    before: Annotated[ProbabilityQuality, Field(description="With the network's own probabilities.")]
    after: Annotated[ProbabilityQuality | None, Field(description="After calibration; null if none was applied.")]
    at_target_shares: Annotated[
        AtTargetShares | None,
        Field(
            description="The scored probabilities at the target shares; null without calibration, or if a class has no "
            "participant."
        ),
    ]
    expected_ece: Annotated[
        ExpectedEce, Field(description="The ECE that the scored probabilities would have if they were true.")
    ]
    calibration_slope: Annotated[
        Score | None,
        Field(
            description="Slope of the true class on the log-odds of the scored probabilities: 1 is right, below 1 they "
            "are too extreme; null beyond two classes."
        ),
    ]
    calibration_intercept: Annotated[
        Score | None,
        Field(
            description="What must be added to all log-odds (slope 1) so that the mean probability is the share of the "
            "second class: 0 is right, above 0 that class is more frequent than predicted; null beyond two classes."
        ),
    ]


class PermutationTest(_Part):
    """A test of whether the predictions carry information about the labels."""

    within: Annotated[
        list[str],
        Field(description="Labels are exchanged only between participants with equal values in these datalist fields."),
    ]
    method: Annotated[
        Literal["permutation", "conditional randomisation", "sign flipping of groups"],
        Field(
            description="permutation (of whole groups, and within them, where participants are in groups); for a field "
            "of numbers, conditional randomisation: labels are drawn from their probability given the field; among "
            "groups, sign flipping: of each group's part of the statistic, the sign is drawn."
        ),
    ] = "permutation"
    exchangeable: Annotated[
        Count,
        Field(
            description="The number of participants who can exchange labels with a participant of another class; for "
            "conditional randomisation, those whose number is known."
        ),
    ]
    auroc: Annotated[
        Probability | None,
        Field(
            description="p-value of the AUROC (of the order of the predictions); null if no labels can be exchanged."
        ),
    ]
    balanced_accuracy: Annotated[
        Probability | None,
        Field(
            description="p-value of the balanced accuracy; null if no labels can be exchanged, or for conditional "
            "randomisation."
        ),
    ]


class Permutation(_Part):
    """One-sided permutation p-values, (b + 1) / (m + 1)."""

    draws: Annotated[Count, Field(description="m, the number of permutations.")]
    tests: Annotated[
        list[PermutationTest], Field(description="Labels exchanged freely, then within each stratum field.")
    ]


class GroupScores(_Part):
    """Scores of a part of the participants."""

    participants: Annotated[Count, Field(description="The number of participants.")]
    class_counts: Annotated[list[ClassCount], Field(description="... in each class.")]
    accuracy: Annotated[Score, Field(description="As in scores.")]
    balanced_accuracy: Annotated[Score, Field(description="As in scores.")]
    auroc: Annotated[Score, Field(description="As in scores.")]


class StratumScores(GroupScores):
    """Scores of the participants of one category of a field of the datalist."""

    field: Annotated[str, Field(description="The field of the datalist, e.g. age.")]
    category: Annotated[str, Field(description="The category, e.g. 20-25, or not known.")]


class ConditionScores(GroupScores):
    """Scores of predictions from the EEG segments of one condition alone."""

    condition: Annotated[str, Field(description="The condition as in the file names, e.g. EO.")]


class PatternScores(GroupScores):
    """Scores of the participants who have the same recordings."""

    recordings: Annotated[
        Literal["both", "eeg", "mri"],
        Field(description="The recordings that the predictions were made from: both, eeg or mri."),
    ]


class LeftOutField(_Part):
    """A field of the datalist by which results are not grouped."""

    field: Annotated[str, Field(description="The field.")]
    reason: Annotated[str, Field(description="Why not.")]


class Distribution(_Part):
    """The distribution of the gates of some participants."""

    participants: Annotated[Count, Field(description="The number of participants.")]
    mean: Annotated[float, Field(description="Mean.")]
    sd: Annotated[float | None, Field(description="Standard deviation (n - 1); null for one participant.")]
    minimum: Annotated[float, Field(description="Smallest.")]
    lower_quartile: Annotated[float, Field(description="25th percentile.")]
    median: Annotated[float, Field(description="50th percentile.")]
    upper_quartile: Annotated[float, Field(description="75th percentile.")]
    maximum: Annotated[float, Field(description="Largest.")]


class ClassGates(_Part):
    """The gates of one class."""

    class_name: Annotated[str, Field(description="The true class.")]
    gate: Annotated[Distribution, Field(description="Gates of its participants.")]


class GateSection(_Part):
    """The gate: the weight of the EEG embedding, 0 (MRI only) to 1 (EEG only)."""

    overall: Annotated[Distribution, Field(description="Gates of all participants who have both recordings.")]
    by_class: Annotated[list[ClassGates], Field(description="... of each true class that occurs.")]
    right: Annotated[
        Distribution | None, Field(description="... of those classified correctly; null if there are none.")
    ]
    wrong: Annotated[Distribution | None, Field(description="... of the others; null if there are none.")]
    collapsed: Annotated[
        Literal["eeg", "mri"] | None,
        Field(description="The modality that alone passes the gate: eeg if all are above 0.95, mri if below 0.05."),
    ]
    largest_change_with_mean_gate: Annotated[
        Probability | None,
        Field(
            description="The largest change of a participant's probability if all gates were the mean gate; null if "
            "that was not computed."
        ),
    ]
    same_for_all_participants: Annotated[
        bool,
        Field(
            description="Whether the gate weighs all participants alike: its standard deviation, or the largest change "
            "with the mean gate, is below 0.02."
        ),
    ]


class WithoutModality(_Part):
    """The predictions without the participant's own recording of one modality."""

    auroc: Annotated[float | None, Field(description="AUROC without the modality; null if it is not defined.")]
    balanced_accuracy: Annotated[float, Field(description="Balanced accuracy without it.")]
    lost_auroc: Annotated[
        Score, Field(description="AUROC with both less AUROC without it, on the same participants (paired bootstrap).")
    ]
    lost_balanced_accuracy: Annotated[Score, Field(description="The same for the balanced accuracy.")]
    mean_change: Annotated[
        Probability,
        Field(
            description="Mean change of probability: the share that moves between classes, averaged over participants."
        ),
    ]
    changed_predictions: Annotated[
        Count, Field(description="The number of participants whose predicted class changes.")
    ]
    changes_nothing: Annotated[
        bool,
        Field(
            description="True if no predicted class changes, the mean change is below 0.02, and so is what each score "
            "loses, with an interval (if there is one) that contains 0."
        ),
    ]


class ModalitiesSection(_Part):
    """Each modality replaced by that of reference participants in turn, the probabilities averaged."""

    reference_participants: Annotated[Count, Field(description="The number of reference participants.")]
    without_eeg: Annotated[WithoutModality, Field(description="With the EEG of the reference participants.")]
    without_mri: Annotated[WithoutModality, Field(description="With the MRI of the reference participants.")]


class GroupsSection(_Part):
    """The groups of participants who are not independent, by group_by in the datalist."""

    fields: Annotated[list[str], Field(description="The fields that name the groups, e.g. family.")]
    groups: Annotated[
        Count, Field(description="Groups among the scored participants; who is in none counts as a group of one.")
    ]
    of_class: Annotated[list[Count], Field(description="Groups that have a participant of each class.")]
    smallest: Annotated[Count, Field(description="Participants in the smallest group.")]
    largest: Annotated[Count, Field(description="Participants in the largest group.")]
    resampled: Annotated[
        bool,
        Field(
            description="Whether intervals resample whole groups; not if each has one participant, or all participants "
            "are of one group."
        ),
    ]


class Metrics(_Part):
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
    ] = []
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


def metrics_json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of ``metrics.json``, as committed in ``docs/metrics.schema.json``."""
    schema = Metrics.model_json_schema(mode="serialization", schema_generator=SchemaOfFiles)
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema}


def metrics_schema_text() -> str:
    """The schema as it is committed."""
    return json.dumps(metrics_json_schema(), indent=2, ensure_ascii=False) + "\n"
