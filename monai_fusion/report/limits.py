"""The limits of the results, as sentences for the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from monai_fusion.cohort_profile.words import warning_of
from monai_fusion.metrics.fields_of_scores import Score
from monai_fusion.metrics.metrics_file import Metrics
from monai_fusion.report.number_text import count_participants, sentence
from monai_fusion.report.predictions_reader import PredictionRow
from monai_fusion.report.run_results import Results
from monai_fusion.report.verdict import NAMED_CLASSES, WIDE_BELOW
from monai_fusion.runs.unfinished import unfinished
from monai_fusion.wording import counted


def limits_of(results: Results) -> list[str]:
    """List the limits of the results, the gravest first; each entry is one or two sentences."""
    sentences: list[str] = []
    metrics = results.metrics
    if not results.labelled:
        sentences.append("No participant has a label, so the quality of the predictions is not known.")
    if left := unfinished(results.manifest):
        sentences.append(sentence(left))
    sentences += _number(results)
    if metrics is not None:
        sentences += _chance(metrics)
        sentences += [sentence(text) for text in metrics.warnings]
    if results.baseline is not None:
        sentences += [sentence(text) for text in results.baseline.warnings]
    if results.cohort is not None:
        sentences += [sentence(text) for text in results.cohort.warnings]
    if unlike := warning_of(participant.unlike_training for participant in results.participants):
        sentences.append(sentence(f"{unlike} (predictions.csv, unlike_training)"))
    sentences += about_the_unused(results.participants)
    if results.failed:
        failed = counted(results.failed, "participant")
        sentences.append(f"{failed} could not be predicted, and no score includes them (predictions.csv, error).")
    sentences.append(
        "One split of one cohort: other participants, another scanner or another seed would give other scores. "
        "A research result, not a medical device: do not base any decision about a patient on it."
    )
    return sentences


def about_the_unused(participants: Iterable[PredictionRow]) -> list[str]:
    """A sentence if participants were predicted without some of their EEG: how many."""
    number = sum(bool(each.not_used) for each in participants)
    were = "was" if number == 1 else "were"
    about = "some of the EEG, which could not be used (predictions.csv, not_used)"
    return [f"{counted(number, 'participant')} {were} predicted without {about}."] if number else []


def _number(results: Results) -> list[str]:
    """The number of participants if it is small, and the weight of one of them."""
    counts = Counter(
        results.classes[participant.label] for participant in results.labelled if participant.label is not None
    )
    number = counts.total()
    if not number:
        return []
    each = ", ".join(f"{counts[name]} {name}" for name in results.classes)
    named = f" ({each})" if len(results.classes) <= NAMED_CLASSES else ""
    part = results.metrics.section if results.metrics and results.metrics.section else ""
    who = count_participants(number, part)
    sentences = []
    if number < WIDE_BELOW:
        wide = "the interval is wide" if _interval(results.metrics) else "the scores are uncertain"
        sentences.append(f"{who}{named}: {wide}. One more error changes the accuracy by {100 / number:.1f} points.")
    return sentences


def _chance(metrics: Metrics) -> list[str]:
    """Sentences about scores whose interval includes chance."""
    sentences = []
    for name, score in (("AUROC", metrics.scores.auroc), ("balanced accuracy", metrics.scores.balanced_accuracy)):
        if score.interval and score.baseline is not None and score.interval[0] <= score.baseline:
            sentences.append(
                f"The interval of the {name} begins at {score.interval[0]:.2f}: "
                f"chance, {score.baseline:.2f}, is not excluded."
            )
    return sentences


def _interval(metrics: Metrics | None) -> bool:
    scores: list[Score] = [metrics.scores.auroc, metrics.scores.balanced_accuracy] if metrics else []
    return any(score.interval for score in scores)
