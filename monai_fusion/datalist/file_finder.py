"""Finds the files that the rows of a datalist name, and reports which are missing or named twice."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path

from monai_fusion.datalist.paths import ID_END, FilesBelow, below_root, is_pattern
from monai_fusion.datalist.reporting import Finding
from monai_fusion.datalist.rules import LineOf
from monai_fusion.datalist.validation import Row
from monai_fusion.spelling import by_nfc, nfc, spelled_out
from monai_fusion.wording import nearest, quoted, shortened


class FileFinder:
    """Goes through the rows of one datalist; the paths it returns are relative to data_root, with forward slashes.

    Paths are joined by name, as ``monai.data.load_decathlon_datalist`` does: links are not followed, so that what a
    message shows is what you wrote. A name in composed letters finds a file in decomposed ones and the other way
    round; what is returned is the name that the disk has.

    Args:
        root: The data_root.
        rows: All rows that will be asked for; the files of others are not offered in place of one that is missing.
        line_of: The line of a row.
        needed: The recordings, ``eeg`` and ``mri``, whose files must be there. Of another one a path or pattern that
            finds nothing is kept, and nothing is reported.
        keep_patterns: Whether a pattern that finds nothing is kept as it is, like a path.

    Attributes:
        refusals: Paths that may not be used, whether or not there is such a file.
        findings: The same, and what was not found or belongs to two participants.
        missing: Those of ``findings`` about files that were not found.
        backslashes: The rows and fields whose paths are written with backslashes.
    """

    def __init__(
        self,
        root: Path,
        rows: Iterable[Row],
        line_of: LineOf,
        needed: Collection[str] = ("eeg", "mri"),
        keep_patterns: bool = False,
    ) -> None:
        self.refusals: list[Finding] = []
        self.findings: list[Finding] = []
        self.missing: list[Finding] = []
        self.backslashes: list[tuple[Row, str]] = []
        self._root = root
        self._files = FilesBelow(root)
        self._line_of = line_of
        self._needed = needed
        self._keep_patterns = keep_patterns or "eeg" not in needed
        self._ids = frozenset(nfc(row.participant_id) for row in rows)
        self._owners: dict[str, Row] = {}
        self._sharing: set[tuple[str, str]] = set()
        self._foreign: set[str] = set()

    def eeg(self, row: Row) -> frozenset[str]:
        """The row's EEG files."""
        written = row.entry.eeg
        if written is None or isinstance(written, str):
            return frozenset() if written is None else frozenset(self._matching(row, written, ()))
        return frozenset(path for index, text in enumerate(written) for path in self._matching(row, text, (index,)))

    def mri(self, row: Row) -> str | None:
        """The row's MRI."""
        text = row.entry.mri
        if text is None:
            return None
        path = self._allowed(row, "mri", text, ())
        if path is None:
            return None
        found = self._files.named(path)
        if not found:
            if is_pattern(path):
                self.findings.append(row.finding("mri", quoted(text), "one path, not a pattern", group="files"))
                return None
            self._not_found(row, "mri", path, ())
        self._refuse_two_spellings(row, "mri", found, ())
        path = found[0] if found else path
        self._own(row, "mri", path, ())
        return path

    def is_file(self, path: str) -> bool:
        """Whether one of the paths that were returned is there."""
        return self._files.is_file(path)

    def _matching(self, row: Row, text: str, index: tuple[int, ...]) -> list[str]:
        path = self._allowed(row, "eeg", text, index)
        if path is None:
            return []
        found = self._files.matching(path)
        if not found:
            self._not_found(row, "eeg", path, index)
            found = [path] if self._keep_patterns or not is_pattern(path) else []
        self._refuse_two_spellings(row, "eeg", found, index)
        for file in found:
            self._own(row, "eeg", file, index)
        return found

    def _allowed(self, row: Row, field: str, text: str, index: tuple[int, ...]) -> str | None:
        path, reason = below_root(text, self._root)
        if not reason:
            if "\\" in text:
                self.backslashes.append((row, field))
            return path
        root = f"{self._root.as_posix()}/".casefold()
        if (written := text.replace("\\", "/")).casefold().startswith(root):
            reason += f": {quoted(written[len(root) :])}"
        finding = _within(row.finding(field, quoted(text), "a path below data_root", reason, group="files"), index)
        self.refusals.append(finding)
        self.findings.append(finding)
        return None

    def _refuse_two_spellings(self, row: Row, field: str, found: list[str], index: tuple[int, ...]) -> None:
        """Two files whose names are one: which of them is meant, or whether they are copies, is not for a program."""
        twice = [paths for paths in by_nfc(found).values() if len(paths) > 1] if len(found) > 1 else []
        for paths in twice[:1]:  # the others of a pattern have the same reason
            seen = f"{quoted(paths[0])} is there {len(paths)} times, as {' and '.join(map(spelled_out, sorted(paths)))}"
            advice = "the names differ only in how letters with accents are stored: keep one of the files"
            finding = row.finding(field, seen, "one file", advice, group="files")
            self.findings.append(_within(finding, index))

    def _not_found(self, row: Row, field: str, path: str, index: tuple[int, ...]) -> None:
        if field not in self._needed:
            return
        seen = f"no file matches {quoted(path)}" if is_pattern(path) else f"there is no file {quoted(path)}"
        finding = _within(row.finding(field, seen, advice=self._likely_meant(row, field, path), group="files"), index)
        self.findings.append(finding)
        self.missing.append(finding)

    def _likely_meant(self, row: Row, field: str, path: str) -> str:
        """What to do about a file that is not there: the name that is there and was probably meant, if any."""
        if (meant := self._files.same_but_for_case(path)) is not None and meant != path:
            return f"did you mean {quoted(meant)}? (upper and lower case count)"
        if self._files.is_folder(path):
            example = f"{path}/{row.participant_id}_{'*.npy' if field == 'eeg' else 'T1w.nii.gz'}"
            meant = self._files.similar(example, row.participant_id, self._ids)
            there = example if self._files.matching(example) else meant
            such_as = f", such as {quoted(there)}" if _is_read(there, field) else ""
            return f"this is a folder: write which file{'s' if field == 'eeg' else ''} in it{such_as}"
        folder = path.rpartition("/")[0]
        if folder and not is_pattern(folder) and not self._files.is_folder(folder):
            near = nearest(folder, self._files.folders_beside(folder))
            question = f": did you mean {quoted(near)}?" if near is not None else ""
            return f"there is no folder {shortened(str(self._root / folder))}{question}"
        meant = self._files.similar(path, row.participant_id, self._ids)
        return f"did you mean {quoted(meant)}?" if meant not in (None, path) and _is_read(meant, field) else ""

    def _own(self, row: Row, field: str, path: str, index: tuple[int, ...]) -> None:
        """One file under two participants is one participant both trained on and tested; often a pattern too wide."""
        named_after = ID_END.split(path.rpartition("/")[2], maxsplit=1)[0]
        another = nfc(named_after) != nfc(row.participant_id) and nfc(named_after) in self._ids
        if another and row.participant_id not in self._foreign:
            self._foreign.add(row.participant_id)
            seen = f"{quoted(path)} is named after another participant, {named_after}"
            finding = row.finding(field, seen, advice="is it the right file?", group="files")
            self.findings.append(replace(_within(finding, index), warning=True))
        owner = self._owners.setdefault(path, row)
        pair = owner.participant_id, row.participant_id
        if pair[0] != pair[1] and pair not in self._sharing:
            self._sharing.add(pair)  # one message, however many files the two have in common
            seen = f"{quoted(path)} is also a file of {pair[0]} (line {self._line_of(owner)})"
            advice = "correct the path, or the pattern that is too wide, of one of them"
            self.findings.append(_within(row.finding(field, seen, advice=advice, group="files"), index))


def _within(finding: Finding, index: tuple[int, ...]) -> Finding:
    """Of a list of paths, the line of the one."""
    return replace(finding, place=(*finding.place, *index))


def _is_read(path: str | None, field: str) -> bool:
    """Whether a path or pattern is of files that the field can have."""
    return path is not None and path.lower().endswith(".npy" if field == "eeg" else (".nii", ".nii.gz"))
