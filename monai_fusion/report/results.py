"""Everything in a run folder that a report is made of."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from monai_fusion.evaluation.schema import Metrics
from monai_fusion.report.context import Cohort, read_context, read_history, read_json
from monai_fusion.report.learning import History, to_history
from monai_fusion.report.predictions import Participant, read_participants
from monai_fusion.run_folder import EMBEDDINGS_FILE, MANIFEST_FILE, METRICS_FILE, RECIPE_FILE, THUMBNAILS_FILE

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Results:
    """A run folder as a report sees it; what is not there is None or empty, and said in the report.

    Attributes:
        name: The folder's name.
        classes: Class names in their order.
        people: One entry a participant, in the order of ``predictions.csv``.
        metrics: The scores.
        metrics_note: Why there are none.
        history: The training's epochs.
        embeddings: ``eeg``, ``mri``, ``fused`` [N, D], in the order of ``people``; NaN for people it does not have.
        mri: Thumbnails of the MRI by participant, [3, H, W] uint8.
        eeg: Mean scalograms by participant, [F, T] uint8.
        cohort: Counts of the datalist.
        manifest: What was run.
        recipe: What evaluation repeated of the training.
    """

    name: str
    classes: tuple[str, ...]
    people: list[Participant]
    metrics: Metrics | None = None
    metrics_note: str = ""
    history: History | None = None
    embeddings: Arrays = field(default_factory=dict)
    mri: Arrays = field(default_factory=dict)
    eeg: Arrays = field(default_factory=dict)
    cohort: Cohort | None = None
    manifest: Mapping[str, Any] | None = None
    recipe: Mapping[str, Any] | None = None

    @property
    def one_recording_each(self) -> bool:
        """Whether nobody has both recordings."""
        return all(person.recordings != "both" for person in self.people)

    @property
    def labelled(self) -> list[Participant]:
        """The participants whose class is known."""
        return [person for person in self.people if person.label is not None]


def read_results(folder: str | os.PathLike[str]) -> Results:
    """Read a run folder.

    Raises:
        InputError: It has no ``predictions.csv``, or one that is not what it should be.
    """
    folder = Path(folder)
    classes, people = read_participants(folder)
    metrics, note = _read_metrics(folder / METRICS_FILE)
    context = read_context(folder)
    thumbnails = _read_arrays(folder / THUMBNAILS_FILE)
    return Results(
        name=folder.resolve().name,
        classes=classes,
        people=people,
        metrics=metrics,
        metrics_note=note,
        history=to_history(context.history or read_history(folder)),
        embeddings=_in_order(_read_arrays(folder / EMBEDDINGS_FILE), [person.participant_id for person in people]),
        mri=_pictures(thumbnails, "mri", axes=4),
        eeg=_pictures(thumbnails, "eeg", axes=3),
        cohort=context.cohort,
        manifest=context.manifest or read_json(folder / MANIFEST_FILE),
        recipe=read_json(folder / RECIPE_FILE),
    )


def _read_metrics(path: Path) -> tuple[Metrics | None, str]:
    content = read_json(path)
    if content is None:
        return None, f"There is no {METRICS_FILE}: the participants have no labels, or the evaluation did not finish."
    if content.get("schema_version") != Metrics.model_fields["schema_version"].default:
        return None, f"{METRICS_FILE} was written by another version of monai-fusion: evaluate again to see scores."
    try:
        return Metrics.model_validate_json(json.dumps(content)), ""
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        return None, f"{METRICS_FILE} is not what an evaluation writes ({place}: {first['msg']}): evaluate again."


def _read_arrays(path: Path) -> Arrays:
    """The arrays of an .npz file, without pickles; none if there is no such file, or it is damaged."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return {}


def _pictures(stored: Arrays, name: str, axes: int) -> Arrays:
    """The thumbnails by participant."""
    ids, pictures = stored.get("participant_id"), stored.get(name)
    if ids is None or pictures is None or pictures.ndim != axes or pictures.dtype != np.uint8:
        return {}
    return {str(one): picture for one, picture in zip(ids, pictures, strict=False)}


def _in_order(stored: Arrays, ids: list[str]) -> Arrays:
    """The embeddings, a row for each of ``ids``."""
    rows = {str(name): row for row, name in enumerate(stored.get("participant_id", []))}
    if not rows.keys() & set(ids):
        return {}
    found = [rows.get(name) for name in ids]
    arrays = {}
    for name in ("fused", "eeg", "mri"):
        values = stored.get(name)
        if values is not None and values.ndim == 2 and len(values) == len(rows):
            missing = np.full(values.shape[1], np.nan)
            arrays[name] = np.array([missing if row is None else values[row] for row in found], dtype=np.float64)
    return arrays
