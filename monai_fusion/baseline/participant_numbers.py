"""The numbers of participants, as one row each: recordings and covariates, with NaN where something is missing."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from monai_fusion.baseline.scalogram_numbers import Floats, ScalogramNumbers, by_region, log_power, mean_of_known
from monai_fusion.baseline.stored_numbers import numbers_of
from monai_fusion.baseline.volume_numbers import NUMBERS, SUMMARY, VolumeNumbers
from monai_fusion.datalist.records import ParticipantRecord
from monai_fusion.datalist.strata import bounds, categories_in_order
from monai_fusion.spreading import some_of

HEAD_VOLUME = "head_volume"
"""The covariate that every cohort with MRIs has: the volume of the head in the file, in litres."""

SEGMENTS = 4
"""Scalograms of a participant whose numbers are averaged, at even distances in the recording."""

_MOST_CATEGORIES = 20
_MM3_PER_LITRE = 1.0e6


@dataclass(frozen=True)
class NumberSettings:
    """How the recordings are read.

    Attributes:
        store: Folder of the preprocessed store; None without one.
        eeg_shape: Of every scalogram's file: (frequency, time, electrode).
        assume_orientation: Of MRIs whose header states none.
        modalities: ``both``, ``eeg`` or ``mri``: the recordings that a network may use, and so the numbers.
    """

    store: str | os.PathLike[str] | None = None
    eeg_shape: tuple[int, ...] = (224, 224, 17)
    assume_orientation: str | None = None
    modalities: str = "both"


@dataclass(frozen=True, eq=False)
class Covariate:
    """One covariate of all participants.

    Attributes:
        name: The field.
        values: [participant, column]: the number, or a column for each category; NaN where it is not known.
        categories: The categories, one for each column; empty for a number.
    """

    name: str
    values: Floats
    categories: tuple[str, ...] = ()

    @property
    def is_number(self) -> bool:
        """Whether it is a number."""
        return not self.categories


@dataclass(frozen=True, eq=False)
class ParticipantNumbers:
    """The numbers of some participants.

    Attributes:
        records: The participants.
        mri: [participant, number]; NaN without an MRI; None if the cohort has none.
        eeg: [participant, number]; NaN without an EEG; None if the cohort has none.
        covariates: Those that the user named; without the head volume.
        eeg_raw_power: As ``eeg``, log10 of the power before the z-score; None also if the files hold no power.
    """

    records: tuple[ParticipantRecord, ...]
    mri: Floats | None = None
    eeg: Floats | None = None
    covariates: tuple[Covariate, ...] = field(default=())
    eeg_raw_power: Floats | None = None

    @property
    def head_volume(self) -> Covariate | None:
        """The volume of the head in litres; None if the cohort has no MRI."""
        if self.mri is None:
            return None
        return Covariate(HEAD_VOLUME, np.exp(self.mri[:, :1]) / _MM3_PER_LITRE)

    @property
    def all_covariates(self) -> list[Covariate]:
        """The head volume, if it is known, then the others."""
        volume = self.head_volume
        return [*([] if volume is None else [volume]), *self.covariates]


def head_volumes(
    records: Sequence[ParticipantRecord], settings: NumberSettings, done: Callable[[], object] = str
) -> dict[str, float]:
    """Return the volume of the head of each participant with an MRI, in litres.

    Raises:
        InputError: MRIs that cannot be read.
    """
    there = [record for record in records if record.mri is not None]
    numbers = VolumeNumbers(settings.assume_orientation)
    found = numbers_of([record.mri for record in there if record.mri is not None], numbers, settings.store, done)
    return {
        record.participant_id: float(np.exp(row[0])) / _MM3_PER_LITRE for record, row in zip(there, found, strict=True)
    }


def participant_numbers(
    records: Sequence[ParticipantRecord], settings: NumberSettings, covariates: Sequence[str] = ()
) -> ParticipantNumbers:
    """Compute the numbers of participants, or find them in the store.

    Args:
        records: The participants.
        settings: How the recordings are read.
        covariates: Names of fields of the datalist; `HEAD_VOLUME` is always there, and is left out here.

    Raises:
        InputError: Recordings that cannot be read.
    """
    named = tuple(covariate_of(records, name) for name in dict.fromkeys(covariates) if name != HEAD_VOLUME)
    eeg, raw_power = _eeg_numbers(records, settings) if settings.modalities != "mri" else (None, None)
    return ParticipantNumbers(
        tuple(records),
        _mri_numbers(records, settings) if settings.modalities != "eeg" else None,
        eeg,
        named,
        raw_power,
    )


def covariate_of(records: Sequence[ParticipantRecord], name: str) -> Covariate:
    """Return a field of the datalist as numbers.

    A number is itself, a range (``20-25``) its middle; if any value is neither, each category is a column.
    """
    texts = ["" if record.extra.get(name) is None else str(record.extra[name]).strip() for record in records]
    return covariate_of_texts(name, texts)


def covariate_of_texts(name: str, texts: Sequence[str]) -> Covariate:
    """Return the texts of a column as numbers, see `covariate_of`; an empty text is not known."""
    numbers = {text: middle(text) for text in set(texts) if text}
    if all(value is not None for value in numbers.values()):
        column = [numbers.get(text) for text in texts]
        return Covariate(name, np.array([[np.nan if each is None else each] for each in column]))
    different = categories_in_order(numbers)[:_MOST_CATEGORIES]
    rows = [[float(text == each) if text else np.nan for each in different] for text in texts]
    return Covariate(name, np.array(rows), tuple(different))


def middle(text: str) -> float | None:
    """The number that a text is, or the middle of the range; None if it is neither."""
    try:
        value = float(text)
        return value if np.isfinite(value) else None
    except ValueError:
        ends = bounds(text)
        return None if ends is None else float(sum(ends)) / 2


def numeric_fields(records: Sequence[ParticipantRecord]) -> Mapping[str, Covariate]:
    """The further fields of a datalist that are numbers for everyone who has them, and vary; folds are no covariate."""
    names = dict.fromkeys(name for record in records for name in record.extra if name != "fold")
    found = {name: covariate_of(records, name) for name in names}
    return {
        name: each
        for name, each in found.items()
        if each.is_number and len(np.unique(each.values[np.isfinite(each.values)])) > 1
    }


def _mri_numbers(records: Sequence[ParticipantRecord], settings: NumberSettings) -> Floats | None:
    sources = [record.mri for record in records if record.mri is not None]
    if not sources:
        return None
    found = iter(numbers_of(sources, VolumeNumbers(settings.assume_orientation), settings.store))
    return _rows([None if record.mri is None else next(found)[:NUMBERS] for record in records])


def _eeg_numbers(
    records: Sequence[ParticipantRecord], settings: NumberSettings
) -> tuple[Floats, Floats | None] | tuple[None, None]:
    """Band x region means as the network sees them, and log10 of the power in the files."""
    chosen = [some_of(record.eeg, SEGMENTS) for record in records]
    sources = [source for files in chosen for source in files]
    if not sources:
        return None, None
    found = iter(numbers_of(sources, ScalogramNumbers(settings.eeg_shape), settings.store))
    of_each = [np.stack([next(found) for _ in files]) if files else None for files in chosen]
    seen = _rows([None if each is None else by_region(each[:, 0].mean(axis=0)) for each in of_each])
    power = _rows([None if each is None else by_region(mean_of_known(log_power(each[:, 1]))) for each in of_each])
    power = power[:, np.isfinite(power).any(axis=0)]
    return seen, power if power.size else None


def _rows(rows: Sequence[Floats | None]) -> Floats:
    width = next(len(row) for row in rows if row is not None)
    return np.stack([np.full(width, np.nan) if row is None else row for row in rows])


SUMMARY_NUMBERS = len(SUMMARY)
"""The first numbers of an MRI, which weigh as much as the picture of blocks after them."""
