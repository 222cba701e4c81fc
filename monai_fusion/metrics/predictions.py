"""Predictions: one for each participant, never several."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from monai_fusion.datalist import AvailableModalities
from monai_fusion.errors import InputError, Problem
from monai_fusion.files import delimited, write_for_readers
from monai_fusion.metrics.clusters import as_groups
from monai_fusion.metrics.scores import Floats, Labels, ScoredCohort

_NAMED_AT_MOST = 5
_BETWEEN = " | "


@dataclass(frozen=True, slots=True)
class Prediction:
    """The prediction for one participant.

    Attributes:
        participant_id: As in the datalist.
        label: The class index, or None where it is not known.
        probabilities: One probability for each class, averaged over the EEG segments.
        gate: Weight of the EEG embedding, 0 to 1, averaged over the EEG segments; 1 without an MRI, 0 without an EEG.
        segments: The number of EEG segments; 0 without an EEG.
        network_probabilities: The network's own, if ``probabilities`` are calibrated.
        threshold: Of two classes, the second is predicted above this probability of it; None: the most probable one.
        shares: Beyond two classes, each probability is divided by its share before the largest is predicted; None: the
            most probable one.
        without_eeg: The probabilities with the EEG of other participants; None if they were not computed.
        without_mri: ... with the MRI of other participants.
        mean_gate: ... with the cohort's mean gate in place of the participant's own.
        by_condition: The probabilities from the segments of one EEG condition alone.
        fields: The other fields of the participant's row in the datalist (age, site, fold ...).
        recordings: The recordings that the prediction was made from: ``both``, ``eeg`` or ``mri``.
        group: The name of the family, pair or other group (`group_by` in the datalist); None: in none.
        unlike_training: What differs between the recordings and those of the training, in words; empty if nothing does,
            None if it is not known.
        prediction_set: The indices of the classes that cannot be excluded (`prediction_sets`), rising; None: no sets
            were asked for.
        segment_probabilities: The probabilities of each EEG segment, [segment, class] float64; None without an EEG, or
            if they are not known. Corrected like ``probabilities``.
        not_used: What of the EEG the prediction was made without, and why; empty if all was used.
        error: Why there is no prediction; then the probabilities are NaN, and no class is predicted. Empty: there is
            one.
    """

    participant_id: str
    label: int | None
    probabilities: tuple[float, ...]
    gate: float
    segments: int
    network_probabilities: tuple[float, ...] | None = None
    threshold: float | None = None
    shares: tuple[float, ...] | None = None
    without_eeg: tuple[float, ...] | None = None
    without_mri: tuple[float, ...] | None = None
    mean_gate: tuple[float, ...] | None = None
    by_condition: Mapping[str, tuple[float, ...]] = field(default_factory=dict, hash=False)
    fields: Mapping[str, object] = field(default_factory=dict, hash=False)
    recordings: AvailableModalities = "both"
    group: str | None = None
    unlike_training: str | None = None
    prediction_set: tuple[int, ...] | None = None
    segment_probabilities: npt.NDArray[np.float64] | None = field(default=None, compare=False, repr=False)
    not_used: str = ""
    error: str = ""

    @property
    def segment_spread(self) -> float | None:
        """The standard deviation over the EEG segments of the predicted class's probability; None below two."""
        if self.error or self.segment_probabilities is None or len(self.segment_probabilities) < 2:
            return None
        return float(self.segment_probabilities[:, self.predicted].std(ddof=1))

    @property
    def predicted(self) -> int:
        """The index of the predicted class; of equally probable ones the first."""
        return self.decided(self.probabilities)

    def decided(self, probabilities: Sequence[float]) -> int:
        """The class that other probabilities of this participant would predict."""
        return decide(probabilities, self.threshold, self.shares)

    @property
    def uncalibrated(self) -> tuple[float, ...]:
        """The network's own probabilities."""
        return self.probabilities if self.network_probabilities is None else self.network_probabilities


def decide(
    probabilities: Sequence[float], threshold: float | None = None, shares: Sequence[float] | None = None
) -> int:
    """Return the index of the predicted class.

    Args:
        probabilities: One for each class.
        threshold: Of two classes, the second is predicted above it.
        shares: Beyond two classes, each probability is divided by its share before the largest is chosen.
    """
    if threshold is not None and len(probabilities) == 2:
        return int(probabilities[1] > threshold)
    return int(np.argmax(probabilities if shares is None else np.divide(probabilities, shares)))


def probability_change(before: Sequence[float], after: Sequence[float]) -> float:
    """Return the share of probability that moves from some classes to others (total variation), 0 to 1."""
    return float(np.abs(np.subtract(before, after)).sum() / 2)


def from_both_recordings(predictions: Sequence[Prediction]) -> list[Prediction]:
    """Return the predictions made from both recordings: only there does the gate weigh them."""
    return [row for row in predictions if row.recordings == "both"]


def labelled(predictions: Sequence[Prediction]) -> list[Prediction]:
    """Return the predictions of participants with a label.

    Raises:
        ValueError: No participant has a label, or one occurs twice.
    """
    known = [row for row in predictions if row.label is not None]
    if not known:
        raise ValueError("no participant has a label: there is nothing to score")
    if len({row.participant_id for row in known}) < len(known):
        raise ValueError("a participant was predicted twice")
    return known


def scored_cohort(predictions: Sequence[Prediction]) -> ScoredCohort:
    """Return probabilities, labels, predicted classes and groups of participants with labels as arrays."""
    labels: Labels = np.array([row.label for row in predictions], dtype=np.int64)
    probabilities: Floats = np.array([row.probabilities for row in predictions], dtype=np.float64)
    predicted: Labels = np.array([row.predicted for row in predictions], dtype=np.int64)
    return ScoredCohort(probabilities, labels, predicted, as_groups([row.group for row in predictions]))


def refuse_nan(predictions: Sequence[Prediction]) -> None:
    """Check that every probability is a number.

    Raises:
        InputError: Some are not; it names the participants.
    """
    bad = [row.participant_id for row in predictions if not np.isfinite(row.uncalibrated).all()]
    if bad:
        more = f" and {len(bad) - _NAMED_AT_MOST} more" if len(bad) > _NAMED_AT_MOST else ""
        cause = (
            "the network has diverged: train again, with a smaller learning rate or --precision float32"
            if len(bad) == len(predictions)
            else "check their recordings: monai-fusion datalist check --deep"
        )
        seen = "not a number"
        raise InputError(Problem(", ".join(bad[:_NAMED_AT_MOST]) + more, "probabilities", seen, "0 to 1", cause))


def set_text(classes: Sequence[str], members: Sequence[int]) -> str:
    r"""Return a prediction set as the text of a cell: ``M | F``; a ``|`` or ``\\`` in a name has a ``\\`` before it."""
    return _BETWEEN.join(_escaped(classes[index]) for index in members)


def set_of_text(text: str, classes: Sequence[str]) -> tuple[int, ...]:
    """Read what `set_text` wrote.

    Raises:
        ValueError: It does not hold only names of these classes, each once and in their order.
    """
    places = {_escaped(name): place for place, name in enumerate(classes)}
    found = tuple(places.get(part, -1) for part in text.split(_BETWEEN))
    if -1 in found or list(found) != sorted(set(found)):
        raise ValueError("not a prediction set")
    return found


def _escaped(name: str) -> str:
    return name.replace("\\", "\\\\").replace("|", "\\|")


class PredictionTable:
    """The columns of ``predictions.csv``, and its lines; `docs/metrics.md` lists the columns.

    Args:
        classes: The names of all classes, in the order of their indices.
        conditions: The EEG conditions that have columns of their own.
        strata: For each field of the datalist by which results are grouped, every participant's category.
        complete: Whether all predictions are made from both recordings; otherwise a column names the recordings.
        by_shares: Whether probabilities are divided by class shares before the largest one decides.
        grouped: Whether participants are in groups.
        removed: Whether there are columns for the predictions without each recording.
        compared: Whether a column says what differs from the training participants.
        sets: Whether there is a column for the prediction set.
        errors: Whether there are columns for the EEG that could not be used, and for why there is no prediction.
    """

    def __init__(
        self,
        classes: Sequence[str],
        conditions: Sequence[str] = (),
        strata: Mapping[str, Mapping[str, str]] | None = None,
        *,
        complete: bool = True,
        by_shares: bool = False,
        grouped: bool = False,
        removed: bool = True,
        compared: bool = False,
        sets: bool = False,
        errors: bool = False,
    ) -> None:
        self.classes, self.conditions, self.strata = list(classes), list(conditions), strata or {}
        self.complete, self.by_shares, self.grouped = complete, by_shares, grouped
        self.removed, self.compared, self.sets, self.errors = removed, compared, sets, errors

    def header(self) -> str:
        """The first line."""
        cells = (
            ["participant_id", "label", "predicted", "correct"]
            + [f"probability_{name}" for name in self.classes]
            + [f"network_{name}" for name in self.classes]
            + [f"share_{name}" for name in self.classes if self.by_shares]
            + [
                "threshold",
                "gate",
                "segments",
                *([] if self.complete else ["recordings"]),
                "fold",
                *(["group"] if self.grouped else []),
            ]
            + [f"{kind}_without_{name}" for name in ("eeg", "mri") for kind in ("predicted", "change") if self.removed]
            + [f"stratum_{name}" for name in self.strata]
            + [f"probability_{name}_in_{condition}" for condition in self.conditions for name in self.classes]
            + ["segment_spread"]
            + ["unlike_training" for _ in range(self.compared)]
            + ["prediction_set" for _ in range(self.sets)]
            + (["not_used", "error"] if self.errors else [])
        )
        return delimited([cells])

    def line(self, row: Prediction) -> str:
        """The line of a participant; of one with an error, all that a network computes is empty."""
        classes, nothing = self.classes, ("",) * len(self.classes)
        others = (row.without_eeg, row.without_mri) if self.removed else ()
        removed = [_without(row, other, classes) for other in others]
        by_condition = [row.by_condition.get(name, nothing) for name in self.conditions]
        known = not row.error
        cells: list[object] = [
            row.participant_id,
            "" if row.label is None else classes[row.label],
            classes[row.predicted] if known else "",
            "" if row.label is None or not known else str(row.predicted == row.label).lower(),
            *(row.probabilities if known else nothing),
            *(row.uncalibrated if known else nothing),
            *((row.shares or nothing) if self.by_shares else ()),
            "" if row.threshold is None else row.threshold,
            row.gate if known else "",
            row.segments,
            *([] if self.complete else [row.recordings]),
            row.fields.get("fold", ""),
            *([row.group or ""] if self.grouped else []),
            *(value for pair in removed for value in pair),
            *(categories[row.participant_id] for categories in self.strata.values()),
            *(value for values in by_condition for value in values),
            "" if row.segment_spread is None else row.segment_spread,
            *([row.unlike_training or ""] if self.compared else []),
            *([set_text(classes, row.prediction_set or ())] if self.sets else []),
            *([row.not_used, row.error] if self.errors else []),
        ]
        return delimited([cells])


def write_predictions(
    predictions: Sequence[Prediction],
    classes: Sequence[str],
    path: str | os.PathLike[str],
    strata: Mapping[str, Mapping[str, str]] | None = None,
) -> Path:
    """Write a CSV file, one row for each participant; `docs/metrics.md` lists its columns.

    Unknown values are empty. Probabilities are written with all digits. If the class names consist of letters and
    digits, so do the names of the columns, as R and Stata require.

    Args:
        predictions: One prediction for each participant.
        classes: The names of all classes, in the order of their indices.
        path: The file.
        strata: For each field of the datalist by which results are grouped, every participant's category.

    Returns:
        The path of the file: a new name if another program keeps the old file open.
    """
    table = PredictionTable(
        classes,
        sorted({name for row in predictions for name in row.by_condition}),
        strata,
        complete=len(from_both_recordings(predictions)) == len(predictions),
        by_shares=any(row.shares is not None for row in predictions),
        grouped=any(row.group for row in predictions),
        compared=any(row.unlike_training is not None for row in predictions),
        sets=any(row.prediction_set is not None for row in predictions),
    )
    text = "".join([table.header(), *map(table.line, predictions)])
    return write_for_readers(Path(path), text.encode("utf-8"))


def _without(row: Prediction, other: tuple[float, ...] | None, classes: Sequence[str]) -> tuple[str, float | str]:
    if other is None:
        return "", ""
    return classes[row.decided(other)], probability_change(row.probabilities, other)
