"""How names and numbers are put into messages."""

import pytest

from monai_fusion.wording import counted, cut, did_you_mean, nearest, quoted


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("Label", "label"),  # the same but for case
        ("lable", "label"),
        ("m", "mri"),  # one that begins so
        ("mridir", "mri-dir"),  # it begins with another name, and is nearer to this one
        ("xyz", None),
        ("", None),
    ],
)
def test_the_nearest_name_is_the_one_that_was_likely_meant(word: str, meant: str | None) -> None:
    assert nearest(word, ["label", "mri", "mri-dir"] if word != "m" else ["label", "mri"]) == meant


def test_a_name_is_suggested_as_it_is_written_in_its_place() -> None:
    assert did_you_mean("lable", ["label"]) == 'did you mean "label"?'
    assert did_you_mean("lable", ["label"], repr) == "did you mean 'label'?"
    assert did_you_mean("lable", ["label"], lambda name: f"--{name}") == "did you mean --label?"
    assert did_you_mean("xyz", ["label"]) == ""


def test_one_is_counted_without_an_ending() -> None:
    assert [counted(number, "epoch") for number in (0, 1, 2)] == ["0 epochs", "1 epoch", "2 epochs"]
    assert [counted(number, "batch", "es") for number in (1, 2)] == ["1 batch", "2 batches"]


def test_what_is_too_long_for_a_message_is_cut_to_the_length_that_is_allowed() -> None:
    assert cut("a" * 60) == "a" * 60
    assert cut("a" * 61) == "a" * 56 + " ..." and len(cut("a" * 61)) == 60
    assert cut("abcdefghij", at_most=8) == "abcd ..."
    assert quoted("ö" * 100) == '"' + "ö" * 55 + " ..."
