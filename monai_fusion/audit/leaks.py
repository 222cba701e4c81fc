"""Is anybody, any recording or any family in two parts?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from monai_fusion.audit.audit_file import Check
from monai_fusion.audit.run_files import RunFiles
from monai_fusion.datalist import rules
from monai_fusion.datalist.groups import KIN, PLACES, torn_fields
from monai_fusion.datalist.schema import SECTIONS
from monai_fusion.fingerprint import content_hash
from monai_fusion.run_folder import TRAINED_ON, VALIDATED_ON
from monai_fusion.spelling import field_of
from monai_fusion.store.file_index import SourceIndex
from monai_fusion.wording import a_few, counted

_DATALIST = "datalist"


def checks_of_parts(run: RunFiles) -> Iterator[Check]:
    """Check that training, validation and test part are disjoint: by id, by content of the recordings, by group."""
    yield _same_datalist(run)
    yield from _participants(run)
    yield from _recordings(run)
    yield from _groups(run)


def _same_datalist(run: RunFiles) -> Check:
    name = "Same datalist as in the training"
    source = "manifest.json, datalist.digest"
    if run.same_datalist is None:
        return Check(name=name, status="unknown", seen="the manifest has no digest of it", source=source)
    if run.same_datalist:
        return Check(name=name, status="right", seen="its content has not changed since", source=source)
    seen = "its content has changed since: the checks of the parts are of the file as it is now"
    advice = "audit with the datalist of the training: --datalist PATH"
    return Check(name=name, status="note", seen=seen, advice=advice, source=source)


def _participants(run: RunFiles) -> Iterator[Check]:
    name = "No participant in two parts"
    places = run.datalist.json.places
    twice = list(rules.repeated_participants(run.rows, lambda row: places.line(row.place)))
    for finding in twice:
        yield Check(name=name, status="wrong", seen=str(finding), advice="train again without it", source=_DATALIST)
    similar = list(rules.similar_participants(run.rows, lambda row: places.line(row.place)))
    for finding in similar:
        advice = finding.advice or "find out whether these ids are one person"
        yield Check(name=name, status="note", seen=str(finding), advice=advice, source=_DATALIST)
    if not twice:
        seen = f"{counted(len(run.rows), 'participant')}, each id once"
        yield Check(name=name, status="right", seen=seen, source=_DATALIST)


def _recordings(run: RunFiles) -> Iterator[Check]:
    """Compare recordings by content: the digests of the recipe, and those that the store's index knows."""
    name = "No recording in two parts"
    if "members" in run.recipe:
        seen = "an ensemble has learned from everybody: its honest scores are the out-of-fold ones of comparison.json"
        yield Check(name=name, status="note", seen=seen, source="recipe.json, members")
        return
    by_part, unknown = _contents(run)
    in_two = _in_two(by_part)
    for parts, people in in_two.items():
        who = f" ({a_few(people)})" if people else ""
        seen = f"{counted(len(people) or 1, 'recording')} of the {parts[0]} part also in the {parts[1]} part{who}"
        advice = "find out whose it is, keep each person in one part, and train again"
        yield Check(name=name, status="wrong", seen=seen, advice=advice, source="recipe.json, store")
    compared = {part: len(contents) for part, contents in by_part.items() if contents}
    text = ", ".join(f"{count} {part}" for part, count in compared.items())
    missing = [part for part in SECTIONS if any(row.section == part for row in run.rows) and part not in compared]
    if unknown or missing:
        what = f"the contents of {counted(unknown, 'recording')} are not known" if unknown else ""
        where = f"nothing is known of the {' and '.join(missing)} part" if missing else ""
        seen = "; ".join(each for each in (what, where, f"compared: {text}" if text else "") if each)
        advice = "`monai-fusion datalist check DATALIST --deep` compares all files"
        yield Check(name=name, status="unknown", seen=seen, advice=advice, source="recipe.json, store")
    elif not in_two:
        seen = f"all recordings differ in content ({text})"
        yield Check(name=name, status="right", seen=seen, source="recipe.json, store")


Contents = Mapping[str, Mapping[str, str]]
"""For each part the content hashes, with the participant's id; an empty one where only the digest is known."""


def _contents(run: RunFiles) -> tuple[Contents, int]:
    """The contents of each part, and how many recordings of the datalist are not known by content."""
    found: dict[str, dict[str, str]] = {part: {} for part in SECTIONS}
    for part, name in (("training", TRAINED_ON), ("validation", VALIDATED_ON)):
        listed = run.recipe.get(name)
        found[part] = dict.fromkeys(map(str, listed), "") if isinstance(listed, list) else {}
    told = {part for part, contents in found.items() if contents}
    index = None if run.cache_dir is None else SourceIndex(run.cache_dir)
    unknown = 0
    for record in run.records:
        for path in record.files:
            content = None if index is None else _content_of(index, path)
            if content is not None:
                found[record.section][content] = record.participant_id
            elif record.section not in told:
                unknown += 1
    return found, unknown


def _content_of(index: SourceIndex, path: Path) -> str | None:
    """The content of a recording that was prepared in this store; None of others, or if it is not there."""
    try:
        known = index.look_up(path)
        return None if known is None else known.content if known.fresh else content_hash(path)
    except OSError:
        return None


def _in_two(by_part: Contents) -> dict[tuple[str, str], list[str]]:
    pairs: dict[tuple[str, str], list[str]] = {}
    for number, one in enumerate(SECTIONS):
        for other in SECTIONS[number + 1 :]:
            shared = sorted(by_part[one].keys() & by_part[other].keys())
            if shared:
                ids = [by_part[part][content] for content in shared for part in (one, other)]
                pairs[one, other] = sorted({each for each in ids if each})
    return pairs


def _groups(run: RunFiles) -> Iterator[Check]:
    """Families and pairs, by ``group_by`` and by fields of their usual names; sites are told of, not refused."""
    name = "No family in two parts"
    members = [(row.section, row.entry.further) for row in run.rows]
    kept = run.datalist.head.group_by
    names = [*kept, *(each for each in KIN if each not in kept)]
    torn = list(torn_fields(members, names))
    for each in torn:
        advice = f"split again with --group-by {each.name}, and train again"
        yield Check(name=name, status="wrong", seen=f"{each.name}: {each}", advice=advice, source=_DATALIST)
    there = [each for each in names if any(field_of(fields, each) for _, fields in members)]
    if not there:
        seen = "no field names families, pairs or persons (group_by, family, subject, pair)"
        advice = "if participants may be related, add such a field; if not, say so in the paper"
        yield Check(name=name, status="unknown", seen=seen, advice=advice, source=_DATALIST)
    elif not torn:
        yield Check(name=name, status="right", seen=f"by {a_few(there)}", source=_DATALIST)
    for each in torn_fields(members, [name for name in PLACES if name not in kept]):
        advice = "the test says nothing about a new site: `--group-by site` leaves whole sites out"
        yield Check(name="New site", status="note", seen=f"{each.name}: {each}", advice=advice, source=_DATALIST)
