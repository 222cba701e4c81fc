"""Reading ``predictions.csv`` back."""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from monai_fusion.baseline.predictions import NetworkPredictions
from monai_fusion.datalist import AVAILABLE_MODALITIES, AvailableModalities
from monai_fusion.errors import InputError, Problem
from monai_fusion.files import latest
from monai_fusion.messages import visible
from monai_fusion.metrics.predictions import set_of_text
from monai_fusion.opening import NotReadableError
from monai_fusion.reading import read_bytes, reason_of
from monai_fusion.run_folder import PREDICTIONS_FILE

_NAMED_AT_MOST = 3
_ROUNDED, _NOTHING = 0.005, 1e-6  # of numbers that a spreadsheet has rounded to two digits
_EVALUATE = "was the table edited? Evaluate again"
_MOST_CLASSES = 100  # a larger matrix cannot be drawn
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PROBABILITY = re.compile(r"probability_(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PredictionRow:
    """One row of ``predictions.csv``.

    Attributes:
        participant_id: The participant.
        label: Index of the true class; None if it is not known.
        predicted: Index of the predicted class.
        probabilities: One for each class.
        gate: Weight of the EEG, 0 to 1; NaN if the table has none.
        segments: Number of EEG segments, as text; empty if the table has none.
        network_probabilities: The network's own probabilities; empty if the table has none.
        recordings: The recordings that the prediction was made from: ``both``, ``eeg`` or ``mri``.
        group: The name of its family, pair or other group; empty if it is in none.
        unlike_training: What differs between its recordings and the training's; empty if nothing does, None if the
            table has no such column.
        prediction_set: The indices of the classes that cannot be excluded; None if the table has no sets.
        not_used: What of the EEG the prediction was made without, and why; empty if all was used.
    """

    participant_id: str
    label: int | None
    predicted: int
    probabilities: tuple[float, ...]
    gate: float
    segments: str
    network_probabilities: tuple[float, ...] = ()
    recordings: AvailableModalities = "both"
    group: str = ""
    unlike_training: str | None = None
    prediction_set: tuple[int, ...] | None = None
    not_used: str = ""

    @property
    def wrong(self) -> bool:
        """Whether the true class is known, and another one was predicted."""
        return self.label is not None and self.label != self.predicted

    @property
    def confidence(self) -> float:
        """The probability of the predicted class."""
        return self.probabilities[self.predicted]


def network_predictions(folder: Path) -> NetworkPredictions:
    """Read what a network predicted, for a comparison with plain numbers.

    Raises:
        InputError: The folder has no ``predictions.csv``, or a wrong one.
    """
    rows = read_predictions(folder)[1]
    return NetworkPredictions(
        {row.participant_id: row.probabilities for row in rows}, {row.participant_id: row.predicted for row in rows}
    )


def read_predictions(folder: Path) -> tuple[tuple[str, ...], list[PredictionRow]]:
    """Read the predictions of an evaluation or inference.

    Args:
        folder: The folder that holds ``predictions.csv``.

    Returns:
        The class names in their order, and the participants in the table's.

    Raises:
        InputError: There is no such table, it is empty, a cell is wrong, or its cells contradict one another:
            probabilities that do not add up to 1, or a predicted class that does not follow from them.
    """
    classes, participants, _ = read_predictions_with_cells(folder)
    return classes, participants


def read_predictions_with_cells(folder: Path) -> tuple[tuple[str, ...], list[PredictionRow], list[dict[str, str]]]:
    """As `read_predictions`, with the cells of each participant by column name.

    Participants who could not be predicted are left out: `read_failures` has them.

    Raises:
        InputError: As of `read_predictions`.
    """
    path, rows = _cells(folder)
    classes = _classes(list(rows[0]), path)
    rows = [row for row in rows if not _is_failed(row)]
    problems: list[Problem] = []
    participants = [participant for row in rows if (participant := _participant(row, classes, path, problems))]
    counts = Counter(participant.participant_id for participant in participants)
    problems += [Problem(str(path), name, "occurs twice") for name in sorted(counts) if counts[name] > 1]
    if not problems:
        problems += _contradictions(rows, participants, classes)
    if problems:
        raise InputError(problems, heading=str(path))
    return classes, participants, rows


def read_failures(folder: Path) -> dict[str, str]:
    """Read which participants could not be predicted, and why.

    Args:
        folder: The folder that holds ``predictions.csv``.

    Raises:
        InputError: There is no such table, or it is empty.
    """
    return {row.get("participant_id") or "?": row["error"] for row in _cells(folder)[1] if _is_failed(row)}


def _is_failed(row: Mapping[str, str]) -> bool:
    return bool(row.get("error")) and not row.get("predicted")


def _cells(folder: Path) -> tuple[Path, list[dict[str, str]]]:
    """The table's path, and the cells of each row by column name; there is at least one row."""
    path = latest(folder / PREDICTIONS_FILE)
    try:
        text = read_bytes(path).decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except NotReadableError as error:
        raise InputError(Problem(str(path), seen=reason_of(error), wanted="a table", advice="evaluate again")) from None
    except OSError:
        advice = "give the --output_dir of an evaluation (evaluate.yaml)"
        raise InputError(Problem(str(folder), seen=f"no {PREDICTIONS_FILE}", advice=advice)) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(Problem(str(path), seen=f"not a table in UTF-8 ({error})", advice="evaluate again")) from None
    if not rows:
        raise InputError(Problem(str(path), seen="no participants", advice="evaluate again"))
    return path, rows


def _classes(columns: Sequence[str], path: Path) -> tuple[str, ...]:
    """The class names, from the first run of columns ``probability_...``; later ones belong to EEG conditions."""
    missing = [name for name in ("participant_id", "label", "predicted") if name not in columns]
    if missing:
        raise InputError(Problem(str(path), seen=f"no column {', '.join(missing)}", advice="evaluate again"))
    matches = [_PROBABILITY.fullmatch(name or "") for name in columns]
    first = next((place for place, match in enumerate(matches) if match), len(matches))
    found = tuple(match[1] for match in takewhile(bool, matches[first:]) if match)
    if len(found) < 2:
        raise InputError(Problem(str(path), seen="fewer than two columns probability_CLASS", advice="evaluate again"))
    if len(found) > _MOST_CLASSES or len(set(found)) < len(found):
        seen = f"{len(found)} columns probability_CLASS, {len(set(found))} of them different"
        raise InputError(Problem(str(path), seen=seen, wanted=f"at most {_MOST_CLASSES}, all different"))
    if any(_CONTROL.search(name) for name in found):
        raise InputError(Problem(str(path), seen="a class name with control characters", advice="evaluate again"))
    return found


def _participant(
    row: Mapping[str, str], classes: Sequence[str], path: Path, problems: list[Problem]
) -> PredictionRow | None:
    name = row["participant_id"] or ""
    if not name or _CONTROL.search(name):
        problems.append(Problem(str(path), "participant_id", ascii(name), "an id without control characters"))
        return None

    def number(column: str, missing: float | None = None) -> float:
        text = row.get(column) or ""
        if not text and missing is not None:
            return missing
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 <= value <= 1:
            problems.append(Problem(name, column, repr(text), "a number from 0 to 1"))
        return value

    def index(column: str) -> int | None:
        if row[column] in classes:
            return classes.index(row[column])
        if row[column] or column == "predicted":
            problems.append(Problem(name, column, repr(row[column]), f"one of {', '.join(classes)}"))
        return None

    label, predicted = index("label"), index("predicted")
    probabilities = tuple(number(f"probability_{one}") for one in classes)
    network = tuple(number(f"network_{one}") for one in classes if f"network_{one}" in row)
    gate = number("gate", missing=math.nan)
    if predicted is None:
        return None
    recordings: AvailableModalities = next(
        (known for known in AVAILABLE_MODALITIES if known == row.get("recordings")), "both"
    )
    segments, group = row.get("segments") or "", row.get("group") or ""
    other = row.get("unlike_training")
    unlike = None if other is None else visible(other)
    members, not_used = _prediction_set(row, classes, predicted, problems), visible(row.get("not_used") or "")
    return PredictionRow(
        name, label, predicted, probabilities, gate, segments, network, recordings, group, unlike, members, not_used
    )


def _prediction_set(
    row: Mapping[str, str], classes: Sequence[str], predicted: int, problems: list[Problem]
) -> tuple[int, ...] | None:
    text = row.get("prediction_set")
    if not text:
        return None
    try:
        found = set_of_text(text, classes)
    except ValueError:
        found = ()
    if predicted in found:
        return found
    wanted = f"{classes[predicted]!r}, alone or with others of {', '.join(classes)}, and | between them"
    problems.append(Problem(row["participant_id"], "prediction_set", repr(text), wanted, _EVALUATE))
    return None


def _contradictions(
    rows: Sequence[Mapping[str, str]], participants: Sequence[PredictionRow], classes: Sequence[str]
) -> Iterator[Problem]:
    """Contradictions in a table that was edited, or merged from several; one problem for each kind."""
    spare = _ROUNDED * len(classes) + _NOTHING
    sums = {
        participant.participant_id: (name, total)
        for participant in participants
        for name, values in (
            ("probability_...", participant.probabilities),
            ("network_...", participant.network_probabilities),
        )
        if values and abs((total := math.fsum(values)) - 1) > spare
    }
    if sums:
        column, total = next(iter(sums.values()))
        yield Problem(_named(list(sums)), column, f"adding up to {total:g}", "1", _EVALUATE)
    others: dict[str, tuple[str, str]] = {}
    for row, participant in zip(rows, participants, strict=True):
        text = row.get("threshold") or ""
        try:
            threshold = float(text) if text else None
        except ValueError:
            yield Problem(participant.participant_id, "threshold", repr(text), "a number", _EVALUATE)
            continue
        try:
            shares = [float(row[f"share_{name}"]) for name in classes if row.get(f"share_{name}")]
        except ValueError:
            shares = [0.0]
        if shares and (len(shares) != len(classes) or not all(0 < share <= 1 for share in shares)):
            yield Problem(participant.participant_id, "share_...", "not above 0 and at most 1", "a share", _EVALUATE)
            continue
        wanted = _allowed_classes(participant.probabilities, threshold, shares or [1.0] * len(classes))
        if participant.predicted not in wanted:
            because = "the likeliest at equal class shares" if shares else "the likeliest"
            if threshold is not None:
                because = f"from probability_{classes[-1]} and the threshold {threshold:g}"
            others[participant.participant_id] = (
                repr(classes[participant.predicted]),
                f"{classes[wanted[0]]!r}, {because}",
            )
    if others:
        yield Problem(_named(list(others)), "predicted", *next(iter(others.values())), _EVALUATE)


def _allowed_classes(probabilities: Sequence[float], threshold: float | None, shares: Sequence[float]) -> list[int]:
    """The classes that these probabilities, which may be rounded, allow; the first is the likeliest."""
    spare = _ROUNDED + _NOTHING
    if threshold is not None and len(probabilities) == 2:
        over = probabilities[1] - threshold
        return [int(over > 0)] if abs(over) > spare else [0, 1]
    least, most = ([(value + way * spare) / share for value, share in zip(probabilities, shares, strict=True)]
                   for way in (-1, 1))  # fmt: skip
    found = [index for index, value in enumerate(most) if value >= max(least)]
    return sorted(found, key=lambda index: -(least[index] + most[index]))


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED_AT_MOST} more" if len(names) > _NAMED_AT_MOST else ""
    return ", ".join(names[:_NAMED_AT_MOST]) + more
