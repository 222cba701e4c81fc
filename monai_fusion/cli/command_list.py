"""The list of commands in the help, and the message for an unknown command."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Any

from typer.core import TyperGroup

from monai_fusion.errors import Problem
from monai_fusion.wording import quoted

_WANTED = {"float_parsing": "a number", "int_parsing": "a whole number", "int_from_float": "a whole number"}
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")


class CommandList(TyperGroup):
    """A group whose ``--help`` gives every command its whole first sentence, and which knows the commands below it."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands; click would cut each text at the end of the line."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, _purpose(command)) for name, command in commands])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that is named; the message for an unknown one names it where it is, or the nearest.

        Raises:
            click's UsageError: There is no such command.
        """
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            near = self._near(args[0])
            start = ctx.command_path
            meant = f" Did you mean {' or '.join(f'`{start} {each}`' for each in near)}?" if near else ""
            ctx.fail(f"there is no command `{start} {args[0]}`.{meant}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; the message about the value of an option names the value, which recent typer leaves out."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            about = _about_the_value(error.__cause__) or _about_a_stray_folder(error)
            if about is not None:
                error.message = about  # type: ignore[attr-defined] # click's UsageError, which typer has of its own
            raise

    def _near(self, name: str) -> list[str]:
        """What was meant: a command of this name below another one, else those spelt nearly so."""
        spelt = name.lower().replace("_", "-")
        below = {
            f"{group} {each}": each
            for group, command in self.commands.items()
            for each in getattr(command, "commands", ())
        }
        if same := [path for path, each in below.items() if each == spelt]:
            return same
        here = get_close_matches(spelt, list(self.commands), n=2, cutoff=0.65)
        return here or [path for path, each in below.items() if get_close_matches(spelt, [each], cutoff=0.75)][:2]


def _purpose(command: Any) -> str:
    """The first paragraph of a command's help, on one line; the list wraps it."""
    return " ".join((command.help or "").split("\n\n")[0].split())


def _about_a_stray_folder(error: Exception) -> str | None:
    """The message about one word too many, if the command takes its folder by an option."""
    told, command = str(getattr(error, "message", "")), getattr(getattr(error, "ctx", None), "command", None)
    options = [each.opts[0] for each in getattr(command, "params", ()) if each.name == "cache_dir"]
    if "unexpected extra argument" not in told or not options or options[0] in told:
        return None
    return f"{told}: is it the folder of the store? Give it with {options[0]}"


def _about_the_value(cause: BaseException | None) -> str | None:
    """What pydantic says of one value that was typed, with the value; None of anything else."""
    errors = getattr(cause, "errors", None)
    found = errors()[0] if callable(errors) and type(cause).__name__ == "ValidationError" else {}
    value = found.get("input")
    if not isinstance(value, str):
        return None
    told = found["msg"].removeprefix("Input should be ")
    comma = _DECIMAL_COMMA.fullmatch(value) is not None
    advice = f"write {value.replace(',', '.')}" if comma else ""
    return str(Problem("", seen=quoted(value), wanted=_WANTED.get(found["type"], told), advice=advice))
