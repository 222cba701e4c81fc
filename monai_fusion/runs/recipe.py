"""``recipe.json``: what evaluation and inference must know of a training, as plain values.

A saved config would serve as well, but a config is executed when it is read. Run folders from other people are safe to
read: the recipe holds values, and the weights are loaded with ``weights_only=True``.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.transforms import Transform
from torch import nn

from monai_fusion import __version__, ranks
from monai_fusion.data import Preprocessing
from monai_fusion.datalist import Datalist, ModalityPolicy, ParticipantRecord
from monai_fusion.datalist.availability import BOTH_REQUIRED, modalities_never_missing
from monai_fusion.errors import InputError, Problem
from monai_fusion.files import beside_of, write_json
from monai_fusion.fingerprint import describe_chain, digest_of
from monai_fusion.keys import EEG, MRI
from monai_fusion.model_files import is_exported_file, place_in, read_model_json, refuse_no_model, weights_file
from monai_fusion.networks.ensemble_net import with_members
from monai_fusion.networks.exported_net import ExportedNet
from monai_fusion.onnx_metadata import NotOnnxError
from monai_fusion.output_folder import remove_all
from monai_fusion.reading import reason_of
from monai_fusion.recordings.scalogram_recipe import ENTRY, common_recipe
from monai_fusion.run_folder import CHECKPOINTS_FOLDER as CHECKPOINTS
from monai_fusion.run_folder import MODEL_FILE, RECIPE_FILE, RESULTS, saved_epochs
from monai_fusion.runs.identity import identity_settings
from monai_fusion.runs.recipe_entries import wrong_entries
from monai_fusion.runs.resolved import RunConfig
from monai_fusion.runs.stored_parts import build, storable, unknown_modules
from monai_fusion.runs.training_overlap import learned_from

logger = logging.getLogger(__name__)

RECORDINGS = (EEG, MRI)


class Recipe(dict[str, Any]):
    """The values of a recipe; a missing one that is read is the user's input error, not a KeyError.

    Attributes:
        exported_file: The ``.onnx`` file that computes the network; None for a folder with weights.
    """

    def __init__(self, values: Mapping[str, Any], exported_file: Path | None = None) -> None:
        super().__init__(values)
        self.exported_file = exported_file

    def __missing__(self, name: str) -> Any:
        made_by = self.get("monai_fusion", "an unknown version")
        seen = f"missing; written by monai-fusion {made_by}"
        raise InputError(Problem(RECIPE_FILE, name, seen, advice="train again, or copy the run folder again"))


def clear_results(folder: str | os.PathLike[str]) -> None:
    """Remove an earlier training's results, so that they cannot be mistaken for the new one's.

    Args:
        folder: The run folder; the files that :data:`RESULTS` names, and checkpoints, are removed: all, or none.

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
    cohort: Datalist,
    run_config: RunConfig,
    identity: Mapping[str, Any],
    preprocessing: Preprocessing,
    use: ModalityPolicy = BOTH_REQUIRED,
) -> None:
    """Write the recipe of a training into its run folder.

    It holds the knobs that the numbers depend on under their names, digests of the recordings that the model learns
    from, by which an evaluation recognises them under any id, and the network and the transforms as data, from
    which `trained_network` and `trained_preprocessing` build them again.

    Args:
        folder: The run folder; it must exist.
        cohort: The datalist, with the class names in the order of the network's outputs.
        run_config: The config, with the entries ``network_def``, ``eeg_preprocessing`` and ``mri_preprocessing``.
        identity: What the numbers depend on, as `training_identity` describes it.
        preprocessing: The objects built from ``eeg_preprocessing`` and ``mri_preprocessing``.
        use: Which recordings the training uses, and of which participants.

    Raises:
        InputError: An argument of the network or of a transform is an object, which the file cannot hold.
    """
    if not ranks.is_main():
        return
    chains = {name: storable(run_config.part(f"{name}_preprocessing")) for name in RECORDINGS}
    network = storable(run_config.part("network_def"))
    if unknown := unknown_modules([network, chains]):
        modules = sorted({name.rpartition(".")[0] for name in unknown})
        logger.warning('an evaluation of this model needs --trusted_modules "%s"', modules)
    taught = {part: use.select(cohort.by_section.get(part, ()))[0] for part in ("training", "validation")}
    recipe = {
        "monai_fusion": __version__,
        "classes": list(cohort.classes),
        "target": cohort.target,
        **identity_settings(run_config.knobs),
        **absence_settings(use, cohort.records("training")),
        "preprocessing": chains,
        "kept_as": preprocessing.dtypes,
        "preprocessing_digests": {name: digest_of(identity[f"{name}_preprocessing"]) for name in RECORDINGS},
        "network": network,
        **_scalogram_recipe(taught["training"], taught["validation"]),
        **learned_from(taught["training"], taught["validation"], preprocessing.cache_dir),
    }
    write_json(Path(folder) / RECIPE_FILE, recipe)


def _scalogram_recipe(*parts: Sequence[ParticipantRecord]) -> dict[str, Any]:
    """How the scalograms were made, for new raw recordings; nothing if they differ or do not say."""
    scalograms = [path for records in parts for record in records for path in record.eeg]
    if not scalograms:
        return {}
    found, why = common_recipe(scalograms)
    if found is None:
        logger.info("the model will take scalograms of new participants, but no raw EEG: %s", why)
        return {}
    return {ENTRY: found.as_json}


def absence_settings(use: ModalityPolicy, records: Iterable[ParticipantRecord]) -> dict[str, Any]:
    """What an evaluation must know of recordings that were absent in the training.

    ``absence``: whether the network has learned embeddings for them; ``unseen_absence``: which recordings were
    nevertheless never absent.
    """
    return {
        "absence": use.allows_missing,
        "unseen_absence": modalities_never_missing(use, records),
        "allow_missing": use.allow_missing,
        "modalities": use.modalities,
    }


def read_recipe(model: str | os.PathLike[str]) -> Recipe:
    """Read the recipe of a trained model: a run folder, or an exported file.

    Raises:
        InputError: It is no trained model, or has a recipe that was not written by a training.
    """
    place = place_in(model, RECIPE_FILE)
    advice = "give the --output_dir of a training (train.yaml)"
    wanted, again = "a trained model", "copy the run folder again"
    try:
        recipe = read_model_json(model, RECIPE_FILE)
    except FileNotFoundError:
        raise InputError(Problem(str(model), seen=f"no {RECIPE_FILE}", wanted=wanted, advice=advice)) from None
    except NotADirectoryError:
        refuse_no_model(model, "--model_dir")  # says what kind of file it is
        raise InputError(Problem(str(model), seen="is not a folder", wanted=wanted, advice=advice)) from None
    except OSError as error:
        raise InputError(Problem(place, seen=reason_of(error), advice=again)) from None
    except NotOnnxError as error:
        raise InputError(Problem(str(model), seen=str(error), wanted=wanted, advice="export it again")) from None
    except ValueError:
        raise InputError(Problem(place, seen="not JSON", advice=f"train again, or {again}")) from None
    if not isinstance(recipe, dict) or not {"classes", "preprocessing"} <= recipe.keys():
        raise InputError(Problem(place, seen="not a recipe of monai-fusion", advice=advice))
    if problems := list(wrong_entries(recipe, place)):
        raise InputError(problems)
    if is_exported_file(model):
        return Recipe(recipe, exported_file=Path(model))
    if weights_file(model) is None:
        raise InputError(Problem(str(model), seen=f"no {MODEL_FILE}", wanted=wanted, advice=advice))
    return Recipe(recipe)


def check_classes(recipe: Mapping[str, Any], classes: Sequence[str], *, required: bool = True) -> None:
    """Make sure that a datalist has the same classes as the training.

    Args:
        recipe: From :func:`read_recipe`.
        classes: The classes of the run's datalist.
        required: False for inference: a datalist may omit the classes, because its participants have no labels.

    Raises:
        InputError: They differ.
    """
    if list(classes) == recipe["classes"] or not (classes or required):
        return
    advice = "use a datalist with the classes that the model knows, in their order"
    if not required:
        advice += "; a datalist for inference alone may omit them"
    raise InputError(Problem("--datalist", "classes", repr(list(classes)), repr(recipe["classes"]), advice))


def trained_preprocessing(
    recipe: Mapping[str, Any], cache_dir: str | os.PathLike[str] | None, trusted_modules: Sequence[str] = ()
) -> Preprocessing:
    """Build the deterministic transforms of a training, over a store.

    Args:
        recipe: From :func:`read_recipe`.
        cache_dir: Folder of the preprocessed store; None for none.
        trusted_modules: Modules of transforms besides the program's and MONAI's.

    Raises:
        InputError: One cannot be built, or computes other numbers than in the version of the training.
    """
    chains: dict[str, list[Any]] = build(recipe["preprocessing"], "preprocessing", trusted_modules)
    for chain in chains.values():
        _refuse_other_kinds(chain, "preprocessing", Transform)
    changed = [name for name, chain in chains.items() if recipe["preprocessing_digests"].get(name) != _digest(chain)]
    if changed:
        made_by = recipe.get("monai_fusion", "an unknown version")
        raise InputError(
            Problem(
                RECIPE_FILE,
                f"{name}_preprocessing",
                "computes other numbers in this version than in the model's training",
                advice=f"install monai-fusion {made_by}, or train again",
            )
            for name in changed
        )
    kept_as = recipe["kept_as"]
    return Preprocessing(chains[EEG], chains[MRI], cache_dir, kept_as[EEG], kept_as[MRI])


def trained_network(recipe: Mapping[str, Any], trusted_modules: Sequence[str] = ()) -> nn.Module:
    """Build the network of a training, without its weights: one, the members of an ensemble, or an exported file.

    Args:
        recipe: From :func:`read_recipe`.
        trusted_modules: Modules of networks besides the program's, MONAI's, torchvision's and timm's.

    Raises:
        InputError: It cannot be built.
    """
    if isinstance(recipe, Recipe) and recipe.exported_file is not None:
        return ExportedNet(recipe.exported_file)
    network = build(recipe["network"], "network", trusted_modules)
    _refuse_other_kinds([network], "network", nn.Module)
    return with_members(network, recipe.get("members"))


def _refuse_other_kinds(parts: Sequence[object], where: str, kind: type) -> None:
    for part in parts:
        if not isinstance(part, kind):
            seen = f"holds a {type(part).__name__}"
            raise InputError(Problem(RECIPE_FILE, where, seen, f"a {kind.__name__}", "copy the run folder again"))


def _digest(chain: Sequence[object]) -> str:
    """Digest of the transforms alone: a new version of a library must not make a trained model unusable."""
    return digest_of(describe_chain(chain)["transforms"])
