"""The flow of participants, and their characteristics by part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from monai_fusion.audit.audit_file import Characteristic, FlowRow, LeftOut
from monai_fusion.audit.run_files import RunFiles
from monai_fusion.baseline.participant_numbers import middle
from monai_fusion.datalist.groups import KIN
from monai_fusion.datalist.schema import SECTIONS
from monai_fusion.datalist.strata import categories_in_order
from monai_fusion.datalist.validation import Row
from monai_fusion.spelling import field_of

_MOST_CATEGORIES = 12


def flow_of(run: RunFiles) -> list[FlowRow]:
    """How many participants of each part are listed, excluded, used and scored."""
    excluded = Counter(row.section for row in run.datalist.left_out)
    there = Counter(row.section for row in run.rows)
    metrics, data = run.results.metrics, run.part("data")
    rows = []
    for part in SECTIONS:
        if not there[part] and not excluded[part]:
            continue
        described = data.get(part)
        used = described.get("participants") if isinstance(described, dict) else None
        rows.append(
            FlowRow(
                part=part,
                listed=there[part] + excluded[part],
                excluded=excluded[part],
                used=used if isinstance(used, int) else None,
                scored=metrics.participants if metrics is not None and metrics.section == part else None,
            )
        )
    return rows


def left_out_of(run: RunFiles) -> list[LeftOut]:
    """The reasons in ``exclude``, by part, the most frequent first."""
    counts = Counter((row.section, row.entry.exclude or "") for row in run.datalist.left_out)
    in_order = sorted(counts.items(), key=lambda each: (SECTIONS.index(each[0][0]), -each[1], each[0][1]))
    return [LeftOut(part=part, reason=reason, participants=count) for (part, reason), count in in_order]


def characteristics_of(run: RunFiles) -> list[Characteristic]:
    """The class and every kept field by part: mean (SD) of numbers, counts of categories.

    Fields that name families or persons, and those of as many values as participants, describe nobody.
    """
    rows = run.rows
    names = dict.fromkeys(name for row in rows for name in row.entry.further)
    of_groups = {field_of(names, each) for each in (*run.datalist.head.group_by, *KIN)}
    recordings = [_recordings(row) for row in rows]
    found = list(_counts("class", [row.entry.label or "" for row in rows], rows, run.datalist.head.classes))
    if len(set(recordings)) > 1:
        found += _counts("recordings", recordings, rows)
    for name in names:
        if name in of_groups:
            continue
        texts = [_text(row.entry.further.get(name)) for row in rows]
        numbers = [middle(text) if text else None for text in texts]
        if any(texts) and all(value is not None for value, text in zip(numbers, texts, strict=True) if text):
            found.append(_numbers(name, [np.nan if value is None else value for value in numbers], rows))
        elif 0 < len(set(texts) - {""}) <= _MOST_CATEGORIES:
            found += _counts(name, texts, rows)
    return found


def _numbers(name: str, values: Sequence[float], rows: Sequence[Row]) -> Characteristic:
    by_part = {}
    for part in SECTIONS:
        of_part = [value for value, row in zip(values, rows, strict=True) if row.section == part]
        known = np.array([value for value in of_part if np.isfinite(value)])
        if known.size:
            spread = f" ({np.std(known, ddof=1):.3g})" if known.size > 1 else ""
            by_part[part] = f"{np.mean(known):.4g}{spread}"
    missing = sum(not np.isfinite(value) for value in values)
    return Characteristic(field=name, category="", by_part=by_part, missing=missing)


def _counts(
    name: str, texts: Sequence[str], rows: Sequence[Row], order: Sequence[str] = ()
) -> Iterator[Characteristic]:
    cells = Counter((row.section, text) for row, text in zip(rows, texts, strict=True) if text)
    of_part = Counter(row.section for row, text in zip(rows, texts, strict=True) if text)
    missing = sum(not text for text in texts)
    for category in order or categories_in_order({text for text in texts if text}):
        by_part = {
            part: f"{cells[part, category]} ({100 * cells[part, category] / of_part[part]:.0f} %)"
            for part in SECTIONS
            if of_part[part]
        }
        yield Characteristic(field=name, category=category, by_part=by_part, missing=missing)


def _recordings(row: Row) -> str:
    return {(True, True): "EEG and MRI", (True, False): "EEG only", (False, True): "MRI only"}.get(
        (bool(row.entry.eeg), bool(row.entry.mri)), ""
    )


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()
