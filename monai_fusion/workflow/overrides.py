"""The closed world of a bundle's options: what no config defines is an error, with a suggestion.

`monai.bundle run` takes any ``--name value`` and adds it to the config: a misspelt ``--num_epoch 1`` trains 25 epochs
without a word. Here the command line is compared with the config files that it names.
"""

from __future__ import annotations

import ast
import difflib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser
from monai.bundle import run as bundle_run
from monai.utils import optional_import

from monai_fusion.errors import Problem

# The options of `python -m monai.bundle run` itself.
_RUN_OPTIONS = frozenset(inspect.signature(bundle_run).parameters) - {"override"}
_TRUE, _FALSE = ("true", "yes", "on"), ("false", "no", "off")
_MISSING = object()


@dataclass(frozen=True)
class CommandLine:
    """What `python -m monai.bundle run` was called with.

    Attributes:
        config_files: The config files, in the order in which they are merged.
        overrides: The other options by name; values as `fire` reads them.
    """

    config_files: tuple[str, ...]
    overrides: Mapping[str, Any]

    @classmethod
    def parse(cls, argv: Sequence[str]) -> CommandLine | None:
        """Read an argument vector; None if it is not one of `python -m monai.bundle run`."""
        if len(argv) < 2 or argv[1] != "run" or Path(argv[0]).parts[-2:] != ("bundle", "__main__.py"):
            return None
        options: dict[str, Any] = {}
        words = list(argv[2:])
        while words:
            word = words.pop(0)
            if not word.startswith("--"):
                continue
            name, given, value = word[2:].partition("=")
            if not given:
                has_value = bool(words) and not words[0].startswith("--")
                value = words.pop(0) if has_value else "True"
            options[name.replace("-", "_")] = _literal(value)
        defaults = options.get("args_file")
        if defaults:
            options = ConfigParser.load_config_files(defaults) | options
        files = options.get("config_file", ())
        files = (files,) if isinstance(files, str) else tuple(files)
        return cls(files, {name: value for name, value in options.items() if name not in _RUN_OPTIONS})


def check_overrides(command: CommandLine) -> list[Problem]:
    """Compare the options with what the config files define.

    Returns:
        One problem for each option that no config defines, or whose value is of another type than the config's own.
    """
    config = ConfigParser.load_config_files(list(command.config_files))
    found = (_check(name, value, config) for name, value in command.overrides.items())
    return [problem for problem in found if problem is not None]


def flag(value: object, name: str = "option") -> bool:
    """Read a switch as people type it: on the command line ``--pretrained false`` arrives as the text ``false``.

    Raises:
        ValueError: It is neither true nor false.
    """
    if isinstance(value, bool):
        return value
    text = str(value).lower()
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise ValueError(f"{name}: {value!r}, expected true or false")


def _check(name: str, value: Any, config: Mapping[str, Any]) -> Problem | None:
    keys = name.removeprefix("+").replace("::", "#").split("#")
    if keys[0] == "_meta_":
        return None
    place: Any = config
    for depth, key in enumerate(keys):
        below = _step(place, key)
        if below is _MISSING:
            known = _known_names(place)
            if depth == len(keys) - 1 and depth > 0 and key in known:
                return None  # an argument of the component that the config leaves at its default
            prefix = "#".join(keys[:depth])
            return _unknown(name, key, prefix, known)
        place = below
    return _wrong_type(name, place, value)


def _step(place: Any, key: str) -> Any:
    if isinstance(place, Mapping):
        return place.get(key, _MISSING)
    if isinstance(place, list) and key.isdecimal() and int(key) < len(place):
        return place[int(key)]
    return _MISSING


def _known_names(place: Any) -> list[str]:
    """The names that may stand at a place: the config's own and the arguments of the component there."""
    if not isinstance(place, Mapping):
        return []
    names = [str(key) for key in place if not str(key).startswith("_")]
    target = place.get("_target_")
    if isinstance(target, str) and "." in target:
        module, _, attribute = target.rpartition(".")
        component, available = optional_import(module, name=attribute)
        if available:
            names += [name for name in inspect.signature(component).parameters if name not in (*names, "self")]
    return names


def _unknown(name: str, key: str, prefix: str, known: Sequence[str]) -> Problem:
    near = difflib.get_close_matches(key, known, n=1)
    at = f"in {prefix}" if prefix else "in the config"
    suggestion = (
        f"did you mean --{'#'.join(filter(None, (prefix, near[0])))}?" if near else "see the config's first lines"
    )
    return Problem(f"--{name}", seen=f"there is no {key!r} {at}", advice=suggestion)


def _wrong_type(name: str, default: Any, value: Any) -> Problem | None:
    if isinstance(value, str) and value[:1] in ("$", "@", "%"):
        return None  # an expression: its value is not known yet
    if isinstance(default, bool):
        fits, wanted = isinstance(value, bool) or str(value).lower() in (*_TRUE, *_FALSE), "true or false"
    elif isinstance(default, int):
        fits, wanted = isinstance(value, int) and not isinstance(value, bool), "a whole number"
    elif isinstance(default, float):
        fits, wanted = isinstance(value, int | float) and not isinstance(value, bool), "a number"
    elif isinstance(default, list):
        fits, wanted = isinstance(value, list | tuple | int), f'a list such as "{default}"'
    else:
        return None
    return None if fits else Problem(f"--{name}", seen=repr(value), wanted=wanted)


def _literal(text: str) -> Any:
    """Read a value as `fire` does: a Python literal if it is one, else text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
