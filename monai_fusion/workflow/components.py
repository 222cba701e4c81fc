"""The arguments that the components of a config may have."""

from __future__ import annotations

import inspect
import pydoc

from monai_fusion.runs.stored_parts import named_by


def component_arguments(target: str) -> list[str]:
    """Name the arguments of the class or function that a ``_target_`` names, as far as they are known."""
    try:
        parameters = inspect.signature(named_by(target)).parameters.values()  # type: ignore[arg-type] # may be None
    except (pydoc.ErrorDuringImport, TypeError, ValueError):  # no such module, no such name, or no signature
        return []
    return [each.name for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
