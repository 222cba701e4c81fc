"""Checks the files of a bundle run before it starts, without importing torch: the run itself checks everything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from monai_fusion.errors import InputError, Problem
from monai_fusion.reading import read_json_object
from monai_fusion.run_folder import MANIFEST_FILE, MODEL_FILE, PREDICTIONS_FILE, path_in_manifest

if TYPE_CHECKING:
    from monai_fusion.datalist.examination import Examination
    from monai_fusion.datalist.trained_model import TrainedModel


def refuse_results_of_others(folder: Path) -> None:
    """Refuse to overwrite the predictions of a training's evaluation with those of new participants.

    Raises:
        InputError: The output folder contains a training or an evaluation.
    """
    if found := [name for name in (MODEL_FILE, "evaluate.log") if (folder / name).is_file()]:
        seen = f"{folder} holds {'a trained model' if found[0] == MODEL_FILE else 'an evaluation'} ({found[0]})"
        advice = f"choose another folder: its {PREDICTIONS_FILE} would be replaced"
        raise InputError(Problem("--output_dir", seen=seen, wanted="a folder for new predictions", advice=advice))


def datalist_of_run(run_dir: Path) -> Path:
    """The datalist of a training.

    Raises:
        InputError: The manifest does not name it, or it is not there any more.
    """
    path = path_in_manifest(read_json_object(run_dir / MANIFEST_FILE) or {}, "datalist")
    if path is None or not path.is_file():
        seen = f"not named in {MANIFEST_FILE}" if path is None else f"{path}: no such file"
        raise InputError(Problem("the run's datalist", seen=seen, advice="give its place: --datalist PATH"))
    return path


def check_files(name: str, knobs: dict[str, Any], *, require_labels: bool) -> Examination:
    """Check the files that a run reads as far as possible without importing torch: the run itself checks everything.

    Returns:
        The datalist, which has no problem.

    Raises:
        InputError: There is no datalist, a model or file of weights is missing, or a training's folder holds a model.
        DatalistError: The datalist is wrong.
    """
    from monai_fusion.datalist.examination import Requirements, examine
    from monai_fusion.datalist.json_text import read_json_file
    from monai_fusion.datalist.reporting import DatalistError
    from monai_fusion.datalist.trained_model import refuse_other_classes
    from monai_fusion.options.overrides import as_bool, as_resume
    from monai_fusion.output_folder import refuse_trained_model

    if not knobs["datalist"] and name == "predict":
        wanted = "whom to predict: --datalist FILE, --eeg-dir and --mri-dir, or --eeg and --mri"
        raise InputError(Problem("--datalist", seen="not given", wanted=wanted))
    if not knobs["datalist"]:
        raise InputError(Problem("DATALIST", seen="not given", wanted="the path of a datalist (monai-fusion datalist)"))
    if name == "train":
        _check_weights(knobs)
        if not (as_bool(knobs["overwrite"]) or as_resume(knobs["resume"])):
            refuse_trained_model(Path(str(knobs["output_dir"])).expanduser())
        model, sections, modalities = None, ["training", "validation", "test"], str(knobs["modalities"])
    else:
        model, sections = _model_of(knobs, "MODEL" if name == "predict" else "--model_dir"), [str(knobs["section"])]
        modalities = "both" if model is None else model.modalities
    path = Path(str(knobs["datalist"])).expanduser()
    last = name == "train" and knobs["keep_epoch"] == "last"
    may_be_empty = ("validation", "test") if last else ()
    asked = Requirements(
        sections,
        labels=require_labels,
        modalities=modalities,
        may_be_empty=may_be_empty,
        may_lose=name == "predict",
    )
    examination = examine(read_json_file(path), path, asked)
    if examination.problems:
        raise DatalistError(examination.problems, heading=str(path))
    if model is not None:
        refuse_other_classes(model, examination.head.classes, str(path), "classes")
    return examination


def _check_weights(knobs: dict[str, Any]) -> None:
    given = {name: str(knobs[name]) for name in ("eeg_weights", "mri_weights") if knobs[name] not in (None, "$None")}
    advice = "give the path of a .pth or .safetensors file"
    if missing := {name: file for name, file in given.items() if not Path(file).expanduser().is_file()}:
        raise InputError(Problem(name, f"'{file}'", "file not found", advice=advice) for name, file in missing.items())


def _model_of(knobs: dict[str, Any], option: str) -> TrainedModel | None:
    """The part of the trained model's recipe that is needed here. None if only the run knows the folder.

    Raises:
        InputError: There is no trained model, or its recipe is invalid.
    """
    from monai_fusion.datalist.trained_model import read_trained_model

    model = str(knobs["model_dir"])
    folder = Path(str(knobs["output_dir"]) if model == "@output_dir" else model).expanduser()
    if model.startswith("$") and not folder.exists():  # an expression from an overlay
        return None
    return read_trained_model(folder, option, need_classes=False)
