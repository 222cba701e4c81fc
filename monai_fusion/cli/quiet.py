"""``--quiet``: on every command that reports what it did, added in one place."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from monai_fusion.messages import be_quiet

# What these print is what was asked for.
_ANSWERS = frozenset({"schema", "status", "bundle", "doctor", "completion"})


def add_quiet(command: Any) -> None:
    """Give a command, or each of a group's, the option ``-q, --quiet``."""
    model = typer.Typer(add_completion=False)
    model.command()(_quiet)
    (option,) = typer.main.get_command(model).params
    for each in _below(command):
        if each.name not in _ANSWERS:
            each.params.append(option)


def _below(command: Any) -> list[Any]:
    commands = getattr(command, "commands", None)
    return [command] if commands is None else [leaf for each in commands.values() for leaf in _below(each)]


def _quiet(
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet",
            "-q",
            callback=be_quiet,
            is_eager=True,
            expose_value=False,
            help="Only warnings and errors.",
        ),
    ] = False,
) -> None:
    """Lends its option to the other commands; never runs."""
