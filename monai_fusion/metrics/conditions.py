"""The EEG condition (eyes open, eyes closed) of each segment, from the file names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from monai_fusion.datalist import ParticipantRecord
from monai_fusion.datalist.choosing import condition_words

_MOST_CONDITIONS = 6


def conditions_of(records: Iterable[ParticipantRecord]) -> dict[str, tuple[str | None, ...]]:
    """Read the condition of every EEG segment from its file name: ``EO`` of ``sub-010002_EO_seg0.npy``.

    A condition is the one word between two ``_`` (or the value of one, ``task-EO``) that not all files of the cohort
    have; numbers and sessions do not count.

    Args:
        records: The participants.

    Returns:
        For each participant, the condition of each of ``record.eeg``, None where the name has none. Empty unless the
        names give 2 to 6 conditions, each of at least two participants.
    """
    words = {record.participant_id: [_words(path) for path in record.eeg] for record in records}
    every = [segment for segments in words.values() for segment in segments]
    shared = set.intersection(*every) if every else set()
    found = {name: tuple(_single(segment - shared) for segment in segments) for name, segments in words.items()}
    participants: dict[str, set[str]] = defaultdict(set)
    for name, conditions in found.items():
        for condition in conditions:
            if condition is not None:
                participants[condition].add(name)
    if not 2 <= len(participants) <= _MOST_CONDITIONS or min(map(len, participants.values())) < 2:
        return {}
    return found


def mean_by_condition(
    probabilities: Sequence[Sequence[float]], conditions: Sequence[str | None]
) -> Mapping[str, tuple[float, ...]]:
    """Average the probabilities [segment][class] of a participant over the segments of each condition."""
    by_condition: dict[str, list[Sequence[float]]] = defaultdict(list)
    for values, condition in zip(probabilities, conditions, strict=True):
        if condition is not None:
            by_condition[condition].append(values)
    return {
        name: tuple(sum(column) / len(rows) for column in zip(*rows, strict=True))
        for name, rows in sorted(by_condition.items())
    }


def _words(path: Path) -> set[str]:
    values = (word.partition("-")[2] or word for word in condition_words(path) if not word.startswith("ses-"))
    return {value for value in values if not value.isdecimal()}


def _single(words: set[str]) -> str | None:
    return next(iter(words)) if len(words) == 1 else None
