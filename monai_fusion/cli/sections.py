"""The help of a command with many options: under headings, as plain text."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

_COLUMN = 30  # click begins a new line for the text of a longer option


class SectionedCommand(TyperCommand):
    """A command whose ``--help`` lists its options under their headings (``rich_help_panel``).

    Typer itself shows them only in the boxes that it draws with rich: these cannot be copied from a terminal, and
    loading rich takes longer than a check of a datalist.
    """

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options, section by section; all texts begin in one column."""
        shown = [(each, each.get_help_record(ctx)) for each in self.get_params(ctx)]
        headed = any(getattr(each, "rich_help_panel", None) for each, _ in shown)
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter, record in shown:
            if record is not None:
                sections.setdefault(_heading(parameter, headed), []).append((record[0].ljust(_COLUMN), record[1]))
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)


def _heading(parameter: Any, headed: bool) -> str:
    if parameter.param_type_name == "argument":
        return "Arguments"
    return getattr(parameter, "rich_help_panel", None) or ("Other options" if headed else "Options")
