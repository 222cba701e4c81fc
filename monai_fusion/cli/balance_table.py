"""Prints how a split is balanced, and warns of columns that are confounded with the class."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from monai_fusion.datalist.balance import Balance, BalanceRow, warning_of
from monai_fusion.messages import is_quiet, say, visible

if TYPE_CHECKING:  # rich takes a while to import, and most commands print no table
    from rich.table import Table

_WIDTH_OF_A_FILE = 240  # a table that is not shown in a window is not broken into its width


def print_balance(balance: Balance) -> None:
    """Print the balance of a split: on stdout, warnings on stderr.

    The table has a row for each part, with its number, classes, ratio and strata. In a window that is too narrow for
    that, each column of the datalist has a table of its own: cells are never cut, and seldom broken.
    """
    from rich.console import Console

    width = None if sys.stdout.isatty() else _WIDTH_OF_A_FILE
    console = Console(markup=False, highlight=False, width=width, quiet=is_quiet())
    classes = [visible(name) for name in balance.classes]
    strata = [[place for place, _ in group] for _, group in groupby(enumerate(balance.strata), lambda each: each[1][0])]
    whole = _table(balance, list(range(len(balance.strata))))
    if console.measure(whole, options=console.options.update(max_width=10_000)).maximum <= console.width:
        console.print(whole)
    else:
        console.print(_table(balance, []))
        for places in strata:
            console.print(_table(balance, places, counts=False))
    if strata:
        say(f"In each stratum: all ({' : '.join(classes)})")
    for link in balance.links:
        say(f"warning: {warning_of(link, classes)}", err=True)


def _table(balance: Balance, places: Sequence[int], *, counts: bool = True) -> Table:
    """The table with these strata, by their place in the balance; with the numbers of the classes, or without."""
    from rich import box
    from rich.table import Table

    classes = [visible(name) for name in balance.classes]
    numbers = ["n", *classes, " : ".join(classes)] if counts else []
    strata = [visible(" ".join(balance.strata[place])) for place in places]
    table = Table("", *numbers, *strata, box=box.SIMPLE)
    for column in table.columns:
        column.justify, column.overflow = "right", "fold"
    table.columns[0].justify, table.columns[0].no_wrap = "left", True
    for row in balance.rows:
        if row.name in ("training", "all"):
            table.add_section()
        cells = _cells(row)
        first = len(cells) - len(row.by_stratum)
        table.add_row(*cells[: first if counts else 1], *(cells[first + place] for place in places))
    return table


def _cells(row: BalanceRow) -> list[str]:
    strata = [f"{sum(counts)} ({':'.join(map(str, counts))})" for counts in row.by_stratum]
    return [row.name, str(row.number), *map(str, row.by_class), _ratio(row.by_class), *strata]


def _ratio(counts: Sequence[int]) -> str:
    """All relative to the last class: ``2.00 : 1``."""
    *others, last = counts
    return " : ".join([*(f"{count / last:.2f}" for count in others), "1"]) if last else "-"
