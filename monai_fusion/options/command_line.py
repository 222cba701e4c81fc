"""What `python -m monai.bundle run` was called with, read as `fire` reads it for MONAI."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fire.parser import DefaultParseValue, SeparateFlagArgs

from monai_fusion.errors import InputError, Problem
from monai_fusion.options.configs import load_configs

# The options of `python -m monai.bundle run` itself.
RUN_OPTIONS = frozenset(
    {"run_id", "init_id", "final_id", "meta_file", "config_file", "logging_file", "tracking", "args_file"}
)
# What `fire` takes for the name of an option: a negative number is a value.
_OPTION = re.compile(r"--|-[a-zA-Z]")


@dataclass(frozen=True)
class CommandLine:
    """What `python -m monai.bundle run` was called with.

    Attributes:
        config_files: The config files, in the order in which they are merged.
        overrides: The other options by name; values as `fire` reads them.
        options: Those of `python -m monai.bundle run` itself, e.g. ``tracking``; ``config_file`` aside.
        typed: The word behind each option on the command line, as it was typed; None where there was none.
        strays: Words that belong to no option, each with the option before it.
    """

    config_files: tuple[str, ...]
    overrides: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    typed: Mapping[str, str | None] = field(default_factory=dict, compare=False)
    strays: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    @classmethod
    def parse(cls, argv: Sequence[str]) -> CommandLine | None:
        """Read an argument vector; None if it is not one of `python -m monai.bundle run`."""
        if len(argv) < 2 or argv[1] != "run" or Path(argv[0]).parts[-2:] != ("bundle", "__main__.py"):
            return None
        options, typed, strays = read_options(SeparateFlagArgs(list(argv[2:]))[0])
        defaults = options.get("args_file")
        if defaults:
            options = _read_args_file(defaults) | options
        files = options.get("config_file", ())
        if isinstance(files, str):
            files = files.split(",") if "," in files and not Path(files).is_file() else [files]
        own = {name: value for name, value in options.items() if name in RUN_OPTIONS and name != "config_file"}
        overrides = {name: value for name, value in options.items() if name not in RUN_OPTIONS}
        return cls(tuple(files), overrides, own, typed, tuple(strays))

    def names(self, knob: str) -> bool:
        """Whether the command line, or a config laid over the first one, gives a knob a value."""
        overlays = list(self.config_files[1:])
        return knob in self.overrides or bool(overlays and knob in load_configs(overlays))


def _read_args_file(path: Any) -> dict[str, Any]:
    try:
        return load_configs([path])
    except (OSError, ValueError, TypeError) as error:
        seen = f"{path}: {getattr(error, 'strerror', None) or 'no config file'}"
        raise InputError(Problem("--args_file", seen=seen, wanted="a YAML or JSON file of options")) from None


def read_options(words: list[str]) -> tuple[dict[str, Any], dict[str, str | None], list[tuple[str, str]]]:
    """Read ``--name value``, ``--name=value``, ``--name`` (true) and ``--noname`` (false) as `fire` does.

    Returns:
        The values, the words behind the options, and the words that belong to no option, each with the option before.
    """
    options: dict[str, Any] = {}
    typed: dict[str, str | None] = {}
    strays: list[tuple[str, str]] = []
    while words:
        word = words.pop(0)
        if not _OPTION.match(word) or not word.lstrip("-").partition("=")[0]:
            if typed:  # before the first option: MONAI's run_id and init_id
                strays.append((next(reversed(typed)), word))
            continue
        name, given, value = word.lstrip("-").partition("=")
        name = name.replace("-", "_")
        typed.pop(name, None)  # the last one counts, and comes last
        if given:
            typed[name] = value
        elif words and not _OPTION.match(words[0]):
            typed[name] = value = words.pop(0)
        else:
            negated = name.startswith("no") and name not in RUN_OPTIONS
            name, value = (name[2:], "False") if negated else (name, "True")
            typed[name] = None
        options[name] = DefaultParseValue(value)
    return options, typed, strays
