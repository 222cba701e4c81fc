"""What a training is: two runs with the same identity give the same numbers."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from monai_fusion.data import Preprocessing
from monai_fusion.datalist import Datalist
from monai_fusion.datalist.availability import BOTH_REQUIRED, ModalityPolicy
from monai_fusion.fingerprint import content_hash, describe_chain, digest_of
from monai_fusion.runs.identity_differences import COMPONENTS, FILES, PARTICIPANTS
from monai_fusion.store.file_index import contents_of

HARMLESS = {
    "datalist": "the participants, their labels and the contents of their files count, not the place of the list",
    "output_dir": "a run folder may be moved",
    "cache_dir": "the content of the store follows from the recordings and the transforms, which count",
    "overwrite": "decides whether a training begins",
    "resume": "decides whether a training is resumed",
    "device": "a training may continue on another device; it rounds differently, which the log reports",
    "tracking_uri": "where curves are recorded",
    "experiment_name": "a name for curves",
    "run_name": "a name for curves",
    "cuda_graphs": "the numbers of a recorded step are those of the step itself",
    "device_data": "the same draws; a GPU that rotates volumes rounds differently, by at most 1e-4",
    "num_workers": "every draw of an epoch has random numbers of its own, in any process",
    "start_method": "every process loads the same, however it was started",
    "segment_batch_size": "each segment is encoded independently of the others in its batch",
    "eval_batch_size": "each participant is predicted independently of the others in its batch",
    "time_limit_minutes": "a stopped training continues to the same end",
    "eeg_weights": "the contents of the file count",
    "mri_weights": "the contents of the file count",
    "resolved_precision": "is in the identity under precision",
    "bundle_root": "no path is built from it",
    "process_group": "how processes find each other; several of them compute the same as one",
    "timeout_minutes": "how long they wait for each other",
    "not_main_process": "which of several processes writes",
    "is_not_rank0": "for MONAI's tracking",
    "save_execute_config": "for MONAI's tracking",
}
"""Knobs that may change when a training is resumed, each with the reason; the identity has all other knobs of a config.
"""


def identity_settings(knobs: Mapping[str, Any], **computed: Any) -> dict[str, Any]:
    """Return the knobs that a training's numbers depend on: all but those of `HARMLESS`.

    Args:
        knobs: From `monai_fusion.runs.RunConfig`.
        computed: Values that replace knobs, for instance the precision that ``auto`` stands for.
    """
    return {name: value for name, value in {**knobs, **computed}.items() if name not in HARMLESS}


def training_identity(
    cohort: Datalist,
    preprocessing: Preprocessing,
    augmentation: Mapping[str, Sequence[object]],
    settings: Mapping[str, Any],
    components: Mapping[str, object],
    files: Mapping[str, str | os.PathLike[str] | None],
    use: ModalityPolicy = BOTH_REQUIRED,
) -> dict[str, Any]:
    """Describe a training by everything that its numbers depend on.

    Args:
        cohort: The participants; their order, ids, labels and sections and the contents of their files count, names of
            files and folders do not.
        preprocessing: The deterministic transforms of each recording, and the store, which knows the contents of the
            files that it holds; without one they are read.
        augmentation: The random transforms of each recording.
        settings: The knobs that count, in JSON's types; see `identity_settings`.
        components: Network, loss, optimiser and schedule, as they are before the training.
        files: Further files by option, for instance of pretrained weights; their contents count.
        use: Which participants take part, with which recordings.

    Returns:
        JSON's types, for `monai_fusion.runs.identity_differences.differences`.
    """
    chains = {
        f"{name}_{kind}": describe_chain(chain)
        for kind, chains in (("preprocessing", preprocessing.transforms), ("augmentation", augmentation))
        for name, chain in chains.items()
    }
    identity = {
        "classes": list(cohort.classes),
        "library": next(iter(chains.values()))["libraries"] if chains else {},  # all have the same
        **{name: chain["transforms"] for name, chain in chains.items()},
        **settings,
        FILES: {name: content_hash(Path(path).expanduser()) if path else None for name, path in files.items()},
        PARTICIPANTS: _participants(cohort, preprocessing.cache_dir, use),
        COMPONENTS: {name: _described(component) for name, component in components.items()},
    }
    # As a checkpoint returns it: JSON's own types, which torch.load(weights_only=True) reads.
    plain: dict[str, Any] = json.loads(json.dumps(identity))
    return plain


def loggable(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Shorten an identity to settings and digests: no participant's id, and nothing longer than a line.

    Args:
        identity: From `training_identity`.

    Returns:
        The same names; a description is replaced by its digest, several named ones by theirs.
    """
    return {
        name: {part: _condensed(inner) for part, inner in value.items()}
        if isinstance(value, Mapping) and name != PARTICIPANTS
        else _condensed(value)
        for name, value in identity.items()
    }


def _condensed(value: Any, longest: int = 200) -> Any:
    if isinstance(value, Mapping) or len(json.dumps(value)) > longest:
        return digest_of(value)
    return value


def _participants(
    cohort: Datalist, cache_dir: str | os.PathLike[str] | None, use: ModalityPolicy
) -> dict[str, dict[str, Any]]:
    """The participants of the training; those of the test part are not among them."""
    records = [
        record for section in cohort.sections if section != "test" for record in use.select(cohort.records(section))[0]
    ]
    contents = contents_of((path for record in records for path in record.files), cache_dir)
    rows: dict[str, dict[str, Any]] = {}
    for record in records:
        eeg = [next(contents) for _ in record.eeg]
        mri = None if record.mri is None else next(contents)
        label = None if record.label is None else cohort.classes[record.label]
        row = {"section": record.section, "label": label, "segments": len(eeg), "eeg": digest_of(eeg), "mri": mri}
        rows[record.participant_id] = row
    return rows


def _described(component: object) -> Any:
    """Describe a component: a network by its structure as text, any other by its class and plain public values."""
    if isinstance(component, nn.Module) and next(component.parameters(), None) is not None:
        return repr(component)
    plain = {name: value for name, value in vars(component).items() if name[:1] != "_" and _is_plain(value)}
    return {"class": f"{type(component).__module__}.{type(component).__qualname__}", **plain}


def _is_plain(value: object) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)
