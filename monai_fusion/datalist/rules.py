"""What must hold across the rows of a datalist: one row per participant, labels that are classes, no class missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from monai_fusion.datalist.groups import KIN, torn_fields
from monai_fusion.datalist.reporting import WHOLE_FILE, Finding
from monai_fusion.datalist.validation import Row
from monai_fusion.spelling import lookalike, nfc, spelled_out
from monai_fusion.wording import a_few, counted, did_you_mean, one_of, quoted

WITHOUT_VALIDATION = "or delete the empty part, and train with --keep_epoch last"
LineOf = Callable[[Row], int | None]


def repeated_participants(rows: Iterable[Row], line_of: LineOf) -> Iterator[Finding]:
    """A participant in two sections would be both trained and tested on; in one section twice, counted twice."""
    places: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        places[row.participant_id].append(row)
    for found in places.values():
        if len(found) == 1:
            continue
        *_, last = found
        sections = {row.section for row in found}
        if len(sections) > 1:
            named = " and in ".join(f"{row.section} (line {line_of(row)})" for row in found)
            advice = "delete all but one of these lines"
            yield last.finding(seen=f"in {named}", wanted="one part only", advice=advice, group="splits")
        else:
            lines = " and ".join(str(line_of(row)) for row in found)
            seen = f"{len(found)} times in {last.section} (lines {lines})"
            yield last.finding(seen=seen, wanted="once", advice="delete all but one of these lines", group="splits")


def similar_participants(rows: Iterable[Row], line_of: LineOf) -> Iterator[Finding]:
    """Ids that look the same are most likely one participant."""
    spellings: dict[str, dict[str, Row]] = defaultdict(dict)
    for row in rows:
        spellings[lookalike(row.participant_id)].setdefault(row.participant_id, row)
    for found in spellings.values():
        first, *others = found.values()
        for other in others:
            seen = _difference(other.participant_id, first.participant_id, f"(line {line_of(first)})")
            yield other.finding(seen=seen, advice="if they are one participant, keep one line", group="splits")


def _difference(one: str, other: str, where: str) -> str:
    if nfc(one) == nfc(other):
        return f"is {other} {where}, in other letters: {spelled_out(one)} and {spelled_out(other)}"
    if nfc(one).casefold() == nfc(other).casefold():
        return f"differs from {other} {where} only in upper and lower case"
    return f"differs from {other} {where} only in invisible characters, or dashes"


def repeated_classes(classes: Sequence[str]) -> bool:
    """Whether a class is listed twice, in any spelling of its letters."""
    return len({nfc(name) for name in classes}) < len(classes)


def wrong_labels(rows: Iterable[Row], classes: Sequence[str], required: bool) -> Iterator[Finding]:
    """A label is one of the classes, in exactly its spelling; the program never guesses it."""
    rows = list(rows)
    if required and rows and all(row.entry.label is None for row in rows):
        yield no_labels(rows, f"{one_of(classes)} for each")
        return
    for row in rows:
        label = row.entry.label
        if label is None:
            if required:
                seen = "null" if "label" in row.entry.model_fields_set else "missing"
                yield row.finding("label", seen, one_of(classes), group="labels")
        elif label not in classes:
            seen = quoted(label) if label.strip() else f"{quoted(label)} (empty)"
            yield row.finding("label", seen, one_of(classes), did_you_mean(label, classes), group="labels")


def no_labels(rows: Sequence[Row], wanted: str) -> Finding:
    """The one problem of a list of participants to predict, where labels are needed."""
    seen = f"none of the {counted(len(rows), 'participant')} has one"
    if len(rows) == 1:
        seen = f"{rows[0].participant_id} has none and is the only participant"
    advice = "participants to predict need none: monai-fusion predict, and datalist check --unlabelled"
    place = (rows[0].section,)
    return Finding(WHOLE_FILE, "label", seen, wanted, advice, group="labels", place=place)


def labels_without_classes(rows: Iterable[Row]) -> Iterator[Finding]:
    """Labels that mean nothing, because the file names no classes."""
    labels = dict.fromkeys(row.entry.label for row in rows if row.entry.label is not None)
    if labels:
        seen = f"missing, while the labels are {a_few(map(quoted, labels))}"
        wanted = 'the class names, such as ["M", "F"]'
        yield Finding(WHOLE_FILE, "classes", seen, wanted, "or null for every label, for participants to predict")


def without_recordings(rows: Iterable[Row]) -> Iterator[Finding]:
    """One modality may be missing, not both."""
    for row in rows:
        if not row.entry.eeg and row.entry.mri is None:
            yield row.finding(seen="neither eeg nor mri", wanted="at least one of them", group="files")


def no_participants(rows: Sequence[Row]) -> Iterator[Finding]:
    """A datalist must list participants."""
    if not rows:
        seen = "no participant in training, validation or test"
        yield Finding(WHOLE_FILE, seen=seen, wanted="at least one", group="splits")


def empty_sections(
    rows: Iterable[Row], sections: Sequence[str], excluded: Collection[str] = (), others: Sequence[str] = ()
) -> Iterator[Finding]:
    """Sections in which no participant is left to work with.

    Args:
        rows: Everybody who is looked at.
        sections: The sections that are needed.
        excluded: The sections of rows that are left out.
        others: The sections of all participants in use; if the run needs one section only, they show which one may be
            meant.
    """
    used = {row.section for row in rows}
    where = sorted(set(others) - set(sections), key=lambda name: (-others.count(name), name))
    advice = ""
    if where and len(sections) == 1:
        participants = counted(others.count(where[0]), "participant")
        advice = f'{participants} in "{where[0]}": give --section {where[0]}, or move them to "{sections[0]}"'
    for section in sections:
        if section not in used:
            number = sum(name == section for name in excluded)
            seen = f"all of its {counted(number, 'participant')} excluded" if number else "no participant"
            way = WITHOUT_VALIDATION if section == "validation" and len(sections) > 1 else advice
            yield Finding(WHOLE_FILE, section, seen, "at least one", way, group="splits", place=(section,))


def missing_classes(rows: Iterable[Row], classes: Sequence[str], sections: Iterable[str]) -> Iterator[Finding]:
    """Training and validation each need a participant of every class; empty sections are not checked here."""
    labels: dict[str, set[str | None]] = defaultdict(set)
    for row in rows:
        labels[row.section].add(row.entry.label)
    for section in sections:
        for name in classes if labels[section] else ():
            if name not in labels[section]:
                seen = f"no participant of class {quoted(name)}"
                yield Finding(WHOLE_FILE, section, seen, "at least one", group="splits", place=(section,))


def torn_groups(rows: Iterable[Row], group_by: Sequence[str]) -> Iterator[Finding]:
    """Groups that the datalist keeps together must be in one part; relatives should be."""
    members = [(row.section, row.entry.further) for row in rows]
    for torn in torn_fields(members, group_by):
        advice = "move the participants of each group to one part, or split again with --group-by"
        yield Finding(WHOLE_FILE, torn.name, str(torn), "each in one, by group_by", advice, group="splits")
    others = [name for name in KIN if name not in group_by]
    for torn in torn_fields(members, others):
        advice = f"if they are relatives, the test is not independent: split again with --group-by {torn.name}"
        yield Finding(WHOLE_FILE, torn.name, str(torn), advice=advice, group="splits", warning=True)


def has_folds(rows: Iterable[Row]) -> bool:
    """Whether the rows carry the field ``fold``: the validation part is then one of the folds."""
    return any(row.entry.fold is not None for row in rows)
