"""The files, tables and figures of a method that explains the EEG."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from monai_fusion.explain.derived import GROUP_FOLDER, PARTICIPANTS_FOLDER, Derived, title_of
from monai_fusion.explain.eeg_figures import draw_electrode_band, draw_frequency_time, draw_topography
from monai_fusion.explain.eeg_group import Contrast, EegGroup, group_of, write_group
from monai_fusion.explain.eeg_summary import EegSummary, summary_of, write_summary
from monai_fusion.explain.running import ExplainedParticipant, ExplanationRun
from monai_fusion.report.explanation_file import ResultTable
from monai_fusion.report.number_text import p_value as p_text
from monai_fusion.report.style import Picture

_ROWS = 10  # of a table in the report; the file has all


def eeg_results(
    run: ExplanationRun,
    method: str,
    participants: Sequence[ExplainedParticipant],
    classes: Sequence[str],
    shown: Collection[str],
) -> Derived:
    """Write what a method found in the EEG of each participant and of the classes.

    Args:
        run: With the arrays.
        method: The method's name.
        participants: All explained participants.
        classes: The class names.
        shown: The participants whose figures the report shows.

    Raises:
        OSError: A file cannot be written.
    """
    derived = Derived()
    folder = run.folder / PARTICIPANTS_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    title, word = title_of(method), method.replace("_", "")
    summaries: dict[str, EegSummary] = {}
    for name in run.explained_by(method):
        summary = summary_of(run.arrays(method, name))
        write_summary(folder, f"{run.stems[name]}_desc-{word}", summary)
        if name in shown:
            derived.of_participants[name] = _pictures_of(summary, f"{run.stems[name]}_{method}", f"{title}: {name}")
        summaries[name] = summary
        derived.notes += [note for note in summary.axes.notes if note not in derived.notes]
    labels = {each.participant_id: each.label for each in participants}
    group = group_of(summaries, labels, classes)
    if group is None:
        return derived
    place = run.folder / GROUP_FOLDER
    place.mkdir(exist_ok=True)
    derived.files += write_group(place, f"group_desc-{word}", group)
    derived.figures += _pictures_of_group(group, f"group_{method}", title)
    derived.notes += group.notes
    derived.tables += [_largest(group, contrast, title) for contrast in group.contrasts if contrast.test is not None]
    return derived


def _pictures_of(summary: EegSummary, name: str, title: str) -> list[Picture]:
    pictures = [
        draw_electrode_band(summary.electrode_band, summary.axes, f"{name}_bands", title),
        draw_frequency_time(summary.frequency_time, summary.axes, f"{name}_times", f"{title}, over time"),
        draw_topography(summary.electrodes, summary.axes, f"{name}_head", f"{title}, on the head"),
    ]
    return [picture for picture in pictures if picture is not None]


def _pictures_of_group(group: EegGroup, name: str, title: str) -> list[Picture]:
    """The means of each class with one colour scale for the heads, and the differences with their cells marked."""
    pictures: list[Picture | None] = []
    most = max(float(np.abs(values).max(initial=0.0)) for values in group.electrode_means.values())
    for place, (label, means) in enumerate(group.means.items()):
        mean = f"{title}: mean of {group.counts[label]} {label}"
        pictures.append(draw_electrode_band(means, group.axes, f"{name}_mean{place}", mean))
        heads = group.electrode_means[label]
        pictures.append(draw_topography(heads, group.axes, f"{name}_head{place}", mean, most or None))
    for place, contrast in enumerate(group.contrasts):
        marked = None if contrast.test is None else contrast.test.crossed.reshape(contrast.means.shape)
        difference = contrast.means - contrast.other_means
        text = f"{title}: {contrast.name} less {contrast.against}"
        pictures.append(draw_electrode_band(difference, group.axes, f"{name}_difference{place}", text, marked))
    return [picture for picture in pictures if picture is not None]


def _largest(group: EegGroup, contrast: Contrast, title: str) -> ResultTable:
    """The cells with the largest statistic."""
    test = contrast.test
    assert test is not None  # noqa: S101 # the caller looked
    bands = len(group.axes.bands)
    rows = []
    for cell in np.argsort(-np.abs(test.statistic), kind="stable")[:_ROWS]:
        electrode, band = divmod(int(cell), bands)
        means = contrast.means[electrode, band], contrast.other_means[electrode, band]
        numbers = [f"{value:+.3f}" for value in (*means, means[0] - means[1])]
        p_value = test.p_values[cell]
        name = f"{group.axes.electrodes[electrode]}, {group.axes.bands[band].name}"
        rows.append([name, *numbers, p_text(float(p_value))])
    note = (
        f"The {len(rows)} of {len(test.statistic)} cells that differ most; p is corrected for all cells (permutation of"
        f" the labels, largest statistic). {int(test.crossed.sum())} cells have p of at most 0.05."
    )
    columns = ["Electrode, band", contrast.name, contrast.against, "Difference", "p"]
    return ResultTable(
        title=f"{title}: {contrast.name} against {contrast.against}", columns=columns, rows=rows, note=note
    )
