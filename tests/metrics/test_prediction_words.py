"""The terminal says of one participant all that the table says."""

from monai_fusion.metrics.prediction_words import WHAT_IT_IS, one_participant_lines, set_words
from monai_fusion.metrics.predictions import Prediction


def test_one_participant_is_described_with_probability_set_spread_and_what_is_unlike() -> None:
    row = Prediction(
        "sub-07", None, (0.4, 0.6), 0.25, 1, threshold=0.5, unlike_training="electrode Pz flat", prediction_set=(0, 1),
        not_used="sub-07_EC.edf: truncated",
    )  # fmt: skip

    assert list(one_participant_lines(row, ["M", "F"])) == [
        "sub-07: F, with a probability of 0.600",
        "  probabilities: F 0.600, M 0.400; F is predicted above 0.500",
        "  prediction set: M or F (undecided)",
        "  spread: not known, from one EEG segment",
        "  gate: EEG 25 %, MRI 75 %",
        "  unlike the training's recordings: electrode Pz flat",
        "  not used: sub-07_EC.edf: truncated",
        WHAT_IT_IS,
    ]


def test_a_set_of_three_classes_is_listed() -> None:
    assert set_words((0, 1, 2), ["a", "b", "c"]) == "a, b or c (undecided)"
    assert set_words((1,), ["a", "b", "c"]) == "b"
