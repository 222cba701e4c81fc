"""What a reader of an evaluation must know before believing it, in plain words."""

from __future__ import annotations

from collections.abc import Sequence

from monai_fusion.datalist.availability import TITLES
from monai_fusion.metrics.metrics_file import GateSection, Metrics, ModalitiesSection, PatternScores

FEW_PER_CLASS = 10


def caveats(metrics: Metrics) -> list[str]:
    """Return the warnings of an evaluation, the most important first."""
    return [
        *_about_participants(metrics),
        *_about_patterns(metrics.patterns),
        *metrics.calibration.notes,
        *_about_strata(metrics),
        *_about_gate(metrics.gate, metrics.modalities),
    ]


def collapse_text(modality: str) -> str:
    """Return the warning of a gate that lets one modality through alone."""
    side = "above 0.95: the EEG" if modality == "eeg" else "below 0.05: the MRI"
    return f"the gate has collapsed: for all participants it is {side} alone passes it"


def _about_participants(metrics: Metrics) -> list[str]:
    found = []
    missing = [each.class_name for each in metrics.class_counts if each.participants == 0]
    few = [each for each in metrics.class_counts if 0 < each.participants < FEW_PER_CLASS]
    if missing:
        found.append(f"nobody is {', '.join(missing)}: what needs every class is not given")
    if few:
        counts = ", ".join(f"{each.participants} {each.class_name}" for each in few)
        found.append(f"fewer than {FEW_PER_CLASS} participants in a class ({counts}): intervals are wide, and rough")
    accuracy = metrics.scores.accuracy
    if accuracy.value is not None and accuracy.baseline is not None and accuracy.value <= accuracy.baseline:
        found.append(
            f"accuracy {accuracy.value:.3f} is no better than always saying {metrics.majority_class} "
            f"({accuracy.baseline:.3f})"
        )
    if metrics.section == "training":
        found.append("the network learned from these participants: the numbers say nothing about others")
    if metrics.section == "validation":
        found.append("these participants chose the epoch and the calibration: the numbers are too good")
    return found


def _about_patterns(patterns: Sequence[PatternScores]) -> list[str]:
    if not patterns:
        return []
    counts = ", ".join(f"{each.participants} with {TITLES[each.recordings]}" for each in patterns)
    return [f"not everybody has the same recordings ({counts}): see the results by pattern before the overall ones"]


def _about_strata(metrics: Metrics) -> list[str]:
    found = []
    for test in metrics.permutation.tests[1:]:
        if test.exchangeable < metrics.participants / 2:
            field = test.within[-1]
            found.append(
                f"{field} goes with the class: only {test.exchangeable} of {metrics.participants} participants share "
                f"their {field} with somebody of another class, so either may be what was recognised"
            )
    return found


def _about_gate(gate: GateSection | None, modalities: ModalitiesSection | None) -> list[str]:
    """Warn of a gate that lets one modality through alone, and of a modality that changes nothing."""
    found = []
    if gate is not None and gate.collapsed is not None:
        found.append(collapse_text(gate.collapsed))
    if modalities is not None:
        for name, without in (("EEG", modalities.without_eeg), ("MRI", modalities.without_mri)):
            if without.changes_nothing:
                found.append(
                    f"the {name} contributes nothing: with that of other people nobody is classified differently, and "
                    f"{without.mean_change:.1%} of the probability moves"
                )
    return found
