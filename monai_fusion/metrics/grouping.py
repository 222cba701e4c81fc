"""Groups of participants: their categories in the other fields of the datalist (age, site ...)."""

from __future__ import annotations

from collections.abc import Sequence

from monai_fusion.datalist.strata import categories
from monai_fusion.metrics.predictions import Prediction

_MOST_CATEGORIES = 20
FOLD = "fold"


def participant_strata(predictions: Sequence[Prediction]) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Put participants into categories by each other field of the datalist.

    More than eight different numbers become four ranges with about equally many participants each. A participant
    without the field is "not known".

    Returns:
        For each usable field, the category of every participant; and for each other field, the reason why not.
    """
    fields = list(dict.fromkeys(name for row in predictions for name in row.fields))
    used: dict[str, dict[str, str]] = {}
    left_out: dict[str, str] = {}
    for name in fields:
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


def folds_of(predictions: Sequence[Prediction]) -> list[str]:
    """The fold in which each participant was tested; the same text for all if there are no folds."""
    return [str(row.fields.get(FOLD, "")) for row in predictions]
