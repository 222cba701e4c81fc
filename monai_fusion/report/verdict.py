"""The result of an evaluation in a few sentences that never claim more than the numbers support."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from monai_fusion.baseline.words import better_than_numbers, beyond_covariates, first_sentence, reaches_network
from monai_fusion.metrics.fields_of_probabilities import CalibrationSection
from monai_fusion.metrics.fields_of_scores import PermutationTest, Score
from monai_fusion.metrics.metrics_file import Metrics
from monai_fusion.metrics.operating_points import BALANCED, FIXED, PRIOR, YOUDEN
from monai_fusion.report.number_text import count_participants, number, p_value, signed
from monai_fusion.report.run_results import Results
from monai_fusion.wording import listed

SIGNIFICANT = 0.05
WIDE_BELOW = 100
"""With fewer participants, an interval is called wide."""
NAMED_CLASSES = 4
"""The maximum number of classes that a sentence names."""

_WIDE = 0.2  # of an interval
_NOTHING, _MUCH = 0.02, 0.05  # the loss of AUROC without a recording
# A field that the evaluation adds (metrics/summary.py), as a sentence names it.
_FIELDS = {"pattern of recordings": "the pattern of recordings"}
_NO_HONEST_PART = {
    "training": "The network learned from these participants: the scores do not apply to other participants.",
    "validation": "These participants chose the epoch and the calibration: the scores are optimistically biased.",
}


@dataclass(frozen=True, slots=True)
class _Measure:
    """The score behind a verdict: the AUROC, or the balanced accuracy if there is no AUROC."""

    name: str
    score: Score
    p: float | None

    @property
    def reaches_chance(self) -> bool:
        interval, baseline = self.score.interval, self.score.baseline
        return interval is not None and baseline is not None and interval[0] <= baseline

    @property
    def below_chance(self) -> bool:
        interval, baseline = self.score.interval, self.score.baseline
        return interval is not None and baseline is not None and interval[1] < baseline

    @property
    def shown(self) -> bool:
        """Whether the test and the interval show that it is better than chance."""
        return self.p is not None and self.p <= SIGNIFICANT and not self.reaches_chance


def verdict_of(results: Results) -> list[str]:
    """Return the findings of the evaluation and their uncertainty, as sentences.

    A result is better than chance if the permutation test shows it and the interval does not contradict it. Only then
    do the sentences name the recording that carries the result.
    """
    metrics = results.metrics
    if metrics is None:
        if results.labelled:
            return [f"{count_participants(len(results.participants))}, without scores."]
        known = count_participants(len(results.participants))
        return [f"Predictions for {known} without a label: their quality is not known."]
    if metrics.section in _NO_HONEST_PART:
        return [_NO_HONEST_PART[metrics.section], *_how_sure(metrics, _measure(metrics))]
    measure = _measure(metrics)
    if measure is None:
        return [*_undefined(metrics)]
    sentences = [_skill(metrics, measure), *_how_sure(metrics, measure)]
    sentences = _with_plain_numbers(results, measure, sentences)
    if measure.shown:
        sentences += [*_carried(results, metrics), *_classes_themselves(metrics, measure), *_within_strata(metrics)]
    return [*sentences, *_probabilities(metrics.calibration)]


def _with_plain_numbers(results: Results, measure: _Measure, sentences: list[str]) -> list[str]:
    """Begin with the plain numbers that do as well; end with what the network knows beyond them."""
    found = results.baseline
    if found is None:
        return sentences
    first, better = first_sentence(found), better_than_numbers(found)
    sentences = [*sentences, *(beyond_covariates(found.confounds, found.balance) if measure.shown else ())]
    if first is None:
        return [sentences[0], *([better] if better and measure.shown else []), *sentences[1:]]
    # A network that is not shown to be better than chance has a graver fault than not to be better than numbers.
    return [first, *sentences] if measure.shown or reaches_network(found) else [sentences[0], first, *sentences[1:]]


def threshold_text(calibration: CalibrationSection) -> str:
    """The origin of the threshold, for the brackets after it."""
    if not calibration.applied:
        return "not fitted: without calibration"
    point = calibration.operating_point
    named = {
        BALANCED: "balanced: 0.5 at equal class shares",
        PRIOR: "prior: 0.5 at the assumed class shares",
        FIXED: "given",
    }
    if point in named:
        return named[point]
    name = "Youden's index" if point == YOUDEN else point
    return f"{name}, fitted on {count_participants(calibration.fitted_participants, calibration.fitted_on)}"


def correction_text(calibration: CalibrationSection, classes: Sequence[str]) -> str:
    """The correction of the evidence and its origin, as a sentence."""
    if not calibration.fitted:
        return "The network's evidence was not corrected: no slope and intercept could be fitted."
    on = count_participants(calibration.fitted_participants, calibration.fitted_on)
    if len(calibration.intercepts) == 2:
        added = calibration.intercepts[1] - calibration.intercepts[0]
        intercept = f"{signed(added)} added to the log-odds of {classes[1]}"
    else:
        pairs = zip(calibration.intercepts, classes, strict=True)
        intercept = f"intercepts of {listed([f'{signed(one)} ({name})' for one, name in pairs])}"
    return f"The network's evidence was multiplied by {number(calibration.slope)}, with {intercept} (fitted on {on})."


def _task_of(classes: tuple[str, ...] | list[str], verb: str = "Distinguishes") -> str:
    """``Distinguishes M from F``, ``Distinguishes young, middle and old``, ``Distinguishes 5 classes``."""
    if len(classes) == 2:
        return f"{verb} {classes[0]} from {classes[1]}"
    named = listed(list(classes)) if len(classes) <= NAMED_CLASSES else f"{len(classes)} classes"
    return f"{verb} {named}"


def _measure(metrics: Metrics) -> _Measure | None:
    present = [count for count in metrics.class_counts if count.participants]
    test = metrics.permutation.tests[0] if metrics.permutation.tests else None
    scores = metrics.scores
    if scores.auroc.value is not None:
        return _Measure("AUROC", scores.auroc, test.auroc if test else None)
    if len(present) < 2 or scores.balanced_accuracy.value is None:
        return None
    return _Measure("balanced accuracy", scores.balanced_accuracy, test.balanced_accuracy if test else None)


def _undefined(metrics: Metrics) -> Iterator[str]:
    present = [count.class_name for count in metrics.class_counts if count.participants]
    who = count_participants(metrics.participants, metrics.section)
    task = _task_of(metrics.classes, "distinguishes")
    if len(present) == 1:
        be = "is" if metrics.participants == 1 else "are all"
        yield f"{who} {be} {present[0]}: there is no evidence whether the model {task}."
    else:
        why = metrics.scores.auroc.note or "the scores are not defined"
        yield f"There is no evidence whether the model {task}: {why}."
    right = sum(row[place] for place, row in enumerate(metrics.confusion_matrix))
    were = "was" if metrics.participants == 1 else "were"
    yield f"{right} of {count_participants(metrics.participants)} {were} classified correctly."


def _skill(metrics: Metrics, measure: _Measure) -> str:
    missing = [count.class_name for count in metrics.class_counts if not count.participants]
    present = [count.class_name for count in metrics.class_counts if count.participants]
    about = f" No participant is {listed(missing, 'or')}." if missing else ""
    distinguishes, distinguish = (_task_of(present, verb) for verb in ("Distinguishes", "distinguish"))
    if measure.p is None:
        return f"The evaluation did not test whether it is better than chance.{about}"
    p = f"permutation p = {p_value(measure.p)}"
    if measure.shown:
        return f"{distinguishes} better than chance ({p}).{about}"
    if measure.below_chance:
        return f"Worse than chance: the interval of the {measure.name} lies below it; check the labels.{about}"
    if measure.p <= SIGNIFICANT and measure.score.interval is not None:
        low, high = measure.score.interval
        return (
            f"At the edge of chance: the permutation test finds a difference (p = {p_value(measure.p)}), but the "
            f"95 % interval of the {measure.name} ({number(low)} to {number(high)}) does not exclude chance.{about}"
        )
    return f"Not shown to {distinguish} better than chance ({p}).{about}"


def _how_sure(metrics: Metrics, measure: _Measure | None) -> Iterator[str]:
    who = count_participants(metrics.participants, metrics.section)
    if measure is None:
        return
    interval = measure.score.interval
    if interval is None:
        note = measure.score.note.removeprefix("no interval: ")
        why = f": {note}" if note else ""
        yield f"{who}: {measure.name} {number(measure.score.value)}, without an interval{why}."
    elif metrics.participants < WIDE_BELOW or interval[1] - interval[0] > _WIDE:
        low, high = map(number, interval)
        yield f"{who}: the true {measure.name} may be anywhere from {low} to {high} (95 % interval)."
    else:
        low, high = map(number, interval)
        yield f"{who}: {measure.name} {number(measure.score.value)} (95 % interval {low} to {high})."


def _classes_themselves(metrics: Metrics, measure: _Measure) -> Iterator[str]:
    """The ranks may be better than chance although the predicted classes are not."""
    test, score = metrics.permutation.tests[0], metrics.scores.balanced_accuracy
    p = test.balanced_accuracy
    if measure.name == "AUROC" and p is not None and p > SIGNIFICANT and score.value is not None:
        yield (
            f"The predicted classes are not shown to be better than chance "
            f"(balanced accuracy {number(score.value)}, p = {p_value(p)})."
        )


def _within_strata(metrics: Metrics) -> Iterator[str]:
    """A result that disappears among participants of the same age may be about age."""

    def p_of(test: PermutationTest) -> float | None:
        numeric = test.method != "permutation"
        return test.auroc if numeric or metrics.scores.auroc.value is not None else test.balanced_accuracy

    for test in metrics.permutation.tests[1:]:
        p, field = p_of(test), listed([_FIELDS.get(name, name) for name in test.within])
        if test.method != "permutation":
            if p is not None and p > SIGNIFICANT:
                yield (
                    f"It is not shown that the network recognised more than {field} ({test.method} given "
                    f"{field}: p = {p_value(p)}, {count_participants(test.exchangeable)})."
                )
        elif p is None:
            yield (
                f"It is not shown that the network recognised more than {field}: no participants of different classes "
                f"have the same {field}."
            )
        elif p > SIGNIFICANT:
            yield (
                f"It is not shown that the network recognised more than {field} (labels permuted within {field}: "
                f"p = {p_value(p)}, {count_participants(test.exchangeable, 'exchangeable')})."
            )


def _carried(results: Results, metrics: Metrics) -> Iterator[str]:
    """The recording that carries the result, found by removing each from participants who have both."""
    found = metrics.modalities
    if found is None or results.modalities != "both":
        return
    both = [row.auroc.value for row in metrics.patterns if row.recordings == "both"]
    whole = both[0] if both else metrics.scores.auroc.value
    rest = {"EEG": found.without_eeg.auroc, "MRI": found.without_mri.auroc}
    if whole is None or rest["EEG"] is None or rest["MRI"] is None:
        return
    left = {name: value for name, value in rest.items() if value is not None}
    lost = {name: whole - value for name, value in left.items()}
    more, less = ("EEG", "MRI") if lost["EEG"] > lost["MRI"] else ("MRI", "EEG")
    few = " (few participants: a rough difference)" if metrics.participants < WIDE_BELOW else ""
    losses = {"EEG": found.without_eeg.lost_auroc.interval, "MRI": found.without_mri.lost_auroc.interval}
    sure = {name: _interval_of_loss(interval) for name, interval in losses.items()}
    if lost[more] < _MUCH:
        yield (
            f"Each recording alone predicts about as well: AUROC {number(whole)} with both, {number(left['EEG'])} "
            f"without the EEG, {number(left['MRI'])} without the MRI{few}."
        )
    elif lost[less] < lost[more] / 2:
        it = "it" if lost[less] < _NOTHING else "most of it"
        stays = "it is" if lost[less] < _NOTHING else "to"
        yield (
            f"The {more} carries {it}: without it the AUROC falls from {number(whole)} to {number(left[more])}"
            f"{sure[more]}, "
            f"without the {less} {stays} {number(left[less])}{sure[less]}{few}."
        )
    else:
        yield (
            f"Both recordings carry it: the AUROC falls from {number(whole)} to {number(left['EEG'])} without the EEG"
            f"{sure['EEG']}, and to {number(left['MRI'])} without the MRI{sure['MRI']}{few}."
        )


def _interval_of_loss(interval: tuple[float, float] | None) -> str:
    if interval is None:
        return ""
    return f" (paired 95 % interval of the loss {number(interval[0])} to {number(interval[1])})"


def _probabilities(calibration: CalibrationSection) -> Iterator[str]:
    if not calibration.applied:
        yield "The probabilities are the network's own, not calibrated."
    elif not calibration.fitted:
        why = calibration.notes[0].partition(":")[0] if calibration.notes else "see Calibration"
        yield f"The probabilities are not calibrated ({why})."
