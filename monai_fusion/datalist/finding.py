"""Finds the files that the rows of a datalist name, and says which are not there or are named twice."""

from __future__ import annotations

from pathlib import Path

from monai_fusion.datalist.files import FilesBelow, below_root, is_pattern
from monai_fusion.datalist.validation import Row
from monai_fusion.datalist.wording import quoted
from monai_fusion.errors import Problem


class FileFinder:
    """Goes through the rows of one datalist; the paths it returns are relative to data_root, with forward slashes.

    Paths are joined by name, as ``monai.data.load_decathlon_datalist`` does: links are not followed, so that what a
    message shows is what the person wrote.

    Attributes:
        refusals: Paths that may not be used, whether or not there is such a file.
        problems: The same, and what was not found or belongs to two participants.
    """

    def __init__(self, root: Path) -> None:
        self.refusals: list[Problem] = []
        self.problems: list[Problem] = []
        self._root = root
        self._files = FilesBelow(root)
        self._owners: dict[str, str] = {}
        self._sharing: set[tuple[str, str]] = set()

    def eeg(self, row: Row) -> frozenset[str]:
        """The row's EEG files."""
        written = row.entry.eeg
        texts = [] if written is None else [written] if isinstance(written, str) else written
        return frozenset(path for text in texts for path in self._matching(row, text))

    def mri(self, row: Row) -> str | None:
        """The row's MRI."""
        text = row.entry.mri
        if text is None:
            return None
        path = self._allowed(row, "mri", text)
        if path is None:
            return None
        if not self._files.is_file(path):
            if is_pattern(path):
                self.problems.append(Problem(row.participant_id, "mri", quoted(text), "one path, not a pattern"))
                return None
            self._not_found(row, "mri", path, f"there is no file {quoted(path)}")
        self._own(row, "mri", path)
        return path

    def _matching(self, row: Row, text: str) -> list[str]:
        path = self._allowed(row, "eeg", text)
        if path is None:
            return []
        found = self._files.matching(path)
        if not found and is_pattern(path):
            self._not_found(row, "eeg", path, f"no file matches {quoted(path)}")
        elif not found:
            self._not_found(row, "eeg", path, f"there is no file {quoted(path)}")
            found = [path]
        for file in found:
            self._own(row, "eeg", file)
        return found

    def _allowed(self, row: Row, field: str, text: str) -> str | None:
        path, reason = below_root(text)
        if not reason:
            return path
        problem = Problem(row.participant_id, field, quoted(text), "a path below data_root", reason)
        self.refusals.append(problem)
        self.problems.append(problem)
        return None

    def _not_found(self, row: Row, field: str, path: str, seen: str) -> None:
        folder = path.rpartition("/")[0]
        advice = ""
        if (meant := self._files.same_but_for_case(path)) is not None and meant != path:
            advice = f"did you mean {quoted(meant)}? (upper and lower case count)"
        elif folder and not is_pattern(folder) and not self._files.is_folder(folder):
            advice = f"there is no folder {self._root / folder}"
        self.problems.append(Problem(row.participant_id, field, seen, advice=advice))

    def _own(self, row: Row, field: str, path: str) -> None:
        """One file under two participants is one person learned from and judged by; often a pattern too wide."""
        owner = self._owners.setdefault(path, row.participant_id)
        if owner != row.participant_id and (owner, row.participant_id) not in self._sharing:
            self._sharing.add((owner, row.participant_id))  # one message, however many files the two have in common
            seen = f"{quoted(path)} is also a file of {owner}"
            advice = "correct the path, or the pattern that is too wide, of one of them"
            self.problems.append(Problem(row.participant_id, field, seen, advice=advice))
