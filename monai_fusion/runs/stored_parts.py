"""Parts of a trained model as plain data: how ``recipe.json`` holds them, and how an evaluation builds them again.

A part is ``{"_target_": "module.Class", argument: value, ...}`` as in a config; a value may be a part itself. A
recipe may come from another person, so the program evaluates nothing in it: a part is a class of the modules in
`KNOWN`, or of those that the user names (``--trusted_modules``), and its arguments are numbers, texts, lists and parts.
A class of `KNOWN` takes only texts and names of a few letters: torch.fx and torch.export write the names of a network's
parts into Python code, unquoted, so that a part named ``a" if exec("...") else "a`` would be a program.
"""

from __future__ import annotations

import inspect
import pydoc
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, NoReturn

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

_REFUSED = (
    # They write Python code from the networks that they are given.
    *("timm.models._features_fx", "torchvision.models.feature_extraction"),
    # They read a file, or download one, whose name they are given or know.
    *("monai.networks.nets.transchex", "monai.networks.nets.cell_sam_wrapper"),
)

# Arguments that make a network download or read weights when it is built; a trained one gets its own from model.pt.
_NO_WEIGHTS = {
    "pretrained": False,
    **dict.fromkeys(("weights", "checkpoint_path", "pretrained_path", "pretrained_url")),
}
_PLAIN_TEXT = re.compile(r"[\w .+-]{0,200}")
_WANTED_TEXT = "letters, digits, spaces and _ . + -"
_LOCATOR = ComponentLocator()  # MONAI's own table of its components, for a _target_ without a module


def storable(part: Any) -> Any:
    """Return a part of a config as it is stored: full names of classes, and no weights to start from.

    Args:
        part: Data in JSON's types, from `monai_fusion.runs.RunConfig.part`.

    Raises:
        InputError: A text among the arguments is none that `build` would take.
    """
    if isinstance(part, list):
        return [storable(each) for each in part]
    if not isinstance(part, Mapping):
        return part
    stored = {name: storable(value) for name, value in part.items() if name not in ("_desc_", "_disabled_")}
    if TARGET not in part:
        return stored
    stored[TARGET] = _full_name(part[TARGET])
    stored |= {name: value for name, value in _NO_WEIGHTS.items() if name in stored}
    if (text := _foreign_text(stored)) is not None:
        advice = "an evaluation would not build it: put it into a class of your own, which --trusted_modules names"
        raise InputError(Problem(stored[TARGET], seen=f"the text {text[:80]!r}", wanted=_WANTED_TEXT, advice=advice))
    return stored


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
    kind = _class_of(part[TARGET], where, tuple(trusted_modules))
    if (text := _foreign_text({**part, TARGET: f"{kind.__module__}.{kind.__name__}"})) is not None:
        _refuse(where, f"{part[TARGET]} cannot be built: given the text {text[:80]!r}", _WANTED_TEXT)
    # The writer of a recipe cannot name a file, or a download, that the evaluation would read; some networks download
    # weights unless they are told otherwise.
    taken = inspect.signature(kind).parameters
    arguments |= {name: value for name, value in _NO_WEIGHTS.items() if name in arguments or name in taken}
    try:
        return kind(**arguments)
    except InputError:
        raise
    except Exception as error:  # what another person's arguments can make a library raise has no common class
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        _refuse(where, f"{part[TARGET]} cannot be built: {reason}", cause=error)


def _refuse(where: str, seen: str, wanted: str = "", cause: Exception | None = None) -> NoReturn:
    raise InputError(Problem(RECIPE_FILE, where, seen, wanted, "copy the run folder again, or train again")) from cause


def _foreign_text(part: Mapping[str, Any]) -> str | None:
    """A name or text among the arguments that a class of `KNOWN` is not given; None if there is none."""
    if not _is_below(str(part[TARGET]), KNOWN):
        return None
    return next((text for text in _texts_of(part) if not _PLAIN_TEXT.fullmatch(text)), None)


def _texts_of(part: Mapping[str, Any]) -> Iterator[str]:
    """The names and texts among the arguments of a part, less those of the parts within it."""
    left: list[Any] = [value for name, value in part.items() if name not in (TARGET, *_NO_WEIGHTS)]
    yield from part
    while left:
        value = left.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            left += value
        elif isinstance(value, Mapping) and TARGET not in value:
            yield from value
            left += value.values()


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
        or _is_below(f"{defined_in}.", _REFUSED)
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
