"""Parts of a trained model as plain data: how ``recipe.json`` holds them, and how an evaluation builds them again.

A part is ``{"_target_": "module.Class", argument: value, ...}`` as in a config; a value may be a part itself. A
recipe may come from another person, so the program evaluates nothing in it: a part is a class of the modules in
`KNOWN`, or of those that the user names (``--trusted_modules``), and its arguments are numbers, texts, lists and parts.
"""

from __future__ import annotations

import inspect
import pydoc
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from monai.bundle import ComponentLocator
from monai.transforms import Transform
from torch import nn

from monai_fusion.errors import InputError, Problem
from monai_fusion.run_folder import RECIPE_FILE

TARGET = "_target_"
KNOWN = (
    *("monai_fusion.networks", "monai_fusion.transforms"),
    *("monai.networks.nets", "monai.networks.blocks", "monai.networks.layers", "torch.nn"),
    *("torchvision.models", "timm.models"),
    # Those of MONAI's transforms that compute: others load files, save files or call their arguments.
    *("monai.transforms.intensity", "monai.transforms.spatial", "monai.transforms.croppad"),
)
"""Modules whose networks and transforms a recipe may name."""

# Arguments that make a network download or read weights when it is built; a trained one gets its own from model.pt.
_NO_WEIGHTS = {"pretrained": False, "weights": None, "checkpoint_path": None, "pretrained_path": None}
_LOCATOR = ComponentLocator()  # MONAI's own table of its components, for a _target_ without a module


def storable(part: Any) -> Any:
    """Return a part of a config as it is stored: full names of classes, and no weights to start from.

    Args:
        part: Data in JSON's types, from `monai_fusion.runs.RunConfig.part`.
    """
    if isinstance(part, list):
        return [storable(each) for each in part]
    if not isinstance(part, Mapping):
        return part
    stored = {name: storable(value) for name, value in part.items() if name not in ("_desc_", "_disabled_")}
    if TARGET not in part:
        return stored
    stored[TARGET] = _full_name(part[TARGET])
    return stored | {name: value for name, value in _NO_WEIGHTS.items() if name in stored}


def unknown_modules(part: Any) -> list[str]:
    """Name the classes of a stored part that an evaluation builds only if the user trusts their module."""
    if isinstance(part, list):
        return [name for each in part for name in unknown_modules(each)]
    if not isinstance(part, Mapping):
        return []
    own = [part[TARGET]] if TARGET in part and not _is_below(str(part[TARGET]), KNOWN) else []
    return own + [name for value in part.values() for name in unknown_modules(value)]


def build(part: Any, where: str, trusted_modules: Sequence[str] = ()) -> Any:
    """Build a stored part: a network, a transform, or a list of them.

    Args:
        part: From ``recipe.json``.
        where: Its name there, for messages.
        trusted_modules: Modules that may be imported besides those of `KNOWN`.

    Raises:
        InputError: A class is of another module, is neither a network nor a transform, or does not take its arguments.
    """
    if isinstance(part, list):
        return [build(each, where, trusted_modules) for each in part]
    if not isinstance(part, Mapping):
        return part
    arguments = {name: build(value, where, trusted_modules) for name, value in part.items() if name != TARGET}
    if TARGET not in part:
        return arguments
    # The writer of a recipe cannot name a file, or a download, that the evaluation would read.
    arguments |= {name: value for name, value in _NO_WEIGHTS.items() if name in arguments}
    kind = _class_of(part[TARGET], where, tuple(trusted_modules))
    try:
        return kind(**arguments)
    except InputError:
        raise
    except (TypeError, ValueError, RuntimeError, MemoryError, KeyError, AttributeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        seen = f"{part[TARGET]} cannot be built: {reason}"
        raise InputError(
            Problem(RECIPE_FILE, where, seen, advice="copy the run folder again, or train again")
        ) from error


def _class_of(name: object, where: str, trusted: tuple[str, ...]) -> Any:
    known = (*KNOWN, *trusted)
    module_name, _, class_name = str(name).rpartition(".")
    found = None
    if isinstance(name, str) and _is_below(name, known):
        try:
            found = getattr(import_module(module_name), class_name, None)
        except (ImportError, ValueError) as error:
            advice = "install it, or add its folder to PYTHONPATH"
            seen = f"{module_name} cannot be imported: {error}"
            raise InputError(Problem(RECIPE_FILE, where, seen, advice=advice)) from None
    # A module contains the modules that it imports: the module that defines a class counts.
    defined_in = getattr(found, "__module__", "")
    if (
        not inspect.isclass(found)
        or not issubclass(found, nn.Module | Transform)
        or not _is_below(f"{defined_in}.", known)
    ):
        wanted = f"a network or transform of {', '.join(KNOWN[:2])}, MONAI, torchvision or timm"
        advice = f"if you trust it: --trusted_modules \"['{module_name or name}']\""
        raise InputError(Problem(RECIPE_FILE, where, repr(name), wanted, advice))
    return found


def _is_below(name: str, modules: Sequence[str]) -> bool:
    return any(name.startswith(f"{module}.") for module in modules)


def named_by(target: str) -> object:
    """Find what a ``_target_`` names, as MONAI finds it; None if it does not exist.

    Raises:
        pydoc.ErrorDuringImport: Its module fails when it is imported.
    """
    module = _LOCATOR.get_component_module_name(target)
    if module is not None:
        target = f"{module if isinstance(module, str) else module[0]}.{target}"
    return pydoc.locate(target)


def _full_name(target: str) -> str:
    """The module and name of a class; a name that MONAI does not find stays unchanged."""
    found = named_by(target)
    return f"{found.__module__}.{found.__qualname__}" if inspect.isclass(found) else target
