from typing import Any

import pytest

from monai_fusion.errors import InputError
from monai_fusion.training import check_class_weights, class_weights

CLASSES = ["M", "F"]
LABELS = [0, 0, 0, 1]


def test_balanced_weights_are_inverse_to_the_classes_sizes() -> None:
    assert class_weights("balanced", CLASSES, LABELS, False) == pytest.approx([4 / (2 * 3), 4 / (2 * 1)])


def test_numbers_are_taken_as_they_are_and_none_stays_none() -> None:
    assert class_weights([1, 2.5], CLASSES, LABELS, False) == [1.0, 2.5]
    assert class_weights((1, 2.5), CLASSES, LABELS, False) == [1.0, 2.5]
    assert class_weights(None, CLASSES, LABELS, True) is None


@pytest.mark.parametrize("value", ["balanced", [1.0, 2.0]])
def test_weights_and_balanced_sampling_together_are_refused(value: Any) -> None:
    with pytest.raises(InputError) as raised:
        check_class_weights(value, CLASSES, balanced_sampling=True)
    assert str(raised.value) == (
        f"class_weights: {value!r} with balanced sampling: "
        "add --balanced_sampling false: together they would balance the classes twice"
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1.0], r"class_weights: \[1.0\], expected balanced, or a list of 2 numbers, one per class \(M, F\)"),
        ([1.0, 2.0, 3.0], "a list of 2 numbers"),
        ("equal", "class_weights: 'equal', expected balanced, or"),
        (2.0, "class_weights: 2.0, expected balanced, or"),
        ([1.0, 0.0], r"class_weights: \[1.0, 0.0\], expected numbers above 0"),
        ([1.0, "2"], "expected numbers above 0"),
        ([1.0, float("nan")], "expected numbers above 0"),
        ([1.0, float("inf")], "expected numbers above 0"),
    ],
)
def test_other_values_are_refused(value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        class_weights(value, CLASSES, LABELS, False)


def test_a_class_without_participants_cannot_be_balanced() -> None:
    with pytest.raises(
        InputError, match="class_weights balanced: no training participant of F, expected participants of every class"
    ):
        class_weights("balanced", CLASSES, [0, 0], False)
