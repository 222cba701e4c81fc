"""The warnings of an evaluation: what limits its results."""

from __future__ import annotations

from collections.abc import Sequence

from monai_fusion.datalist.availability import TITLES
from monai_fusion.metrics.fields_of_recordings import GateSection, ModalitiesSection
from monai_fusion.metrics.fields_of_scores import GroupsSection, PatternScores
from monai_fusion.metrics.metrics_file import Metrics
from monai_fusion.metrics.probability_quality import UNLIKELY
from monai_fusion.wording import counted

FEW_PER_CLASS = 10
FEW_GROUPS = 10
"""Fewer groups (of a class) are warned of."""


def warnings_of_evaluation(metrics: Metrics) -> list[str]:
    """Return the warnings of an evaluation, the most important first."""
    return [
        *_about_participants(metrics),
        *warnings_of_groups(metrics.groups, metrics.classes),
        *_about_patterns(metrics.patterns),
        *metrics.calibration.notes,
        *(metrics.prediction_sets.notes if metrics.prediction_sets else ()),
        *_about_shares(metrics),
        *_about_strata(metrics),
        *_about_gate(metrics.gate, metrics.modalities),
    ]


def warnings_of_groups(groups: GroupsSection | None, classes: Sequence[str]) -> list[str]:
    """Return the warning of few groups, or of one group only."""
    if groups is None:
        return []
    by = " and ".join(groups.fields)
    if groups.groups == 1:
        return [f"all participants are of one {by}: the intervals tell nothing of another one"]
    if not groups.resampled or min(groups.of_class, default=0) >= FEW_GROUPS:
        return []
    counts = ", ".join(f"{count} with {name}" for count, name in zip(groups.of_class, classes, strict=True))
    return [
        f"only {counted(groups.groups, 'group')} by {by} ({counts}), fewer than {FEW_GROUPS} of a class: intervals "
        "that draw so few whole groups are imprecise"
    ]


def _collapse_warning(modality: str) -> str:
    """Return the warning of a gate that passes one modality alone."""
    side = "above 0.95" if modality == "eeg" else "below 0.05"
    return f"the gate has collapsed: it is {side} for all participants, so only the {modality.upper()} passes it"


def warnings_of_gate(gate: GateSection | None) -> list[str]:
    """Return the warning of a gate that passes one modality alone, or weighs all participants alike."""
    if gate is not None and gate.collapsed is not None:
        return [_collapse_warning(gate.collapsed)]
    return [_constant_gate_warning(gate)] if gate is not None and gate.same_for_all_participants else []


def _constant_gate_warning(gate: GateSection) -> str:
    """Return the warning of a gate that weighs all participants alike."""
    largest, sd = gate.largest_change_with_mean_gate, gate.overall.sd
    change = "" if largest is None else f"; the mean gate for all changes no probability by more than {largest:.3f}"
    return (
        f"the gate is the same for all participants (mean {gate.overall.mean:.2f}, standard deviation {sd or 0:.3f}"
        f"{change}): "
        "it weighs the recordings by a constant, not by participant"
    )


def _about_shares(metrics: Metrics) -> list[str]:
    """Warn if the tested participants do not have the class shares that the probabilities assume."""
    found, target = metrics.calibration.at_target_shares, metrics.calibration.target_prior
    if found is None or target is None or found.p >= UNLIKELY:
        return []
    tested, assumed = (
        ", ".join(f"{100 * share:.0f} % {name}" for share, name in zip(shares, metrics.classes, strict=True))
        for shares in (found.tested_shares, target)
    )
    return [
        f"the scored participants have other class shares ({tested}) than the probabilities assume ({assumed}; "
        f"p = {found.p:.2g}): Brier score, cross-entropy, ECE and accuracy depend on the shares, and are also given at "
        "the assumed ones"
    ]


def _about_participants(metrics: Metrics) -> list[str]:
    found = []
    missing = [each.class_name for each in metrics.class_counts if each.participants == 0]
    few = [each for each in metrics.class_counts if 0 < each.participants < FEW_PER_CLASS]
    if missing:
        found.append(f"{_class_names(missing)} no participants; scores that need every class are omitted")
    if few:
        counts = ", ".join(f"{each.participants} {each.class_name}" for each in few)
        found.append(f"fewer than {FEW_PER_CLASS} participants in a class ({counts}): intervals are wide and imprecise")
    accuracy = metrics.scores.accuracy
    if accuracy.value is not None and accuracy.baseline is not None and accuracy.value <= accuracy.baseline:
        found.append(
            f"accuracy {accuracy.value:.3f} is no better than always predicting {metrics.majority_class} "
            f"({accuracy.baseline:.3f})"
        )
    if metrics.section == "training":
        found.append("the network learned from these participants: the scores do not apply to other participants")
    if metrics.section == "validation":
        found.append("these participants chose the epoch and the calibration: the scores are optimistically biased")
    return found


def _class_names(names: Sequence[str]) -> str:
    """``class F has``, ``classes young, old have``."""
    return f"class {names[0]} has" if len(names) == 1 else f"classes {', '.join(names)} have"


def _about_patterns(patterns: Sequence[PatternScores]) -> list[str]:
    if not patterns:
        return []
    counts = ", ".join(f"{each.participants} with {TITLES[each.recordings]}" for each in patterns)
    return [f"participants have different recordings ({counts}): read the results by pattern before the overall ones"]


def _about_strata(metrics: Metrics) -> list[str]:
    found = []
    for test in metrics.permutation.tests[1:]:
        if test.method == "permutation" and test.exchangeable < metrics.participants / 2:
            field = test.within[-1]
            found.append(
                f"{field} is associated with the class: only {test.exchangeable} of {metrics.participants} "
                f"participants share their {field} with a participant of another class, so the network may have "
                "recognised either"
            )
    return found


def _about_gate(gate: GateSection | None, modalities: ModalitiesSection | None) -> list[str]:
    """Warn if the gate passes one modality alone, and if a modality has no effect."""
    found = warnings_of_gate(gate)
    if modalities is not None:
        for name, without in (("EEG", modalities.without_eeg), ("MRI", modalities.without_mri)):
            if without.changes_nothing:
                found.append(
                    f"the {name} has no effect: swapping it between participants changes no prediction, and moves "
                    f"{100 * without.mean_change:.1f} % of the probability"
                )
    return found
