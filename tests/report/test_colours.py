"""Contrast of text, bars, stripes and curves in light and in dark mode, from the variables of the style sheet."""

import re
from importlib.resources import files

import pytest

from monai_fusion.report.confusion import MOST
from monai_fusion.report.style import VARIABLES

CSS = (files("monai_fusion.report") / "templates" / "report.css").read_text(encoding="utf-8")
TEXT = ("--ink", "--muted", "--accent", "--warn")
GRAPHICS = ("--interval", "--baseline", "--stripe", "--axis", *(f"--class-{n}" for n in range(7)))


def variables(block: str) -> dict[str, str]:
    return dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{6});", block))


LIGHT_BLOCK, _, REST = CSS.partition("@media screen and (prefers-color-scheme: dark)")
LIGHT = variables(LIGHT_BLOCK)
MODES = {"light": LIGHT, "dark": LIGHT | variables(REST.partition("\n}\n")[0])}


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    encoded = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in encoded)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def mixed(front: str, back: str, opacity: float) -> str:
    parts = [(int(front[place : place + 2], 16), int(back[place : place + 2], 16)) for place in (1, 3, 5)]
    return "#" + "".join(f"{round(opacity * one + (1 - opacity) * other):02x}" for one, other in parts)


def test_the_ratios_are_those_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("mode", MODES)
def test_text_is_readable_on_everything_that_is_behind_it(mode: str) -> None:
    colours = MODES[mode]
    for name in TEXT:
        for behind in ("--paper", "--wash", "--caution"):
            assert contrast(colours[name], colours[behind]) >= 4.5, (name, behind)


@pytest.mark.parametrize("mode", MODES)
def test_bars_stripes_axes_and_curves_stand_out_from_the_page(mode: str) -> None:
    colours = MODES[mode]
    for name in GRAPHICS:
        assert contrast(colours[name], colours["--paper"]) >= 3, name
    assert contrast(colours["--stripe"], colours["--caution"]) >= 3


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("cell", ["--class-0", "--class-1"])
def test_numbers_in_the_confusion_matrix_are_readable_in_its_fullest_cell(mode: str, cell: str) -> None:
    colours = MODES[mode]
    assert contrast(colours["--ink"], mixed(colours[cell], colours["--paper"], MOST)) >= 4.5


def test_the_figures_take_the_variables_of_the_page_and_a_file_for_a_paper_looks_like_its_light_mode() -> None:
    assert {name: colour for colour, name in VARIABLES.items()}.items() <= LIGHT.items()
    dark = variables(REST.partition("\n}\n")[0])
    assert set(VARIABLES.values()) <= dark.keys()


def test_no_colour_of_the_style_sheet_is_outside_the_variables() -> None:
    rules = re.sub(r"--[\w-]+: #[0-9a-f]{6};", "", CSS)
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[;\s])", rules)
