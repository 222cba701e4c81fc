"""The files of a datalist's participants, one after the other, and findings about them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from monai_fusion.datalist.examination import Examination
from monai_fusion.datalist.paths import natural_key
from monai_fusion.datalist.reporting import Finding, findings_in_order
from monai_fusion.datalist.validation import Row


@dataclass(frozen=True, slots=True)
class Recording:
    """A file of a participant: ``field`` is ``eeg`` or ``mri``, ``name`` the path as the datalist has it."""

    row: Row
    field: str
    name: str
    path: Path

    def finding(self, seen: str, wanted: str = "", advice: str = "", *, warning: bool = False) -> Finding:
        """A finding about this file."""
        found = self.row.finding(f"{self.field} {self.name}", seen, wanted, advice, group="contents")
        return replace(found, warning=warning)


def recordings_to_open(examination: Examination) -> list[Recording]:
    """Every file of the participants that the examination found, in the datalist's order."""
    recordings = [
        Recording(found.row, field, name, examination.data_root / name)
        for found in examination.participants
        for field, names in (("eeg", sorted(found.eeg, key=natural_key)), ("mri", [found.mri] if found.mri else []))
        for name in names
    ]
    # Path.is_file raises for a path that is too long.
    return [recording for recording in recordings if os.path.isfile(recording.path)]  # noqa: PTH113


def with_lines(findings: Iterable[Finding], examination: Examination) -> list[Finding]:
    """Findings with their lines in the datalist, in the order in which a reader goes through it."""
    places = examination.json.places
    found = [(finding, places.line(finding.place) if finding.place else None) for finding in findings]
    return findings_in_order(finding if line is None else finding.at_line(line) for finding, line in found)
