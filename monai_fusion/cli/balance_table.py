"""Prints how a split is balanced, and warns of columns that are confounded with the class."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from monai_fusion.datalist.balance import Balance, BalanceRow, warning_of
from monai_fusion.messages import is_quiet, say, visible

_WIDTH_OF_A_FILE = 240  # a table that is not shown in a window is not broken into its width


def print_balance(balance: Balance) -> None:
    """The table on stdout: a row for each part with number, classes, ratio and strata; warnings on stderr."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    classes = [visible(name) for name in balance.classes]
    strata = [visible(f"{column} {category}") for column, category in balance.strata]
    table = Table("", "n", *classes, " : ".join(classes), *strata, box=box.SIMPLE)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in balance.rows:
        if row.name in ("training", "all"):
            table.add_section()
        table.add_row(*_cells(row))
    width = None if sys.stdout.isatty() else _WIDTH_OF_A_FILE
    Console(markup=False, highlight=False, width=width, quiet=is_quiet()).print(table)
    if strata:
        say(f"In each stratum: all ({' : '.join(classes)})")
    for link in balance.links:
        say(f"warning: {warning_of(link, classes)}", err=True)


def _cells(row: BalanceRow) -> list[str]:
    strata = [f"{sum(counts)} ({':'.join(map(str, counts))})" for counts in row.by_stratum]
    return [row.name, str(row.number), *map(str, row.by_class), _ratio(row.by_class), *strata]


def _ratio(counts: Sequence[int]) -> str:
    """All relative to the last class: ``2.00 : 1``."""
    *others, last = counts
    return " : ".join([*(f"{count / last:.2f}" for count in others), "1"]) if last else "-"
