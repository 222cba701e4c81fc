"""Where two descriptions of a run differ: resume, rerun and compare build their messages from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


class ValueDifference(NamedTuple):
    """A place at which two nested values differ.

    Attributes:
        path: The names that lead there; empty if the values as a whole differ.
        then: The first one's value there; None if absent.
        now: The second one's value there; None if absent.
    """

    path: tuple[str, ...]
    then: Any
    now: Any


def value_differences(then: Any, now: Any) -> Iterator[ValueDifference]:
    """Go down to the innermost values that differ, by name; values that are not mappings are compared as a whole."""
    if then == now:
        return
    if not (isinstance(then, Mapping) and isinstance(now, Mapping)):
        yield ValueDifference((), then, now)
        return
    for name in sorted(then.keys() | now.keys()):
        for place in value_differences(then.get(name), now.get(name)):
            yield place._replace(path=(str(name), *place.path))
