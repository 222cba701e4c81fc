"""``metrics.json``: what each recording contributes: the gate, and predictions without a modality."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from monai_fusion.metrics.fields_of_scores import Count, Part, Probability, Score


class Distribution(Part):
    """The distribution of the gates of some participants."""

    participants: Annotated[Count, Field(description="The number of participants.")]
    mean: Annotated[float, Field(description="Mean.")]
    sd: Annotated[float | None, Field(description="Standard deviation (n - 1); null for one participant.")]
    minimum: Annotated[float, Field(description="Smallest.")]
    lower_quartile: Annotated[float, Field(description="25th percentile.")]
    median: Annotated[float, Field(description="50th percentile.")]
    upper_quartile: Annotated[float, Field(description="75th percentile.")]
    maximum: Annotated[float, Field(description="Largest.")]


class ClassGates(Part):
    """The gates of one class."""

    class_name: Annotated[str, Field(description="The true class.")]
    gate: Annotated[Distribution, Field(description="Gates of its participants.")]


class GateSection(Part):
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


class WithoutModality(Part):
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


class ModalitiesSection(Part):
    """Each modality replaced by that of reference participants in turn, the probabilities averaged."""

    reference_participants: Annotated[Count, Field(description="The number of reference participants.")]
    without_eeg: Annotated[WithoutModality, Field(description="With the EEG of the reference participants.")]
    without_mri: Annotated[WithoutModality, Field(description="With the MRI of the reference participants.")]
