"""What others wrote into names never steers a terminal, and what has no width is seen."""

import json
import logging
import os
import subprocess
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monai_fusion.errors import InputError, Problem, RunFailed, noted
from monai_fusion.messages import make_visible, pasteable, say, visible

ANY_TEXT = st.text(st.characters(codec=None), max_size=12)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("sub-Jörg \u0432 \u65e5\u672c", "sub-Jörg \u0432 \u65e5\u672c"),
        ("sub-04\u200b", "sub-04\\u200b"),
        ("\x9b2J\x1b[31m\x07\x7f", "\\u009b2J\\u001b[31m\\u0007\\u007f"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("a\u202eb\ufeff\u2028\u00a0\u3164\ufe0f", "a\\u202eb\\ufeff\\u2028\\u00a0\\u3164\\ufe0f"),
        ("\U000e0041", "\\udb40\\udc41"),
        ("\udcff", "\\udcff"),  # of a file name that is not UTF-8
    ],
)
def test_what_cannot_be_seen_is_written_as_in_json(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(ANY_TEXT)
def test_json_keeps_its_values_and_nothing_in_it_steers_a_terminal(text: str) -> None:
    shown = visible(json.dumps([text], ensure_ascii=False))
    assert json.loads(shown) == [text]
    assert not any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in shown)


@given(ANY_TEXT, ANY_TEXT)
def test_a_problem_is_one_line_of_signs_that_show(where: str, advice: str) -> None:
    problem = Problem(where, "label", "seen", "wanted", advice)
    error = InputError([problem, problem], heading=where)
    assert str(problem).isprintable()
    assert str(error).count("\n") == 2
    assert str(error).replace("\n", "").isprintable()


def test_every_way_to_a_terminal_writes_out_what_cannot_be_seen(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\x9bb\nc")
    say("d\u200b", err=True)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("a\\u009bb\nc\n", "d\\u200b\n")
    assert str(RunFailed("lost \x1b", "gone")) == "lost \\u001b\n  gone"
    record = logging.LogRecord("x", logging.INFO, "", 0, "file %s\n%d", ("a\x9b", 2), None)
    assert make_visible(record)
    assert record.getMessage() == "file a\\u009b\n2"


def test_notes_are_reported_with_the_error_that_they_may_explain() -> None:
    with pytest.raises(InputError) as raised, noted(["rows 4 and 5 are hidden", "odd\x9b"]), noted(["odd\x9b"]):
        raise InputError(Problem("sub-01", seen="wrong"))
    assert str(raised.value) == "sub-01: wrong\nnote: odd\\u009b\nnote: rows 4 and 5 are hidden"


@pytest.mark.skipif(os.name != "posix", reason="the shell of Windows is not here")
@pytest.mark.parametrize(
    "word",
    ["plain", "a b", "['x.yaml', 'y.yaml']", "$'run\\x232'", 'say "hi"', "it's $5", "`x`", "a'!b", "", "ü#", "*"],
)
def test_a_command_can_be_pasted_into_a_shell(word: str) -> None:
    line = pasteable(["printf", "%s", word])
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout == word


def test_a_list_of_configs_is_easy_to_read_in_a_command() -> None:
    if os.name == "posix":
        assert (
            pasteable(["--config_file", "['a', 'b']", "--x", "[1, 2]"]) == "--config_file \"['a', 'b']\" --x '[1, 2]'"
        )
