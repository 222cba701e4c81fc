"""A network's predictions of several repeats, of participants in groups, against covariates."""

from __future__ import annotations

import numpy as np
import pytest

from monai_fusion.baseline.confound_results import confound_result
from monai_fusion.baseline.participant_numbers import Covariate
from monai_fusion.metrics.confounds import class_probabilities
from monai_fusion.metrics.intervals import wilson
from monai_fusion.metrics.scores import ScoredCohort


def test_matched_pairs_of_several_repeats_count_as_one_repeat_and_those_of_a_family_as_less() -> None:
    """Each of 20 families has four pairs, all right or all wrong: they tell as much as 20 pairs."""
    groups = np.repeat(np.arange(20), 8)
    labels = np.tile([0, 1], 80)
    values = (10.0 * np.repeat(np.arange(80), 2) + 0.1 * labels)[:, np.newaxis]
    second = np.where((labels == 1) == (groups < 15), 0.8, 0.2)
    cohort = ScoredCohort.of(np.stack([1 - second, second], axis=1), labels)
    given = class_probabilities(values, labels, 2)
    repeats = [(cohort, groups % 4), (cohort, groups // 5)]
    strangers, families = (
        confound_result([Covariate("age", values)], values, given, repeats, 160, None, kin) for kin in (None, groups)
    )
    assert (strangers.matched_pairs, strangers.matched_auroc) == (families.matched_pairs, families.matched_auroc)
    assert (strangers.matched_pairs, strangers.matched_auroc) == (80, 0.75)
    expected = wilson(60, 80)
    assert strangers.matched_interval == pytest.approx((expected.low, expected.high))
    twenty = wilson(15, 20)
    assert families.matched_interval is not None
    low, high = families.matched_interval
    assert low < twenty.low < twenty.high < high < 1
    assert (strangers.method, families.method) == ("conditional randomisation", "sign flipping of groups")
    assert (strangers.note, families.note) == ("", "fewer than 30 groups: the test finds large effects only")
