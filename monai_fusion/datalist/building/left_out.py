"""Notes on participants left out of a datalist who are probably the same as another participant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from monai_fusion.datalist.building.inputs import Sources
from monai_fusion.datalist.near_misses import NearMiss, first_notes, leftovers_near, near_misses, notes_on_pairs
from monai_fusion.wording import quoted


def probably_one(sources: Sources, label_column: str) -> Iterator[str]:
    """Participants without a recording or a row who are probably the same as another one.

    Args:
        sources: What the datalist is built from.
        label_column: The table's column of what is to be classified.
    """
    eeg, mri, rows = sources.recordings.eeg.keys(), sources.recordings.mri.keys(), sources.rows.keys()
    apart = near_misses(eeg - mri - sources.missed, mri - eeg - sources.missed, [eeg, mri])
    yield from notes_on_pairs(apart.values(), ("EEG", "MRI"))
    lines = {name: row.line for name, row in sources.rows.items()}
    with_one = near_misses((eeg ^ mri) - rows, rows - eeg - mri, [eeg, mri, rows])
    yield from notes_on_pairs(with_one.values(), ("files", sources.table.name), lines)
    named = {name for near in (*apart.values(), *with_one.values()) for name in (near.name, near.other)}
    named |= sources.missed
    complete = set(sources.recordings.complete)
    yield from first_notes(_second_rows(sources, label_column, rows - eeg - mri - named, rows & complete))
    for kind, files in (("EEG", eeg - mri), ("MRI", mri - eeg)):
        near = leftovers_near(files - named, complete)
        yield from first_notes(
            f"{name} ({kind}) is probably {other}, who has an EEG and an MRI already: rename the files, or remove them"
            for name, other in near.items()
        )


def about_near(
    participant_id: str, near: NearMiss | None, alike: Sequence[str], sources: Sources, label_column: str
) -> str:
    """Which row probably belongs to a participant without one; of several near ones, the first with their labels.

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
        advice = f"if they are one participant, remove the files of {participant_id}"
        return f"near {are} {' and '.join(those)}, with files of that name: {advice}"
    return f"near {are} {' and '.join(those)}: write {participant_id} in the row that is meant"


def _second_rows(sources: Sources, label_column: str, leftovers: set[str], complete: set[str]) -> Iterator[str]:
    """Rows of participants without files under ids that are nearly those of participants with files and a row."""
    for name, other in leftovers_near(leftovers, complete).items():
        second, first = sources.rows[name], sources.rows[other]
        one, two = first.values[label_column], second.values[label_column]
        differs = f" ({quoted(one)}, not {quoted(two)})" if one != two else ""
        who = f"{name} in line {second.line} is probably {other}, who has a row in line {first.line} already"
        yield f"{who}{differs}: correct the table"
