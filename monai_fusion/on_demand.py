"""Names of a package that are imported when they are first asked for.

Importing torch and monai takes seconds. What needs only a light module of a package must not wait for the others, which
its ``__init__`` offers as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def names_on_demand(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Make the ``__getattr__`` of a package (PEP 562).

    Args:
        package: The package's ``__name__``.
        modules: For each name the module of the package that defines it.
    """

    def find(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{modules[name]}"), name)

    return find
