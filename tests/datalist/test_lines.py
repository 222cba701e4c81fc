"""What the tests' expected messages still hold where ``…`` leaves words open."""

import pytest

from tests.datalist.lines import Like, assert_lines, fits

SEEN = 'line 8, sub-01 label: "male", expected "M" or "F": did you mean "M"?'


@pytest.mark.parametrize(
    ("expected", "does"),
    [
        (SEEN, True),
        ('line 8, sub-01 label: "male" … did you mean "M"?', True),
        ('line 8, sub-01 label: "male" …', True),
        ('line 9, sub-01 label: "male" …', False),
        ('line 8, sub-01 label: "female" …', False),
        ('… did you mean "F"?', False),
        ('line 8, sub-01 label: "male"', False),
    ],
)
def test_places_fields_and_values_must_fit(expected: str, does: bool) -> None:
    assert fits(SEEN, expected) is does
    seen = [SEEN]
    assert (seen == [Like(expected)]) is does
    assert (seen[0] == Like(expected)) is does and (seen[0] != Like(expected)) is not does


def test_every_line_must_be_expected_and_every_expected_line_be_there() -> None:
    assert_lines([SEEN], ["line 8 …"])
    for expected in ([], ["line 8 …", "line 9 …"], ["line 9 …"]):
        with pytest.raises(AssertionError):
            assert_lines([SEEN], expected)
