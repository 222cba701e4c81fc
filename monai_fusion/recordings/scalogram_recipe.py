"""How the scalograms of a training were made, so that new raw recordings become such scalograms too."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from monai_fusion.errors import InputError, Problem
from monai_fusion.fingerprint import digest_of
from monai_fusion.reading import read_json_object
from monai_fusion.recordings.options import (
    ElectrodeOptions,
    JobOptions,
    ScalogramOptions,
    SegmentOptions,
    SignalOptions,
    TransformOptions,
)
from monai_fusion.sidecar import COMPARED_FIELDS, MOST_BYTES, is_sidecar, sidecar_name, value_at
from monai_fusion.wording import counted

ENTRY = "scalogram_recipe"
"""The entry of a model's ``recipe.json``."""
_MOST_ELECTRODES, _LONGEST = 1024, 64


@dataclass(frozen=True, slots=True)
class ScalogramRecipe:
    """The options of ``monai-fusion scalogram`` that make such scalograms.

    Attributes:
        mode: ``compat`` or ``power``.
        rows: ``microvolts`` or ``z-score``.
        electrodes: In the order of the planes.
        seconds: Length of a segment.
        reject: Largest peak-to-peak amplitude in microvolts; None for no limit.
        reference: ``average`` or ``as-recorded``.
        demean: ``yes`` or ``no``.
        high_pass: Cut-off in Hz, or ``off``.
        line: Line frequency in Hz, ``auto`` or ``off``.
        interpolate: The most electrodes that were interpolated in a recording.
        digest: Stands for `COMPARED_FIELDS`, the versions of the computation included.
    """

    mode: str
    rows: str
    electrodes: tuple[str, ...]
    seconds: float
    reject: float | None
    reference: str
    demean: str
    high_pass: str
    line: str
    interpolate: int
    digest: str

    @property
    def as_json(self) -> dict[str, Any]:
        """As ``recipe.json`` holds it."""
        return {**asdict(self), "electrodes": list(self.electrodes)}

    def options(self, out: Path) -> ScalogramOptions:
        """The options that write such scalograms into a folder.

        Raises:
            InputError: A value is none that the options have.
        """
        return ScalogramOptions(
            electrodes=ElectrodeOptions(",".join(self.electrodes), self.interpolate),
            segments=SegmentOptions(seconds=self.seconds, reject=self.reject),
            signal=SignalOptions(self.reference, self.demean, self.high_pass, self.line),
            transform=TransformOptions(self.mode, self.rows),
            job=JobOptions(out),
        )

    def words(self) -> list[str]:
        """The same as options of a command line, without the folder."""
        words = ["--mode", self.mode, *(["--rows", self.rows] if self.mode == "power" else [])]
        words += ["--electrodes", ",".join(self.electrodes), "--seconds", f"{self.seconds:g}"]
        words += ["--reference", self.reference, "--demean", self.demean]
        words += ["--high-pass", self.high_pass, "--line", self.line]
        words += [] if self.reject is None else ["--reject", f"{self.reject:g}"]
        return words + (["--interpolate", str(self.interpolate)] if self.interpolate else [])


def _recipe_of(content: Mapping[str, Any]) -> ScalogramRecipe | None:
    """Return how the scalograms of a sidecar were made; None if it does not say all of it."""
    signal = content.get("Signal")
    if content.get("Finished") is not True or not isinstance(signal, Mapping):
        return None
    high_pass, interpolated = signal.get("HighPassHz"), content.get("InterpolatedElectrodes")
    return read_recipe_entry(
        {
            "mode": content.get("Mode"),
            "rows": {"uV": "microvolts", "z-score": "z-score"}.get(str(content.get("Units"))),
            "electrodes": content.get("Electrodes"),
            "seconds": content.get("SegmentSeconds"),
            "reject": content.get("RejectAboveMicrovolts"),
            "reference": "average" if str(signal.get("Reference")).startswith("average") else "as-recorded",
            "demean": "yes" if signal.get("Demean") is True else "no",
            "high_pass": "off" if high_pass is None else _text(high_pass),
            "line": _text(signal.get("LineOption")),
            "interpolate": len(interpolated) if isinstance(interpolated, list) else 0,
            "digest": digest_of({"/".join(field): value_at(content, field) for field in COMPARED_FIELDS}),
        }
    )


def common_recipe(scalograms: Iterable[Path]) -> tuple[ScalogramRecipe | None, str]:
    """Return how all scalograms of a cohort were made, by the JSON files beside them.

    Returns:
        The recipe, with the most interpolated electrodes of any; None with a reason if they differ, or do not say.
    """
    described: dict[Path, ScalogramRecipe | None] = {}
    without = 0
    for path in scalograms:
        name = sidecar_name(path.name)
        if name is None:
            without += 1
            continue
        sidecar = path.with_name(name)
        if sidecar not in described:
            content = read_json_object(sidecar, MOST_BYTES)
            described[sidecar] = _recipe_of(content) if content is not None and is_sidecar(content) else None
        without += described[sidecar] is None
    recipes = [each for each in described.values() if each is not None]
    if without or not recipes:
        return None, f"no JSON beside {counted(without, 'scalogram')} says how they were made"
    # How many electrodes had to be interpolated is a matter of the recording.
    kinds = Counter(json.dumps({**each.as_json, "interpolate": 0}) for each in recipes)
    if len(kinds) > 1:
        return None, f"the scalograms were made in {len(kinds)} ways"
    return max(recipes, key=lambda each: each.interpolate), ""


def read_recipe_entry(value: object) -> ScalogramRecipe | None:
    """Return the recipe in an entry of ``recipe.json``, which may come from another person; None if it is none."""
    if not isinstance(value, Mapping) or set(value) != {field.name for field in fields(ScalogramRecipe)}:
        return None
    names = value["electrodes"]
    texts = ("mode", "rows", "reference", "demean", "high_pass", "line", "digest")
    if not (isinstance(names, list) and 1 <= len(names) <= _MOST_ELECTRODES and all(map(_is_word, names))):
        return None
    if not all(_is_word(value[name]) for name in texts) or not _is_number(value["seconds"]):
        return None
    reject, interpolate = value["reject"], value["interpolate"]
    if not (reject is None or _is_number(reject)) or type(interpolate) is not int or interpolate < 0:
        return None
    found = ScalogramRecipe(**{**value, "electrodes": tuple(names)})
    try:
        found.options(Path())
    except InputError:
        return None
    return found


def refuse_other_scalograms(recipe: ScalogramRecipe, sidecars: Iterable[Path]) -> None:
    """Check that scalograms are like those of the training: this version may compute others.

    Raises:
        InputError: They differ in what `COMPARED_FIELDS` names.
    """
    for sidecar in sidecars:
        content = read_json_object(sidecar, MOST_BYTES) or {}
        made = _recipe_of(content)
        if made is None or made.digest != recipe.digest:
            seen = "not made as the scalograms of the training, although with the same options"
            advice = "this version of monai-fusion computes them in another way: make those of the training again"
            raise InputError(Problem(str(sidecar), seen=seen, advice=advice))


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _is_word(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST and value.isprintable() and "," not in value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf
