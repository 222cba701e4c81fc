"""A training that did not finish, in words: its model can be used, but a result of it is not that of the plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# What a manifest says of a training that is not "finished". A killed one cannot write what happened to it.
_STATUS = {"running": "killed, or it is still running", "stopped": "stopped", "failed": "ended by an error"}


def unfinished(manifest: Mapping[str, Any] | None) -> str | None:
    """Say that a training did not finish, and what to do; None if it did, or if nothing is known of it.

    Args:
        manifest: The content of its ``manifest.json``; it may come from outside.
    """
    status = (manifest or {}).get("status")
    if not isinstance(status, str) or status not in _STATUS:
        return None
    return (
        f"the training did not finish (it was {_STATUS[status]}): the model is the best epoch until then. "
        "To continue it, train with --resume true, and evaluate again"
    )
