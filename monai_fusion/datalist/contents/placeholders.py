"""Files in place of a recording: empty ones, pointers of git-annex and Git LFS, pages that a server sent.

They are too small for a recording, so that even a check that opens no file can afford to look at them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from monai_fusion.datalist.contents.recording_files import Recording
from monai_fusion.datalist.reporting import Finding
from monai_fusion.file_formats.wrong_kinds import WrongKind, wrong_kind

SMALLER_THAN = 1024


def placeholders(recordings: Iterable[Recording]) -> Iterator[Finding]:
    """A warning for each kind of placeholder, at the first of its files.

    Args:
        recordings: From `recordings_to_open`.
    """
    found: dict[WrongKind, list[Recording]] = {}
    for recording in recordings:
        if (kind := _placeholder(recording)) is not None:
            found.setdefault(kind, []).append(recording)
    for kind, of_kind in found.items():
        more = f" (and {len(of_kind) - 1} more)" if len(of_kind) > 1 else ""
        finding = of_kind[0].finding(kind.seen + more, "a recording", kind.advice)
        yield replace(finding, warning=True, group="files")


def _placeholder(recording: Recording) -> WrongKind | None:
    try:
        size = recording.path.stat().st_size
        if size >= SMALLER_THAN:
            return None
        kind = wrong_kind(recording.path.read_bytes(), size)
    except OSError:
        return None  # `--deep` and the training report what is wrong with it
    return kind if kind is not None and kind.placeholder else None
