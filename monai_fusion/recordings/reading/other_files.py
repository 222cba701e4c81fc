"""What a user may give in place of a recording's own file, and which file to give."""

from __future__ import annotations

from pathlib import Path

from monai_fusion.errors import Problem
from monai_fusion.recordings.reading.beside import named_beside

_NIHON_KOHDEN = (b"EEG-1100", b"EEG-2100", b"DAE-2100", b"QI-403", b"EEG-1200", b"EEG-9100")
_BRAINVISION = (".eeg", ".dat", ".vmrk", ".seg")
_KNOWN = {
    ".cnt": "a Neuroscan or ANT recording", ".mff": "an EGI recording", ".raw": "an EGI recording",
    ".gdf": "a GDF recording", ".mat": "a MATLAB file", ".xdf": "an XDF recording",
    ".nwb": "an NWB recording", ".lay": "a Persyst recording", ".xlsx": "a spreadsheet", ".xls": "a spreadsheet",
    ".cdt": "a Curry recording", ".h5": "an HDF5 file", ".npy": "an array, not a raw recording",
    ".npz": "arrays, not a raw recording", ".ahdr": "a header of BrainVision Analyzer",
}  # fmt: skip


def refusal(path: Path, ending: str | None) -> Problem | None:
    """Why a file is not opened that is part of a recording or of a format that is not read, and what to give."""
    suffix = path.suffix.lower()
    where = str(path)
    if suffix in _BRAINVISION:
        if _is_nihon_kohden(path):
            return Problem(where, seen="a recording of Nihon Kohden", advice="export it as EDF, and give that")
        header = _header_of(path)
        advice = f"give {header.name}" if header is not None else "give the .vhdr file that belongs to it"
        return Problem(where, seen="a part of a BrainVision recording", wanted="its header", advice=advice)
    if suffix == ".fdt":
        own = named_beside(path, f"{path.stem}.set")
        advice = f"give {own.name}" if own is not None else "give the .set file that belongs to it"
        return Problem(where, seen="the samples of an EEGLAB recording", wanted="its .set file", advice=advice)
    if ending is None and suffix in _KNOWN:
        return Problem(where, seen=f"{_KNOWN[suffix]}: not read", advice="export it as EDF or BrainVision")
    return None


def _is_nihon_kohden(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            beginning = stream.read(256)
        return any(mark in beginning for mark in _NIHON_KOHDEN)
    except OSError:
        return False


def _header_of(path: Path) -> Path | None:
    """The BrainVision header beside a file: that of the same name, or the only one that names it."""
    if (own := named_beside(path, f"{path.stem}.vhdr")) is not None:
        return own
    try:
        headers = [each for each in sorted(path.parent.iterdir()) if each.suffix.lower() == ".vhdr"]
        naming = [each for each in headers if path.name.encode() in each.read_bytes()[: 1 << 16]]
    except OSError:
        return None
    return naming[0] if len(naming) == 1 else None
