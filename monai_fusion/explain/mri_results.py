"""The files, tables and figures of a method that explains the MRI."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from monai_fusion.explain.derived import Derived
from monai_fusion.explain.running import ExplainedParticipant, ExplanationRun


def mri_results(
    run: ExplanationRun,
    method: str,
    participants: Sequence[ExplainedParticipant],
    classes: Sequence[str],
    shown: Collection[str],
) -> Derived:
    """Write what a method found in the MRI of each participant and of the classes."""
    return Derived()
