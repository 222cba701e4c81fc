"""The pages that are made of the program say what the program says."""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

import pytest
import typer

from monai_fusion import cli
from monai_fusion.options.knob_list import knobs_of_all
from monai_fusion.shipped_bundle import config_files
from tests.documentation.pages import ROOT
from tools.documentation_site.api_reference import PACKAGES, api_page
from tools.documentation_site.command_reference import RUNS, commands_page, knobs_page
from tools.documentation_site.docstrings import as_markdown


@pytest.fixture(scope="module")
def python_page() -> str:
    return api_page(ROOT)


def commands(group: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    below = getattr(group, "commands", None)
    return [path] if below is None else [leaf for name, each in below.items() for leaf in commands(each, (*path, name))]


def test_the_page_has_the_help_of_every_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = commands_page()
    every = commands(typer.main.get_command(cli.app))
    assert len(every) > 20
    for words in every:
        with pytest.raises(SystemExit):
            cli.main([*words, "--help"])
        said, _, _ = capsys.readouterr().out.partition("\nKnobs: ")
        (section,) = re.findall(rf"^#+ monai-fusion {' '.join(words)}\n\n```text\n(.*?)\n```", page, re.M | re.S)
        assert "".join(section.split()) == "".join(said.split()), (
            f"{words}: lines may break elsewhere, all else is equal"
        )


def test_the_page_has_every_knob_with_its_comment() -> None:
    parts = re.split(r"^## (\w+)\n", knobs_page(), flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert set(sections) == set(RUNS)
    for run, section in sections.items():
        rows = dict(re.findall(r"^\| `(\w+)` \| .*? \| (.*) \|$", section, re.MULTILINE))
        assert {name: re.sub(r"\\(.)", r"\1", text).replace("&lt;", "<") for name, text in rows.items()} == {
            knob.name: knob.comment for knob in knobs_of_all(config_files(run))
        }
    assert "| `num_epochs` | `[15, 10]` | epochs of stage A and of stage B |" in sections["train"]


def parameters(thing: Any) -> list[str]:
    """The parameters of a function, or of a class that is not made as a class of another library is."""
    if inspect.isclass(thing) and "__init__" not in vars(thing):
        maker = next(each for each in thing.__mro__ if "__init__" in vars(each))
        if not maker.__module__.startswith("monai_fusion."):
            return []
    return [each for each in inspect.signature(thing).parameters if not each.startswith("_")]


@pytest.mark.parametrize("package", PACKAGES)
def test_the_page_has_everything_that_a_package_exports_with_its_parameters(package: str, python_page: str) -> None:
    module = importlib.import_module(f"monai_fusion.{package}")
    (_, section) = re.split(rf"^## monai_fusion\.{package}\n", python_page, flags=re.MULTILINE)
    section = re.split(r"^## ", section, flags=re.MULTILINE)[0]
    parts = re.split(r"^### (\w+)\n", section, flags=re.MULTILINE)
    described = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert list(described) == module.__all__
    for name, text in described.items():
        thing = getattr(module, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            (code,) = re.findall(r"```python\n(.*?)\n```", text, re.DOTALL)[:1]
            if not (inspect.isclass(thing) and issubclass(thing, Exception)):
                expected = parameters(thing)
                stated = [each for each in expected if re.search(rf"[(*\s]{each}\b", code)]
                assert stated == expected, f"{name}: {code}"
            first = (thing.__doc__ or "").strip().splitlines()[0]
            assert first.split()[0].strip("`*") in text, name


def test_a_docstring_becomes_paragraphs_and_lists() -> None:
    text = """Do a thing, 2 * 3 < 7.

With ``code * here`` and :meth:`forward`.

Args:
    one: The first [B, D],
        over two lines.
    *rest: All others.

Returns:
    ``x`` * 2.

Raises:
    ValueError: It is wrong: no number.
"""
    assert as_markdown(text) == (
        "Do a thing, 2 \\* 3 &lt; 7.\n\nWith ``code * here`` and `forward`.\n\n"
        "**Args**\n\n- `one`: The first [B, D], over two lines.\n- `*rest`: All others.\n\n"
        "**Returns**\n\n``x`` \\* 2.\n\n**Raises**\n\n- `ValueError`: It is wrong: no number."
    )
