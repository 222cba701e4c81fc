"""``metrics.json``: scores with their intervals, of all participants and of groups, and the permutation tests."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

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


class Part(BaseModel):
    """A part of a file that this program writes: no other fields than these, and no NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Score(Part):
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


class ClassCount(Part):
    """How many participants a class has."""

    class_name: Annotated[str, Field(description="The class.")]
    participants: Annotated[Count, Field(description="The number of participants in this class.")]


class Scores(Part):
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


class ClassScores(Part):
    """One class against the rest."""

    class_name: Annotated[str, Field(description="The class.")]
    participants: Annotated[Count, Field(description="The number of participants in this class.")]
    predicted: Annotated[Count, Field(description="The number of participants for whom this class was predicted.")]
    recall: Annotated[Score, Field(description="Fraction of its participants for whom it was predicted.")]
    precision: Annotated[Score, Field(description="Fraction of those for whom it was predicted who belong to it.")]
    f1: Annotated[Score, Field(description="Harmonic mean of precision and recall.")]
    auroc: Annotated[Score, Field(description="Area under the ROC curve of its probability.")]
    auprc: Annotated[Score, Field(description="Average precision of its probability.")]


class PermutationTest(Part):
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


class Permutation(Part):
    """One-sided permutation p-values, (b + 1) / (m + 1)."""

    draws: Annotated[Count, Field(description="m, the number of permutations.")]
    tests: Annotated[
        list[PermutationTest], Field(description="Labels exchanged freely, then within each stratum field.")
    ]


class GroupScores(Part):
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


class LeftOutField(Part):
    """A field of the datalist by which results are not grouped."""

    field: Annotated[str, Field(description="The field.")]
    reason: Annotated[str, Field(description="Why not.")]


class GroupsSection(Part):
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
