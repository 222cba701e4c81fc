"""From the network's probabilities to calibrated ones, and to a predicted class.

1. The network learned under some class shares (equal ones with balanced sampling). The evidence of the recordings is
   what remains without them: log p - log(network's prior).
2. One penalised fit corrects the evidence by a slope and an intercept for each class (`recalibration`).
3. The class shares of the target population are added: + log(target prior) (Saerens et al., Neural Computation 14,
   2002). Recordings without evidence leave a participant there, not at equal shares.
4. A class is predicted if it is the most probable one at equal class shares (``balanced``), whatever the target prior;
   other operating points on request.

Slope, intercepts and a fitted threshold come from participants that the network did not learn from, never from the
test part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax

from monai_fusion.errors import InputError, Problem
from monai_fusion.metrics.operating_points import (
    BALANCED,
    FIXED,
    PRIOR,
    SENSITIVITY,
    YOUDEN,
    as_number,
    fit_threshold,
    read_operating_point,
)
from monai_fusion.metrics.predictions import Prediction
from monai_fusion.metrics.recalibration import fit_slope_and_intercepts
from monai_fusion.metrics.scores import Floats, Labels

_TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, slots=True)
class Calibration:
    """How to correct probabilities, and what decides.

    Attributes:
        network_prior: Class shares that the network learned under.
        target_prior: Class shares that the probabilities are corrected to.
        slope: Multiplies the evidence of the recordings; 1 leaves it.
        intercepts: Added to the evidence of each class, together 0; empty for none.
        threshold: Of two classes, the second is predicted above this probability of it; None beyond two classes.
        operating_point: How the decision was chosen: ``balanced``, ``prior``, ``youden``, ``sensitivity 0.9`` or
            ``fixed``. A point that could not be fitted is not named here.
        fitted_on: The part on which slope and intercepts were fitted, e.g. ``validation``.
        fitted_participants: Its number of participants.
        fitted: Whether slope and intercepts were fitted; otherwise the evidence is left as it is.
        notes: What could not be fitted, and why.
    """

    network_prior: tuple[float, ...]
    target_prior: tuple[float, ...]
    slope: float = 1.0
    intercepts: tuple[float, ...] = ()
    threshold: float | None = None
    operating_point: str = BALANCED
    fitted_on: str = ""
    fitted_participants: int = 0
    fitted: bool = False
    notes: tuple[str, ...] = ()

    @property
    def shares(self) -> tuple[float, ...] | None:
        """Beyond two classes, what each probability is divided by before the largest one is predicted."""
        if len(self.target_prior) == 2 or self.operating_point != BALANCED:
            return None
        return tuple(share if share > 0 else 1.0 for share in self.target_prior)

    def probabilities(self, values: Floats) -> Floats:
        """Correct probabilities [..., class]."""
        return np.exp(
            corrected_log_probabilities(
                values, self.network_prior, self.target_prior, self.slope, self.intercepts or None
            )
        )

    def apply(self, predictions: Sequence[Prediction]) -> list[Prediction]:
        """Correct all probabilities of the predictions, and set what decides.

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
                shares=self.shares,
                without_eeg=correct(row.without_eeg),
                without_mri=correct(row.without_mri),
                mean_gate=correct(row.mean_gate),
                by_condition={name: correct(values) or () for name, values in row.by_condition.items()},
                segment_probabilities=(
                    None if row.segment_probabilities is None else self.probabilities(row.segment_probabilities)
                ),
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
    probabilities: Floats,
    learned: Sequence[float],
    wanted: Sequence[float],
    slope: float = 1.0,
    intercepts: Sequence[float] | None = None,
) -> Floats:
    """Return log-probabilities [..., class] under another prior, with the evidence corrected.

    Args:
        probabilities: [..., class], the network's own.
        learned: Class shares that the network learned under.
        wanted: Class shares of the target population.
        slope: Multiplies the evidence, log p - log(learned).
        intercepts: [class] Added to it.
    """
    _, after = _log_priors(learned, wanted)
    corrected = slope * _evidence_of(probabilities, learned, wanted)
    if intercepts is not None:
        corrected = corrected + np.asarray(intercepts)
    return log_softmax(corrected + after, axis=-1)


def _evidence_of(probabilities: Floats, learned: Sequence[float], wanted: Sequence[float]) -> Floats:
    """Return log p - log(learned), [..., class]: what the recordings say, without the class shares."""
    return np.log(np.maximum(probabilities, _TINY)) - _log_priors(learned, wanted)[0]


def fit_calibration(
    probabilities: Floats,
    labels: Labels,
    learned: Sequence[float],
    wanted: Sequence[float],
    operating_point: object = BALANCED,
    fitted_on: str = "validation",
) -> Calibration:
    """Fit slope, intercepts and decision to predictions of participants that the network did not learn from.

    Slope and intercepts do not depend on ``wanted``: each class has the same weight.

    Args:
        probabilities: [participant, class], the network's own, averaged over a participant's EEG segments.
        labels: [participant].
        learned: Class shares that the network learned under.
        wanted: Class shares to correct to.
        operating_point: ``balanced``, ``prior``; of two classes also ``youden``, ``sensitivity 0.9`` (of the second) or
            a threshold such as 0.3.
        fitted_on: The part that the participants belong to, e.g. ``validation``.

    Raises:
        InputError: ``operating_point`` is none of these.
    """
    kind, wished = read_operating_point(operating_point, len(learned))
    binary = len(learned) == 2
    found = Calibration(
        network_prior=tuple(map(float, learned)),
        target_prior=tuple(map(float, wanted)),
        intercepts=(0.0,) * len(learned),
        fitted_on=fitted_on,
        fitted_participants=len(labels),
    )
    reason = _why_not(probabilities, labels, found)
    if reason:
        found = replace(found, notes=(f"{reason}: the network's evidence is not corrected",))
    else:
        found = _with_fit(found, probabilities, labels)
    if kind in (SENSITIVITY, YOUDEN) and not reason:
        threshold, notes = fit_threshold(found.probabilities(probabilities)[:, 1], labels, kind, wished)
        name = f"{kind} {wished:g}" if kind == SENSITIVITY else kind
        return replace(found, threshold=threshold, operating_point=name, notes=(*found.notes, *notes))
    if kind in (SENSITIVITY, YOUDEN):
        notes = (*found.notes, f"{kind} was asked for, but its threshold cannot be fitted: balanced is used")
        return replace(found, threshold=_balanced_threshold(wanted), notes=notes)
    thresholds = {BALANCED: _balanced_threshold(wanted) if binary else None, PRIOR: 0.5, FIXED: wished}
    return replace(found, threshold=thresholds[kind] if binary else None, operating_point=kind)


def _balanced_threshold(wanted: Sequence[float]) -> float:
    """Return the threshold at the target prior that is 0.5 at equal class shares: the share of the second class."""
    return float(wanted[1]) if 0 < wanted[1] < 1 else 0.5


def read_prior(value: Any, classes: Sequence[str]) -> tuple[float, ...]:
    """Read class shares as given on the command line, e.g. ``[0.5, 0.5]``.

    Raises:
        InputError: They are not one positive number a class, together 1.
    """
    numbers = [as_number(share) for share in value] if isinstance(value, list | tuple) else []
    shares = [number for number in numbers if number is not None and 0 < number < 1]
    if len(shares) != len(classes) or len(numbers) != len(classes) or abs(sum(shares) - 1) > 1e-3:
        wanted = f"the shares of {', '.join(classes)} as a list, each above 0, together 1"
        raise InputError(Problem("--target_prior", seen=repr(value), wanted=wanted))
    return tuple(share / sum(shares) for share in shares)


def _log_priors(learned: Sequence[float], wanted: Sequence[float]) -> tuple[Floats, Floats]:
    # A class without training participants has no share to correct from or to.
    known = (np.asarray(learned) > 0) & (np.asarray(wanted) > 0)
    before, after = (np.log(np.where(known, prior, 1.0)) for prior in (learned, wanted))
    return before, after


def _why_not(probabilities: Floats, labels: Labels, found: Calibration) -> str:
    """Why slope and intercepts cannot be fitted to these participants; empty if they can."""
    part = found.fitted_on
    if not len(labels):
        return f"no {part} participants to calibrate on"
    if not np.isfinite(probabilities).all():
        return f"the {part} probabilities are not numbers"
    counts = np.bincount(labels, minlength=len(found.network_prior))[_known(found)]
    if counts.size < 2 or counts.min() == 0:
        return f"the {part} participants to calibrate on lack a class"
    return ""


def _known(found: Calibration) -> npt.NDArray[np.bool_]:
    """[class] Whether the network learned the class, and it is expected."""
    return (np.asarray(found.network_prior) > 0) & (np.asarray(found.target_prior) > 0)


def _with_fit(found: Calibration, probabilities: Floats, labels: Labels) -> Calibration:
    known = _known(found)
    rows = known[labels]
    evidence = _evidence_of(probabilities[rows], found.network_prior, found.target_prior)[:, known]
    slope, among = fit_slope_and_intercepts(evidence, (np.cumsum(known) - 1)[labels[rows]])
    intercepts = np.zeros(known.size)
    intercepts[known] = among
    return replace(found, slope=slope, intercepts=tuple(intercepts.tolist()), fitted=True)
