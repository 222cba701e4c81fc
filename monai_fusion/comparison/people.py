"""The participants of a comparison with their plain numbers, and simple models fitted and tested on its folds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from monai_fusion.baseline.evaluating import LEARNED_FROM, BaselineSettings
from monai_fusion.baseline.participant_numbers import (
    NumberSettings,
    ParticipantNumbers,
    covariate_of,
    numeric_fields,
    participant_numbers,
)
from monai_fusion.comparison.planning import Plan
from monai_fusion.comparison.statistics import OutOfFold
from monai_fusion.datalist import ParticipantRecord, read_datalist
from monai_fusion.errors import InputError
from monai_fusion.metrics.scores import Labels, ScoredCohort

Model = Callable[[Labels, Labels], ScoredCohort]
"""Fits on some rows of the participants, and predicts others."""


@dataclass(frozen=True, eq=False)
class People:
    """Who takes part in a comparison.

    Attributes:
        data: The predictions; its participants are these.
        numbers: Their numbers, in the same order.
        learned: For each repeat and fold, the rows of those that a model may learn from: training, then validation.
        unreadable: Why the numbers of the recordings are not known; empty if they are.
    """

    data: OutOfFold
    numbers: ParticipantNumbers
    learned: Mapping[tuple[int, int], Labels]
    unreadable: str = ""

    def out_of_fold(self, model: Model) -> list[ScoredCohort]:
        """Predict each fold by a model of the others; one cohort for each repeat."""
        found = []
        for repeat, folds in enumerate(self.data.repeats):
            parts = [(folds == fold, learned) for (number, fold), learned in self.learned.items() if number == repeat]
            order = np.concatenate([np.flatnonzero(inside) for inside, _ in parts])
            predicted = [model(learned, np.flatnonzero(inside)) for inside, learned in parts]
            found.append(_joined(predicted, np.argsort(order)))
        return found


def people_of(plan: Plan, data: OutOfFold) -> People:
    """Read the participants of a comparison and the numbers of their recordings.

    Args:
        plan: The comparison, its datalists of folds written.
        data: The predictions of all its runs.
    """
    places = {name: place for place, name in enumerate(data.ids)}
    by_id: dict[str, ParticipantRecord] = {}
    learned = {}
    for repeat, folds in plan.repeats.items():
        for number, name in enumerate(folds.texts):
            cohort = read_datalist(plan.folds_folder(repeat) / name, require_files=True)
            by_id = by_id or {each.participant_id: each for part in cohort.sections for each in cohort.records(part)}
            rows = [
                places[each.participant_id]
                for section in LEARNED_FROM[BaselineSettings.section]
                for each in cohort.by_section[section]
            ]
            learned[repeat - 1, number] = np.array(rows, dtype=np.int64)
    records = [by_id[name] for name in data.ids]
    named = list(plan.options.covariates) or list(numeric_fields(list(by_id.values())))
    try:
        return People(data, participant_numbers(records, number_settings(plan), named), learned)
    except InputError as error:
        fields = tuple(covariate_of(records, name) for name in named if name in _fields(records))
        return People(data, ParticipantNumbers(tuple(records), covariates=fields), learned, str(error.problems[0]))


def number_settings(plan: Plan) -> NumberSettings:
    """Return how the trainings of a comparison read recordings."""
    shape = plan.shared.get("eeg_shape", NumberSettings.eeg_shape)
    return NumberSettings(plan.cache_dir, tuple(shape), plan.shared.get("assume_orientation"))


def _fields(records: list[ParticipantRecord]) -> set[str]:
    return {name for record in records for name in record.extra}


def _joined(parts: list[ScoredCohort], rows: Labels) -> ScoredCohort:
    return ScoredCohort(
        np.concatenate([each.probabilities for each in parts])[rows],
        np.concatenate([each.labels for each in parts])[rows],
        np.concatenate([each.predicted for each in parts])[rows],
    )
