"""Participants of a prediction whose recordings are not there: why, in the words of the step that lost them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from monai_fusion.datalist import Datalist, ParticipantRecord
from monai_fusion.recordings.not_made import FILE, NotMade, read_not_made
from monai_fusion.wording import a_few, counted

logger = logging.getLogger(__name__)


def with_reasons(cohort: Datalist) -> Datalist:
    """Return the datalist with what became of raw EEG: `ParticipantRecord.lost` and `ParticipantRecord.not_used`.

    The reason is the one that `monai-fusion predict` has kept beside the scalograms. A participant is lost if no raw
    recording became scalograms; of one with others that did, their scalograms alone are used. Those of an earlier
    recording are not used; those that were made since are.
    """
    reasons: dict[Path, dict[str, NotMade]] = {}
    for records in cohort.by_section.values():
        for folder in {record.eeg[0].parent for record in records if record.eeg} - reasons.keys():
            reasons[folder] = read_not_made(folder)
    if not any(reasons.values()):
        return cohort
    by_section = {
        section: tuple(_with_reason(record, reasons) for record in records)
        for section, records in cohort.by_section.items()
    }
    return replace(cohort, by_section=by_section)


def tell_of_lost(cohort: Datalist) -> None:
    """Say how many participants cannot be predicted, or only in part, because recordings are not there."""
    for how, ids in (
        ("cannot be predicted", [record.participant_id for record in cohort.all_records if record.lost]),
        ("predicted without some of their EEG", [each.participant_id for each in cohort.all_records if each.not_used]),
    ):
        if ids:
            logger.warning("%s %s, recordings are not there: %s", counted(len(ids), "participant"), how, a_few(ids))


def _with_reason(record: ParticipantRecord, reasons: Mapping[Path, Mapping[str, NotMade]]) -> ParticipantRecord:
    folder = record.eeg[0].parent if record.eeg else None
    told = None if folder is None else reasons[folder].get(record.participant_id)
    if folder is None or told is None:
        return record
    made = tuple(path for path in record.eeg if path.name in told.made)
    others = [path for path in record.eeg if path.name not in told.made]
    if not record.lost and others and _made_since(others, folder / FILE):
        return record
    if made:
        why = "; ".join(filter(None, (told.reason, record.not_used)))
        return record if record.lost else replace(record, eeg=made, not_used=why)
    return replace(record, lost=f"eeg: {told.reason}")


def _made_since(paths: Sequence[Path], told: Path) -> bool:
    """Whether all of these scalograms were written after it was told that they were not made."""
    try:
        before = told.stat().st_mtime_ns
        return all(path.stat().st_mtime_ns > before for path in paths)
    except OSError:  # reading it reports what is wrong
        return True
