"""Numbers as text for a page and its sentences."""

from __future__ import annotations

import math

from markupsafe import Markup, escape

from monai_fusion.messages import visible


def number(value: float | None, digits: int = 2) -> str:
    """A score with a true minus sign, which zero does not have; ``not defined`` if there is none."""
    if value is None or not math.isfinite(value):
        return "not defined"
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "\u2212")


def signed(value: float, digits: int = 2) -> str:
    """A number with its sign."""
    return f"{value:+.{digits}f}".replace("-", "\u2212")


def p_value(value: float | None) -> str:
    """A p-value: three decimals, or one digit of smaller ones."""
    if value is None:
        return "not defined"
    if value >= 0.001:
        return f"{value:.3f}"
    return "0" if value == 0 else f"{value:.{max(4, -math.floor(math.log10(value)))}f}"


def count_participants(count: int, before: str = "") -> str:
    """``1 participant``, ``12 test participants``."""
    return " ".join(part for part in (str(count), before, "participant" if count == 1 else "participants") if part)


def sentence(text: str) -> str:
    """A terminal message as a sentence."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


def unbroken(text: str) -> Markup:
    """A sentence, as markup, whose ``p = 0.004`` and ``95 %`` stay on one line; invisible characters are escaped."""
    shown = str(escape(visible(text))).replace("p = ", "p&nbsp;=&nbsp;").replace(" %", "&nbsp;%")
    return Markup(shown)  # noqa: S704 # escaped in the line before
