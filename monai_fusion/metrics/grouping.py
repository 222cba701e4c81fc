"""Groups of participants: their categories in the other fields of the datalist (age, site ...)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from monai_fusion.datalist.groups import KIN, PLACES, participant_groups
from monai_fusion.datalist.strata import MANY_NUMBERS, categories, is_number, lowest
from monai_fusion.metrics.clusters import drawn_together, groups_per_class
from monai_fusion.metrics.confounds import class_probabilities
from monai_fusion.metrics.fields_of_scores import GroupsSection
from monai_fusion.metrics.predictions import Prediction
from monai_fusion.metrics.scores import Floats, Labels, ScoredCohort
from monai_fusion.spelling import field_of
from monai_fusion.wording import counted

_MOST_CATEGORIES = 20
FOLD = "fold"


def participant_strata(
    predictions: Sequence[Prediction], group_by: Sequence[str] = ()
) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Put participants into categories by each other field of the datalist.

    More than eight different numbers become four ranges with about equally many participants each. A participant
    without the field is "not known".

    Args:
        predictions: The participants.
        group_by: Fields that name their groups: families have no results of their own, sites do.

    Returns:
        For each usable field, the category of every participant; and for each other field, the reason why not.
    """
    fields = dict.fromkeys(name for row in predictions for name in row.fields)
    grouped = {field_of(fields, name) for name in group_by if name.lower() not in PLACES}
    used: dict[str, dict[str, str]] = {}
    left_out: dict[str, str] = {}
    for name in fields:
        if name in grouped:
            left_out[name] = "names the groups that are resampled whole"
            continue
        values = {row.participant_id: row.fields.get(name) for row in predictions}
        if any(isinstance(value, list | dict) for value in values.values()):
            left_out[name] = "not a text or a number"
            continue
        found = categories({participant: "" if value is None else str(value) for participant, value in values.items()})
        different = len(set(found.values()))
        if different < 2:
            left_out[name] = "the same for all participants"
        elif different > min(_MOST_CATEGORIES, max(2, len(predictions) // 2)):
            left_out[name] = f"{different} different values among {len(predictions)} participants"
        else:
            used[name] = found
    return used, left_out


def given_number(
    field: str,
    fields: Sequence[Mapping[str, object]],
    everyone: Sequence[tuple[int, Mapping[str, object]]],
    cohort: ScoredCohort,
) -> Floats | None:
    """Return the probability of each class given a field of numbers, [participant, class].

    Args:
        field: The field.
        fields: The further fields of the scored participants.
        everyone: Label and further fields of all participants whose label is known.
        cohort: The scored participants.

    Returns:
        NaN for a participant whose number is not known; None if the field is not one of many different numbers.
    """
    own, all_texts = [_text(row, field) for row in fields], [_text(row, field) for _, row in everyone]
    different = {text for text in (*own, *all_texts) if text}
    if len(different) <= MANY_NUMBERS or any(not is_number(text) for text in different):
        return None
    values, labels = _numbers(all_texts), np.array([label for label, _ in everyone], dtype=np.int64)
    known, scored = np.isfinite(values[:, 0]), _numbers(own)
    if not known.any():
        return None
    found = np.full((len(own), cohort.classes), np.nan)
    there = np.isfinite(scored[:, 0])
    if there.any():
        found[there] = class_probabilities(values[known], labels[known], cohort.classes, scored[there])
    return found


def _text(row: Mapping[str, object], field: str) -> str:
    value = row.get(field)
    return "" if value is None else str(value).strip()


def _numbers(texts: Sequence[str]) -> Floats:
    lows = [lowest(text) for text in texts]
    return np.array([[np.nan if low is None else float(low)] for low in lows])


def folds_of(predictions: Sequence[Prediction]) -> list[str]:
    """The fold in which each participant was tested; the same text for all if there are no folds."""
    return [str(row.fields.get(FOLD, "")) for row in predictions]


def kin_taken_as_strangers(predictions: Sequence[Prediction], group_by: Sequence[str]) -> list[str]:
    """Return a warning for each field that names families or pairs, but is not one that the datalist groups by."""
    found = []
    rows = {row.participant_id: row.fields for row in predictions}
    fields = dict.fromkeys(name for row in predictions for name in row.fields)
    named = {field_of(fields, name) for name in group_by}
    for name in dict.fromkeys(field_of(fields, each) for each in KIN):
        if name is None or name in named:
            continue
        groups = Counter(group for group in participant_groups(rows, [name]).values() if group)
        several = sum(count > 1 for count in groups.values())
        if several:
            found.append(
                f"{several} of {counted(len(groups), 'group')} by {name} have several participants, but the datalist's "
                f"group_by does not name {name}: intervals and p-values take them as independent, and promise too much"
            )
    return found


def groups_section(labels: Labels, groups: Labels | None, classes: int, fields: Sequence[str]) -> GroupsSection | None:
    """Describe the groups that are resampled whole; None if the datalist names none.

    Args:
        labels: [participant].
        groups: [participant]; None if each is alone.
        classes: The number of classes.
        fields: The fields that name the groups.
    """
    if not fields:
        return None
    sizes = np.ones(len(labels), dtype=np.int64) if groups is None else np.bincount(groups)
    return GroupsSection(
        fields=list(fields),
        groups=len(sizes),
        of_class=groups_per_class(labels, groups, classes),
        smallest=int(sizes.min()),
        largest=int(sizes.max()),
        resampled=drawn_together(groups) is not None,
    )
