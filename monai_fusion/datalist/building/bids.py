"""Finds the recordings of a BIDS dataset: T1w images by their names, scalograms below its derivatives."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from monai_fusion.datalist.building.bids_ignore import names_of
from monai_fusion.datalist.building.scanning import (
    EEG_ENDINGS,
    MRI_ENDINGS,
    Found,
    Recordings,
    only_present,
    participant_id_of,
    recordings_from,
)
from monai_fusion.datalist.choosing import Choice, kinds_of, stem
from monai_fusion.datalist.other_files import NO_T1W, OtherFile, OtherFileKind, other_formats
from monai_fusion.datalist.paths import natural_key
from monai_fusion.datalist.roots import absolute
from monai_fusion.datalist.walking import Walk
from monai_fusion.errors import InputError, Problem
from monai_fusion.wording import a_few, counted, quoted

DERIVATIVES = "derivatives"
IGNORED = ".bidsignore"

_SUBJECT = "sub-"
_ENTITY = re.compile(r"[A-Za-z0-9]+-.*")
_T1W = "t1w"
_NO_SUFFIX = "without _ in the name"
_OUTSIDE = OtherFileKind(
    "T1w images outside an anat folder",
    "which are not used",
    "move them to sub-.../anat or sub-.../ses-.../anat, or give --mri-dir in place of --bids",
)


def scan_bids(root: Path, eeg_dirs: Sequence[Path], choice: Choice) -> Recordings:
    """Find the T1w images of a BIDS dataset and the EEG scalograms below its derivatives.

    Only files of the raw dataset with the suffix ``T1w`` in an ``anat`` folder are T1w images, whatever entities their
    names have (``rec-``, ``ce-``, ``echo-`` ...): no T1map, defacemask, inv-1, inv-2 or FLAIR, and nothing that a
    pipeline has derived. Linked folders are entered.

    Args:
        root: The dataset's folder, with ``sub-...`` folders in it.
        eeg_dirs: Where the scalograms (``.npy``) are; none is the one folder of ``derivatives`` that has any.
        choice: Which of several files of a participant are meant.

    Raises:
        InputError: This is no BIDS dataset, or as in `scanning.scan_folders`.
    """
    root = absolute(root)
    if not root.is_dir():
        raise InputError(Problem("--bids", seen=str(root), wanted="a folder that exists"))
    if not any(path.is_dir() for path in root.iterdir() if path.name.lower().startswith(_SUBJECT)):
        advice = "give the folder of the dataset itself"
        raise InputError(Problem("--bids", seen=f"no folder sub-... in {root}", wanted="a BIDS dataset", advice=advice))
    mris, raw_eeg = _t1w_images(root)
    found = recordings_from(eeg_dirs or [_scalograms_of(root)], mris, [root], choice)
    return replace(found, aside={**found.aside, "eeg": (*found.aside["eeg"], *raw_eeg)})


def _scalograms_of(root: Path) -> Path:
    """The folder below ``derivatives`` that holds scalograms.

    Raises:
        InputError: There is none, or more than one.
    """
    derivatives = root / DERIVATIVES
    folders = sorted(path for path in derivatives.glob("*") if path.is_dir()) if derivatives.is_dir() else []
    found = [path for path in folders if not path.name.startswith(".") and any(_scalograms(Walk(path).files()))]
    if any(_scalograms(derivatives.glob("*"))):  # themselves, or also those
        found.insert(0, derivatives)
    advice = "name their folder with --eeg-dir"
    if not found:
        wanted = "EEG scalograms (.npy)"
        raise InputError(Problem("--bids", seen=f"no .npy file below {derivatives}", wanted=wanted, advice=advice))
    if len(found) > 1:
        names = a_few((quoted(path.name) for path in found), at_most=5)
        raise InputError(Problem("--bids", DERIVATIVES, f".npy files in {names}", "in one", advice))
    return found[0]


def _scalograms(paths: Iterable[Path]) -> Iterator[Path]:
    return (path for path in paths if path.name.lower().endswith(EEG_ENDINGS))


def _t1w_images(root: Path) -> tuple[Found, list[OtherFile]]:
    """The T1w images with what else is in the anat folders, and recordings of the EEG that are no scalograms."""
    walk = Walk(root, _SUBJECT)
    images: list[Path] = []
    other_images: dict[Path, str] = {}
    aside: list[OtherFile] = []
    raw_eeg: list[OtherFile] = []
    for path in sorted(walk.files()):
        suffix = _suffix(path)
        is_image, is_t1w = path.name.lower().endswith(MRI_ENDINGS), suffix.lower() == _T1W
        if _in_anat(path, root):
            if not is_image:
                aside += other_formats([path], root, "mri")
            elif is_t1w:
                images.append(path)
            else:
                other_images[path] = suffix
        elif is_image and is_t1w:
            aside.append(OtherFile(path, root, _OUTSIDE))
        elif path.parent.name.lower() == "eeg":
            raw_eeg += other_formats([path], root, "eeg")
    if images:  # else a note covers them
        aside += (OtherFile(path, root, NO_T1W) for path in other_images)
    others = f"{counted(len(other_images), 'image')} in anat folders not used: {kinds_of(other_images)}"
    notes = [*walk.notes, *_about_ignored(root, images), *([others] if other_images else ())]
    found = only_present(images, f"no sub-*/anat/*_T1w.nii.gz in {root}", "--bids", notes, tuple(aside))
    return found, raw_eeg


def _in_anat(path: Path, root: Path) -> bool:
    """Whether it is in ``sub-*/anat`` or ``sub-*/ses-*/anat``."""
    folders = [step.lower() for step in path.relative_to(root).parts[1:-1]]
    return folders == ["anat"] or (len(folders) == 2 and folders[0].startswith("ses-") and folders[1] == "anat")


def _suffix(path: Path) -> str:
    """The suffix of a name, after its entities: ``T1w`` of ``sub-01_rec-norm_T1w.nii.gz``, ``inv-1_MP2RAGE``."""
    _, *words = stem(path).split("_")
    if not words:
        return _NO_SUFFIX
    kept = [word for word in words if not _ENTITY.fullmatch(word)]
    return "_".join(kept) or words[-1]


def _about_ignored(root: Path, images: Sequence[Path]) -> Iterator[str]:
    """``.bidsignore`` is for the validator; the images it names take part nevertheless, which you may not expect."""
    is_ignored = names_of(root / IGNORED)
    ignored = [path for path in images if is_ignored(path.relative_to(root).as_posix())]
    if ignored:
        ids = sorted({participant_id_of(path.name, MRI_ENDINGS) for path in ignored}, key=natural_key)
        yield (
            f"{IGNORED} names {counted(len(ignored), 'T1w image')} that {'are' if len(ignored) > 1 else 'is'} used "
            f"nevertheless, of {a_few(ids)}"
        )
