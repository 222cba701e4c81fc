"""Where the files of a trained model are: in a run folder, or as texts inside an exported file.

A model that predicts is named by one path: the output folder of a training, the folder of a fold ensemble, a folder
that ``monai-fusion export --format hub`` wrote, or an ``.onnx`` file of ``monai-fusion export``. Whoever reads
``recipe.json`` or ``calibration.json`` of a model asks here, and need not know which it is.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

from monai_fusion.errors import InputError, Problem
from monai_fusion.onnx_metadata import NotOnnxError, read_metadata
from monai_fusion.reading import parse_json, read_bytes, read_json
from monai_fusion.run_folder import MODEL_FILE, RECIPE_FILE, SAFETENSORS_FILE

ONNX_ENDING, PROGRAM_ENDING = ".onnx", ".pt2"

_NOT_A_MODEL = {
    PROGRAM_ENDING: "a torch.export program, which can run code when it is loaded: give the run folder, or export it "
    "with --format onnx",
    ".zip": "unpack it and give its folder models",
    **dict.fromkeys((".pt", ".pth", ".safetensors"), "weights alone: give the folder in which they are"),
}


def is_exported_file(model: str | os.PathLike[str]) -> bool:
    """Whether a model is an exported file (``.onnx``), not a folder."""
    return Path(model).suffix.lower() == ONNX_ENDING and not Path(model).is_dir()


def read_model_text(model: str | os.PathLike[str], name: str) -> str | None:
    """Read one of a model's files, such as ``recipe.json``; of an exported file, the text of that name in it.

    It imports neither torch nor onnx, and does not read the weights.

    Args:
        model: A run folder or an exported file.
        name: The file's name.

    Returns:
        Its text; None if the model has no such file, or there is no such model.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not text, or ``model`` is an ``.onnx`` file that is damaged.
    """
    if is_exported_file(model):
        try:
            return read_metadata(model).get(name)
        except FileNotFoundError:
            return None
    try:
        return read_bytes(Path(model) / name).decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None


def read_model_json(model: str | os.PathLike[str], name: str) -> Any:
    """Read one of a model's JSON files, as `read_json` does.

    Raises:
        FileNotFoundError: The model has no such file, or there is no such model.
        NotADirectoryError: The model is a file of another kind.
        OSError: It cannot be read.
        ValueError: It is not JSON.
    """
    if not is_exported_file(model):
        return read_json(Path(model) / name)
    text = read_model_text(model, name)
    if text is None:
        raise FileNotFoundError(errno.ENOENT, f"no {name}", str(model))
    return parse_json(text)


def read_model_object(model: str | os.PathLike[str], name: str) -> dict[str, Any] | None:
    """Read the object that one of a model's JSON files holds; None if there is no such file, or it holds another."""
    try:
        content = read_model_json(model, name)
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def place_in(model: str | os.PathLike[str], name: str) -> str:
    """Where one of a model's files is, for a message: ``runs/first/recipe.json``, or ``recipe.json in model.onnx``."""
    return f"{name} in {model}" if is_exported_file(model) else str(Path(model) / name)


def weights_file(folder: str | os.PathLike[str]) -> Path | None:
    """The file of a model folder that holds its weights: ``model.pt``, or ``model.safetensors``; None without one."""
    return next((path for name in (MODEL_FILE, SAFETENSORS_FILE) if (path := Path(folder) / name).is_file()), None)


def refuse_no_model(model: str | os.PathLike[str], option: str) -> None:
    """See that a path is that of a model, before anything of it is read.

    Args:
        model: What the user named.
        option: What names it, for messages.

    Raises:
        InputError: There is no such file or folder, it holds no recipe or no weights, or is of another kind.
    """
    path = Path(model)
    advice = f"give the --output_dir of a training as {option}"
    if path.exists() and not path.is_dir():
        if is_exported_file(path):
            _refuse_other_onnx(path)
            return
        advice = _NOT_A_MODEL.get(path.suffix.lower(), f"{advice}, or an .onnx file of `monai-fusion export`")
        raise InputError(Problem(str(path), seen="a file", wanted="a trained model's folder", advice=advice))
    absent = RECIPE_FILE if not (path / RECIPE_FILE).is_file() else MODEL_FILE if weights_file(path) is None else None
    if absent:
        what = "file" if path.suffix.lower() == ONNX_ENDING else "folder"
        advice = advice if path.exists() else f"there is no such {what}: {advice}"
        raise InputError(Problem(str(path), seen=f"no {absent}", wanted="a trained model", advice=advice))


def _refuse_other_onnx(path: Path) -> None:
    try:
        texts = read_metadata(path)
    except NotOnnxError as error:
        raise InputError(
            Problem(str(path), seen=str(error), advice="export the model again, or copy it again")
        ) from None
    except OSError as error:
        raise InputError(Problem(str(path), seen=error.strerror or "cannot be read")) from None
    if RECIPE_FILE not in texts:
        advice = "export the model with `monai-fusion export`"
        raise InputError(
            Problem(str(path), seen=f"an ONNX file without {RECIPE_FILE}", wanted="a model", advice=advice)
        )
