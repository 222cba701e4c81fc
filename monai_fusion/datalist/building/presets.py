"""Cohorts whose participants tables are known: which of their columns is what, and what their codes mean.

LEMON (Babayan et al. 2019, doi:10.1038/sdata.2018.308) is published with several tables:

* ``META_File_IDs_Age_Gender_Education_Drug_Smoke_SKID_LEMON.csv``: ``ID``, ``Gender_ 1=female_2=male``, ``Age`` in
  bins of five years.
* ``participants.tsv`` of its MRI data set, OpenNeuro ds000221: ``participant_id``, ``gender`` as M and F,
  ``age (5-year bins)``.
* ``name_match.csv``: the EEG is published under ``INDI_ID`` (sub-0323xx), the MRI of ds000221 under ``Initial_ID``
  (sub-0100xx).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from monai_fusion.datalist.building.participants_table import ParticipantsTable, TableRow
from monai_fusion.errors import InputError, Problem
from monai_fusion.spelling import nfc
from monai_fusion.wording import did_you_mean, one_of, quoted

LEMON_ID_MAP = ("INDI_ID", "Initial_ID")


@dataclass(frozen=True, slots=True)
class Preset:
    """What is known of a cohort's tables.

    Attributes:
        columns: For each of our column names, the names it has in the cohort's tables (case and spaces do not count).
        codes: ``VALUE=CLASS`` for columns whose name states what the codes mean.
        keep: Columns that are carried into the datalist, if they are not the label.
    """

    columns: Mapping[str, tuple[str, ...]]
    codes: Mapping[str, tuple[str, ...]]
    keep: tuple[str, ...]


PRESETS = {
    "lemon": Preset(
        columns={
            "participant_id": ("participant_id", "ID"),
            "gender": ("gender", "Gender_ 1=female_2=male"),
            "age": ("age (5-year bins)", "age"),
        },
        codes={"Gender_ 1=female_2=male": ("1=F", "2=M")},
        keep=("age", "gender"),
    )
}


def preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        InputError: There is none.
    """
    if name.casefold() not in PRESETS:
        advice = did_you_mean(name, PRESETS)
        raise InputError(Problem("--preset", seen=quoted(name), wanted=one_of(sorted(PRESETS)), advice=advice))
    return PRESETS[name.casefold()]


def with_our_columns(table: ParticipantsTable, known: Preset) -> tuple[ParticipantsTable, dict[str, tuple[str, ...]]]:
    """The table with the preset's columns under our names, and the codes of those of them that have codes.

    Columns that the preset does not know stay as they are.
    """
    written = {_key(name): name for name in table.columns}
    codes_of = {_key(name): codes for name, codes in known.codes.items()}
    renamed: dict[str, str] = {}
    codes: dict[str, tuple[str, ...]] = {}
    for ours, theirs in known.columns.items():
        found = next((_key(name) for name in theirs if _key(name) in written), None)
        if (
            found is not None
            and written[found] not in renamed
            and (written[found] == ours or ours not in table.columns)
        ):
            renamed[written[found]] = ours
            codes |= {ours: codes_of[found]} if found in codes_of else {}
    columns = tuple(renamed.get(name, name) for name in table.columns)
    rows = tuple(
        TableRow(row.line, {renamed.get(name, name): value for name, value in row.values.items()}) for row in table.rows
    )
    return replace(table, columns=columns, rows=rows, also_called=known.columns), codes


def _key(column: str) -> str:
    return nfc("".join(column.split()).casefold())
