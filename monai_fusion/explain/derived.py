"""What is derived from kept arrays: figures, tables and sentences for the explanation folder and the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from monai_fusion.report.explanation_file import ResultTable
from monai_fusion.report.style import Picture

PARTICIPANTS_FOLDER = "participants"
GROUP_FOLDER = "group"
FIGURES_FOLDER = "figures"
_NAMES = {"gradcam": "Grad-CAM", "smoothgrad_squared": "SmoothGrad-squared"}
SHOWN_AT_EACH_END = 2
"""Of each method, the report shows this many of the most certain participants, and of the least certain ones."""


@dataclass
class Derived:
    """Results of one method, or of all.

    Attributes:
        figures: Figures of all participants.
        of_participants: Figures of single participants, by id.
        files: Tables and volumes of all participants together, in the explanation folder.
        tables: Small tables for the report.
        checks: The same on whether the maps can be believed.
        notes: What a reader must know.
        warnings: What makes the maps doubtful.
        measures: The numbers of the checks, by method.
    """

    figures: list[Picture] = field(default_factory=list)
    of_participants: dict[str, list[Picture]] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    tables: list[ResultTable] = field(default_factory=list)
    checks: list[ResultTable] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    measures: dict[str, object] = field(default_factory=dict)

    def add(self, other: Derived) -> None:
        """Append the results of another method; what both say is said once."""
        self.figures += other.figures
        for name, pictures in other.of_participants.items():
            self.of_participants.setdefault(name, []).extend(pictures)
        self.files += other.files
        self.tables += other.tables
        self.checks += other.checks
        self.notes += [text for text in other.notes if text not in self.notes]
        self.warnings += [text for text in other.warnings if text not in self.warnings]
        self.measures |= other.measures


def most_and_least_certain(scores: Sequence[tuple[str, float]], each: int = SHOWN_AT_EACH_END) -> list[str]:
    """Choose the participants that a report shows.

    Args:
        scores: Ids, and log-odds of the explained class.
        each: How many of either end.

    Returns:
        The ids of the most certain ones (far from 0), then of the least certain ones, each once.
    """
    ranked = [name for name, _ in sorted(scores, key=lambda pair: (-abs(pair[1]), pair[0]))]
    return list(dict.fromkeys([*ranked[:each], *ranked[max(each, len(ranked) - each) :]]))


def title_of(method: str) -> str:
    """The name of a method in titles: ``EEG, occlusion`` for ``eeg_occlusion``."""
    kind, _, name = method.partition("_")
    return f"{kind.upper()}, {_NAMES.get(name, name.replace('_', ' '))}"
