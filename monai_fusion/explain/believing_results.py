"""Whether the maps can be believed: measured for each method, kept, and put into tables for the report."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_fusion.errors import InputError
from monai_fusion.explain.believing import BelievingSettings, believing
from monai_fusion.explain.derived import Derived, title_of
from monai_fusion.explain.kept_arrays import settings_digest
from monai_fusion.explain.method import Explained, Method
from monai_fusion.explain.mri_space import SlabGeometry, VolumeSpace
from monai_fusion.explain.planted_truth import PlantedTruth
from monai_fusion.explain.running import ExplanationRun
from monai_fusion.files import write_atomically
from monai_fusion.reading import read_json_object
from monai_fusion.report.explanation_file import ResultTable

logger = logging.getLogger(__name__)

CHECKS_FOLDER = "checks"
Measures = Mapping[str, Any]


def believing_results(
    run: ExplanationRun,
    methods: Sequence[Method],
    settings: BelievingSettings,
    planted: PlantedTruth | None,
    geometry: SlabGeometry | None,
) -> Derived:
    """Measure whether the maps of each method can be believed; what was measured for the same maps is kept.

    Args:
        run: With the arrays.
        methods: The methods that the run has asked.
        settings: How much is spent on it.
        planted: The truth of a sample cohort; None for other cohorts.
        geometry: How preprocessing made the network's grid of MRIs; None if that is not known.

    Raises:
        OSError: A file cannot be written.
    """
    derived = Derived()
    for method in methods:
        if run.explained_by(method.name):
            measures = _kept_or_measured(run, method, settings, planted, geometry)
            derived.measures[method.name] = measures
            derived.warnings += [str(text) for text in measures["warnings"]]
    derived.checks = [table for make in _TABLES if (table := make(derived.measures)) is not None]
    return derived


def _kept_or_measured(
    run: ExplanationRun,
    method: Method,
    settings: BelievingSettings,
    planted: PlantedTruth | None,
    geometry: SlabGeometry | None,
) -> Measures:
    path = run.folder / CHECKS_FOLDER / f"{method.name}.json"
    digest = settings_digest(
        {
            "arrays": run.digests(method.name),
            "settings": repr(settings),
            "planted": repr(planted),
            "grid": repr(geometry),
        }
    )
    kept = read_json_object(path)
    if kept is not None and kept.get("made_from") == digest and isinstance(kept.get("measures"), dict):
        found: Measures = kept["measures"]
        return found
    ids = run.explained_by(method.name)
    if settings.for_randomisation(ids) or settings.for_curves(ids):
        logger.info(
            "%s: do its maps depend on what the network has learned, and the score on what they mark?", method.name
        )
    bar = run.bar(f"checking {method.name}", settings.passes(method, run.sizes(ids)), method)
    with bar as step:
        measured = believing(
            method,
            run.scorer,
            ids,
            run.participant,
            lambda name: run.arrays(method.name, name),
            settings,
            planted,
            _world(geometry),
            step,
        ).as_json()
    path.parent.mkdir(exist_ok=True)
    content = json.dumps({"made_from": digest, "measures": measured}, indent=1)
    write_atomically(path, content.encode("utf-8"))
    return measured


def _world(geometry: SlabGeometry | None) -> Callable[[Explained], NDArray[np.floating] | None]:
    @cache
    def of_file(path: Path) -> NDArray[np.float64] | None:
        try:
            return None if geometry is None else VolumeSpace.of_file(path, geometry).network_affine
        except InputError:  # reported with the maps
            return None

    return lambda participant: None if participant.mri_file is None else of_file(participant.mri_file)


def _randomised(measures: Mapping[str, Any]) -> ResultTable | None:
    rows = [
        [title_of(name), str(stage["down_to"]), _mean(stage["signed"]), _mean(stage["magnitude"])]
        for name, found in measures.items()
        for stage in found["weight_randomisation"]
    ]
    note = (
        "The network's weights are made random, from the head down to the named block, and the maps are made again: "
        "rank correlation with the own map. Near 0: the map depends on what the network has learned. Near 1: it would "
        "look the same without any learning."
    )
    columns = ["Method", "Random down to", "Values", "Magnitudes"]
    return ResultTable(title="Random weights", columns=columns, rows=rows, note=note) if rows else None


def _curves(measures: Mapping[str, Any]) -> ResultTable | None:
    rows = [
        [title_of(name), _mean(curves["deletion_gain"]), _mean(curves["insertion_gain"])]
        for name, found in measures.items()
        if (curves := found["deletion_and_insertion"]) is not None
    ]
    note = (
        "What the map marks is removed from the recording (or added to an empty one), step by step, and the score is "
        "followed: the area between its curve and those of random orders, in logit. Above 0: the prediction rests on "
        "what the map marks."
    )
    columns = ["Method", "Deletion", "Insertion"]
    return ResultTable(title="Deletion and insertion", columns=columns, rows=rows, note=note) if rows else None


def _completeness(measures: Mapping[str, Any]) -> ResultTable | None:
    rows = [
        [
            title_of(name),
            _mean(found["completeness_error"], percent=True),
            f"{100 * found['largest_completeness_error']:.1f} %",
        ]
        for name, found in measures.items()
        if found["completeness_error"] is not None
    ]
    note = "How far the sum of the attributions is from the difference of scores that it should be."
    columns = ["Method", "Mean error", "Largest error"]
    return ResultTable(title="Completeness", columns=columns, rows=rows, note=note) if rows else None


def _planted(measures: Mapping[str, Any]) -> ResultTable | None:
    rows = []
    for name, found in measures.items():
        stages = found["weight_randomisation"]
        for way, hits in found["planted_region"].items():
            random = stages[-1]["planted_region"].get(way) if stages else None
            rows.append(
                [
                    title_of(name), _WAYS.get(way, way), _mean(hits["rate"]), _mean(hits["rank"], percent=True),
                    _mean(hits["share"], percent=True), "" if random is None else _mean(random["rate"]),
                ]
            )  # fmt: skip
    note = (
        "This is a sample cohort, whose signal has a known place. Hit rate: the planted region's share of the map "
        "divided by its share of the points: 1 is chance. Largest points: of those with the largest values, as many as "
        "the region has, how many lie in it. The last column is the hit rate of a wholly random network. A map of the "
        "whole head has a hit rate of 3 to 5 among all voxels: read those of the head."
    )
    columns = ["Method", "Among", "Hit rate", "Largest points", "Region's share", "Random network"]
    return ResultTable(title="The planted signal", columns=columns, rows=rows, note=note) if rows else None


_WAYS = {
    "electrodes_rows": "electrodes x rows",
    "voxels": "all voxels",
    "head": "the head",
    "head_smoothed": "the head, map smoothed",
}
_TABLES = (_planted, _randomised, _curves, _completeness)


def _mean(entry: Mapping[str, Any], *, percent: bool = False) -> str:
    """A mean with its interval, as text."""
    if entry["value"] is None:
        return "none"
    scale, unit = (100, " %") if percent else (1, "")
    text = f"{scale * entry['value']:.2f}" if not percent else f"{scale * entry['value']:.1f}"
    interval = entry["interval"]
    return (
        f"{text}{unit}" if interval is None else f"{text}{unit} [{scale * interval[0]:.2f}, {scale * interval[1]:.2f}]"
    )
