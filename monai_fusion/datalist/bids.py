"""Finds the recordings of a BIDS dataset: T1w images by mne-bids, scalograms below its derivatives."""

from __future__ import annotations

from pathlib import Path

from monai_fusion.datalist.choosing import Choice
from monai_fusion.datalist.scanning import EEG_ENDINGS, MRI_ENDINGS, Recordings, absolute, only_present, recordings_of
from monai_fusion.datalist.wording import a_few, quoted
from monai_fusion.errors import InputError, Problem

DERIVATIVES = "derivatives"
PARTICIPANTS = "participants.tsv"


def scan_bids(root: Path, eeg_dir: Path | None, choice: Choice) -> Recordings:
    """Find the T1w images of a BIDS dataset and the EEG scalograms below its derivatives.

    Only files of the raw dataset with the suffix ``T1w`` in an ``anat`` folder are T1w images: no T1map, defacemask,
    inv-1, inv-2 or FLAIR, and nothing that a pipeline has derived.

    Args:
        root: The dataset's folder, with ``sub-...`` folders in it.
        eeg_dir: Where the scalograms (``.npy``) are; ``None`` is the one folder of ``derivatives`` that has any.
        choice: Which of several files of a participant are meant.

    Raises:
        InputError: mne-bids is not installed, this is no BIDS dataset, or as `scanning.scan_folders` says.
    """
    root = absolute(root)
    if not root.is_dir():
        raise InputError(Problem("--bids", seen=str(root), wanted="a folder that exists"))
    if not any(path.is_dir() for path in root.glob("sub-*")):
        advice = "give the folder of the dataset itself"
        raise InputError(Problem("--bids", seen=f"no folder sub-... in {root}", wanted="a BIDS dataset", advice=advice))
    mris = only_present(_t1w_images(root), f"no sub-*/anat/*_T1w.nii.gz in {root}", "--bids")
    return recordings_of(eeg_dir or scalograms_of(root), mris, root, choice)


def scalograms_of(root: Path) -> Path:
    """The folder below ``derivatives`` that holds scalograms.

    Raises:
        InputError: There is none, or more than one.
    """
    derivatives = root / DERIVATIVES
    folders = sorted(path for path in derivatives.glob("*") if path.is_dir()) if derivatives.is_dir() else []
    found = [path for path in folders if next(path.rglob(f"*{EEG_ENDINGS[0]}"), None) is not None]
    advice = "name their folder with --eeg-dir"
    if not found and next(derivatives.glob(f"*{EEG_ENDINGS[0]}"), None) is None:
        wanted = "EEG scalograms (.npy)"
        raise InputError(Problem("--bids", seen=f"no .npy file below {derivatives}", wanted=wanted, advice=advice))
    if len(found) > 1:
        names = a_few((quoted(path.name) for path in found), at_most=5)
        raise InputError(Problem("--bids", DERIVATIVES, f".npy files in {names}", "in one", advice))
    return found[0] if found else derivatives


def _t1w_images(root: Path) -> list[Path]:
    try:
        import mne_bids
    except ModuleNotFoundError:
        advice = "install it: pip install mne-bids"
        raise InputError(Problem("--bids", seen="mne-bids is not installed", advice=advice)) from None
    found = mne_bids.find_matching_paths(
        root, suffixes="T1w", extensions=list(MRI_ENDINGS), datatypes="anat", ignore_nosub=True
    )
    # mne-bids passes over links whose file is not there, as git-annex leaves them; those are to be told of.
    gone = [
        path
        for folder in ("sub-*/anat", "sub-*/ses-*/anat")
        for path in root.glob(f"{folder}/*_T1w.nii*")
        if path.name.endswith(MRI_ENDINGS) and not path.exists()
    ]
    return sorted({*gone, *(Path(path.fpath) for path in found)})
