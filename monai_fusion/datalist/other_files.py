"""Files next to the recordings that the program reads: other formats, and images other than T1-weighted MRIs.

A participant without a recording may have it in a format that the program does not read. A note reports such files,
so that a participant does not count as one without an MRI because the MRI is an ``.mgz``.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from monai_fusion.datalist.paths import ID_END, natural_key
from monai_fusion.errors import Problem
from monai_fusion.wording import a_few, counted

Modality = Literal["eeg", "mri"]

_UNREAD = "which are not read"
_CONVERT = "convert them with mri_convert, or nib-convert IN OUT.nii.gz"
_DICOM = "convert them with dcm2niix -z y"
_PACKED = "unpack them"
_SCALOGRAM = "make scalograms (.npy) of them with monai-fusion scalogram"
_ARRAY = "save each array with numpy.save"

# Ending, how the format is called, what makes a file of it that is read. Of two endings the longer one counts.
_MRI: dict[str, tuple[str, str]] = {
    **dict.fromkeys((".mgz", ".mgh"), ("", _CONVERT)),
    **dict.fromkeys((".img", ".hdr", ".img.gz", ".hdr.gz"), (".hdr/.img", _CONVERT)),
    **dict.fromkeys((".mnc", ".mnc.gz"), (".mnc", "convert them with mnc2nii, or nib-convert IN OUT.nii.gz")),
    **dict.fromkeys((".head", ".brik", ".brik.gz"), (".HEAD/.BRIK", "convert them with 3dAFNItoNIFTI")),
    **dict.fromkeys((".par", ".rec"), (".PAR/.REC", _DICOM)),
    **dict.fromkeys((".dcm", ".ima", ".dicom"), ("", _DICOM)),
    **dict.fromkeys((".nrrd", ".nhdr", ".mha", ".mhd"), ("", "convert them to .nii.gz, e.g. with 3D Slicer")),
    **dict.fromkeys((".nii.bz2", ".nii.xz", ".nii.zst", ".nii.zip", ".nii.z", ".nii.lz4"), ("", _PACKED)),
}
_EEG: dict[str, tuple[str, str]] = {
    **dict.fromkeys((".edf", ".bdf", ".gdf", ".cnt", ".mff", ".xdf", ".fif", ".fif.gz"), ("", _SCALOGRAM)),
    **dict.fromkeys((".vhdr", ".vmrk", ".eeg"), (".vhdr", _SCALOGRAM)),
    **dict.fromkeys((".set", ".fdt"), (".set", _SCALOGRAM)),
    **dict.fromkeys((".npz", ".mat", ".h5", ".hdf5", ".pt", ".pkl"), ("", _ARRAY)),
    **dict.fromkeys((".npy.gz", ".npy.bz2", ".npy.xz", ".npy.zip"), ("", _PACKED)),
}
_EITHER: dict[str, tuple[str, str]] = {
    **dict.fromkeys((".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".7z", ".rar", ".gz"), ("", _PACKED)),
    **dict.fromkeys((".part", ".partial", ".crdownload", ".tmp"), ("", "download them again")),
}
_EEG_TEXTS = (".csv", ".txt", ".asc", ".tsv", ".dat")
_ABOUT_EEG = re.compile(  # tables that BIDS has with an EEG
    r"(?:^participants|_(?:events|channels|electrodes|scans|sessions|coordsystem|headshape|beh|physio|stim|markers))\."
)
_SPARE = (".bak", ".backup", ".old", ".orig", ".save", ".copy")
_READ = (".npy", ".nii", ".nii.gz")
_TEXTS = ("readme", "changes", "license", "licence", "copying", "authors", "notes", "makefile")
# Texts, tables and pictures about recordings.
_ABOUT = frozenset({
    ".json", ".txt", ".tsv", ".csv", ".xlsx", ".xls", ".md", ".rst", ".log", ".html", ".htm", ".xml", ".pdf",
    ".png", ".jpg", ".jpeg", ".svg", ".gif", ".bval", ".bvec", ".bvals", ".bvecs", ".yaml", ".yml", ".toml",
    ".lta", ".xfm", ".m3z", ".stats", ".label", ".annot", ".ctab", ".py", ".m", ".sh", ".ini", ".cfg", ".docx",
    ".doc", ".tsv.gz", ".bak", ".md5", ".sha256", ".db",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class OtherFileKind:
    """What some files are that are not used, as a note words it.

    Attributes:
        what: ``.mgz files``.
        why: ``which are not read``.
        advice: What to do with them.
        of_participants: Whether only those are spoken of that are named after participants: others may be anything.
    """

    what: str
    why: str
    advice: str = ""
    of_participants: bool = False

    @property
    def is_known(self) -> bool:
        """Whether it is more than an unknown ending."""
        return bool(self.advice) or self.why != _UNREAD


NOT_CHOSEN: dict[Modality, OtherFileKind] = {
    "eeg": OtherFileKind("EEG files", "which --session or --eeg-condition leaves out"),
    "mri": OtherFileKind("MRIs", "which --session or --t1w-pattern leaves out"),
}


NO_T1W = OtherFileKind("other images", "which are not T1-weighted by their names")


@dataclass(frozen=True, slots=True)
class OtherFile:
    """A file that is not used.

    Attributes:
        path: The file, below ``folder``.
        folder: Where it was looked for.
        kind: What it is.
    """

    path: Path
    folder: Path
    kind: OtherFileKind

    def owner(self, known: Collection[str], translate: Callable[[str], str] = lambda name: name) -> str | None:
        """Whose it is: by its name as of a recording, else by the folders above it, the innermost first."""
        steps = self.path.relative_to(self.folder).parts[::-1]
        for step in steps:
            for name in (ID_END.split(step, maxsplit=1)[0], step.partition("_")[0], step):
                if translate(name) in known:
                    return translate(name)
        return None


def other_formats(paths: Iterable[Path], folder: Path, modality: Modality) -> Iterator[OtherFile]:
    """Those files that may be recordings in a format that is not read; texts and tables are none."""
    ours, theirs = (_MRI, _EEG) if modality == "mri" else (_EEG, _MRI)
    for path in paths:
        name = path.name.lower()
        endings = [name[index:] for index, character in enumerate(name) if character == "." and index]
        if (kind := _spare_or_text(name, endings, modality)) is not None:
            yield OtherFile(path, folder, kind)
            continue
        if name in _TEXTS or any(each in _ABOUT or each in theirs or each in _READ for each in endings):
            continue
        ending = next((each for each in endings if each in ours or each in _EITHER), None)
        if ending is not None:
            called, advice = ours.get(ending) or _EITHER[ending]
            yield OtherFile(path, folder, OtherFileKind(f"{called or ending} files", _UNREAD, advice))
        elif endings:
            yield OtherFile(path, folder, OtherFileKind(f"{endings[-1]} files", _UNREAD))
        elif modality == "mri":
            yield OtherFile(
                path, folder, OtherFileKind("files without an ending", _UNREAD, f"if they are DICOM, {_DICOM}")
            )


def _spare_or_text(name: str, endings: Sequence[str], modality: Modality) -> OtherFileKind | None:
    """What a spare copy of a recording is, or an EEG in a text; None if the file is neither."""
    ours = (".npy",) if modality == "eeg" else (".nii", ".nii.gz")
    last = endings[-1] if endings else ""
    if last in _SPARE and (len(endings) == 1 or any(each.removesuffix(last) in ours for each in endings)):
        return OtherFileKind(
            f"{last} files", "which are not used", "rename those that you want to use", of_participants=True
        )
    if modality == "eeg" and last in _EEG_TEXTS and not _ABOUT_EEG.search(name) and name.split(".")[0] not in _TEXTS:
        return OtherFileKind(f"{last} files", _UNREAD, _SCALOGRAM, of_participants=True)
    return None


def format_by_ending(name: str, modality: Modality) -> tuple[str, str] | None:
    """The kind of file by its ending, if that is known and not read, and what to do with it.

    Args:
        name: The name of a file, or a path, in lower case.
        modality: As which recording it is named.
    """
    name = name.rpartition("/")[2]
    endings = [name[index:] for index, character in enumerate(name) if character == "."]
    formats = {**_EITHER, **(_MRI if modality == "mri" else _EEG)}
    ending = next((each for each in endings if each in formats or each in _ABOUT), None)
    if ending is None:
        return None
    if ending in _ABOUT:
        return f"a {ending} file", "it is not a recording: write the recording's file, or a narrower pattern"
    called, advice = formats[ending]
    return f"a file of the format {called or ending}", advice


def instead(aside: Sequence[OtherFile]) -> tuple[str, str]:
    """What is there where no recording is: ``, but 14 .mgz files``, and the advice; empty if nothing is."""
    kinds = Counter(each.kind for each in aside).most_common(3)
    if not kinds:
        return "", ""
    advice = "; ".join(dict.fromkeys(kind.advice for kind, _ in kinds if kind.advice))
    return f", but {' and '.join(_counted(number, kind.what) for kind, number in kinds)}", advice


def notes_on_incomplete(
    aside: Iterable[OtherFile],
    modality: Modality,
    have: Collection[str],
    known: Collection[str],
    translate: Callable[[str], str],
) -> Iterator[Problem]:
    """The other files of participants without a recording, one line for each kind of file.

    Args:
        aside: Files that are not used.
        modality: Which recording they may be.
        have: Who has such a recording.
        known: Everyone who is in the table or has a recording.
        translate: The id under which each participant is known.
    """
    owners: dict[OtherFileKind, set[str]] = defaultdict(set)
    unowned: Counter[OtherFileKind] = Counter()
    beside: dict[OtherFileKind, list[str]] = defaultdict(list)
    for each in aside:
        owner = each.owner(known, translate)
        if owner is None:
            unowned[each.kind] += each.kind.why == _UNREAD and not each.kind.of_participants
        elif owner not in have:
            owners[each.kind].add(owner)
        elif each.kind.of_participants:
            beside[each.kind].append(owner)
    name = "an MRI" if modality == "mri" else "an EEG"
    reported: set[str] = set()
    for kind, ids in sorted(owners.items(), key=lambda each: (not each[0].is_known, not each[0].advice, -len(each[1]))):
        if not kind.is_known and ids <= reported:  # what is not known may be anything
            continue
        reported |= ids
        who = f"{counted(len(ids), 'participant')} without {name} {'has' if len(ids) == 1 else 'have'}"
        yield Problem(f"{who} {kind.what}, {kind.why} ({a_few(sorted(ids, key=natural_key))})", advice=kind.advice)
    for kind, names in beside.items():
        who = a_few(sorted(set(names), key=natural_key))
        yield Problem(f"{_counted(len(names), kind.what)}, {kind.why}, beside {name.removeprefix('an ')} files: {who}")
    if len(have) < len(known):
        for kind, number in (+unowned).items():
            there = f"{_counted(number, kind.what)}, {kind.why}"
            yield Problem(f"{there}, and whose names match no participant", advice=kind.advice)


def _counted(number: int, what: str) -> str:
    """``1 .mgz file``, ``14 .mgz files``, ``2 files without an ending``."""
    return f"{number} {what.replace('files', 'file', 1).replace('images', 'image', 1) if number == 1 else what}"
