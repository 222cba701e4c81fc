"""Gives each participant with recordings the class in the table row, and reports rows without one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monai_fusion.datalist.building.build_options import BuildOptions, LabelOptions
from monai_fusion.datalist.building.inputs import Sources
from monai_fusion.datalist.building.labels import LabelRule
from monai_fusion.datalist.building.left_out import about_near
from monai_fusion.datalist.building.other_columns import about_other_column
from monai_fusion.datalist.building.scanning import Recordings
from monai_fusion.datalist.near_misses import near_misses, rows_near
from monai_fusion.errors import InputError, Problem
from monai_fusion.wording import a_few

HINT = "--unlabelled"
"""The option of ``datalist build`` for participants whose class is not known."""


@dataclass(frozen=True, slots=True)
class Unlabelled:
    """A participant whose label means no class.

    Attributes:
        participant_id: Who.
        column: The column of labels.
        line: The line of the table; None without a row.
        problem: What is wrong, and what to do.
    """

    participant_id: str
    column: str
    line: int | None
    problem: Problem


def candidates(recordings: Recordings, allow_missing: bool) -> list[str]:
    """Who may be in a datalist, by their recordings.

    Raises:
        InputError: One with an EEG only and one with an MRI only seem to be one participant under two ids: they
            would be both trained and tested on.
    """
    if not allow_missing:
        return recordings.complete
    eeg, mri = recordings.eeg.keys(), recordings.mri.keys()
    problems = [
        Problem(
            f"{near.name} and {near.other}",
            seen="an EEG of the one, an MRI of the other",
            wanted="one id of one participant",
            advice=f"if they are one, {near.advice.removeprefix('if so, ')}, or rename the files",
        )
        for near in near_misses(eeg - mri, mri - eeg, [eeg, mri]).values()
    ]
    if problems:
        raise InputError(problems)
    return recordings.everyone


def labels_of(sources: Sources, rule: LabelRule, options: BuildOptions) -> tuple[dict[str, str], list[Unlabelled]]:
    """The class of each participant whose label means exactly one, and what is wrong with the other labels."""
    labels, unlabelled, column = {}, [], options.labels.label_column
    recordings = sources.recordings
    participants = candidates(recordings, options.split.allow_missing)
    near = near_misses(
        set(participants) - sources.rows.keys(),
        sources.rows.keys() - set(recordings.everyone),
        [recordings.eeg, recordings.mri, sources.rows],
    )
    alike = rows_near(set(participants) - sources.rows.keys() - near.keys(), sources.rows)
    for participant_id in participants:
        row = sources.rows.get(participant_id)
        if row is None:
            near_to = alike.get(participant_id, ())
            advice = about_near(participant_id, near.get(participant_id), near_to, sources, column)
            problem = Problem("", seen="not in the table", wanted="a row", advice=advice)
            unlabelled.append(Unlabelled(participant_id, column, None, problem))
            continue
        label = rule.class_of(row.values[column])
        if isinstance(label, Problem):
            unlabelled.append(Unlabelled(participant_id, column, row.line, label))
        else:
            labels[participant_id] = label
    return labels, unlabelled


def refuse_another_column(sources: Sources, labels: LabelOptions) -> None:
    """If no participant has a label, the column does not fit the classes, or holds ranges or numbers.

    Raises:
        InputError: It is known which of these it is.
    """
    if not labels.bin and not labels.label_map:
        values = (row.values[labels.label_column] for row in sources.rows.values())
        problem = about_other_column(labels.label_column, values, labels.classes)
        if problem is not None:
            raise InputError(problem, heading=str(sources.table))


def unlabelled_error(unlabelled: Sequence[Unlabelled], sources: Sources, options: BuildOptions) -> InputError:
    """The problems of all of them: each kind of value once, and as a note what to do, which no long list can hide."""
    error = InputError(by_value(unlabelled), heading=str(sources.table))
    none_labelled = len(unlabelled) == len(candidates(sources.recordings, options.split.allow_missing))
    several = len(unlabelled) > 1
    if several or none_labelled or not unlabelled[0].problem.advice:
        way = "add it to a --bin" if options.labels.bin else "give its class with --label-map VALUE=CLASS"
        has_a_value = any(each.problem.seen.startswith('"') for each in unlabelled)  # what is empty means nothing
        way = f", {way}" if has_a_value else ""
        others = (
            f"; to predict these participants instead: {HINT}"
            if none_labelled
            else ", or leave them out with --drop-unlabelled"
        )
        error.add_note(f"{'for all of them: ' * several}correct the table{way}{others}")
    return error


def by_value(unlabelled: Sequence[Unlabelled], at_most: int = 3) -> tuple[Problem, ...]:
    """One problem for each value of the table that means no class, with whose it is."""
    groups: dict[Problem, list[Unlabelled]] = {}
    for each in unlabelled:
        groups.setdefault(each.problem, []).append(each)
    found = []
    for problem, members in groups.items():
        lines = [str(each.line) for each in members if each.line is not None]
        where = f" in line{'s' * (len(lines) > 1)} {a_few(lines, 5)}" if lines else ""
        participants = a_few((each.participant_id for each in members), at_most)
        found.append(Problem(participants, members[0].column, f"{problem.seen}{where}", problem.wanted, problem.advice))
    return tuple(found)
