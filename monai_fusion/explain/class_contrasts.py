"""Each class against the others, tested in all cells at once: what group results of the EEG and of the MRI share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monai_fusion.explain.max_statistic import GroupDifference, max_statistic

SEED = 1337
OTHERS = "others"
LEAST = 2  # participants of a class and of the others; a relabelling of fewer says nothing


@dataclass(frozen=True)
class ClassContrast:
    """A class against another, or against all others where there are more than two.

    Attributes:
        name: The class.
        against: The other class, or `OTHERS`.
        members: [P] bool: who belongs to the class.
        test: The permutation test over all cells; None with too few participants.
    """

    name: str
    against: str
    members: NDArray[np.bool_]
    test: GroupDifference | None


def class_contrasts(
    values: NDArray[np.floating],
    own: NDArray[np.int64],
    present: Sequence[tuple[int, str]],
    notes: list[str],
    draws: int,
    seed: int,
) -> list[ClassContrast]:
    """Compare the classes that have participants.

    Args:
        values: [P, cells], finite.
        own: [P] class index of each participant.
        present: Index and name of each class that has participants.
        notes: Gets a sentence for each test that is not possible.
        draws: Relabellings at most.
        seed: Same seed, same relabellings.

    Returns:
        Of two classes the second against the first, as log-odds of a binary prediction are usually meant; of more, one
        for each class; none of one.
    """
    if len(present) < 2:
        notes.append(f"All participants of the group are {present[0][1]}: there is nothing to compare.")
        return []
    contrasts = []
    for label, name in present[1:] if len(present) == 2 else present:
        members = own == label
        against = present[0][1] if len(present) == 2 else OTHERS
        test = None
        if min(members.sum(), (~members).sum()) >= LEAST:
            test = max_statistic(values, members, draws, seed)
        else:
            notes.append(f"No test of {name} against {against}: it needs {LEAST} participants of each.")
        contrasts.append(ClassContrast(name, against, members, test))
    return contrasts
