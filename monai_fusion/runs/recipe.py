"""``recipe.json``: what evaluation and inference must know of a training, as plain values.

A saved config would do as well, but a config is executed when it is read. A run folder that comes from somebody else
may be read without fear: the recipe holds values, the weights are loaded with ``weights_only=True``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai_fusion import __version__, ranks
from monai_fusion.errors import InputError, Problem
from monai_fusion.files import beside_of, write_atomically
from monai_fusion.fingerprint import describe_chain, digest_of
from monai_fusion.output_folder import remove_all
from monai_fusion.reading import read_json, reason_of
from monai_fusion.run_folder import CHECKPOINTS_FOLDER as CHECKPOINTS
from monai_fusion.run_folder import MODEL_FILE, RECIPE_FILE, RESULTS, saved_epochs
from monai_fusion.runs.recipe_entries import wrong_entries


class Recipe(dict[str, Any]):
    """The values of a recipe; one that is asked for and missing is the user's input error, not a KeyError."""

    def __missing__(self, name: str) -> Any:
        made_by = self.get("monai_fusion", "an unknown version")
        advice = f"give --{name}, or train again"
        raise InputError(Problem(RECIPE_FILE, name, f"missing; written by monai-fusion {made_by}", advice=advice))


def clear_results(folder: str | os.PathLike[str]) -> None:
    """Remove an earlier training's results, so that nothing of it can be taken for the new one's.

    Args:
        folder: The run folder; only the files that :data:`RESULTS` names, and checkpoints, are removed: all, or none.

    Raises:
        InputError: One cannot be removed.
    """
    if not ranks.is_main():
        return
    results = [Path(folder) / name for name in RESULTS]
    checkpoints = saved_epochs(Path(folder) / CHECKPOINTS).values()
    remove_all([*results, *map(beside_of, results), *checkpoints])


def write_recipe(
    folder: str | os.PathLike[str],
    classes: Sequence[str],
    preprocessing: Mapping[str, Sequence[object]],
    **settings: Any,
) -> None:
    """Write the recipe of a training into its run folder.

    Args:
        folder: The run folder; it must exist.
        classes: The class names, in the order of the network's outputs.
        preprocessing: The deterministic transforms of each recording.
        **settings: The knobs that evaluation and inference must repeat, in JSON's types.
    """
    if not ranks.is_main():
        return
    recipe = {
        "monai_fusion": __version__,
        "classes": list(classes),
        "preprocessing": {name: _digest(chain) for name, chain in preprocessing.items()},
        **settings,
    }
    write_atomically(Path(folder) / RECIPE_FILE, json.dumps(recipe, indent=2, ensure_ascii=False).encode("utf-8"))


def read_recipe(folder: str | os.PathLike[str]) -> Recipe:
    """Read the recipe of a run folder.

    Raises:
        InputError: The folder holds no finished training, or a recipe that no training writes.
    """
    path = Path(folder) / RECIPE_FILE
    advice = "give the --output_dir of a training (train.yaml)"
    try:
        recipe = read_json(path)
    except FileNotFoundError:
        raise InputError(
            Problem(str(folder), seen=f"no {RECIPE_FILE}", wanted="a trained model", advice=advice)
        ) from None
    except NotADirectoryError:
        raise InputError(Problem(str(folder), seen="is no folder", wanted="a trained model", advice=advice)) from None
    except OSError as error:
        raise InputError(Problem(str(path), seen=reason_of(error), advice="copy the run folder again")) from None
    except ValueError:
        raise InputError(
            Problem(str(path), seen="not JSON", advice="train again, or copy the run folder again")
        ) from None
    if not isinstance(recipe, dict) or not {"classes", "preprocessing"} <= recipe.keys():
        raise InputError(Problem(str(path), seen="not a recipe of monai-fusion", advice=advice))
    if problems := list(wrong_entries(recipe, str(path))):
        raise InputError(problems)
    if not (Path(folder) / MODEL_FILE).is_file():
        raise InputError(Problem(str(folder), seen=f"no {MODEL_FILE}", wanted="a trained model", advice=advice))
    return Recipe(recipe)


def check_recipe(
    recipe: Mapping[str, Any],
    classes: Sequence[str],
    preprocessing: Mapping[str, Sequence[object]],
    *,
    require_classes: bool = True,
) -> None:
    """Make sure that a run means the classes, and prepares recordings, as the training did.

    Args:
        recipe: From :func:`read_recipe`.
        classes: The classes of the run's datalist.
        preprocessing: The deterministic transforms of each recording.
        require_classes: False for inference: a datalist may name no classes, as its participants have no labels.

    Raises:
        InputError: The classes or a chain of transforms differ from the training's.
    """
    problems = [
        Problem(
            f"{name}_preprocessing",
            seen="differs from what the model was trained with",
            advice="change it (or the knobs it uses) back to the training's",
        )
        for name, chain in preprocessing.items()
        if recipe["preprocessing"].get(name) != _digest(chain)
    ]
    if list(classes) != recipe["classes"] and (classes or require_classes):
        advice = "use a datalist with the classes that the model knows, in their order"
        if not require_classes:
            advice += "; one for inference alone may leave them out"
        problems.insert(0, Problem("--datalist", "classes", repr(list(classes)), repr(recipe["classes"]), advice))
    if problems:
        raise InputError(problems)


def _digest(chain: Sequence[object]) -> str:
    """Digest of the transforms alone: a new version of a library must not make a trained model unusable."""
    return digest_of(describe_chain(chain)["transforms"])
