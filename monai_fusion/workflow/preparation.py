"""Reading, checking and preparing every file of a run before it trains."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from monai_fusion import ranks
from monai_fusion.data import Preprocessing
from monai_fusion.datalist import Datalist, ParticipantRecord
from monai_fusion.datalist.availability import (
    AVAILABLE_MODALITIES,
    BOTH_REQUIRED,
    TITLES,
    ModalityPolicy,
    count_by_modalities,
    modalities_of,
)
from monai_fusion.datalist.balance import CRAMERS_V_WARNED_OF, P_WARNED_OF, link_of
from monai_fusion.datalist.groups import KIN, torn_fields
from monai_fusion.errors import InputError, Problem, input_error_behind
from monai_fusion.keys import EEG, MRI
from monai_fusion.output_folder import make_writable
from monai_fusion.shipped_bundle import config_files
from monai_fusion.store.filling import FillReport
from monai_fusion.store.runners import Runner
from monai_fusion.wording import counted
from monai_fusion.workflow.shared_recordings import refuse_recordings_of_other_parts, refuse_shared_recordings

logger = logging.getLogger(__name__)

_WANTED = {
    (allow_missing, modalities): wanted
    for allow_missing, modalities, wanted in (
        *((False, each, "participants who have both an EEG and an MRI") for each in AVAILABLE_MODALITIES),
        (True, "both", "participants who have an EEG or an MRI"),
        (True, "eeg", "participants who have an EEG"),
        (True, "mri", "participants who have an MRI"),
    )
}


def prepare(
    cohort: Datalist,
    sections: Sequence[str],
    preprocessing: Preprocessing,
    use: ModalityPolicy = BOTH_REQUIRED,
    fill: bool = True,
) -> None:
    """Fill the preprocessed store with every file of the sections and report which participants take part.

    It finds all wrong files here, together, before hours of training. An inference prepares each file when its
    participant's turn comes (`monai_fusion.data.StreamedParticipants`): there a wrong one costs that participant.

    Args:
        cohort: The datalist.
        sections: Its parts that the run, or the evaluation after it, will use.
        preprocessing: The transforms and the store; without a store, files are read when the datasets are built.
        use: Which participants take part, with which recordings.
        fill: Whether to prepare the files here.

    Raises:
        InputError: Files that cannot be read or are not what they should be; a section in which no participant can
            take part; the same recording in two parts of the datalist; or a file in the place of the store. (If the
            store cannot be written to, the run reports it and continues without.)
    """
    store = preprocessing.cache_dir
    if store is not None and Path(store).is_file():
        raise InputError(Problem("--cache_dir", seen=f"{store} is a file", wanted="a folder, which need not exist yet"))
    taking_part: list[ParticipantRecord] = []
    for section in sections:
        if not cohort.records(section):  # the datalist's check has allowed it
            logger.info("%s: no participant", section)
            continue
        used, left_out = use.select(cohort.records(section))
        _announce(section, used, left_out, cohort.classes, use)
        if not used:
            raise InputError(Problem(str(cohort.path), section, "none", _WANTED[use.allow_missing, use.modalities]))
        taking_part += used
    _warn_of_torn_groups(taking_part)
    if store is not None:
        logger.info("preprocessed files: %s", store)
        if fill:
            logger.info("%s", _filled(preprocessing, taking_part, cohort, None, ranks.is_main()))
    _refuse_leaks(cohort, sections, taking_part, use, store)


def _refuse_leaks(
    cohort: Datalist,
    sections: Sequence[str],
    taking_part: Sequence[ParticipantRecord],
    use: ModalityPolicy,
    store: str | None,
) -> None:
    try:
        if len(sections) > 1:
            refuse_shared_recordings(cohort, taking_part, store)
        else:
            refuse_recordings_of_other_parts(cohort, taking_part, use, store)
    except OSError:  # a file that cannot be read is reported, with its participant, where the dataset reads it
        logger.debug("recordings were not compared between the parts", exc_info=True)


def preprocess(cohort: Datalist, preprocessing: Preprocessing, runner: Runner) -> FillReport:
    """Fill the preprocessed store with every recording of a datalist, also of participants who have only one.

    Args:
        cohort: The datalist.
        preprocessing: The transforms and the store.
        runner: Where files are prepared.

    Returns:
        What was done.

    Raises:
        InputError: The store cannot be written to; or files cannot be read or are not what they should be: the others
            are still prepared.
    """
    make_writable(Path(str(preprocessing.cache_dir)), "--cache-dir")
    return _filled(preprocessing, cohort.all_records, cohort, runner, None)


def configured_preprocessing(
    knobs: Mapping[str, Any], cache_dir: str | os.PathLike[str] | None, config_file: Path | None = None
) -> Preprocessing:
    """Build the preprocessing that the shipped ``train.yaml`` describes, outside a run.

    Args:
        knobs: Values in place of the config's own.
        cache_dir: Folder of the preprocessed store; None for none.
        config_file: An overlay on ``train.yaml``, or a copy of it with other transforms. Its expressions are evaluated.

    Raises:
        InputError: The file does not exist, a knob has an impossible value, or a transform cannot be built.
    """
    files = [*config_files("train")]
    if config_file is not None:
        if not config_file.is_file():
            raise InputError(Problem("--config-file", seen=f"{config_file}: no such file", wanted="a bundle config"))
        files.append(config_file)
    parser = ConfigParser()
    parser.read_config([str(file) for file in files])
    parser.update(dict(knobs))
    try:
        eeg, mri = (parser.get_parsed_content(f"{name}_preprocessing") for name in (EEG, MRI))
        eeg_dtype, mri_dtype = (parser.get_parsed_content(f"{name}_store_dtype") for name in (EEG, MRI))
    except (RuntimeError, ImportError) as error:  # MONAI wraps the errors of constructors and expressions
        if cause := input_error_behind(error):
            raise InputError(cause.problems) from error
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise InputError(
            Problem(str(config_file or files[0]), seen=f"a transform cannot be built: {reason}")
        ) from error
    return Preprocessing(eeg, mri, cache_dir, eeg_dtype, mri_dtype)


def _filled(
    preprocessing: Preprocessing,
    records: Sequence[ParticipantRecord],
    cohort: Datalist,
    runner: Runner | None,
    progress: bool | None,
) -> FillReport:
    try:
        return preprocessing.fill_store(records, runner, progress)
    except InputError as error:
        raise InputError(error.problems, heading=str(cohort.path)) from None


def _announce(
    section: str,
    used: Sequence[ParticipantRecord],
    left_out: Sequence[ParticipantRecord],
    classes: Sequence[str],
    use: ModalityPolicy,
) -> None:
    counts = Counter(record.label for record in used)
    named = [f"{counts[index]} {name}" for index, name in enumerate(classes)]
    named += [f"{counts[None]} without a label"] if counts[None] else []
    segments = sum(len(record.eeg) for record in used)
    participants = counted(len(used), "participant")
    logger.info("%s: %s (%s), %s", section, participants, ", ".join(named), counted(segments, "EEG segment"))
    if use.modalities != "both":
        logger.info("%s: --modalities %s: the other recording is not used", section, use.modalities)
    elif (
        len(shown := [f"{count} with {TITLES[name]}" for name, count in count_by_modalities(used).items() if count]) > 1
    ):
        logger.info("%s: %s", section, ", ".join(shown))
        _warn_of_confounding(section, used, classes)
    if left_out:
        named = [record.participant_id for record in left_out[:5]] + (["..."] if len(left_out) > 5 else [])
        why = f"without {use.modalities.upper()}" if use.allow_missing else "one recording only"
        logger.warning("%s: left out, %s: %d (%s)", section, why, len(left_out), ", ".join(named))


def _warn_of_torn_groups(taking_part: Sequence[ParticipantRecord]) -> None:
    """Warn of relatives in several parts; a datalist with ``group_by`` was refused for it."""
    for torn in torn_fields([(record.section, record.extra) for record in taking_part], KIN):
        logger.warning("%s: %s: if they are relatives, the test is not independent", torn.name, torn)


def _warn_of_confounding(section: str, used: Sequence[ParticipantRecord], classes: Sequence[str]) -> None:
    """Warn if a network could recognise the class from the missing recordings."""
    found = [(modalities_of(record), record.label) for record in used]
    pairs = [(TITLES[pattern], label) for pattern, label in found if pattern is not None and label is not None]
    link = link_of("which recordings are there", pairs, len(classes))
    if link.p < P_WARNED_OF and link.cramers_v >= CRAMERS_V_WARNED_OF:
        shares = ", ".join(f"{100 * share:.0f} % of {name}" for share, name in zip(link.shares, classes, strict=True))
        logger.warning(
            "%s: the available recordings are associated with the class (%s have %s; Cramer's V %.2f): the network can"
            " learn the class from the missing ones, so look at the results by pattern",
            *(section, shares, link.category, link.cramers_v),
        )
