"""Asks before a file of the user is lost; programs are not asked."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from monai_fusion.messages import say, visible

Yes = Annotated[bool, typer.Option("--yes", help="With --force: do not ask.", rich_help_panel="Output")]


def before_it_is_lost(yes: bool) -> Callable[[str], None] | None:
    """The function that asks, with a text that ends in a question; ``None`` where nothing should or can be asked.

    The question ends the command with exit code 1 unless the answer is yes.

    Args:
        yes: Whether the user answered in advance, with --yes.
    """
    return None if yes or not _at_a_terminal() else _ask


def _at_a_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _ask(question: str) -> None:
    if not confirmed(question):
        say("nothing was changed", err=True)
        raise typer.Exit(1)


def confirmed(question: str) -> bool:
    """The user's answer; no answer (no terminal, Ctrl+D) is no."""
    try:
        return typer.confirm(visible(question, keep="\n"), err=True)
    except typer.Abort:
        say("", err=True)
        return False
