"""What may be written within the components of a config."""

from __future__ import annotations

import inspect
import pydoc

from monai.bundle import ComponentLocator

# MONAI's own table of its components, for a ``_target_`` without a module.
_LOCATOR = ComponentLocator()


def component_arguments(target: str) -> list[str]:
    """Name the arguments of the class or function that a ``_target_`` names, as far as they can be known."""
    module = _LOCATOR.get_component_module_name(target)
    if module is not None:
        target = f"{module if isinstance(module, str) else module[0]}.{target}"
    try:
        parameters = inspect.signature(pydoc.locate(target)).parameters.values()  # type: ignore[arg-type] # may be None
    except (pydoc.ErrorDuringImport, TypeError, ValueError):  # no such module, no such name, or no signature
        return []
    return [each.name for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
