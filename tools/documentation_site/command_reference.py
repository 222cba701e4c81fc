"""The page of all commands: the program's own ``--help``, and the knobs from the comments of the configs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from monai_fusion import cli
from monai_fusion.cli.quiet import add_quiet
from monai_fusion.options.knob_list import Knob, knobs_of_all
from monai_fusion.shipped_bundle import config_files

WIDTH = 100
RUNS = {
    "train": "train.yaml",
    "evaluate": "evaluate.yaml on top of inference.yaml",
    "predict": "inference.yaml",
    "explain": "explain.yaml on top of inference.yaml",
}
"""The commands that have knobs, and the configs that these are from."""

_COMMANDS_HEAD = """# Commands

Use this page when you want to look up an option of a command. It is made from the program:
`monai-fusion COMMAND --help` prints the same. Every option may also be written with underscores. The knobs of `train`,
`evaluate`, `predict` and `explain` are on [a page of their own](knobs.md).
"""
_KNOBS_HEAD = """# Knobs

Use this page when you want to know what can be set in a training, an evaluation, a prediction or an explanation. It is
made from the comments at the top of the configs; `monai-fusion train --help` lists the same. A knob is an option of the
command (`--batch_size 8`), a line of a config of your own (`batch_size: 8`, with `--config_file my_config.yaml`), and a
keyword of MONAI's `create_workflow`. Write lists in quotes: `--num_epochs "[20, 10]"`.
"""


def commands_page() -> str:
    """Return the page of all commands, Markdown."""
    top: Any = typer.main.get_command(cli.app)
    add_quiet(top)
    return "\n".join([_COMMANDS_HEAD, *_sections(top, _context(top, cli.PROGRAM))])


def _sections(command: Any, context: Any, depth: int = 2) -> Iterator[str]:
    path = context.command_path
    if depth > 2:
        yield f"{'#' * (depth - 1)} {path}\n"
    formatter = context.make_formatter()
    # Not the epilog: there, the commands that have knobs list them.
    command.format_usage(context, formatter)
    command.format_help_text(context, formatter)
    command.format_options(context, formatter)
    yield f"```text\n{formatter.getvalue().rstrip()}\n```\n"
    if command.name in RUNS:
        yield f"Its knobs: [{RUNS[command.name]}](knobs.md#{command.name}).\n"
    for name in command.list_commands(context) if hasattr(command, "list_commands") else ():
        below = command.get_command(context, name)
        if not below.hidden:
            yield from _sections(below, _context(below, name, context), depth + 1)


def _context(command: Any, name: str, above: Any = None) -> Any:
    """What click needs to write the help of a command, at a width that fits a page."""
    settings = {"terminal_width": WIDTH, "max_content_width": WIDTH, **command.context_settings}
    return command.context_class(command, info_name=name, parent=above, **settings)


def knobs_page() -> str:
    """Return the page of all knobs, Markdown."""
    parts = [_KNOBS_HEAD]
    for run, configs in RUNS.items():
        parts.append(f"## {run}\n\n`monai-fusion {run}`: {configs}.\n")
        parts.extend(_tables(knobs_of_all(config_files(run))))
    return "\n".join(parts)


def _tables(knobs: list[Knob]) -> Iterator[str]:
    for section in dict.fromkeys(knob.section for knob in knobs):
        rows = [
            f"| `{knob.name}` | {_default(knob)} | {_cell(knob.comment)} |" for knob in knobs if knob.section == section
        ]
        yield "\n".join(
            [f"### {section.capitalize()}\n", "| knob | default | what it does |", "| --- | --- | --- |", *rows, ""]
        )


def _default(knob: Knob) -> str:
    if not knob.default:
        return "see the config"
    computed = knob.default.lstrip("'\"")[:1] in ("$", "@")
    return "computed" if computed else f"`{_cell(knob.default)}`"


def _cell(text: str) -> str:
    """A text as it may stand in a table: Markdown's own signs are shown, not obeyed."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
