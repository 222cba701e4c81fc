"""The list of commands in the help, and the message for an unknown command."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from typer.core import TyperGroup


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
