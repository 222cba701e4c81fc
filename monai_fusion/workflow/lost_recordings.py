"""Participants of a prediction whose recordings are not there: why, in the words of the step that lost them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from monai_fusion.datalist import Datalist, ParticipantRecord
from monai_fusion.recordings.not_made import FILE, read_reasons
from monai_fusion.wording import a_few, counted

logger = logging.getLogger(__name__)


def with_reasons(cohort: Datalist) -> Datalist:
    """Return the datalist with `ParticipantRecord.lost` for those whose raw EEG became no scalograms.

    The reason is the one that `monai-fusion predict` has kept beside the scalograms. Scalograms of an earlier recording
    of such a participant are not used; those that were made since are.
    """
    reasons: dict[Path, dict[str, str]] = {}
    for records in cohort.by_section.values():
        for folder in {record.eeg[0].parent for record in records if record.eeg} - reasons.keys():
            reasons[folder] = read_reasons(folder)
    if not any(reasons.values()):
        return cohort
    by_section = {
        section: tuple(_with_reason(record, reasons) for record in records)
        for section, records in cohort.by_section.items()
    }
    return replace(cohort, by_section=by_section)


def tell_of_lost(cohort: Datalist) -> None:
    """Say how many participants cannot be predicted because recordings that the datalist names are not there."""
    lost = [record.participant_id for records in cohort.by_section.values() for record in records if record.lost]
    if lost:
        logger.warning(
            "%s cannot be predicted, recordings are not there: %s", counted(len(lost), "participant"), a_few(lost)
        )


def _with_reason(record: ParticipantRecord, reasons: Mapping[Path, Mapping[str, str]]) -> ParticipantRecord:
    folder = record.eeg[0].parent if record.eeg else None
    reason = None if folder is None else reasons[folder].get(record.participant_id)
    if folder is None or reason is None or (not record.lost and _made_since(record, folder / FILE)):
        return record
    return replace(record, lost=f"eeg: {reason}")


def _made_since(record: ParticipantRecord, told: Path) -> bool:
    """Whether all scalograms were written after it was told that there are none."""
    try:
        before = told.stat().st_mtime_ns
        return all(path.stat().st_mtime_ns > before for path in record.eeg)
    except OSError:  # reading it reports what is wrong
        return True
