"""Which class a value of the table means: exactly, by a map, or by ranges; what means none or two is never guessed."""

import pytest

from monai_fusion.datalist.building.labels import label_rule
from monai_fusion.errors import InputError, Problem
from tests.datalist.lines import Like


def meaning(value: str, *, classes: str = "", maps: str = "", bins: str = "") -> str:
    """The class, or the message in brackets."""
    found = label_rule(classes.split(), maps.split(), bins.split()).class_of(value)
    return f"[{found}]" if isinstance(found, Problem) else found


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("M", "M"),
        ("m", '["m", expected "M" or "F": did you mean "M"?]'),
        ("male", '["male", expected "M" or "F": did you mean "M"?]'),
        ("1", '["1", expected "M" or "F"]'),
        ("", '[empty, expected "M" or "F"]'),
    ],
)
def test_without_a_map_only_the_name_itself_is_a_class(value: str, expected: str) -> None:
    assert meaning(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1", "F"),
        ("1.0", "F"),
        ("1,00", "F"),
        ("2", "M"),
        ("MALE", "M"),
        ("F", "F"),
        ("FeMale", "F"),
        ("10", "-"),
        ("1.5", "-"),
        ("", "-"),
    ],
)
def test_mapped_values_are_distinguished_without_case_and_decimals_of_whole_numbers(value: str, expected: str) -> None:
    found = meaning(value, maps="1=F 2=M male=M Female=F")
    assert (found if found[0] != "[" else "-") == expected


LEMON = "young=20-25,25-30 old=60-65,65-70,70-75"


@pytest.mark.parametrize(
    ("value", "bins", "expected"),
    [
        ("20-25", LEMON, "young"),
        ("70-75", LEMON, "old"),
        ("20 \N{EN DASH} 25", LEMON, "young"),
        ("30-35", LEMON, "-"),
        ("58-62", LEMON, "-"),
        ("23", LEMON, "young"),
        ("23.5", LEMON, "young"),
        ("30", LEMON, "young"),
        ("30.5", LEMON, "-"),
        ("unknown", LEMON, "-"),
        ("young", LEMON, "-"),  # a name for the values is not a value
        ("20-25", "young=20-30 old=60-75", "young"),  # the table's range lies within
        ("25-35", "young=20-30 old=60-75", "-"),
        ("25-30", "a=20-25 b=25-30 c=30-99", "b"),
        ("control", "healthy=control,HC ill=MDD,SZ", "healthy"),
        ("hc", "healthy=control,HC ill=MDD,SZ", "healthy"),
    ],
)
def test_a_class_may_be_given_by_values_and_ranges(value: str, bins: str, expected: str) -> None:
    found = meaning(value, bins=bins)
    assert (found if found[0] != "[" else "-") == expected


def test_a_number_where_two_ranges_meet_is_no_class() -> None:
    assert meaning("25", bins="a=20-25 b=25-30") == (
        Like('["25", expected … value … class: … b: … ranges … overlap …]')
    )
    assert meaning("40", bins="young=20-30 old=60-75") == '["40", expected 20-30 (young) or 60-75 (old)]'


@pytest.mark.parametrize(
    ("classes", "maps", "bins", "message"),
    [
        ("M M", "", "", '--classes: "M" "M", expected two or more different names'),
        ("M", "", "", '--classes: "M", expected two or more'),
        ("", "1", "", '--label-map: "1", expected VALUE=CLASS, such as 1=F'),
        ("", "=F", "", '--label-map: "=F", expected VALUE=CLASS'),
        ("", "1=f", "", '--label-map "1=f": class "f", expected "M" or "F": did you mean "F"?'),
        ("", "0=control", "", 'expected "M" or "F": name it with --classes M F control'),
        ("", "1=F 1=M", "", '--label-map "1": is "M" and "F", expected one class'),
        ("", "1=F 1.0=M", "", "expected one class"),
        ("", "m=F", "", '--label-map "m": is "F" and "M", expected one class'),
        ("M F", "", "a=1 b=2", "--bin: it names the classes and their values itself"),
        ("", "1=F", "a=1 b=2", "--bin: it names the classes and their values itself"),
        ("", "", "young=20-25", '--bin: "young", expected two or more'),
        ("", "", "young old=3", '--bin: "young", expected CLASS=VALUE,VALUE'),
        ("", "", "young=30-20 old=60-70", '--bin "young": "30-20", expected the smaller number first'),
        ("", "", "a=1,2 b=2,3", '--bin "2": is "b" and "a", expected one class'),
    ],
)
def test_what_cannot_be_meant_is_reported(classes: str, maps: str, bins: str, message: str) -> None:
    with pytest.raises(InputError) as raised:
        label_rule(classes.split(), maps.split(), bins.split())
    assert message in str(raised.value)
