"""Notes on those who are left out of a datalist, and are probably one with somebody else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from monai_fusion.datalist.building.inputs import Sources
from monai_fusion.datalist.near_misses import Near, near_misses, near_somebody, told, told_of_somebody
from monai_fusion.wording import quoted


def probably_one(sources: Sources, label_column: str) -> Iterator[str]:
    """Who is probably one with somebody else of those who lack a recording or a row.

    Args:
        sources: What the datalist is built from.
        label_column: The table's column of what is to be classified.
    """
    eeg, mri, rows = sources.recordings.eeg.keys(), sources.recordings.mri.keys(), sources.rows.keys()
    apart = near_misses(eeg - mri - sources.missed, mri - eeg - sources.missed, [eeg, mri])
    yield from told(apart.values(), ("EEG", "MRI"))
    lines = {name: row.line for name, row in sources.rows.items()}
    with_one = near_misses((eeg ^ mri) - rows, rows - eeg - mri, [eeg, mri, rows])
    yield from told(with_one.values(), ("files", sources.table.name), lines)
    named = {name for near in (*apart.values(), *with_one.values()) for name in (near.name, near.other)}
    named |= sources.missed
    complete = set(sources.recordings.complete)
    yield from told_of_somebody(_second_rows(sources, label_column, rows - eeg - mri - named, rows & complete))
    for kind, files in (("EEG", eeg - mri), ("MRI", mri - eeg)):
        near = near_somebody(files - named, complete)
        yield from told_of_somebody(
            f"{name} ({kind}) is probably {other}, who has an EEG and an MRI already: rename the files, or remove them"
            for name, other in near.items()
        )


def about_near(
    participant_id: str, near: Near | None, alike: Sequence[str], sources: Sources, label_column: str
) -> str:
    """Which row is probably the one of somebody who has none; of several that are near, the first with their labels.

    Args:
        participant_id: Who has none.
        near: The one row that is theirs, if it is just one.
        alike: The ids of all rows that are near, if it is not.
        sources: What the datalist is built from.
        label_column: The table's column of what is to be classified.
    """
    if near is not None:
        return f"{near.other} in line {sources.rows[near.other].line} is probably {near.name}: {near.advice}"
    if not alike:
        return ""
    rows = [(name, sources.rows[name]) for name in alike[:3]]
    those = [f"{name} in line {row.line} ({quoted(row.values[label_column])})" for name, row in rows]
    are = "is" if len(those) == 1 else "are"
    if set(alike) <= set(sources.recordings.everyone):
        advice = f"if this is one person, remove the files of {participant_id}"
        return f"near {are} {' and '.join(those)}, with files of that name: {advice}"
    return f"near {are} {' and '.join(those)}: write {participant_id} in the row that is meant"


def _second_rows(sources: Sources, label_column: str, leftovers: set[str], complete: set[str]) -> Iterator[str]:
    """Rows of people without files under ids that are nearly those of people with files and a row."""
    for name, other in near_somebody(leftovers, complete).items():
        second, first = sources.rows[name], sources.rows[other]
        one, two = first.values[label_column], second.values[label_column]
        differs = f" ({quoted(one)}, not {quoted(two)})" if one != two else ""
        who = f"{name} in line {second.line} is probably {other}, who has a row in line {first.line} already"
        yield f"{who}{differs}: correct the table"
