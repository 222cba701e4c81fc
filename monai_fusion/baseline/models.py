"""The baselines: which numbers each uses, fitted on some participants and tested on others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from monai_fusion.baseline.baseline_file import BaselineName
from monai_fusion.baseline.participant_numbers import SUMMARY_NUMBERS, Covariate, ParticipantNumbers
from monai_fusion.baseline.ridge import Features, Ridge
from monai_fusion.baseline.scalogram_numbers import Floats
from monai_fusion.metrics.scores import Labels, ScoredCohort
from monai_fusion.wording import counted


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """The numbers of one baseline.

    Attributes:
        name: As in baseline.json.
        title: In words, for a sentence: ``a logistic regression on ...``.
        features: Of all participants.
    """

    name: BaselineName
    title: str
    features: Features


def feature_sets(numbers: ParticipantNumbers, residualise: tuple[Covariate, ...] = ()) -> tuple[FeatureSet, ...]:
    """Return the baselines of a cohort, the simplest first.

    Args:
        numbers: Of all participants.
        residualise: Covariates to remove from the numbers of the recordings within each training part.
    """
    given = None
    if residualise:
        given = np.concatenate([each.values for each in residualise], axis=1)
    sets = []
    for name, title, blocks in _blocks(numbers):
        if residualise and name in ("head_volume", "covariates"):
            continue  # nothing is left of what was removed
        features = Features(tuple(blocks), given)
        sets.append(FeatureSet(name, title.format(counted(features.count, "number")), features))
    return tuple(sets)


def _blocks(numbers: ParticipantNumbers) -> Iterator[tuple[BaselineName, str, list[Floats]]]:
    named = [each.values for each in numbers.covariates]
    everything: list[Floats] = []
    if numbers.mri is not None:
        yield "head_volume", "the head volume alone", [numbers.mri[:, :1]]
    if named:
        names = ", ".join(each.name for each in numbers.covariates)
        yield "covariates", f"the covariates alone ({names})", [np.concatenate(named, axis=1)]
    if numbers.mri is not None:
        mri = [numbers.mri[:, :SUMMARY_NUMBERS], numbers.mri[:, SUMMARY_NUMBERS:]]
        yield "mri", "{} of the MRI (head size, intensities, 8 x 8 x 8 block means)", mri
        everything += mri
    if numbers.eeg is not None:
        yield "eeg", "{} of the EEG (band x region means)", [numbers.eeg]
        everything.append(numbers.eeg)
    if numbers.eeg_raw_power is not None:  # not among "all": the network's input has lost it
        yield "eeg_raw_power", "{} of the EEG before the z-score (log power, band x region)", [numbers.eeg_raw_power]
    everything += [np.concatenate(named, axis=1)] if named else []
    if (numbers.mri is not None) + (numbers.eeg is not None) + bool(named) > 1:
        yield "all", "all these {}", everything


def tested(model: Ridge, features: Features, labels: Labels) -> ScoredCohort:
    """Predict participants with a model; the most probable class counts as predicted."""
    return ScoredCohort.of(model.probabilities(features), labels)
