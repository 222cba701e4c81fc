"""Where two descriptions of a run differ."""

from monai_fusion.runs.value_differences import value_differences


def test_the_innermost_values_that_differ_are_named_with_their_path() -> None:
    then = {"seed": 0, "data": {"size": [1, 2], "depth": 4}, "same": {"a": 1}}
    now = {"seed": 1, "data": {"size": [1, 3], "depth": 4}, "same": {"a": 1}}
    assert list(value_differences(then, now)) == [(("data", "size"), [1, 2], [1, 3]), (("seed",), 0, 1)]


def test_what_only_one_of_them_has_differs_from_nothing() -> None:
    assert list(value_differences({"a": {"b": 1}}, {"a": {"c": 2}})) == [
        (("a", "b"), 1, None),
        (("a", "c"), None, 2),
    ]
    assert list(value_differences({"a": {"b": 1}}, {})) == [(("a",), {"b": 1}, None)]


def test_values_that_are_not_mappings_are_compared_as_a_whole() -> None:
    assert list(value_differences([1, {"a": 1}], [1, {"a": 2}])) == [((), [1, {"a": 1}], [1, {"a": 2}])]
    assert list(value_differences({"a": 1}, {"a": 1})) == []
