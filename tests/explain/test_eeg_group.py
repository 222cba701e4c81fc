"""Group results of EEG explanations: means by class, differences and their corrected p-values."""

from __future__ import annotations

import csv
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_ind

from monai_fusion.explain.eeg_axes import axes_of
from monai_fusion.explain.eeg_group import EegGroup, group_of, write_group
from monai_fusion.explain.eeg_summary import EegSummary

LABELS = [0, 0, 0, 1, 1, 1, 1]


def summaries(values: np.ndarray) -> dict[str, EegSummary]:
    """[participant, electrode, band] -> summaries with one block of time."""
    axes = axes_of("sub", (), (values.shape[1], 12, 8), time_blocks=1)
    return {
        f"sub-{place}": EegSummary(axes, each[..., None], None, None, 0.0) for place, each in enumerate(values)
    }  # fmt: skip


def group(values: np.ndarray, labels: list[int | None], classes: tuple[str, ...] = ("F", "M")) -> EegGroup:
    found = group_of(summaries(values), {f"sub-{place}": label for place, label in enumerate(labels)}, classes)
    assert found is not None
    return found


def test_corrected_p_values_are_those_of_an_exhaustive_relabelling() -> None:
    values = np.random.default_rng(3).normal(size=(7, 2, 6))
    values[3:, 1, 2] += 3
    (contrast,) = group(values, LABELS).contrasts
    cells, members = values.reshape(7, -1), np.array(LABELS) == 1

    def t(chosen: np.ndarray) -> np.ndarray:
        return ttest_ind(cells[chosen], cells[~chosen]).statistic

    largest = [np.abs(t(np.isin(np.arange(7), chosen))).max() for chosen in combinations(range(7), 4)]
    observed = t(members)
    wanted = [(np.array(largest) >= abs(each) - 1e-9).mean() for each in observed]
    assert len(largest) == contrast.test.relabellings == 35
    np.testing.assert_allclose(contrast.test.statistic, observed, rtol=1e-9)
    np.testing.assert_allclose(contrast.test.p_values, wanted)
    assert contrast.test.p_values.reshape(2, 6).argmin() == 1 * 6 + 2


def test_means_and_differences_are_of_the_second_class_less_the_first(tmp_path: Path) -> None:
    values = np.random.default_rng(4).normal(size=(7, 2, 6))
    found = group(values, LABELS)
    np.testing.assert_allclose(found.means["F"], values[:3].mean(axis=0))
    np.testing.assert_allclose(found.electrode_means["M"], values[3:].mean(axis=0).sum(axis=1))
    assert found.counts == {"F": 3, "M": 4}
    (path,) = write_group(tmp_path, "group_desc-eegocclusion", found)
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    assert len(rows) == 12
    assert [rows[7][name] for name in ("class", "against", "electrode", "band")] == ["M", "F", "E02", "rows 3-4"]
    difference = values[3:].mean(axis=0) - values[:3].mean(axis=0)
    assert float(rows[7]["difference"]) == pytest.approx(difference[1, 1], rel=1e-5)
    assert float(rows[7]["mean_against"]) == pytest.approx(values[:3, 1, 1].mean(), rel=1e-5)
    assert 0 < float(rows[7]["p_corrected"]) <= 1


def test_participants_with_other_axes_or_no_class_are_left_out_and_reported() -> None:
    each = summaries(np.random.default_rng(5).normal(size=(7, 2, 6)))
    each["sub-2"] = replace(each["sub-2"], axes=replace(each["sub-2"].axes, electrodes=("Cz", "Pz")))
    labels = {name: LABELS[place] for place, name in enumerate(each)} | {"sub-6": None}
    found = group_of(each, labels, ("F", "M"))
    assert found.participants == ("sub-0", "sub-1", "sub-3", "sub-4", "sub-5")
    assert len(found.notes) == 2
    assert "sub-6" in found.notes[0]
    assert found.notes[1].endswith("than the 5 of the group, and is not in it: sub-2.")


def test_of_three_classes_each_is_compared_with_the_others() -> None:
    values = np.random.default_rng(6).normal(size=(9, 2, 6))
    found = group(values, [0, 1, 2] * 3, ("A", "B", "C"))
    assert [each.name for each in found.contrasts] == ["A", "B", "C"]
    assert {each.against for each in found.contrasts} == {"others"}
    np.testing.assert_allclose(found.contrasts[1].other_means, values[[0, 2, 3, 5, 6, 8]].mean(axis=0))


def test_too_few_participants_have_means_and_no_test() -> None:
    values = np.random.default_rng(7).normal(size=(4, 2, 6))
    few = group(values, [0, 1, 1, 1])
    assert few.contrasts[0].test is None
    assert few.notes == ("No test of M against F: it needs 2 participants of each.",)
    alone = group(values, [1, 1, 1, 1])
    assert alone.contrasts == ()
    assert alone.notes == ("All participants of the group are M: there is nothing to compare.",)
    assert group_of(summaries(values), {}, ("F", "M")) is None


def test_the_same_seed_gives_the_same_p_values() -> None:
    values = np.random.default_rng(8).normal(size=(24, 3, 6))
    labels = [0, 1] * 12
    first, again = (group(values, labels).contrasts[0].test for _ in range(2))
    assert not first.exhaustive
    np.testing.assert_array_equal(first.p_values, again.p_values)
