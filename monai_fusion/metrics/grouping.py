"""Who belongs together: categories of participants from the further fields of the datalist (age, site ...)."""

from __future__ import annotations

from collections.abc import Sequence

from monai_fusion.datalist.strata import categories
from monai_fusion.metrics.predictions import Prediction

_MOST_CATEGORIES = 20
FOLD = "fold"


def strata_of(predictions: Sequence[Prediction]) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Put participants into categories by each further field of the datalist.

    More than eight different numbers become four ranges that hold about equally many people; who lacks the field is
    "not known".

    Returns:
        For each field that can be used, the category of every participant; and for each other field, why it cannot.
    """
    fields = list(dict.fromkeys(name for row in predictions for name in row.fields))
    used: dict[str, dict[str, str]] = {}
    left_out: dict[str, str] = {}
    for name in fields:
        values = {row.participant_id: row.fields.get(name) for row in predictions}
        if any(isinstance(value, list | dict) for value in values.values()):
            left_out[name] = "not a text or a number"
            continue
        found = categories({person: "" if value is None else str(value) for person, value in values.items()})
        different = len(set(found.values()))
        if different < 2:
            left_out[name] = "the same for all participants"
        elif different > min(_MOST_CATEGORIES, max(2, len(predictions) // 2)):
            left_out[name] = f"{different} different values among {len(predictions)} participants"
        else:
            used[name] = found
    return used, left_out


def folds_of(predictions: Sequence[Prediction]) -> list[str]:
    """The fold that each participant was tested in; the same text for all if there are none."""
    return [str(row.fields.get(FOLD, "")) for row in predictions]
