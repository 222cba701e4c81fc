"""``metrics.json``: prediction sets."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from monai_fusion.metrics.fields_of_scores import Count, Interval, Part, Probability, Score


class SetsOfClass(Part):
    """The prediction sets and one class."""

    class_name: Annotated[str, Field(description="The class.")]
    calibration_participants: Annotated[
        Count, Field(description="The participants of this class that the thresholds come from.")
    ]
    threshold: Annotated[
        Probability,
        Field(
            description="The class is in a set if its probability at equal class shares is at least this; 0: it is in "
            "every set, because there were too few calibration participants to exclude it by."
        ),
    ]
    covered: Annotated[
        Score, Field(description="Fraction of this class's scored participants whose set holds their true class.")
    ]
    undecided: Annotated[
        Probability | None,
        Field(description="Fraction of them whose set holds more than one class; null if the class has none."),
    ]


class SetsSection(Part):
    """Prediction sets: for each participant the classes that cannot be excluded."""

    coverage: Annotated[Probability, Field(description="The coverage that was asked for.")]
    by_class: Annotated[bool, Field(description="Whether it was asked for within each class.")]
    calibrated_on: Annotated[
        str, Field(description="The part that the thresholds come from, e.g. validation; never the test part.")
    ]
    calibration_participants: Annotated[Count, Field(description="The number of participants in that part.")]
    expected: Annotated[
        Interval | None,
        Field(
            description="The guarantee is a mean over calibration parts: 95 % of parts of this size give one model a "
            "coverage in this range; null by class, or if every set holds all classes."
        ),
    ]
    covered: Annotated[
        Score, Field(description="Fraction of the scored participants whose set holds their true class.")
    ]
    p: Annotated[
        Probability | None,
        Field(
            description="Probability of so few sets with the true class, or fewer, if the scored participants are like "
            "the calibration ones (beta-binomial); null by class, in groups, or if every set holds all classes."
        ),
    ]
    single: Annotated[Probability, Field(description="Fraction whose set holds one class.")]
    undecided: Annotated[
        Probability, Field(description="Fraction whose set holds more than one class: the abstention rate.")
    ]
    classes_in_a_set: Annotated[float, Field(description="Mean number of classes in a set.")]
    predicted_added: Annotated[
        Probability,
        Field(
            description="Fraction whose set holds the predicted class only because it always does; without this rule "
            "the set would be empty, or hold other classes."
        ),
    ]
    accuracy_of_single: Annotated[
        Score, Field(description="Fraction of the sets with one class that hold the true one.")
    ]
    undecided_from: Annotated[
        Interval | None,
        Field(
            description="Of two classes: the probabilities of the second, as in predictions.csv, between which a set "
            "holds both; null if there are none, and beyond two classes."
        ),
    ]
    per_class: Annotated[list[SetsOfClass], Field(description="The same for each class.")]
    notes: Annotated[list[str], Field(description="What limits the guarantee.")]
