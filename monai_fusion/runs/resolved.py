"""The config of a run as plain data, and the values that its knobs have in the end."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from monai.bundle import ConfigParser, ReferenceResolver

from monai_fusion.options.command_line import CommandLine
from monai_fusion.options.overrides import flag, resumes

# What a bundle runs is no knob, though an entry may refer to knobs alone.
_NO_KNOBS = ("imports", "paths", "initialize", "run", "finalize")


def merged_config(command: CommandLine) -> dict[str, Any]:
    """Return the config files of a bundle run merged, with its overrides, as data: nothing of it is evaluated."""
    return copy.deepcopy(dict(_parser_of(command).get()))


def resolved_knobs(command: CommandLine) -> dict[str, Any]:
    """Return the value of each knob, in JSON's types.

    A knob is an entry of the config that builds nothing: plain values, and expressions that refer to such entries only,
    e.g. ``device``. These expressions are evaluated once more here; the run itself did so before. One that fails stays
    the text it is.
    """
    parser = _parser_of(command)
    config = dict(parser.get())
    defaults = ConfigParser.load_config_files(list(command.config_files))
    knobs = {name: _value(name, parser, config) for name in config if _is_knob(name, config, ())}
    # A switch given on the command line is a text, e.g. "false".
    switches = {
        name: resumes if name == "resume" else flag for name, default in defaults.items() if isinstance(default, bool)
    }
    return {name: switches[name](value) if name in switches else value for name, value in knobs.items()}


def _value(name: str, parser: ConfigParser, config: Mapping[str, Any]) -> Any:
    try:
        return _plain(parser.get_parsed_content(name))
    except RuntimeError:  # what MONAI makes of any error in an expression; the run did not need this one
        return _plain(config[name])


def _parser_of(command: CommandLine) -> ConfigParser:
    parser = ConfigParser()
    parser.read_config(list(command.config_files))
    parser.update(pairs=dict(command.overrides))
    return parser


def _is_knob(name: str, config: Mapping[str, Any], above: tuple[str, ...]) -> bool:
    if name in _NO_KNOBS or name.startswith("_") or name not in config or name in above:
        return False
    value = config[name]
    if any(isinstance(part, Mapping) and "_target_" in part for part in _parts(value)):
        return False
    texts = [part for part in _parts(value) if isinstance(part, str)]
    if any(text.startswith("%") for text in texts):
        return False
    referred = {
        reference.partition("::")[0]
        for text in texts
        if text[:1] in ("$", "@")
        for reference in ReferenceResolver.match_refs_pattern(ReferenceResolver.normalize_id(text))
    }
    return all(_is_knob(other, config, (*above, name)) for other in referred)


def _parts(value: Any) -> Iterator[Any]:
    """A value and all that is within it."""
    yield value
    if isinstance(value, Mapping):
        inner = list(value.values())
    else:
        inner = list(value) if isinstance(value, list | tuple) else []
    for item in inner:
        yield from _parts(item)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value)
