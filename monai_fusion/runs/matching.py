"""Whether two trainings gave the same numbers, and possible reasons if not."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from monai_fusion.runs.value_differences import value_differences
from monai_fusion.wording import cut

# The columns of an epoch's row that are times, not results.
_TIMES = ("epoch", "stage", "seconds", "data_wait")
# The parts of a manifest that may explain a difference, and the fields of each that never can.
_CAUSES = ("versions", "git", "hardware", "processes", "datalist", "data", "identity", "seed")
_NO_CAUSE = ("memory", "gpu_memory_peak", "name")


def same_weights(then: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether two manifests' networks are bit-identical."""
    return bool(then["weights"]["digest"] == now["weights"]["digest"])


def compare(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Report whether two trainings match.

    Args:
        then: The manifest of a finished training.
        now: The manifest of its repetition.

    Returns:
        Lines for the user: ``identical``, or how far weights and metrics differ, and how their environments differed.
    """
    epochs = list(_metric_differences(then["epochs"], now["epochs"]))
    if same_weights(then, now):
        return [f"identical: the weights have the same digest, {now['weights']['digest']}", *epochs]
    parts = [name for name, digest in then["weights"]["parts"].items() if now["weights"]["parts"].get(name) != digest]
    causes = environment_differences(then, now)
    return [
        f"not identical: the weights differ ({', '.join(parts) or 'in their names'})",
        *(epochs or ["  the numbers of every epoch are the same"]),
        *(
            ["what else differs:", *causes]
            if causes
            else ["nothing else differs: some kernel of this device or precision does not repeat exactly"]
        ),
    ]


def environment_differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Name the differences between the environments of two runs; only fields that both describe are compared."""
    return [
        f"  {' '.join((cause, *path))}: {_shown(before)} then, {_shown(after)} now"
        for cause in _CAUSES
        if cause in then and cause in now
        for path, before, after in value_differences(then[cause], now[cause])
        if not any(name in _NO_CAUSE for name in path)
    ]


def _metric_differences(then: list[Mapping[str, Any]], now: list[Mapping[str, Any]]) -> Iterator[str]:
    if len(then) != len(now):
        yield f"  epochs: {len(then)} then, {len(now)} now"
    for name in then[0] if then else ():
        if name in _TIMES:
            continue
        pairs = [(a["epoch"], _gap(a.get(name), b.get(name))) for a, b in zip(then, now, strict=False)]
        differing = [(epoch, gap) for epoch, gap in pairs if gap]
        if differing:
            worst, gap = max(differing, key=lambda pair: pair[1])
            each = ", ".join(f"{epoch}: {gap:.1e}" for epoch, gap in differing[:8]) + (", ..." if differing[8:] else "")
            yield f"  {name}: differs by at most {gap:.3g} (epoch {worst}); by epoch {each}"


def _gap(before: Any, after: Any) -> float:
    if before == after:
        return 0.0
    if isinstance(before, int | float) and isinstance(after, int | float):
        return abs(before - after)
    return math.inf


def _shown(value: Any) -> str:
    return "none" if value is None else cut(repr(value))
