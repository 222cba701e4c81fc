"""Every file of a run read, checked and prepared before anything trains."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.transforms import Compose

from monai_fusion.data import EEGDataset, MRIDataset, SegmentItems, VolumeItems
from monai_fusion.data.filling import FillReport, fill
from monai_fusion.data.preparing import PreparationChain
from monai_fusion.data.runners import Runner
from monai_fusion.datalist import Datalist, ParticipantRecord
from monai_fusion.errors import InputError, Problem
from monai_fusion.keys import EEG, MRI
from monai_fusion.workflow.preflight import make_writable

logger = logging.getLogger(__name__)


def prepare(
    cohort: Datalist,
    sections: Sequence[str],
    preprocessing: Mapping[str, Sequence[Any]],
    cache_dir: str | os.PathLike[str] | None,
    num_workers: int | None = None,
) -> None:
    """Fill the preprocessed store with every file of the sections and say who takes part.

    A file that is wrong is found here, before hours of training, and together with all others that are wrong.

    Args:
        cohort: The datalist.
        sections: Its parts that the run, or the evaluation after it, will use.
        preprocessing: ``{"eeg": [...], "mri": [...]}``, the deterministic transforms.
        cache_dir: Folder of the store; with None files are read when the datasets are built.
        num_workers: Threads that prepare files; None for one a core.

    Raises:
        InputError: Files that cannot be read or are not what they should be, or a section in which nobody has both
            recordings.
    """
    both: list[ParticipantRecord] = []
    for section in sections:
        records = cohort.records(section)
        complete = [record for record in records if record.eeg and record.mri is not None]
        _announce(section, records, complete, cohort.classes)
        if not complete:
            wanted = "participants who have both an EEG and an MRI"
            raise InputError(Problem(str(cohort.path), section, "none", wanted))
        both += complete
    if cache_dir is None:
        return
    logger.info("preprocessed files: %s", cache_dir)
    problems: list[Problem] = []
    report = FillReport()
    for build, items, key in ((MRIDataset, VolumeItems(both), MRI), (EEGDataset, SegmentItems(both), EEG)):
        try:
            dataset = build(items, Compose(list(preprocessing[key])), cache_dir, num_workers=num_workers)
        except InputError as error:
            problems += error.problems
        else:
            report += dataset.report
    if problems:
        raise InputError(problems, heading=str(cohort.path))
    logger.info("%s", report)


def preprocess(
    cohort: Datalist,
    preprocessing: Mapping[str, Sequence[Any]],
    cache_dir: str | os.PathLike[str],
    runner: Runner,
) -> FillReport:
    """Fill the preprocessed store with every recording of a datalist, also of people who have only one.

    Args:
        cohort: The datalist.
        preprocessing: ``{"eeg": [...], "mri": [...]}``, the deterministic transforms.
        cache_dir: Folder of the store.
        runner: Where files are prepared.

    Returns:
        What was done.

    Raises:
        InputError: The store cannot be written to; or files that cannot be read or are not what they should be: the
            others are prepared nevertheless.
    """
    make_writable(Path(cache_dir), "--cache-dir")
    records = [record for section in cohort.sections for record in cohort.records(section)]
    report = FillReport()
    problems: list[Problem] = []
    kinds = ((MRI, "MRI", VolumeItems(records)), (EEG, "EEG", SegmentItems(records)))
    for recording, title, items in kinds:
        chain = PreparationChain(recording, list(preprocessing[recording]), str(Path(cache_dir).absolute()))
        try:
            report += fill(chain, items, runner, title, progress=None)[1]
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems, heading=str(cohort.path))
    return report


def _announce(
    section: str, records: Sequence[ParticipantRecord], complete: Sequence[ParticipantRecord], classes: Sequence[str]
) -> None:
    counts = Counter(record.label for record in complete)
    named = [f"{counts[index]} {name}" for index, name in enumerate(classes)]
    named += [f"{counts[None]} without a label"] if counts[None] else []
    segments = sum(len(record.eeg) for record in complete)
    people = f"{len(complete)} participant{'' if len(complete) == 1 else 's'}"
    ending = "" if segments == 1 else "s"
    logger.info("%s: %s (%s), %d EEG segment%s", section, people, ", ".join(named), segments, ending)
    left_out = [record.participant_id for record in records if record not in complete]
    if left_out:
        shown = ", ".join(left_out[:5]) + (", ..." if len(left_out) > 5 else "")
        logger.warning("%s: left out, one recording only: %d (%s)", section, len(left_out), shown)
