"""The files of a run that an audit reads."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_fusion.datalist.examination import Examination, Requirements, examine
from monai_fusion.datalist.json_text import read_json_file
from monai_fusion.datalist.records import ParticipantRecord
from monai_fusion.datalist.schema import SECTIONS
from monai_fusion.datalist.validation import Row
from monai_fusion.errors import InputError, Problem
from monai_fusion.files import latest
from monai_fusion.fingerprint import content_hash
from monai_fusion.metrics.calibration_file import CalibrationFile, read_calibration
from monai_fusion.reading import read_json_object
from monai_fusion.report.report_data import Cohort, describe_cohort
from monai_fusion.report.run_results import Results, read_results
from monai_fusion.run_folder import (
    CALIBRATION_FILE,
    COMPARISON_FILE,
    EVALUATIONS,
    MANIFEST_FILE,
    PREDICTIONS_FILE,
    RECIPE_FILE,
    path_in_manifest,
)


@dataclass(frozen=True)
class RunFiles:
    """What an audit knows of a run.

    Attributes:
        folder: The run folder.
        results: What its report shows; without predictions if it was not evaluated.
        manifest: The training's ``manifest.json``; with the newest list of evaluations.
        recipe: The training's ``recipe.json``; empty without one.
        calibration: ``calibration.json``; None without a usable one.
        datalist: The datalist, examined; it may have problems.
        same_datalist: Whether its content is that of the training; None if the manifest does not say.
        cache_dir: The store of the training; None if it is not there.
    """

    folder: Path
    results: Results
    manifest: Mapping[str, Any]
    recipe: Mapping[str, Any]
    calibration: CalibrationFile | None
    datalist: Examination
    same_datalist: bool | None
    cache_dir: Path | None

    @property
    def rows(self) -> list[Row]:
        """The rows of the datalist that are not excluded."""
        return [participant.row for participant in self.datalist.participants]

    @property
    def records(self) -> list[ParticipantRecord]:
        """The participants with their files; none if the datalist has problems."""
        if self.datalist.problems:
            return []
        by_section = self.datalist.datalist().by_section
        return [record for section in SECTIONS for record in by_section.get(section, ())]

    @property
    def cohort(self) -> Cohort | None:
        """The counts by part: those of the evaluation, or of the datalist as it is now."""
        if self.results.cohort is not None or self.datalist.problems:
            return self.results.cohort
        return describe_cohort(self.datalist.path, "test")

    @property
    def evaluations(self) -> list[Mapping[str, Any]]:
        """The evaluations that the manifest lists, oldest first."""
        listed = self.manifest.get(EVALUATIONS)
        return [each for each in listed if isinstance(each, Mapping)] if isinstance(listed, list) else []

    def part(self, name: str) -> Mapping[str, Any]:
        """An entry of the manifest that is an object; empty without one."""
        value = self.manifest.get(name)
        return value if isinstance(value, Mapping) else {}


def read_run(folder: Path, datalist: Path | None = None) -> RunFiles:
    """Read a run folder and the datalist of its training.

    Args:
        folder: The ``--output_dir`` of a training, or of an evaluation.
        datalist: Where the datalist is now; None takes the place in the manifest.

    Raises:
        InputError: The folder is none of a run, or the datalist is missing or cannot be read.
    """
    own = _manifest_of(folder)
    results = _results_of(folder, own)
    manifest = own or results.manifest or {}
    path = datalist or path_in_manifest(manifest, "datalist")
    if path is None or not path.is_file():
        seen = "its place is not in the manifest" if path is None else f"{path}: no such file"
        raise InputError(Problem("datalist", seen=seen, advice="give its place: --datalist PATH"))
    examined = examine(read_json_file(path), path, Requirements(labels=False, files=False))
    if not examined.json.readable or not examined.participants:
        raise InputError(examined.problems or Problem(str(path), seen="no participants"), heading=str(path))
    then = (manifest.get("datalist") or {}).get("digest") if isinstance(manifest.get("datalist"), Mapping) else None
    store = path_in_manifest(manifest, "cache_dir")
    return RunFiles(
        folder=folder,
        results=results,
        manifest=manifest,
        recipe=read_json_object(folder / RECIPE_FILE) or {},
        calibration=_calibration_of(folder),
        datalist=examined,
        same_datalist=None if not isinstance(then, str) else content_hash(path) == then,
        cache_dir=store if store is not None and store.is_dir() else None,
    )


def other_manifests(folder: Path, most: int = 500) -> Sequence[Mapping[str, Any]]:
    """The manifests of the runs in the same folder as this one."""
    here = folder.resolve()
    found = sorted(path for path in here.parent.glob(f"*/{MANIFEST_FILE}") if path.parent != here)
    return [manifest for path in found[:most] if (manifest := read_json_object(path)) is not None]


def _manifest_of(folder: Path) -> dict[str, Any] | None:
    if not folder.is_dir():
        seen = "a file" if folder.exists() else "no such folder"
        raise InputError(Problem(str(folder), seen=seen, wanted="the --output_dir of a training"))
    if latest(folder / COMPARISON_FILE).exists() and not (folder / MANIFEST_FILE).exists():
        advice = "audit the runs in it one by one, e.g. gated/seed1337_fold0"
        raise InputError(
            Problem(str(folder), seen="a comparison", wanted="the --output_dir of a training", advice=advice)
        )
    return read_json_object(folder / MANIFEST_FILE)


def _results_of(folder: Path, manifest: dict[str, Any] | None) -> Results:
    if latest(folder / PREDICTIONS_FILE).exists():
        results = read_results(folder)
        if manifest is not None or results.manifest is not None:
            return results
    if manifest is None:
        advice = "give the --output_dir of a training or of an evaluation"
        raise InputError(Problem(str(folder), seen=f"no {MANIFEST_FILE}", advice=advice))
    recipe = read_json_object(folder / RECIPE_FILE)
    classes = (recipe or {}).get("classes")
    name = os.fsencode(folder.resolve().name).decode("utf-8", errors="replace")
    known = tuple(map(str, classes)) if isinstance(classes, list) else ()
    return Results(name=name, classes=known, participants=[], manifest=manifest, recipe=recipe)


def _calibration_of(folder: Path) -> CalibrationFile | None:
    if not (folder / CALIBRATION_FILE).exists():
        return None
    try:
        return read_calibration(folder)
    except InputError:  # an evaluation reports it in full
        return None
