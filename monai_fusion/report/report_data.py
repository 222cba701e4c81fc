"""``report_data.json``: the cohort and the training as they were when the model was evaluated."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from monai_fusion.datalist.balance import Member, balance_of, warning_of
from monai_fusion.datalist.examination import Requirements, examine
from monai_fusion.datalist.json_text import parse_bytes, read_json_file
from monai_fusion.datalist.records import Datalist
from monai_fusion.files import latest, write_atomically
from monai_fusion.model_files import read_model_object
from monai_fusion.reading import read_bytes, read_model
from monai_fusion.run_folder import HISTORY_FILE, MANIFEST_FILE, REPORT_DATA_FILE


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CohortRow(_Part):
    """The number of participants in a part of the datalist.

    Attributes:
        part: ``training``, ``validation``, ``test`` or ``all``.
        by_class: Participants of each class.
        by_stratum: ... within each stratum of the `Cohort`.
        unlabelled: Participants whose class is not known.
        one_recording: Participants without the EEG or the MRI.
    """

    part: str
    by_class: tuple[int, ...]
    by_stratum: tuple[tuple[int, ...], ...]
    unlabelled: int
    one_recording: int

    @property
    def number(self) -> int:
        """All participants of the part."""
        return sum(self.by_class) + self.unlabelled


class Cohort(_Part):
    """The counts of a datalist.

    Attributes:
        name: The cohort's name.
        target: The classified property, e.g. gender.
        classes: Class names.
        strata: Field and category of each stratum.
        rows: The parts with participants, and all of them together.
        warnings: Warnings of fields that are associated with the class.
    """

    name: str
    target: str
    classes: tuple[str, ...]
    strata: tuple[tuple[str, str], ...]
    rows: tuple[CohortRow, ...]
    warnings: tuple[str, ...]

    @model_validator(mode="after")
    def _fits(self) -> Cohort:
        """Every row counts the same classes and strata: the columns of the page."""
        width = len(self.classes)
        for row in self.rows:
            strata = [len(counts) for counts in row.by_stratum]
            if len(row.by_class) != width or strata != [width] * len(self.strata):
                raise ValueError("rows of other classes or strata")
        return self


class ReportData(_Part):
    """The content of ``report_data.json``.

    Attributes:
        cohort: The counts of the datalist; None if there is no such file.
        history: The rows of ``history.csv``.
        manifest: The training's ``manifest.json``; None if there is none.
    """

    cohort: Cohort | None = None
    history: tuple[dict[str, str], ...] = ()
    manifest: dict[str, Any] | None = None


def write_report_data(
    folder: str | os.PathLike[str],
    datalist: Datalist | str | os.PathLike[str],
    section: str,
    model_dir: str | os.PathLike[str],
) -> None:
    """Write ``report_data.json`` beside an evaluation's results.

    Args:
        folder: The folder of the results; it must exist.
        datalist: The evaluated datalist, or its path (the file may have changed since). Only its counts are stored, no
            ids and no paths.
        section: The evaluated part; if the others cannot be read, only this one is counted.
        model_dir: The run folder of the model, or the exported file; its history and manifest are copied, so that the
            report describes the training of this model even if another training replaces it or ``folder`` is elsewhere.

    Raises:
        InputError: The part of the datalist is wrong.
    """
    trained = Path(model_dir)
    content = ReportData(
        cohort=describe_cohort(datalist, section),
        history=tuple(read_history(trained)),
        manifest=read_model_object(trained, MANIFEST_FILE),
    )
    write_atomically(Path(folder) / REPORT_DATA_FILE, content.model_dump_json(indent=1).encode("utf-8"))


def describe_cohort(datalist: Datalist | str | os.PathLike[str], section: str) -> Cohort:
    """Count the participants of a datalist by part, class and stratum."""
    if isinstance(datalist, Datalist):
        path, file = datalist.path, parse_bytes(datalist.content)
    else:
        path, file = Path(datalist), read_json_file(Path(datalist))
    examined = examine(file, path, Requirements(labels=False, files=False))
    if examined.problems:  # perhaps in a part that the evaluation did not read
        examined = examine(file, path, Requirements([section], labels=False, files=False))
    cohort = examined.datalist()
    records = cohort.all_records
    members = [
        Member(record.section, None, record.label, {name: _text(value) for name, value in record.extra.items()})
        for record in records
        if record.label is not None
    ]
    columns = dict.fromkeys(name for record in records for name in record.extra if name != "fold")
    balance = balance_of(members, cohort.classes, columns)
    unlabelled = Counter(record.section for record in records if record.label is None)
    # From the rows: the recordings of the other parts need not be on this machine.
    rows_read = [participant.row for participant in examined.participants]
    incomplete = Counter(row.section for row in rows_read if not row.entry.eeg or not row.entry.mri)
    rows = [
        CohortRow(
            part=row.name,
            by_class=row.by_class,
            by_stratum=row.by_stratum,
            unlabelled=unlabelled.total() if row.name == "all" else unlabelled[row.name],
            one_recording=incomplete.total() if row.name == "all" else incomplete[row.name],
        )
        for row in balance.rows
    ]
    return Cohort(
        name=cohort.name,
        target=cohort.target,
        classes=cohort.classes,
        strata=balance.strata,
        rows=tuple(row for row in rows if row.number),
        warnings=tuple(warning_of(link, cohort.classes) for link in balance.links),
    )


def read_report_data(folder: Path) -> ReportData:
    """Read ``report_data.json``; empty if there is none, or if no evaluation wrote it."""
    return read_model(folder / REPORT_DATA_FILE, ReportData) or ReportData()


def read_history(folder: Path) -> list[dict[str, str]]:
    """The rows of a run folder's ``history.csv``; none if there is no such file, or it is not a table."""
    try:
        text = read_bytes(latest(folder / HISTORY_FILE)).decode("utf-8")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except (OSError, UnicodeDecodeError, csv.Error):
        return []
    # The surplus cells of a row are under None, and its missing cells are None.
    return [{name: value or "" for name, value in row.items() if isinstance(name, str)} for row in rows]


def _text(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)
