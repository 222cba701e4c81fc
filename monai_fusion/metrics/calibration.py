"""From the network's probabilities to calibrated ones, and to a predicted class.

1. The network learned under some class shares (equal ones with balanced sampling). The correction moves its
   log-probabilities to the class shares of the target population: + log(target prior) - log(network's prior) (Saerens
   et al., Neural Computation 14, 2002). No temperature can do this.
2. The evidence of the recordings, the log-probabilities minus log(network's prior), is divided by a temperature (Guo et
   al., ICML 2017), so that the confidence matches the accuracy. The target prior is not divided: recordings without
   evidence leave a participant at the target prior, not at equal shares.
3. Of two classes, the second is predicted above a threshold.

Temperature and threshold are fitted on participants that the network did not learn from, never on the test part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from monai_fusion.errors import InputError, Problem
from monai_fusion.metrics.predictions import Prediction
from monai_fusion.metrics.scores import Floats, Labels

FEWEST_TO_FIT = 30
"""With fewer participants, neither temperature nor threshold is fitted."""
YOUDEN = "youden"
SENSITIVITY = "sensitivity"

_TINY = float(np.finfo(np.float64).tiny)
_TEMPERATURES = (0.05, 20.0)
_FEW_PER_CLASS = 10


@dataclass(frozen=True, slots=True)
class Calibration:
    """How to correct probabilities, and the threshold that decides.

    Attributes:
        network_prior: Class shares that the network learned under.
        target_prior: Class shares that the probabilities are corrected to.
        temperature: Divides the evidence of the recordings.
        threshold: Of two classes, the second is predicted above this probability of it; None beyond two classes.
        operating_point: How the threshold was chosen: ``youden``, ``sensitivity 0.9`` or ``fixed``.
        fitted_on: The part on which temperature and threshold were fitted, e.g. ``validation``.
        fitted_participants: Its number of participants.
        notes: What could not be fitted, and why.
    """

    network_prior: tuple[float, ...]
    target_prior: tuple[float, ...]
    temperature: float = 1.0
    threshold: float | None = None
    operating_point: str = YOUDEN
    fitted_on: str = ""
    fitted_participants: int = 0
    notes: tuple[str, ...] = ()

    def probabilities(self, values: Floats) -> Floats:
        """Correct probabilities [..., class]."""
        return np.exp(corrected_log_probabilities(values, self.network_prior, self.target_prior, self.temperature))

    def apply(self, predictions: Sequence[Prediction]) -> list[Prediction]:
        """Correct all probabilities of the predictions, and set the threshold that decides.

        Raises:
            ValueError: A prediction is calibrated already.
        """
        if any(row.network_probabilities is not None for row in predictions):
            raise ValueError("these predictions are calibrated already")

        def correct(values: tuple[float, ...] | None) -> tuple[float, ...] | None:
            return None if values is None else tuple(self.probabilities(np.array(values)).tolist())

        return [
            replace(
                row,
                probabilities=tuple(self.probabilities(np.array(row.uncalibrated)).tolist()),
                network_probabilities=row.uncalibrated,
                threshold=self.threshold,
                without_eeg=correct(row.without_eeg),
                without_mri=correct(row.without_mri),
                by_condition={name: correct(values) or () for name, values in row.by_condition.items()},
            )
            for row in predictions
        ]


def network_prior(
    counts: Sequence[int], balanced: bool, class_weights: Sequence[float] | None = None
) -> tuple[float, ...]:
    """Return the class shares under which a network learned.

    Args:
        counts: The training participants of each class.
        balanced: Whether every class was drawn equally often.
        class_weights: Weights of the classes in the loss: a class with weight 2 counts as if it had twice the
            participants.
    """
    shares = np.array([count > 0 for count in counts] if balanced else counts, dtype=np.float64)
    if class_weights is not None:
        shares = shares * np.asarray(class_weights)
    return tuple((shares / shares.sum()).tolist())


def corrected_log_probabilities(
    probabilities: Floats, learned: Sequence[float], wanted: Sequence[float], temperature: float = 1.0
) -> Floats:
    """Return log-probabilities [..., class] under another prior, with the evidence divided by a temperature.

    Args:
        probabilities: [..., class], the network's own.
        learned: Class shares that the network learned under.
        wanted: Class shares of the target population.
        temperature: Divides log p - log(learned).
    """
    # A class without training participants has no share to correct from or to.
    known = (np.asarray(learned) > 0) & (np.asarray(wanted) > 0)
    before, after = (np.log(np.where(known, prior, 1.0)) for prior in (learned, wanted))
    evidence = np.log(np.maximum(probabilities, _TINY)) - before
    return log_softmax(evidence / temperature + after, axis=-1)


def fit_calibration(
    probabilities: Floats,
    labels: Labels,
    learned: Sequence[float],
    wanted: Sequence[float],
    operating_point: object = YOUDEN,
    fitted_on: str = "validation",
) -> Calibration:
    """Fit temperature and threshold to predictions of participants that the network did not learn from.

    Participants are weighted so that their classes have the shares ``wanted``. With fewer than `FEWEST_TO_FIT` of them
    the temperature stays 1 and the threshold 0.5.

    Args:
        probabilities: [participant, class], the network's own, averaged over a participant's EEG segments.
        labels: [participant].
        learned: Class shares that the network learned under.
        wanted: Class shares to correct to.
        operating_point: ``youden``, ``sensitivity 0.9`` (of the second class) or a threshold such as 0.5.
        fitted_on: The part that the participants belong to, e.g. ``validation``.

    Raises:
        InputError: ``operating_point`` is none of these.
    """
    kind, wished = read_operating_point(operating_point)
    binary = len(learned) == 2
    fixed = wished if kind == "fixed" else 0.5
    start = Calibration(
        network_prior=tuple(map(float, learned)),
        target_prior=tuple(map(float, wanted)),
        threshold=fixed if binary else None,
        operating_point=f"{kind} {wished:g}" if kind == SENSITIVITY else kind,
        fitted_on=fitted_on,
        fitted_participants=len(labels),
    )
    if len(labels) < FEWEST_TO_FIT or not np.isfinite(probabilities).all():
        reason = (
            f"{len(labels)} {fitted_on} participants to calibrate on, fewer than {FEWEST_TO_FIT}"
            if np.isfinite(probabilities).all()
            else f"the {fitted_on} probabilities are not numbers"
        )
        kept = "the temperature stays 1" + (f" and the threshold {fixed:g}" if binary else "")
        return replace(start, notes=(f"{reason}: {kept}",))
    temperature, notes = _fit_temperature(probabilities, labels, learned, wanted)
    found = replace(start, temperature=temperature, notes=notes)
    if not binary or kind == "fixed":
        return found
    threshold, more_notes = _fit_threshold(found.probabilities(probabilities)[:, 1], labels, kind, wished)
    return replace(found, threshold=threshold, notes=(*notes, *more_notes))


def read_operating_point(value: object) -> tuple[str, float]:
    """Read ``youden``, ``sensitivity 0.9`` or a threshold; return its kind and its number.

    Raises:
        InputError: It is none of these.
    """
    words = str(value).strip().lower().replace("=", " ").split()
    number = _number(words[-1]) if words else None
    if words == [YOUDEN]:
        return YOUDEN, 0.5
    if len(words) == 2 and words[0] == SENSITIVITY and number is not None and 0 < number <= 1:
        return SENSITIVITY, number
    if len(words) == 1 and number is not None and 0 < number < 1:
        return "fixed", number
    wanted = 'youden, a sensitivity such as "sensitivity 0.9", or a threshold between 0 and 1'
    raise InputError(Problem("--operating_point", seen=repr(value), wanted=wanted))


def read_prior(value: Any, classes: Sequence[str]) -> tuple[float, ...]:
    """Read class shares as given on the command line, e.g. ``[0.5, 0.5]``.

    Raises:
        InputError: They are not one positive number a class, together 1.
    """
    numbers = [_number(share) for share in value] if isinstance(value, list | tuple) else []
    shares = [number for number in numbers if number is not None and 0 < number < 1]
    if len(shares) != len(classes) or len(numbers) != len(classes) or abs(sum(shares) - 1) > 1e-3:
        wanted = f"the shares of {', '.join(classes)} as a list, each above 0, together 1"
        raise InputError(Problem("--target_prior", seen=repr(value), wanted=wanted))
    return tuple(share / sum(shares) for share in shares)


def _fit_temperature(
    probabilities: Floats, labels: Labels, learned: Sequence[float], wanted: Sequence[float]
) -> tuple[float, tuple[str, ...]]:
    shares = np.bincount(labels, minlength=len(wanted)) / len(labels)
    weights = np.asarray(wanted)[labels] / shares[labels]

    def loss(log_temperature: float) -> float:
        logs = corrected_log_probabilities(probabilities, learned, wanted, np.exp(log_temperature))
        return float(-(weights * logs[np.arange(len(labels)), labels]).mean())

    low, high = np.log(_TEMPERATURES)
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-6})
    if not low + 1e-3 < found.x < high - 1e-3:
        why = "all are classified correctly" if found.x < 0 else "the predictions carry no information about the labels"
        return 1.0, (f"no temperature fits the participants to calibrate on ({why}): the temperature stays 1",)
    return float(np.exp(found.x)), ()


def _fit_threshold(positive: Floats, labels: Labels, kind: str, wished: float) -> tuple[float, tuple[str, ...]]:
    """The threshold with the largest sensitivity + specificity, or the largest one with the given sensitivity."""
    counts = np.bincount(labels, minlength=2)
    if counts.min() == 0:
        return 0.5, ("the participants to calibrate on have only one class: the threshold stays 0.5",)
    values = np.unique(positive)
    between = (values[1:] + values[:-1]) / 2
    candidates = np.concatenate([[values[0] / 2], between, [(1 + values[-1]) / 2]])
    sensitivity = (positive[labels == 1][None] > candidates[:, None]).mean(axis=1)
    specificity = (positive[labels == 0][None] <= candidates[:, None]).mean(axis=1)
    if kind == SENSITIVITY:
        threshold = float(candidates[sensitivity >= wished - 1e-12].max(initial=0.0))
    else:
        index = sensitivity + specificity
        best = candidates[index >= index.max() - 1e-12]
        threshold = float(best[np.abs(best - 0.5).argmin()])  # of equally good thresholds, the one nearest to 0.5
    few = counts.min() < _FEW_PER_CLASS
    note = f"the threshold is imprecise: one class has only {counts.min()} participants to fit it on"
    return threshold, (note,) if few else ()


def _number(text: object) -> float | None:
    if isinstance(text, bool):
        return None
    try:
        return float(str(text))
    except ValueError:
        return None
