"""The covariates of a datalist by class, head volume among them, for ``monai-fusion datalist check --deep``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monai_fusion.baseline.baseline_file import CovariateBalance
    from monai_fusion.datalist import Datalist
    from monai_fusion.datalist.reporting import Finding


@dataclass(frozen=True, slots=True)
class CovariateTable:
    """The covariates by class.

    Attributes:
        lines: For the terminal.
        warnings: Covariates that differ between the classes.
        rows: For programs.
    """

    lines: tuple[str, ...]
    warnings: tuple[Finding, ...]
    rows: tuple[dict[str, Any], ...]


def covariates_by_class(datalist: Datalist, assume_orientation: str | None, cache_dir: Path | None) -> CovariateTable:
    """Compute the volume of every head, and compare it and all fields of numbers between the classes.

    Raises:
        InputError: An MRI cannot be read.
    """
    import numpy as np

    from monai_fusion.baseline.confound_results import balance_rows
    from monai_fusion.baseline.participant_numbers import (
        HEAD_VOLUME,
        Covariate,
        NumberSettings,
        head_volumes,
        numeric_fields,
    )
    from monai_fusion.baseline.words import imbalance, is_imbalanced
    from monai_fusion.datalist.reporting import Finding

    known = [record for record in datalist.all_records if record.label is not None]
    labels = np.array([record.label for record in known], dtype=np.int64)
    volumes = head_volumes(known, NumberSettings(cache_dir, assume_orientation=assume_orientation))
    column = np.array([[volumes.get(record.participant_id, np.nan)] for record in known])
    heads = [Covariate(HEAD_VOLUME, column)] if volumes else []
    rows = balance_rows([*heads, *numeric_fields(known).values()], labels, datalist.classes) if known else []
    return CovariateTable(
        tuple(_line(row, datalist.classes) for row in rows),
        tuple(
            Finding("", seen=imbalance(row, datalist.classes), group="contents", warning=True)
            for row in rows
            if is_imbalanced(row)
        ),
        tuple(row.model_dump() for row in rows),
    )


def _line(row: CovariateBalance, classes: tuple[str, ...]) -> str:
    """``  head volume: M 1.67 l (SD 0.12), F 1.26 l (SD 0.14); standardised difference -3.06``."""
    from monai_fusion.baseline.words import field_title, unit_of

    unit = unit_of(row.field)
    groups = []
    for name, mean, sd in zip(classes, row.means, row.sds, strict=True):
        spread = "" if sd is None else f" (SD {sd:.3g})"
        groups += [] if mean is None else [f"{name} {mean:.3g}{unit}{spread}"]
    apart = row.standardised_difference
    difference = "" if apart is None else f"; standardised difference {apart:+.2f}"
    return f"  {field_title(row.field)}: {', '.join(groups)}{difference}"
