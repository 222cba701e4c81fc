"""What ``recipe.json`` records of a trained model, read without torch: classes, recordings, how files are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monai_fusion.datalist.availability import AVAILABLE_MODALITIES, AvailableModalities
from monai_fusion.errors import InputError, Problem
from monai_fusion.keys import EEG, MRI
from monai_fusion.model_files import place_in, read_model_json, refuse_no_model
from monai_fusion.reading import reason_of
from monai_fusion.run_folder import RECIPE_FILE
from monai_fusion.wording import quoted

_MOST_CLASSES = 1000
_LONGEST = 10_000  # letters of a class name


@dataclass(frozen=True, slots=True)
class FileReading:
    """How a model's preprocessing reads the files; the defaults are those of the shipped configs.

    Attributes:
        eeg_shape: Frequency, time and electrode of every scalogram.
        assume_orientation: Axes of MRIs whose header states none.
        percentiles_over: Voxels whose percentiles scale an MRI.
    """

    eeg_shape: tuple[int, int, int] = (224, 224, 17)
    assume_orientation: str | None = None
    percentiles_over: str = "all"


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """What a datalist must know of the model that predicts its participants.

    Attributes:
        folder: The run folder, or the exported file.
        classes: The class names, in the order of the model's outputs.
        target: What is classified; empty if the recipe does not state it.
        modalities: Which recordings it uses.
        learned_absence: Whether it has learned to do without a recording.
        scalogram_recipe: How the scalograms of its training were made, unchecked; None if that is not known.
        files: How the recordings' files are read for it.
    """

    folder: Path
    classes: tuple[str, ...]
    target: str = ""
    modalities: AvailableModalities = "both"
    learned_absence: bool = False
    scalogram_recipe: object = field(default=None, compare=False)
    files: FileReading = field(default=FileReading(), compare=False)


def read_trained_model(folder: Path, option: str = "--model_dir", need_classes: bool = True) -> TrainedModel:
    """Read the recipe of a run folder or an exported file; nothing in it is executed.

    Args:
        folder: The run folder, or the exported file.
        option: What names it, for messages.
        need_classes: False for a first look at the recipe, before a run that reads all of it: ``classes`` are empty
            if it names none.

    Raises:
        InputError: It is no trained model, or has a recipe that no training writes.
    """
    refuse_no_model(folder, option)
    place, advice = place_in(folder, RECIPE_FILE), f"give the --output_dir of a training as {option}"
    try:
        recipe = read_model_json(folder, RECIPE_FILE)
    except (OSError, ValueError) as error:
        if not need_classes:
            return TrainedModel(folder, ())
        raise InputError(Problem(place, seen=reason_of(error), advice="copy the run folder again")) from None
    if not isinstance(recipe, dict) or not _are_names(recipe.get("classes")):
        if not need_classes:
            return _from_recipe({**(recipe if isinstance(recipe, dict) else {}), "classes": ()}, folder)
        raise InputError(Problem(place, seen="not a recipe of monai-fusion", advice=advice))
    return _from_recipe(recipe, folder)


def refuse_other_classes(model: TrainedModel, given: Sequence[str], where: str, field: str = "") -> None:
    """See that classes are the model's, in its order: its outputs have no names of their own.

    Args:
        model: The model.
        given: The class names that the user gave; none are no contradiction.
        where: The option or file that gives them, for messages.
        field: The field of it.

    Raises:
        InputError: They are others.
    """
    if given and model.classes and tuple(given) != model.classes:
        seen, wanted = (" ".join(map(quoted, names)) for names in (given, model.classes))
        advice = f"the classes of {model.folder}, in their order"
        raise InputError(Problem(where, field, seen, wanted, advice))


def _from_recipe(recipe: Mapping[str, Any], folder: Path) -> TrainedModel:
    target = recipe.get("target")
    modalities: AvailableModalities = next(
        (known for known in AVAILABLE_MODALITIES if known == recipe.get("modalities")), "both"
    )
    return TrainedModel(
        folder,
        tuple(recipe["classes"]),
        target if isinstance(target, str) else "",
        modalities,
        recipe.get("absence") is True,
        recipe.get("scalogram_recipe"),
        _file_reading(recipe.get("preprocessing")),
    )


def _file_reading(preprocessing: object) -> FileReading:
    """What the transforms of a recipe state; what they do not is as shipped. A recipe may be a stranger's."""
    chains = preprocessing if isinstance(preprocessing, dict) else {}

    def first(recording: str, name: str) -> Any:
        chain = chains.get(recording)
        steps = [step for step in chain if isinstance(step, dict)] if isinstance(chain, list) else []
        return next((step[name] for step in steps if name in step), None)

    shape, assumed, over = first(EEG, "shape"), first(MRI, "assume_orientation"), first(MRI, "over")
    known = isinstance(shape, list) and len(shape) == 3 and all(type(each) is int and each > 0 for each in shape)
    shipped = FileReading()
    return FileReading(
        (shape[0], shape[1], shape[2]) if known else shipped.eeg_shape,
        assumed if isinstance(assumed, str) else None,
        over if isinstance(over, str) else shipped.percentiles_over,
    )


def _are_names(value: Any) -> bool:
    if not (isinstance(value, list) and 2 <= len(value) <= _MOST_CLASSES):
        return False
    if not all(isinstance(name, str) and name == name.strip() != "" and len(name) <= _LONGEST for name in value):
        return False
    return len(set(value)) == len(value)
