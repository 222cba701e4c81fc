"""Notes on those who are left out of a datalist, and are probably one with somebody else."""

from __future__ import annotations

from collections.abc import Iterator

from monai_fusion.datalist.near_misses import near_misses, near_somebody, told, told_of_somebody
from monai_fusion.datalist.sources import Sources
from monai_fusion.datalist.wording import quoted


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


def _second_rows(sources: Sources, label_column: str, leftovers: set[str], complete: set[str]) -> Iterator[str]:
    """Rows of people without files under ids that are nearly those of people with files and a row."""
    for name, other in near_somebody(leftovers, complete).items():
        second, first = sources.rows[name], sources.rows[other]
        one, two = first.values[label_column], second.values[label_column]
        differs = f" ({quoted(one)}, not {quoted(two)})" if one != two else ""
        who = f"{name} in line {second.line} is probably {other}, who has a row in line {first.line} already"
        yield f"{who}{differs}: correct the table"
