"""The result of an evaluation in a few sentences, which never claim more than the numbers hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from monai_fusion.metrics.calibration import FEWEST_TO_FIT
from monai_fusion.metrics.metrics_file import CalibrationSection, Metrics, PermutationTest, Score
from monai_fusion.report.numbers import listed, number, p_value, participants
from monai_fusion.report.results import Results

SIGNIFICANT = 0.05
WIDE_BELOW = 100
"""Participants below which an interval is called wide."""
NAMED_CLASSES = 4
"""With more, a sentence that names them all would be a list."""

_WIDE = 0.2  # of an interval
_NOTHING, _MUCH = 0.02, 0.05  # what an AUROC loses with a recording
# A field of the evaluation's own (metrics/summary.py), as a sentence names it.
_FIELDS = {"pattern of recordings": "the pattern of recordings"}
_NO_HONEST_PART = {
    "training": "The network learned from these participants: the scores say nothing about others.",
    "validation": "These participants chose the epoch and the calibration: the scores are better than those of others.",
}


@dataclass(frozen=True, slots=True)
class _Measure:
    """The score that a verdict is about: the AUROC, or the balanced accuracy where there is no AUROC."""

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
        """Whether it is better than chance, as far as a test and an interval can show that."""
        return self.p is not None and self.p <= SIGNIFICANT and not self.reaches_chance


def verdict_of(results: Results) -> list[str]:
    """Say what the evaluation found, and how sure that is; a sentence each.

    Better than chance is what the permutation test shows and the interval does not contradict. Which recording carries
    the result is said only of a result that is better than chance.
    """
    metrics = results.metrics
    if metrics is None:
        if results.labelled:
            return [f"{participants(len(results.people))}, without scores."]
        known = participants(len(results.people))
        return [f"Predictions for {known} without a label: how good they are cannot be told."]
    if metrics.section in _NO_HONEST_PART:
        return [_NO_HONEST_PART[metrics.section], *_how_sure(metrics, _measure(metrics))]
    measure = _measure(metrics)
    if measure is None:
        return [*_undefined(metrics)]
    sentences = [_skill(metrics, measure), *_how_sure(metrics, measure)]
    if measure.shown:
        sentences += [*_carried(results, metrics), *_classes_themselves(metrics, measure), *_within_strata(metrics)]
    return [*sentences, *_probabilities(metrics.calibration)]


def threshold_text(calibration: CalibrationSection) -> str:
    """How the threshold came about, for the brackets behind it."""
    notes = [note for note in calibration.notes if "the threshold stays" in note or "and the threshold" in note]
    if not calibration.applied:
        return "not fitted: without calibration"
    if calibration.operating_point == "fixed":
        return "given"
    if calibration.fitted_participants < FEWEST_TO_FIT:
        return f"not fitted: {_too_few(calibration)}"
    if notes:
        return f"not fitted: {notes[0].partition(':')[0]}"
    name = "Youden's index" if calibration.operating_point == "youden" else calibration.operating_point
    return f"{name}, fitted on {participants(calibration.fitted_participants, calibration.fitted_on)}"


def temperature_text(calibration: CalibrationSection) -> str:
    """How the temperature came about, for the brackets behind it."""
    if temperature_was_fitted(calibration):
        return f"fitted on {participants(calibration.fitted_participants, calibration.fitted_on)}"
    few = calibration.fitted_participants < FEWEST_TO_FIT
    return f"not fitted: {_too_few(calibration)}" if few else "none fits"


def temperature_was_fitted(calibration: CalibrationSection) -> bool:
    """Whether a temperature was found; otherwise it is 1 because there was no other choice."""
    kept = any("temperature" in note and "stays 1" in note for note in calibration.notes)
    return calibration.applied and calibration.fitted_participants >= FEWEST_TO_FIT and not kept


def task_of(classes: tuple[str, ...] | list[str], verb: str = "Tells") -> str:
    """``Tells M from F``, ``Tells young, middle and old apart``, ``Tells 5 classes apart``."""
    if len(classes) == 2:
        return f"{verb} {classes[0]} from {classes[1]}"
    named = listed(list(classes)) if len(classes) <= NAMED_CLASSES else f"{len(classes)} classes"
    return f"{verb} {named} apart"


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
    who = participants(metrics.participants, metrics.section)
    told = task_of(metrics.classes, "tells")
    if len(present) == 1:
        be = "is" if metrics.participants == 1 else "are all"
        yield f"{who} {be} {present[0]}: whether the model {told} cannot be told."
    else:
        yield f"Whether the model {told} cannot be told: {metrics.scores.auroc.note or 'the scores are not defined'}."
    right = sum(row[place] for place, row in enumerate(metrics.confusion_matrix))
    yield f"The right class was predicted for {right} of {metrics.participants}."


def _skill(metrics: Metrics, measure: _Measure) -> str:
    missing = [count.class_name for count in metrics.class_counts if not count.participants]
    present = [count.class_name for count in metrics.class_counts if count.participants]
    about = f" No participant is {listed(missing, 'or')}." if missing else ""
    tells, tell = (task_of(present, verb) for verb in ("Tells", "tell"))
    if measure.p is None:
        return f"Whether it does better than chance was not tested.{about}"
    p = f"permutation p = {p_value(measure.p)}"
    if measure.shown:
        return f"{tells} better than chance ({p}).{about}"
    if measure.below_chance:
        return f"Does worse than chance: the interval of the {measure.name} lies below it; check the labels.{about}"
    if measure.p <= SIGNIFICANT and measure.score.interval is not None:
        low, high = measure.score.interval
        return (
            f"At the edge of chance: the permutation test finds a difference (p = {p_value(measure.p)}), but the "
            f"95 % interval of the {measure.name} ({number(low)} to {number(high)}) does not exclude chance.{about}"
        )
    return f"Not shown to {tell} better than chance ({p}).{about}"


def _how_sure(metrics: Metrics, measure: _Measure | None) -> Iterator[str]:
    who = participants(metrics.participants, metrics.section)
    if measure is None:
        return
    interval = measure.score.interval
    if interval is None:
        why = f": {measure.score.note}" if measure.score.note else ""
        yield f"{who}: {measure.name} {number(measure.score.value)}, without an interval{why}."
    elif metrics.participants < WIDE_BELOW or interval[1] - interval[0] > _WIDE:
        low, high = map(number, interval)
        yield f"{who}: the true {measure.name} may be anywhere from {low} to {high} (95 % interval)."
    else:
        low, high = map(number, interval)
        yield f"{who}: {measure.name} {number(measure.score.value)} (95 % interval {low} to {high})."


def _classes_themselves(metrics: Metrics, measure: _Measure) -> Iterator[str]:
    """Participants may be ranked rightly, and yet the predicted classes be no better than chance."""
    test, score = metrics.permutation.tests[0], metrics.scores.balanced_accuracy
    p = test.balanced_accuracy
    if measure.name == "AUROC" and p is not None and p > SIGNIFICANT and score.value is not None:
        yield (
            f"The predicted classes are not shown to be better than chance "
            f"(balanced accuracy {number(score.value)}, p = {p_value(p)})."
        )


def _within_strata(metrics: Metrics) -> Iterator[str]:
    """A result that goes away among participants of the same age may be about age."""

    def p_of(test: PermutationTest) -> float | None:
        return test.balanced_accuracy if metrics.scores.auroc.value is None else test.auroc

    for test in metrics.permutation.tests[1:]:
        p, field = p_of(test), listed([_FIELDS.get(name, name) for name in test.within])
        if p is None:
            yield (
                f"It is not shown that more than {field} was recognised: no participants of different classes have "
                f"the same."
            )
        elif p > SIGNIFICANT:
            yield (
                f"It is not shown that more than {field} was recognised (labels permuted within {field}: "
                f"p = {p_value(p)}, {participants(test.exchangeable, 'exchangeable')})."
            )


def _carried(results: Results, metrics: Metrics) -> Iterator[str]:
    """Which recording carries the result, by taking each away from those who have both."""
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
    if lost[more] < _MUCH:
        yield (
            f"Either recording alone does about as well here: AUROC {number(whole)} with both, {number(left['EEG'])} "
            f"without the EEG, {number(left['MRI'])} without the MRI{few}."
        )
    elif lost[less] < lost[more] / 2:
        it = "it" if lost[less] < _NOTHING else "most of it"
        stays = "it is" if lost[less] < _NOTHING else "to"
        yield (
            f"The {more} carries {it}: without it the AUROC falls from {number(whole)} to {number(left[more])}, "
            f"without the {less} {stays} {number(left[less])}{few}."
        )
    else:
        yield (
            f"Both recordings carry it: the AUROC falls from {number(whole)} to {number(left['EEG'])} without the EEG, "
            f"and to {number(left['MRI'])} without the MRI{few}."
        )


def _probabilities(calibration: CalibrationSection) -> Iterator[str]:
    if not calibration.applied:
        yield "The probabilities are the network's own, not calibrated."
    elif not temperature_was_fitted(calibration):
        few = calibration.fitted_participants < FEWEST_TO_FIT
        why = _too_few(calibration) if few else "see Calibration"
        yield f"The probabilities are not calibrated ({why})."


def _too_few(calibration: CalibrationSection) -> str:
    return f"{participants(calibration.fitted_participants, calibration.fitted_on)}, {FEWEST_TO_FIT} needed"
