"""``metrics.json``: how good the probabilities are, and their calibration."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from monai_fusion.metrics.fields_of_scores import Count, Interval, Part, Probability, Score


class ReliabilityBin(Part):
    """One point of a reliability diagram."""

    participants: Annotated[Count, Field(description="The number of participants in the bin.")]
    confidence: Annotated[Probability, Field(description="Their mean probability of the most probable class.")]
    accuracy: Annotated[Probability, Field(description="The fraction of them for whom that class is the true one.")]
    interval: Annotated[
        Interval, Field(description="95 % Wilson interval of the accuracy, with the design effect of groups.")
    ]


class ProbabilityQuality(Part):
    """How good the probabilities are, before or after calibration."""

    brier: Annotated[float, Field(description="Brier score, as in scores.")]
    ece: Annotated[float, Field(description="Expected calibration error, as in scores.")]
    cross_entropy: Annotated[float, Field(description="Cross-entropy, as in scores.")]
    accuracy: Annotated[float, Field(description="Accuracy of the predicted class.")]
    balanced_accuracy: Annotated[float, Field(description="Balanced accuracy of the predicted class.")]
    reliability: Annotated[list[ReliabilityBin], Field(description="Reliability diagram, by rising confidence.")]


class AtTargetShares(Part):
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


class ExpectedEce(Part):
    """The ECE of a perfectly calibrated model: labels are drawn from the scored probabilities."""

    mean: Annotated[Probability, Field(description="Mean over the draws.")]
    low: Annotated[Probability, Field(description="2.5 % of the draws are below.")]
    high: Annotated[Probability, Field(description="2.5 % of the draws are above.")]


class CalibrationSection(Part):
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
