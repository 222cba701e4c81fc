"""From the participants of a training part to its profile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from monai_fusion import __version__
from monai_fusion.baseline.participant_numbers import NumberSettings
from monai_fusion.cohort_profile.measures import measure_of
from monai_fusion.cohort_profile.participant_facts import ParticipantFacts, participant_facts
from monai_fusion.cohort_profile.profile_file import CohortProfile, NumberProfile
from monai_fusion.cohort_profile.rule import FEWEST, ranges_of, widening_of
from monai_fusion.datalist.records import ParticipantRecord


def profile_of(
    records: Sequence[ParticipantRecord], settings: NumberSettings, done: Callable[[], object] = str
) -> CohortProfile:
    """Measure the recordings of participants, or find their numbers in the store, and summarise them.

    Args:
        records: The participants that the model learns from, with the recordings that it uses of them.
        settings: How the recordings are read.
        done: Called after each file.

    Raises:
        InputError: Recordings that cannot be read.
    """
    return summarised(participant_facts(records, settings, done))


def summarised(everyone: Sequence[ParticipantFacts], widening: float | None = None) -> CohortProfile:
    """Return the profile of participants.

    Args:
        everyone: The participants.
        widening: Of a cohort that these are nearly all of; None computes it.
    """
    names = list(dict.fromkeys(name for each in everyone for name in each.numbers))
    counts = Counter(name for each in everyone for name in each.numbers)
    measures = {name: measure for name in names if counts[name] >= FEWEST and (measure := measure_of(name)) is not None}
    values = np.array([[each.numbers.get(name, np.nan) for name in measures] for each in everyone], dtype=np.float64)
    values = values.reshape(len(everyone), len(measures))
    least_units = np.array([measure.least_unit for measure in measures.values()], dtype=np.float64)
    ranges = ranges_of(values, least_units)
    numbers = {}
    for place, name in enumerate(measures):
        known = values[np.isfinite(values[:, place]), place]
        median = float(ranges.median[place])
        numbers[name] = NumberProfile(
            participants=len(known),
            median=median,
            mad=float(np.median(np.abs(known - median))),
            low=float(ranges.low[place]),
            high=float(ranges.high[place]),
            low_unit=float(ranges.low_unit[place]),
            high_unit=float(ranges.high_unit[place]),
            least=float(known.min()),
            most=float(known.max()),
        )
    texts = dict.fromkeys(name for each in everyone for name in each.texts)
    return CohortProfile(
        monai_fusion=__version__,
        participants=len(everyone),
        with_mri=sum(each.has_mri for each in everyone),
        with_eeg=sum(each.segments > 0 for each in everyone),
        widening=widening_of(values, least_units) if widening is None else widening,
        numbers=numbers,
        texts={name: _counts(each.texts[name] for each in everyone if name in each.texts) for name in texts},
        flat_electrodes=_counts(name for each in everyone for name in each.flat),
    )


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())
