"""Makes options of what is declared as fields of dataclasses, so that no command has a parameter for each of them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, fields
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from monai_fusion.options.declared import Group, Option

_EMPTY = inspect.Parameter.empty


def with_declared_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options of every parameter that is a `Group`, in the place of that parameter.

    The command itself still gets the dataclass, filled with what was typed. All other parameters stay as they are.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, tuple[Any, Group]] = {}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        group = _marked(hints[name], Group)
        if group is None:
            parameters.append(_keyword(name, hints[name], parameter.default))
        else:
            groups[name] = get_args(hints[name])[0], group
            parameters += _options(*groups[name])

    @functools.wraps(command)
    def run(**given: Any) -> None:
        filled = {name: _filled(kind, group, given) for name, (kind, group) in groups.items()}
        own = {name: value for name, value in given.items() if name in hints}
        command(**own, **filled)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # inspect reads it
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def _declared(kind: Any, group: Group) -> Iterator[tuple[Field[Any], Any, Option | Group]]:
    """The fields of a dataclass that are options, or groups of them, with their types."""
    hints = get_type_hints(kind, include_extras=True)
    for field in fields(kind):
        marked = _marked(hints[field.name], Option) or _marked(hints[field.name], Group)
        if marked is not None and field.name not in group.leave_out:
            yield field, get_args(hints[field.name])[0], marked


def _options(kind: Any, group: Group) -> Iterator[inspect.Parameter]:
    for field, type_, marked in _declared(kind, group):
        if isinstance(marked, Group):
            yield from _options(type_, marked)
            continue
        option = typer.Option(
            marked.flag or f"--{field.name.replace('_', '-')}",  # named: typer would add --no-... to a flag
            help=marked.help,
            metavar=marked.metavar or None,
            show_default=marked.shown_default or True,
            rich_help_panel=marked.section or group.section,
        )
        several = get_origin(type_) is tuple
        default = None if several else _EMPTY if field.default is MISSING else field.default
        yield _keyword(field.name, Annotated[_typed(type_), option], default)


def _typed(type_: Any) -> Any:
    """The type as typer reads it: of several values a list, and of a few words any, which the dataclass checks."""
    if get_origin(type_) is tuple:
        return list[get_args(type_)[0]] | None  # type: ignore[misc] # a type made at run time
    return str if get_origin(type_) is Literal else type_


def _filled(kind: Any, group: Group, given: dict[str, Any]) -> Any:
    """The dataclass with what was typed; what was not keeps its default."""
    values = {}
    for field, type_, marked in _declared(kind, group):
        if isinstance(marked, Group):
            values[field.name] = _filled(type_, marked, given)
        elif get_origin(type_) is not tuple:
            values[field.name] = given[field.name]
        elif given[field.name]:
            values[field.name] = tuple(given[field.name])
    return kind(**values)


def _marked(hint: Any, kind: type[Any]) -> Any:
    """The metadata of this kind in an ``Annotated``, if there is any."""
    return next((each for each in getattr(hint, "__metadata__", ()) if isinstance(each, kind)), None)


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
