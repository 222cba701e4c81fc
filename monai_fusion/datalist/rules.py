"""What must hold across the rows of a datalist: one row per participant, labels that are classes, nobody missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from monai_fusion.datalist.validation import Row
from monai_fusion.datalist.wording import did_you_mean, one_of, quoted
from monai_fusion.errors import Problem


def repeated_participants(rows: Iterable[Row]) -> Iterator[Problem]:
    """A participant in two sections would be learned from and judged by; in one section twice, counted twice."""
    places: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        places[row.participant_id].append(row)
    for participant_id, found in places.items():
        if len(found) == 1:
            continue
        sections = list(dict.fromkeys(row.section for row in found))
        named = " and in ".join(f"{row.section} (row {row.number})" for row in found)
        if len(sections) > 1:
            yield Problem(
                participant_id, seen=f"in {named}", wanted="one section only", advice="delete all but one row"
            )
        else:
            numbers = " and ".join(str(row.number) for row in found)
            yield Problem(
                participant_id, seen=f"in {sections[0]} {len(found)} times (rows {numbers})", wanted="one row"
            )


def wrong_labels(rows: Iterable[Row], classes: Sequence[str], required: bool) -> Iterator[Problem]:
    """A label is exactly one of the classes; it is never guessed, only asked for."""
    for row in rows:
        label = row.entry.label
        if label is None:
            if required:
                seen = "null" if "label" in row.entry.model_fields_set else "missing"
                yield Problem(row.participant_id, "label", seen, one_of(classes))
        elif label not in classes:
            seen = quoted(label) if label.strip() else f"{quoted(label)} (empty)"
            yield Problem(row.participant_id, "label", seen, one_of(classes), did_you_mean(label, classes))


def without_recordings(rows: Iterable[Row]) -> Iterator[Problem]:
    """One modality may be missing, not both."""
    for row in rows:
        if not row.entry.eeg and row.entry.mri is None:
            yield Problem(row.participant_id, seen="neither eeg nor mri", wanted="at least one of them")


def empty_sections(rows: Sequence[Row], sections: Sequence[str] | None) -> Iterator[Problem]:
    """Nobody to work with; ``sections`` are those that are needed, ``None`` if any will do."""
    if sections is None and not rows:
        yield Problem("datalist", seen="no participant in training, validation or test", wanted="at least one")
    for section in sections or ():
        if not any(row.section == section for row in rows):
            yield Problem("datalist", section, "no participant", "at least one")


def classes_nobody_learns(rows: Iterable[Row], classes: Sequence[str]) -> Iterator[Problem]:
    """The network learns every class from someone, if it learns at all."""
    labels = {row.entry.label for row in rows if row.section == "training"}
    for name in classes if labels else ():
        if name not in labels:
            yield Problem("datalist", "training", f"no participant of class {quoted(name)}", "at least one")
