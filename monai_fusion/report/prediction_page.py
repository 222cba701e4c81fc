"""``predictions.html`` and ``predictions.xlsx``: the predictions for participants whose class is not known."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_fusion import __version__
from monai_fusion.cohort_profile.words import warning_of
from monai_fusion.datalist.availability import TITLES, AvailableModalities
from monai_fusion.errors import InputError, Problem
from monai_fusion.files import write_for_readers
from monai_fusion.metrics.fields_of_scores import Score
from monai_fusion.metrics.operating_points import BALANCED, FIXED, PRIOR
from monai_fusion.metrics.prediction_words import WHAT_IT_IS, set_words
from monai_fusion.report.limits import about_the_unused
from monai_fusion.report.page import page_environment, write_report
from monai_fusion.report.pictures import mri_slice, scalogram_picture
from monai_fusion.report.prediction_details import PredictionDetails, read_prediction_details
from monai_fusion.report.prediction_table import workbook
from monai_fusion.report.predictions_data import (
    Decision,
    ModelFacts,
    OwnTest,
    PredictionsData,
    SetFacts,
    read_predictions_data,
)
from monai_fusion.report.predictions_reader import read_failures
from monai_fusion.report.run_results import pictures_by_participant
from monai_fusion.report.set_words import guarantee, percent
from monai_fusion.run_folder import MOST_PICTURES, PREDICTIONS_PAGE_FILE, PREDICTIONS_TABLE_FILE, THUMBNAILS_FILE
from monai_fusion.stored_arrays import read_arrays
from monai_fusion.wording import counted

logger = logging.getLogger(__name__)

_FEW_TESTED = 30
_CLASS_LIST = 6
_HAS: dict[AvailableModalities, str] = {**TITLES, "both": "EEG and MRI"}


def write_pages(folder: str | os.PathLike[str]) -> list[Path]:
    """Write the page for the content of a folder: ``predictions.html``, or the report of an evaluation.

    Args:
        folder: The output folder of an evaluation or an inference.

    Returns:
        The files written.

    Raises:
        InputError: The folder has no predictions, or wrong ones, or is not writable.
    """
    participants = read_prediction_details(Path(folder))[1]
    if any(each.participant.label is not None for each in participants):
        return [write_report(folder)]
    return write_predictions_page(folder)


def write_predictions_page(folder: str | os.PathLike[str]) -> list[Path]:
    """Write ``predictions.html`` and ``predictions.xlsx`` into the folder of an inference.

    Args:
        folder: The folder with ``predictions.csv`` and, if present, ``predictions_data.json`` and
            ``thumbnails.npz``. No recordings, no model.

    Returns:
        The two files. The same results give the same page.

    Raises:
        InputError: The folder has no predictions, or wrong ones, or is not writable.
    """
    folder = Path(folder)
    classes, participants = read_prediction_details(folder)
    failed = read_failures(folder)
    context = read_predictions_data(folder)
    page = _render_predictions(folder, classes, participants, context, failed).encode("utf-8")
    about = [
        *_about_model(context.model),
        *_about_decision(context.decision, classes, participants),
        *_about_sets(context.sets, classes, participants),
        _about_labels(participants),
    ]
    table = workbook(participants, classes, [WHAT_IT_IS, *about], failed)
    written = []
    for name, content in ((PREDICTIONS_PAGE_FILE, page), (PREDICTIONS_TABLE_FILE, table)):
        path = folder / name
        try:
            written.append(write_for_readers(path, content))
        except OSError as error:
            seen = f"cannot be written: {error.strerror or error}"
            raise InputError(Problem(str(path), seen=seen, wanted="a folder that can be written to")) from error
    logger.info("wrote %s", " and ".join(map(str, written)))
    return written


def _render_predictions(
    folder: Path,
    classes: Sequence[str],
    participants: Sequence[PredictionDetails],
    context: PredictionsData,
    failed: Mapping[str, str] | None = None,
) -> str:
    """Return the page as HTML."""
    model = context.model
    rows = _rows(folder, classes, participants, model)
    thresholds = {each.threshold for each in participants}
    return (
        page_environment()
        .get_template("predictions.html")
        .render(
            name=context.datalist or os.fsencode(folder.resolve().name).decode("utf-8", errors="replace"),
            target=context.target,
            from_what=_from_what(model),
            what_it_is=WHAT_IT_IS,
            limits=[
                *_about_model(model),
                *_about_decision(context.decision, classes, participants),
                *_about_sets(context.sets, classes, participants),
                _about_labels(participants),
                *_about_recordings(participants, model),
                *_about_the_unlike(participants),
                *about_the_unused(each.participant for each in participants),
            ],
            counts=_counts(classes, participants),
            number=len(participants),
            rows=rows,
            classes=classes,
            threshold=thresholds.pop() if len(thresholds) == 1 and len(classes) == 2 else None,
            sets_of=_sets_of(context.sets, participants),
            weighed=any(row.weight is not None for row in rows),
            mri=any(row.mri for row in rows),
            eeg=any(row.eeg for row in rows),
            most_pictures=MOST_PICTURES if len(participants) > MOST_PICTURES else None,
            spread=any(row.spread is not None for row in rows),
            failed=[(name, why) for name, why in (failed or {}).items() if name not in context.left_out],
            left_out=[(name, TITLES[pattern]) for name, pattern in context.left_out.items()],
            model=model,
            version=context.version or __version__,
        )
    )


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of the page.

    Attributes:
        participant: The participant.
        predicted: The class name.
        shown: The class whose probability the bar shows: the second of two, else the predicted one.
        probability: Its probability.
        threshold: Of two classes.
        others: The next probable classes, of more than two, with their probabilities.
        recordings: The available recordings.
        weight: The weight of the EEG in percent; None unless the gate weighed two recordings.
        members: The prediction set in words; empty if there are no sets.
        turns: The recordings whose replacement by those of other participants changes the predicted class.
        mri: A slice as a ``data:`` address.
        eeg: The mean scalogram.
        spread: The standard deviation over the EEG segments of the predicted class's probability; None if it is not
            known.
    """

    participant: Any
    predicted: str
    shown: str
    probability: float
    threshold: float | None
    others: tuple[tuple[str, float], ...]
    recordings: str
    weight: int | None
    members: str
    turns: tuple[str, ...]
    mri: str | None
    eeg: str | None
    spread: float | None


def _rows(
    folder: Path, classes: Sequence[str], participants: Sequence[PredictionDetails], model: ModelFacts | None
) -> list[_Row]:
    stored = read_arrays(folder / THUMBNAILS_FILE, ("participant_id", "mri", "eeg"))
    mri, eeg = pictures_by_participant(stored, "mri", (3,)), pictures_by_participant(stored, "eeg", ())
    rows = []
    for place, each in enumerate(participants):
        participant, two = each.participant, len(classes) == 2
        predicted, name = classes[participant.predicted], participant.participant_id
        has = participant.recordings if model is None or model.modalities == "both" else model.modalities
        pairs = sorted(zip(participant.probabilities, classes, strict=True), key=lambda pair: -pair[0])
        others = [(label, probability) for probability, label in pairs if label != predicted]
        turns = [
            title
            for title, other in (("EEG", each.without_eeg), ("MRI", each.without_mri))
            if other and other != predicted
        ]
        rows.append(
            _Row(
                participant=participant,
                predicted=predicted,
                shown=classes[1] if two else predicted,
                probability=participant.probabilities[1] if two else participant.confidence,
                threshold=each.threshold if two else None,
                others=() if two else tuple(others[:2]),
                recordings=_HAS[has],
                weight=round(100 * participant.gate) if has == "both" and math.isfinite(participant.gate) else None,
                members=set_words(participant.prediction_set or (), classes),
                turns=tuple(turns),
                mri=mri_slice(mri[name]) if name in mri and has != "eeg" and place < MOST_PICTURES else None,
                eeg=scalogram_picture(eeg[name]) if name in eeg and has != "mri" and place < MOST_PICTURES else None,
                spread=each.spread,
            )
        )
    return rows


def _counts(classes: Sequence[str], participants: Sequence[PredictionDetails]) -> str:
    """``3 M, 1 F``; of many classes only those that are predicted."""
    numbers = [
        (label, sum(each.participant.predicted == label for each in participants)) for label in range(len(classes))
    ]
    if len(classes) > _CLASS_LIST:
        numbers = sorted((pair for pair in numbers if pair[1]), key=lambda pair: -pair[1])[:_CLASS_LIST]
    return ", ".join(f"{number} {classes[label]}" for label, number in numbers)


def _from_what(model: ModelFacts | None) -> str:
    if model is None:
        return ""
    return {"both": "from EEG and MRI", "eeg": "from the EEG alone", "mri": "from the MRI alone"}[model.modalities]


def _about_model(model: ModelFacts | None) -> Iterator[str]:
    """Sentences about the model and its scores."""
    if model is None:
        yield "The model is not known: there is no predictions_data.json that this version can read."
        return
    when = f", trained on {model.trained}" if model.trained else ""
    whom = f" with {model.participants} participants" if model.participants is not None else ""
    cohort = f' of "{model.cohort}"' if model.cohort else ""
    yield f'The model is "{model.name}"{when}{whom}{cohort if whom or when else ""}.'
    if model.own_test is None and model.own_test_note:
        yield f"How well it predicts is not known. {model.own_test_note}"
    elif model.own_test is None:
        yield (
            "How well it predicts is not known: there was no evaluation (metrics.json) beside the model. Run "
            "monai-fusion evaluate on participants whose class is known."
        )
    else:
        yield from _about_test(model.own_test)
    yield (
        "Predictions may be worse for participants with another site, scanner, age or illness than the training "
        "participants."
    )


def _about_test(test: OwnTest) -> Iterator[str]:
    who = f'{counted(test.participants, "participant")} of "{test.datalist}"'
    scores = [("an AUROC", test.auroc), ("a balanced accuracy", test.balanced_accuracy)]
    known = [
        f"{title} of {_score(score.value, score)}"
        for title, score in scores
        if score is not None and score.value is not None
    ]
    if not known:
        yield f"On the {test.section} part ({who}) its scores are not defined."
        return
    few = (
        " These are few participants: the true scores may be much lower or higher."
        if test.participants < _FEW_TESTED
        else ""
    )
    yield f"On the {test.section} part, {who}, it had {' and '.join(known)}.{few}"
    if test.auroc is not None and test.auroc.interval is not None and test.auroc.interval[0] <= 0.5:
        yield "It is not shown to be better than chance: the interval of its AUROC includes 0.5."


def _score(value: float, score: Score) -> str:
    interval = ""
    if score.interval is not None:
        interval = f"95 % interval {score.interval[0]:.2f} to {score.interval[1]:.2f}; "
    guessing = "" if score.baseline is None else f"guessing {score.baseline:.2f}"
    inside = f"{interval}{guessing}".removesuffix("; ")
    return f"{value:.2f}" + (f" ({inside})" if inside else "")


def _about_decision(
    decision: Decision | None, classes: Sequence[str], participants: Sequence[PredictionDetails]
) -> Iterator[str]:
    """How probabilities became classes."""
    threshold = participants[0].threshold if participants else None
    if len(classes) == 2 and threshold is not None:
        how = ""
        point = decision.operating_point if decision is not None else ""
        if point == BALANCED:
            how = " (0.5 at equal class shares)"
        elif point not in ("", FIXED, PRIOR):
            how = f" (chosen on the training's validation part: {point})"
        yield f"{classes[1]} is predicted where its probability is above {threshold:.3f}{how}, otherwise {classes[0]}."
    elif decision is not None and decision.operating_point == BALANCED:
        yield "The class that would be the most probable at equal class shares is predicted."
    else:
        yield "The most probable class is predicted."
    if decision is None:
        return
    if not decision.calibrated:
        yield "The probabilities are the network's own, not calibrated: they may be overconfident."
        return
    yield from (f"{note[:1].upper()}{note[1:]}." for note in decision.notes)
    if len(decision.target_prior) == len(classes) <= _CLASS_LIST:
        shares = ", ".join(f"{share:.0%} {name}" for name, share in zip(classes, decision.target_prior, strict=True))
        yield f"The probabilities assume these class shares: {shares.replace('%', ' %')}."


def _sets_of(sets: SetFacts | None, participants: Sequence[PredictionDetails]) -> str:
    """The heading of the sets' column; empty if the participants have none."""
    if all(each.participant.prediction_set is None for each in participants):
        return ""
    return "Prediction set" if sets is None else f"Set at {percent(sets.coverage)}"


def _about_sets(
    sets: SetFacts | None, classes: Sequence[str], participants: Sequence[PredictionDetails]
) -> Iterator[str]:
    """What the sets mean, and how many are undecided."""
    found = [each.participant.prediction_set for each in participants if each.participant.prediction_set is not None]
    if not found:
        return
    if sets is not None:
        yield from guarantee(sets, sets.part, sets.participants, classes)
        yield from (f"{note[:1].upper()}{note[1:]}." for note in sets.notes)
    undecided = sum(len(members) > 1 for members in found)
    yield f"Undecided: {undecided} of {counted(len(found), 'participant')} ({percent(undecided / len(found))})."


def _about_labels(participants: Sequence[PredictionDetails]) -> str:
    known = sum(each.participant.label is not None for each in participants)
    if not known:
        return "The true classes are not known, so the number of correct predictions is not known either."
    total = len(participants)
    return f"The true classes of {known} of {total} are known: metrics.json has the number of correct predictions."


def _about_recordings(participants: Sequence[PredictionDetails], model: ModelFacts | None) -> Iterator[str]:
    lacking = sum(each.participant.recordings != "both" for each in participants)
    if lacking and (model is None or model.modalities == "both"):
        were = "participant was" if lacking == 1 else "participants were"
        yield f"{lacking} {were} predicted from one recording alone."


def _about_the_unlike(participants: Sequence[PredictionDetails]) -> Iterator[str]:
    if unlike := warning_of(each.participant.unlike_training for each in participants):
        yield f"{unlike}. Such a prediction may be wrong in a way that no test of the model has shown."
