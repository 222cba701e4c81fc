"""How unlike a training part a participant is: each difference, the most unlike first, and one number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from monai_fusion.cohort_profile import words
from monai_fusion.cohort_profile.measures import FLAT, measure_of
from monai_fusion.cohort_profile.participant_facts import ParticipantFacts
from monai_fusion.cohort_profile.profile_file import CohortProfile, NumberProfile

UNSEEN: Final = 20.0
"""The distance, in robust units, of a setting that no participant of the training has, and of a flat electrode."""

_USUAL = 0.05  # the share of the training from which on a setting, or a flat electrode, is nothing special


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs.

    Attributes:
        title: What it is: ``voxel size``; differences of one title are reported once.
        name: The number or setting, as in ``cohort_profile.json``.
        seen: Its value; of a number, in the file's unit (some are log10).
        usual: The training's: low and high of a number, counts of a setting.
        distance: How far outside the training's range, in robust units.
        words: ``voxel size: 2 mm left-right, in the training 1 mm``.
    """

    title: str
    name: str
    seen: float | str
    usual: tuple[float, float] | Mapping[str, int]
    distance: float
    words: str


def differences(profile: CohortProfile, participant: ParticipantFacts) -> tuple[Difference, ...]:
    """Return what differs from a training part, the most unlike first."""
    found: dict[str, list[Difference]] = defaultdict(list)
    for each in (*_numbers(profile, participant), *_texts(profile, participant), *_flat(profile, participant)):
        found[each.title].append(each)
    merged = [_merged(sorted(each, key=lambda one: -one.distance)) for each in found.values()]
    return tuple(sorted(merged, key=lambda each: -each.distance))


def unlike(profile: CohortProfile, participant: ParticipantFacts) -> float:
    """Return how unlike a training part a participant is; above 1 something differs, 0 is amid all ranges.

    It is the largest distance from a range, as a share of the distance from which on a number differs.
    """
    distances = [_excess(profile.numbers[name], value) for name, value in _known(profile, participant)]
    others = (*_texts(profile, participant), *_flat(profile, participant))
    return max([0.0, *distances, *(each.distance for each in others)]) / profile.widening


def _known(profile: CohortProfile, participant: ParticipantFacts) -> Iterator[tuple[str, float]]:
    yield from ((name, value) for name, value in participant.numbers.items() if name in profile.numbers)


def _excess(number: NumberProfile, value: float) -> float:
    return max((number.low - value) / number.low_unit, (value - number.high) / number.high_unit, 0.0)


def _numbers(profile: CohortProfile, participant: ParticipantFacts) -> Iterator[Difference]:
    for name, value in _known(profile, participant):
        number, measure = profile.numbers[name], measure_of(name)
        distance = _excess(number, value)
        if measure is not None and distance > profile.widening:
            text = words.of_number(measure, value, number)
            yield Difference(measure.group, name, value, (number.low, number.high), distance, text)


def _texts(profile: CohortProfile, participant: ParticipantFacts) -> Iterator[Difference]:
    """Settings that no participant of the training has.

    A setting that hardly two participants share (one value each for more than 5 %) says nothing, nor does one that is
    known of less than half of the training.
    """
    for name, value in participant.texts.items():
        counts = profile.texts.get(name, {})
        known = sum(counts.values())
        alone = sum(count == 1 for count in counts.values())
        if value in counts or 2 * known < max(profile.with_mri, profile.with_eeg) or alone > max(1, _USUAL * known):
            continue
        yield Difference(name, name, value, counts, UNSEEN, words.of_text(name, value, counts))


def _flat(profile: CohortProfile, participant: ParticipantFacts) -> Iterator[Difference]:
    for name, segments in participant.flat.items():
        usual = profile.flat_electrodes.get(name, 0)
        if usual <= _USUAL * profile.with_eeg:
            text = words.of_flat(name, segments, participant.segments)
            yield Difference(FLAT, name, text.partition(": ")[2], {name: usual}, UNSEEN, text)


def _merged(of_title: list[Difference]) -> Difference:
    """The most unlike of a title, its words with the number of the others."""
    first, *others = of_title
    return Difference(
        first.title, first.name, first.seen, first.usual, first.distance, words.with_more(first.words, others)
    )
