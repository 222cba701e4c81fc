"""EEG explanations of many participants: the mean of each class and where classes differ, electrode by band.

Differences are tested by relabelling the participants; the largest statistic over all cells corrects for their number
(`max_statistic`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monai_fusion.explain.class_contrasts import SEED, ClassContrast, class_contrasts
from monai_fusion.explain.eeg_axes import EegAxes
from monai_fusion.explain.eeg_summary import EegSummary, Row, tsv
from monai_fusion.explain.max_statistic import GroupDifference
from monai_fusion.files import write_atomically
from monai_fusion.wording import a_few, counted

Floats = NDArray[np.float64]

DRAWS = 5000


@dataclass(frozen=True)
class Contrast:
    """A class against another, or against all others where there are more than two.

    Attributes:
        name: The class.
        against: The other class, or ``others``.
        means: [electrode, band] of the class.
        other_means: [electrode, band] of the others.
        test: The permutation test over all cells, in C order; None with too few participants.
    """

    name: str
    against: str
    means: Floats
    other_means: Floats
    test: GroupDifference | None

    @classmethod
    def of(cls, found: ClassContrast, values: Floats) -> Contrast:
        """With the means of [P, electrode, band]."""
        means, others = values[found.members].mean(axis=0), values[~found.members].mean(axis=0)
        return cls(found.name, found.against, means, others, found.test)


@dataclass(frozen=True)
class EegGroup:
    """The group result of one method.

    Attributes:
        axes: Of those who are in it.
        participants: Their ids, in order.
        means: Class -> [electrode, band]: the mean over its participants.
        electrode_means: Class -> [electrode].
        frequency_time: Class -> [row, column] or [band, time block].
        counts: Class -> number of participants.
        contrasts: One of two classes, otherwise one for each class.
        notes: Who is left out and why, and why there is no test; a sentence each.
    """

    axes: EegAxes
    participants: tuple[str, ...]
    means: Mapping[str, Floats]
    electrode_means: Mapping[str, Floats]
    frequency_time: Mapping[str, Floats]
    counts: Mapping[str, int]
    contrasts: tuple[Contrast, ...]
    notes: tuple[str, ...]


def group_of(
    summaries: Mapping[str, EegSummary],
    labels: Mapping[str, int | None],
    classes: Sequence[str],
    draws: int = DRAWS,
    seed: int = SEED,
) -> EegGroup | None:
    """Compare the classes over participants whose axes are equal.

    Participants with other electrodes or bands than most are left out and reported, as are those whose class is not
    known. All explanations must be of the same class, so that a sign means the same for everyone.

    Args:
        summaries: By participant.
        labels: Class index of each participant.
        classes: Names of the classes.
        draws: Relabellings at most.
        seed: Same seed, same relabellings.

    Returns:
        The group; None without a participant of known class.
    """
    notes: list[str] = []
    known = {name: each for name, each in sorted(summaries.items()) if labels.get(name) is not None}
    if unlabelled := [name for name in summaries if name not in known]:
        notes.append(f"Not in the group, because of no known class: {a_few(unlabelled)}.")
    alike = _alike(known, notes)
    if not alike:
        return None
    own = np.array([labels[name] for name in alike], np.int64)
    values = np.stack([each.electrode_band for each in alike.values()])
    present = [label for label in range(len(classes)) if (own == label).any()]
    pairs = [(label, classes[label]) for label in present]
    found = class_contrasts(values.reshape(len(values), -1), own, pairs, notes, draws, seed)

    def by_class(stacked: Floats) -> dict[str, Floats]:
        return {classes[label]: stacked[own == label].mean(axis=0) for label in present}

    return EegGroup(
        axes=next(iter(alike.values())).axes,
        participants=tuple(alike),
        means=by_class(values),
        electrode_means=by_class(np.stack([each.electrodes for each in alike.values()])),
        frequency_time=by_class(np.stack([each.frequency_time for each in alike.values()])),
        counts={classes[label]: int((own == label).sum()) for label in present},
        contrasts=tuple(Contrast.of(each, values) for each in found),
        notes=tuple(notes),
    )


def write_group(folder: Path, stem: str, group: EegGroup) -> tuple[Path, ...]:
    """Write ``STEM_electrodes-bands.tsv``: a row for each contrast, electrode and band.

    Raises:
        OSError: It cannot be written.
    """
    columns = (
        "class", "against", "electrode", "band", "lowest_hz", "highest_hz", "mean_class", "mean_against", "difference",
        "t", "p_corrected",
    )  # fmt: skip
    path = folder / f"{stem}_electrodes-bands.tsv"
    write_atomically(path, tsv(columns, [row for each in group.contrasts for row in _rows(each, group.axes)]))
    return (path,)


def _rows(contrast: Contrast, axes: EegAxes) -> list[Row]:
    rows: list[Row] = []
    for electrode, name in enumerate(axes.electrodes):
        for place, band in enumerate(axes.bands):
            low, high = axes.band_hertz(band) or (None, None)
            one, other = contrast.means[electrode, place], contrast.other_means[electrode, place]
            cell = electrode * len(axes.bands) + place
            test = contrast.test
            found = (None, None) if test is None else (float(test.statistic[cell]), float(test.p_values[cell]))
            rows.append((contrast.name, contrast.against, name, band.name, low, high, one, other, one - other, *found))
    return rows


def _alike(known: Mapping[str, EegSummary], notes: list[str]) -> dict[str, EegSummary]:
    """The largest set of participants with equal axes; of sets of equal size the one of the first participant."""
    sets: dict[object, dict[str, EegSummary]] = {}
    for name, each in known.items():
        axes = each.axes
        shape = each.frequency_time.shape
        sets.setdefault((axes.electrodes, axes.source, axes.bands, axes.times, shape), {})[name] = each
    chosen = max(sets.values(), key=len, default={})
    if left := [name for name in known if name not in chosen]:
        have = "has" if len(left) == 1 else "have"
        notes.append(
            f"{counted(len(left), 'participant')} {have} other electrodes, bands or blocks than the "
            f"{len(chosen)} of the group, and {'is' if len(left) == 1 else 'are'} not in it: {a_few(left)}."
        )
    return chosen
