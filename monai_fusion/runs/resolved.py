"""The config of a run as plain data, and the final values of its knobs."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from monai.bundle import ConfigParser, ReferenceResolver

from monai_fusion.errors import InputError, Problem
from monai_fusion.options.command_line import CommandLine
from monai_fusion.options.overrides import as_resume, as_switch

# The expressions that a bundle runs are not knobs, though an entry may refer to knobs alone.
_NO_KNOBS = ("imports", "paths", "initialize", "run", "finalize")
_SEPARATOR = "::"  # of MONAI's ids: network_def::head


class RunConfig:
    """The config of a bundle run, and the final values of its knobs.

    The config makes one of itself, ``run_config: {_target_: monai_fusion.runs.RunConfig}``, in a run from the command
    line and in one from Python (``monai.bundle.ConfigWorkflow``).

    Attributes:
        config: The config files merged, with all overrides, as data.
        knobs: The value of each knob, in JSON's types; see `knobs_of`.

    Args:
        parser: The parser of the config; None for the one that builds this very object.

    Raises:
        RuntimeError: Neither exists.
    """

    def __init__(self, parser: ConfigParser | None = None) -> None:
        if parser is None and (parser := building_parser()) is None:
            raise RuntimeError("an entry of a config, or a parser, makes a RunConfig")
        self._parser = parser
        self.config: dict[str, Any] = copy.deepcopy(dict(self._parser.get()))
        self.knobs = knobs_of(self._parser)

    def part(self, name: str) -> Any:
        """Return an entry as data, in JSON's types: references and expressions are resolved, nothing is built.

        Args:
            name: For instance ``network_def``.

        Raises:
            InputError: An expression in it returns an object, which no file can hold.
        """
        return self._as_data(name, self.config[name])

    def _as_data(self, name: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: self._as_data(f"{name}{_SEPARATOR}{key}", inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._as_data(f"{name}{_SEPARATOR}{place}", inner) for place, inner in enumerate(value)]
        if not isinstance(value, str) or value[:1] not in ("$", "@"):
            return value
        if value[:1] == "@" and isinstance(other := self._entry(value[1:]), Mapping | list):
            return self._as_data(value[1:], other)
        found = self._parser.get_parsed_content(name)
        if not _is_plain(found):
            seen = f"{value}: returns an object of the class {type(found).__name__}"
            advice = "name its class with _target_: an evaluation builds it again from recipe.json"
            raise InputError(Problem(name.replace(_SEPARATOR, "#"), seen=seen, wanted="plain values", advice=advice))
        return _plain(found)

    def _entry(self, name: str) -> Any:
        """The value of an id such as ``network_def::head``, as it was written."""
        value: Any = self.config
        for key in ReferenceResolver.split_id(name):
            value = value[int(key)] if isinstance(value, list) else value[key]
        return value


def merged_config(command: CommandLine) -> dict[str, Any]:
    """Return the config files of a bundle run merged, with its overrides, as data: nothing of it is evaluated."""
    return copy.deepcopy(dict(parser_of(command).get()))


def parser_of(command: CommandLine) -> ConfigParser:
    """Return a parser of the config files of a bundle run and its overrides."""
    parser = ConfigParser()
    parser.read_config(list(command.config_files))
    parser.update(pairs=dict(command.overrides))
    return parser


def knobs_of(parser: ConfigParser) -> dict[str, Any]:
    """Return the value of each knob of a config, in JSON's types.

    A knob is an entry of the config that builds nothing: plain values, and expressions that refer to such entries only,
    e.g. ``device``. An expression that fails stays text; a switch that is given as text, as by ``--pretrained false``,
    is true or false.
    """
    config = dict(parser.get())
    knobs = {name: _value(name, parser, config) for name in config if _is_knob(name, config, ())}
    return {name: as_resume(value) if name == "resume" else as_switch(value) for name, value in knobs.items()}


def building_parser() -> ConfigParser | None:
    """Find the parser of the calling config, whose entry is being built or evaluated; None without one.

    MONAI passes the config neither to its components nor to its expressions, and a reference to the whole config would
    refer to itself. But the parser is among the callers, because it resolves the entry.
    """
    frame = sys._getframe()
    while frame := frame.f_back:  # type: ignore[assignment]  # None ends the loop
        if isinstance(owner := frame.f_locals.get("self"), ConfigParser):
            return owner
    return None


def _value(name: str, parser: ConfigParser, config: Mapping[str, Any]) -> Any:
    try:
        return _plain(parser.get_parsed_content(name))
    except RuntimeError:  # MONAI's error for any fault in an expression; the run did not need this one
        return _plain(config[name])


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
    """A value and all values within it."""
    yield value
    if isinstance(value, Mapping):
        inner = list(value.values())
    else:
        inner = list(value) if isinstance(value, list | tuple) else []
    for item in inner:
        yield from _parts(item)


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    return all(map(_is_plain, value)) if isinstance(value, list | tuple) else _is_scalar(value)


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def _plain(value: Any) -> Any:
    if _is_scalar(value):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value)
