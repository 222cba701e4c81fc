"""Numbers of a page."""

import pytest

from monai_fusion.report.number_text import number


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (-0.004, 2, "0.00"),  # a zero has no sign
        (-0.004, 3, "\u22120.004"),
        (-0.006, 2, "\u22120.01"),
        (0.125, 2, "0.12"),  # to the even digit, as Python's format does
        (12.0, 0, "12"),
        (float("nan"), 2, "not defined"),
        (None, 2, "not defined"),
    ],
)
def test_a_number_has_a_true_minus_sign_and_no_negative_zero(value: float | None, digits: int, text: str) -> None:
    assert number(value, digits) == text
