"""What each recording is worth, over participants: a table, a summary of each class, a figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from monai_fusion.explain.running import ExplainedParticipant
from monai_fusion.files import delimited
from monai_fusion.report.style import MUTED, WIDER, Picture, colour, drawing, legend_below, marker, new_figure

TABLE_FILE = "modality_values.tsv"
_COLUMNS = (
    *("participant_id", "label", "recordings", "segments", "score", "score_eeg_alone", "score_mri_alone"),
    *("score_neither", "value_eeg", "value_mri", "interaction"),
)


def modality_table(participants: Sequence[ExplainedParticipant], classes: Sequence[str]) -> bytes:
    """One row for each participant, in units of logit; unknown values are empty."""
    rows: list[Sequence[object]] = [_COLUMNS]
    for each in participants:
        values = each.values
        if values is None:
            continue
        numbers = (values.eeg, values.mri, values.neither, values.of_eeg, values.of_mri, values.interaction)
        label = "" if each.label is None else classes[each.label]
        first = (each.participant_id, label, each.recordings, each.segments, f"{each.score:.6g}")
        rows.append([*first, *("" if math.isnan(number) else f"{number:.6g}" for number in numbers)])
    return delimited(rows, "\t").encode("utf-8")


def modality_summary(participants: Sequence[ExplainedParticipant], classes: Sequence[str]) -> list[dict[str, Any]]:
    """Summarise the participants who have both recordings: all, then those of each class.

    Returns:
        For each group its ``name``, ``participants`` (their number), the means of ``value_eeg``, ``value_mri`` and
        ``interaction``, the means of the absolute values ``size_eeg`` and ``size_mri``, and ``share_eeg``: the EEG's
        part of the sum of both sizes, from 0 to 1; None where both are 0. Groups without participants are left out.
    """
    both = [each for each in participants if each.values is not None and each.recordings == "both"]
    groups = [("all", both), *((name, [each for each in both if each.label == k]) for k, name in enumerate(classes))]
    return [_group(name, members) for name, members in groups if members]


def _group(name: str, members: Sequence[ExplainedParticipant]) -> dict[str, Any]:
    values = [each.values for each in members if each.values is not None]
    eeg, mri = np.array([each.of_eeg for each in values]), np.array([each.of_mri for each in values])
    sizes = float(np.abs(eeg).mean()), float(np.abs(mri).mean())
    return {
        "name": name,
        "participants": len(values),
        "value_eeg": float(eeg.mean()),
        "value_mri": float(mri.mean()),
        "interaction": float(np.mean([each.interaction for each in values])),
        "size_eeg": sizes[0],
        "size_mri": sizes[1],
        "share_eeg": sizes[0] / sum(sizes) if sum(sizes) > 0 else None,
    }


def draw_modality_values(
    participants: Sequence[ExplainedParticipant], classes: Sequence[str], explained: str
) -> Picture | None:
    """Draw each participant's two values as a dot; None if no participant has both recordings."""
    both = [each for each in participants if each.values is not None and each.recordings == "both"]
    if not both:
        return None
    title = "What each recording is worth"
    with drawing():
        figure, axes = new_figure(3.6, WIDER)
        axes.axhline(0, color=MUTED, linewidth=0.8)
        axes.axvline(0, color=MUTED, linewidth=0.8)
        for label, name in [*enumerate(classes), (None, "no label")]:
            own = [each.values for each in both if each.label == label and each.values is not None]
            if own:
                look = (MUTED, "x") if label is None else (colour(label), marker(label))
                points = [value.of_eeg for value in own], [value.of_mri for value in own]
                axes.scatter(*points, s=22, color=look[0], marker=look[1], alpha=0.8, label=f"{name} ({len(own)})")
        axes.set_xlabel(f"EEG (logit; above 0: for {explained})")
        axes.set_ylabel(f"MRI (logit; above 0: for {explained})")
        axes.set_title(title)
        legend_below(figure, axes)
    lines = [
        f"{group['name']}, {group['participants']} participants: mean value of the EEG {group['value_eeg']:+.2f},"
        f" of the MRI {group['value_mri']:+.2f}; mean size {group['size_eeg']:.2f} and {group['size_mri']:.2f}."
        for group in modality_summary(participants, classes)
    ]
    return Picture("modality_values", title, figure, tuple(lines))
