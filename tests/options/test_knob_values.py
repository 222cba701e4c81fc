"""A text typed on the command line of a bundle run is the text that its knob gets, or it is refused."""

import os
import re
import subprocess
import unicodedata
from pathlib import Path
from typing import Any

import pytest
import yaml
from fire.parser import DefaultParseValue
from hypothesis import given
from hypothesis import strategies as st
from monai.bundle import ConfigParser

from monai_fusion.options.knob_values import as_word, check_text, expand_home, without_expression
from monai_fusion.workflow import CommandLine, check_overrides
from monai_fusion.workflow.components import component_arguments
from tests.support import BUNDLE_CONFIGS

ENTRY = "/somewhere/site-packages/monai/bundle/__main__.py"
TRAIN = str(BUNDLE_CONFIGS / "train.yaml")


def arrives(word: str) -> Any:
    """What a component of a config gets for a knob that was typed so: fire's and MONAI's own reading."""
    parser = ConfigParser({"knob": None, "user": {"value": "@knob"}, "home": "another", "sub": {"x": 1}})
    parser.update({"knob": DefaultParseValue(word)})
    return parser.get_parsed_content("user")["value"]


PLAIN = [
    "runs/first",
    "C:\\new\\first",
    "a b",
    "Müller & Söhne @uni 100% $5 {a},b;c (kopie)/x",
    "2024-05-01 first",
    "~/res",
]
LITERAL = [
    "a,b",
    "[x]",
    "2024",
    "1e3",
    "(a)",
    "{a}",
    "True",
    "'q'",
    "007",
    "a:b",
    "1_0",
    "x ",
    "None",
    "null",
    "-x",
    "-1",
]
SYNTAX = [
    "run#2",
    "small#1.json",
    "a#b/c",
    "@home",
    "@sub",
    "%TEMP%/x",
    "$HOME/x",
    "$5",
    "%",
    "@",
    'say "hi" #2',
    "\\\\s\\#1",
]


@pytest.mark.parametrize("text", PLAIN + LITERAL + SYNTAX + ["ü#", "Jo\u0308rg", "line\nbreak#"])
def test_every_text_can_be_spelt_so_that_it_arrives(text: str) -> None:
    word = as_word(text)
    assert arrives(word) == text
    assert check_text("output_dir", word, DefaultParseValue(word)) is None


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_any_text_can_be_spelt_so_that_it_arrives(text: str) -> None:
    assert arrives(as_word(text)) == text


@given(st.text(st.sampled_from("a1#@$%,.()[]{}'\" ~-:/\\ü"), min_size=1))
def test_what_is_accepted_arrives_as_typed_or_as_quoted(word: str) -> None:
    if check_text("output_dir", word, DefaultParseValue(word)) is None and word not in ("$None",):
        assert arrives(word) in (word, word.strip()[1:-1], without_expression(word))


@pytest.mark.parametrize("text", ["runs/first", 3, 0.5, None, [15, 10], {"eeg": ["stage3"]}, Path("a#b")])
def test_other_values_are_spelt_as_literals(text: Any) -> None:
    expected = str(text) if isinstance(text, Path) else text
    assert arrives(as_word(text)) == expected


def message(*words: str) -> str:
    command = CommandLine.parse([ENTRY, "run", "--config_file", TRAIN, *words])
    assert command is not None
    (problem,) = check_overrides(command, component_arguments)
    return str(problem)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--output_dir", "run#2"], """run#2 is read as 'run', expected text: write --output_dir "$'run\\x232'\""""),
        (
            ["--output_dir=a.b#2"],
            """a.b#2 would become a.b::2, expected text without #: write --output_dir "$'a.b\\x232'\"""",
        ),
        (
            ["--output_dir", "a,b"],
            """a,b is read as a collection, ('a', 'b'), expected text: write --output_dir "'a,b'\"""",
        ),
        (["--output_dir", "[x]"], """[x] is read as a collection, ['x'], expected text: write --output_dir "'[x]'\""""),
        (["--output_dir", "2024"], """2024 is read as the number 2024, expected text: write --output_dir "'2024'\""""),
        (["--output_dir", "(a)"], """(a) is read as 'a', expected text: write --output_dir "'(a)'\""""),
        (["--output_dir", ""], "empty, expected text: is a variable of the shell not set?"),
        (["--output_dir="], "empty, expected text: is a variable of the shell not set?"),
        (["--output_dir", '""'], "empty, expected text: is a variable of the shell not set?"),
        (["--output_dir", "' '"], "empty, expected text: is a variable of the shell not set?"),
        (["--output_dir", "$''"], "empty, expected text: is a variable of the shell not set?"),
        (["--output_dir", "$None"], "$None, which is nothing, expected text"),
        (["--output_dir", "null"], "'null', expected text"),
        (["--output_dir", "--device", "cpu"], "no value follows it, expected one, such as 'runs/latest'"),
        (["--datalist", "--device", "cpu"], "no value follows it, expected text"),
        (
            ["--keep_epoch", "best#1"],
            """best#1 is read as 'best', expected text: write --keep_epoch "$'best\\x231'\"""",
        ),
    ],
    ids=str,
)
def test_a_text_that_would_arrive_as_another_one_is_refused_with_both(words: list[str], expected: str) -> None:
    name = words[0].partition("=")[0]
    assert message(*words) == f"{name}: {expected}"


@pytest.mark.parametrize(
    ("text", "syntax", "spelling"),
    [
        ("@home", "a reference into the config", "$'\\x40home'"),
        ("$HOME/x", "a Python expression", "$'\\x24HOME/x'"),
        ("%TEMP%/x", "a reference to a config file", "$'\\x25TEMP\\x25/x'"),
    ],
)
@pytest.mark.parametrize("knob", ["datalist", "output_dir", "cache_dir", "eeg_weights", "run_name", "tracking_uri"])
def test_a_text_that_monai_would_interpret_is_refused(knob: str, text: str, syntax: str, spelling: str) -> None:
    expected = f"--{knob}: MONAI reads {text} as {syntax}, expected text: did the shell not replace a variable? "
    assert message(f"--{knob}", text) == f'{expected}For exactly this text: write --{knob} "{spelling}"'


def test_letters_that_python_composes_are_refused_and_shown_by_number() -> None:
    decomposed = unicodedata.normalize("NFD", "jörg")
    assert "is read as 'j\\xf6rg', expected text" in message("--output_dir", decomposed)


def test_a_doubly_quoted_text_and_nothing_at_all_are_accepted() -> None:
    for word in ("'2024'", '"a,b"', "r'C:\\new'", repr("C:\\new"), "$None", "$'run\\x232'"):
        assert check_text("cache_dir", word, DefaultParseValue(word)) is None


@pytest.mark.skipif(os.name != "posix", reason="the shell of Windows is not here")
@pytest.mark.parametrize(
    "text", ["run#2", "@home", "'''x'''", '"a" "b"', "a,b", "(x)", "['`a`']", "('a!b')", "2024", "C:\\new#1"]
)
def test_the_spelling_that_is_advised_works_in_a_shell(text: str) -> None:
    (advice,) = re.findall(r"write (--output_dir .*)$", message("--output_dir", text))
    done = subprocess.run(["bash", "-c", f"printf '%s\\n' {advice}"], capture_output=True, text=True, check=True)
    assert arrives(done.stdout.splitlines()[1]) == text


def test_a_quoted_backslash_that_becomes_another_sign_is_refused() -> None:
    assert "is read as 'C:\\new'" in message("--output_dir", "'C:\\new'")


def test_a_sign_that_monai_replaces_is_refused_in_an_overlay_too(tmp_path: Path) -> None:
    overlay = tmp_path / "mine.yaml"
    overlay.write_text(yaml.safe_dump({"output_dir": "runs/a#1"}))
    command = CommandLine.parse([ENTRY, "run", "--config_file", str([TRAIN, str(overlay)])])
    assert command is not None
    assert [problem.where for problem in check_overrides(command, component_arguments)] == ["--output_dir"]


def test_the_home_folder_replaces_a_tilde(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert expand_home("~/res") == f"{tmp_path}/res"
    assert [expand_home(path) for path in (None, "runs/~", "a~")] == [None, "runs/~", "a~"]
