"""What the endings of a row's files show without opening any: an MRI in place of the EEG, a format that is not read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from monai_fusion.datalist.other_files import format_by_ending
from monai_fusion.datalist.paths import natural_key
from monai_fusion.datalist.reporting import WHOLE_FILE, Finding
from monai_fusion.datalist.validation import Row
from monai_fusion.wording import counted

_WANTED = {"eeg": ".npy", "mri": ".nii or .nii.gz"}
_SWAPPED = "are eeg and mri swapped?"


@dataclass(frozen=True, slots=True)
class _Odd:
    """What a row's field has instead of its recording."""

    path: str
    seen: str
    advice: str = ""
    others: bool = False  # the other field's kind of file


def wrong_endings(
    files: Sequence[tuple[Row, Mapping[str, Collection[str]]]], is_there: Callable[[str], bool]
) -> Iterator[Finding]:
    """A finding for each field that names a file of another kind, one for all if EEG and MRI are swapped throughout.

    Args:
        files: The rows in use with their files, found or not, of those of ``eeg`` and ``mri`` that are needed.
        is_there: Whether there is such a file; a missing one is reported as such, and its ending may be a slip.
    """
    odd = [
        (row, {field: found for field in paths if (found := _odd(field, paths[field])) and is_there(found.path)})
        for row, paths in files
    ]
    swapped = [row for row, fields in odd if fields and all(each.others for each in fields.values())]
    whole = [row for row, fields in odd if len(fields) == 2]
    if len(files) > 1 and len(swapped) == len(files) and whole:
        seen = f"a NIfTI file as eeg and a .npy file as mri in all {counted(len(files), 'row')}"
        yield Finding(WHOLE_FILE, seen=seen, wanted="the other way round", advice=_SWAPPED, group="files")
        return
    for row, fields in odd:
        both = len(fields) == 2 and all(each.others for each in fields.values())
        for field, found in fields.items():
            if not (both and field == "mri"):  # reported with the EEG
                finding = row.finding(field, found.seen, _WANTED[field], _advice(field, found, both), group="files")
                yield _where_it_stands(finding, row, field, found.path)


def _odd(field: str, paths: Collection[str]) -> _Odd | None:
    """The first of the files that cannot be a recording of the field by its ending."""
    about = _about_eeg if field == "eeg" else _about_mri
    return next((found for path in sorted(paths, key=natural_key) if (found := about(path))), None)


def _about_eeg(path: str) -> _Odd | None:
    """What is no .npy file by its ending; unknown endings may be anything."""
    name = path.lower()
    if name.endswith(".npy"):
        return None
    if name.endswith((".nii", ".nii.gz")):
        return _Odd(path, "a NIfTI file", others=True)
    kind = format_by_ending(name, "eeg") or format_by_ending(name, "mri")
    return None if kind is None else _Odd(path, *kind)


def _about_mri(path: str) -> _Odd | None:
    """What is no NIfTI file by its ending, which the reader of MRIs goes by."""
    name = path.lower()
    if name.endswith((".nii", ".nii.gz")):
        return None
    if name.endswith(".npy"):
        return _Odd(path, "a .npy file", others=True)
    kind = format_by_ending(name, "mri") or format_by_ending(name, "eeg")
    return _Odd(path, *(kind or ("a file with another ending", "")))


def _advice(field: str, found: _Odd, both: bool) -> str:
    if both:
        return _SWAPPED
    if found.others:
        what, where = ("an MRI", "mri") if field == "eeg" else ("an EEG", "eeg")
        return f"{what} belongs in the field {where}"
    return found.advice


def _where_it_stands(finding: Finding, row: Row, field: str, path: str) -> Finding:
    """Of a list of paths, the line of the one."""
    written = getattr(row.entry, field)
    if isinstance(written, list) and path in written:
        return replace(finding, place=(*finding.place, written.index(path)))
    return finding
