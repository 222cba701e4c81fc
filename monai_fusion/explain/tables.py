"""Tables of an explanation as ``.tsv``, as BIDS writes them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from monai_fusion.files import delimited

Row = Sequence[str | float | None]

NOT_AVAILABLE = "n/a"
"""What is not known, in every ``.tsv``."""


def tsv(columns: Sequence[str], rows: Iterable[Row]) -> bytes:
    """A table as UTF-8 with tabs; what is not known is ``n/a``, numbers have 6 digits."""
    return delimited([columns, *([_cell(value) for value in row] for row in rows)], "\t").encode("utf-8")


def _cell(value: str | float | None) -> str:
    if isinstance(value, str):
        return value
    return NOT_AVAILABLE if value is None or math.isnan(value) else f"{value:.6g}"
