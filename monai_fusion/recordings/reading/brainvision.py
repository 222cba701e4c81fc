"""BrainVision recordings: a .vhdr header that names a file of samples (.eeg) and one of markers (.vmrk).

Header and markers are text with sections, and are read here leniently: users rename the three files, and the names in
the header stay. Nothing is ever mended on the disk.
"""

from __future__ import annotations

from pathlib import Path

from monai_fusion.recordings.reading.beside import companion, renamed_beside, require_here
from monai_fusion.recordings.reading.brainvision_header import Header, positions_in, read_header
from monai_fusion.recordings.reading.brainvision_markers import read_markers
from monai_fusion.recordings.reading.brainvision_text import text_samples
from monai_fusion.recordings.reading.events import Events
from monai_fusion.recordings.reading.flat import FlatSamples
from monai_fusion.recordings.reading.kinds import kinds_of
from monai_fusion.recordings.reading.units import is_stated, microvolts_in
from monai_fusion.recordings.recording import Recording, SampleReader
from monai_fusion.wording import a_few, counted

DATA_ENDINGS = (".eeg", ".dat", ".seg")


def read_brainvision(path: Path) -> Recording:
    """Open a BrainVision recording by its header.

    Args:
        path: The ``.vhdr``.

    Raises:
        InputError: The header cannot be understood, or the samples that it describes are not here.
    """
    header = read_header(path)
    rate = header.sampling_hz
    data, is_renamed = _data_file(header)
    samples, reader, notes = _samples(header, data)
    marker_file, marker_notes = _marker_file(header, is_renamed)
    markers = read_markers(marker_file, samples) if marker_file is not None else Events()
    units = [microvolts_in(each.unit) for each in header.channels]
    kinds = tuple(
        kind if unit is not None or kind == "stim" else "misc"
        for kind, unit in zip(kinds_of([each.name for each in header.channels]), units, strict=True)
    )
    # An empty unit is microvolts by the format.
    odd = [each.name for each in header.channels if each.unit.strip() and not is_stated(each.unit)]
    references = {each.reference for each in header.channels if each.reference}
    return Recording(
        path=path,
        files=tuple(file for file in (path, data, marker_file) if file is not None),
        format="BrainVision",
        channels=tuple(each.name for each in header.channels),
        kinds=kinds,
        sampling_hz=rate,
        samples=samples,
        scale=tuple(1.0 if unit is None else unit for unit in units),
        positions=positions_in(header),
        markers=markers.markers,
        breaks=markers.breaks,
        bad=markers.bad,
        bad_channels=(),
        reference=next(iter(references)) if len(references) == 1 else "",
        notes=(
            *header.notes,
            *((f"{data.name} is read: the header names another file",) if is_renamed else ()),
            *notes,
            *marker_notes,
            *markers.notes,
            *((f"unit not readable, taken as microvolts: {a_few(odd, 6)}",) if odd else ()),
        ),
        read_samples=reader,
    )


def _data_file(header: Header) -> tuple[Path, bool]:
    """The file of the samples, and whether it is not the one that the header names."""
    found, is_renamed = companion(header.path, header.common.get("datafile", ""), DATA_ENDINGS)
    if found is None:
        seen = f"not here: tried the name in the header and {header.path.stem}.eeg"
        raise header.wrong("DataFile", seen, "the file of the samples beside the header")
    require_here(found, header.path)
    return found, is_renamed


def _marker_file(header: Header, is_renamed: bool) -> tuple[Path | None, tuple[str, ...]]:
    """The file of the markers, and notes; that of the header's own name if the samples are those."""
    name = header.common.get("markerfile", "")
    own = renamed_beside(header.path, [".vmrk"])
    found, is_other = (own, True) if is_renamed and own is not None else companion(header.path, name, [".vmrk"])
    if found is None:
        return None, ("no markers: the .vmrk file is not here",) if name else ("no markers: the header names none",)
    if found.is_file() and found.stat().st_size == 0:
        return None, (f"no markers: {found.name} is empty",)
    require_here(found, header.path)
    return found, (f"{found.name} is read for the markers: the header names another file",) if is_other else ()


def _samples(header: Header, data: Path) -> tuple[int, SampleReader, tuple[str, ...]]:
    """The samples a channel, what reads them, and notes."""
    gains = tuple(each.resolution for each in header.channels)
    if header.is_text:
        if not header.is_multiplexed:
            advice = "export it again as binary"
            raise header.wrong("DataFormat", "text with a line for each channel", "binary", advice)
        count, reader = text_samples(data, header.text, [each.name for each in header.channels], gains)
        return count, reader, ()
    samples, notes = _samples_in(header, data)
    return samples, FlatSamples(data, header.dtype, gains, samples, multiplexed=header.is_multiplexed), notes


def _samples_in(header: Header, data: Path) -> tuple[int, tuple[str, ...]]:
    """The samples a channel of the data file, which must be whole."""
    size = data.stat().st_size
    width = len(header.channels) * int(header.dtype[-1])
    samples, rest = divmod(size, width)
    stated = header.common.get("datapoints", "")
    points = int(stated) if stated.isdigit() else 0
    if points and points != samples:
        needed = f"{points * width:,} bytes ({counted(points, 'sample')} of {counted(len(header.channels), 'channel')})"
        advice = "is it another recording's, or was it cut off while copying?"
        raise header.wrong(data.name, f"{size:,} bytes", needed, advice)
    if not samples:
        raise header.wrong(data.name, "holds not one sample of every channel", f"at least {width} bytes")
    if rest:
        if not header.is_multiplexed:
            raise header.wrong(data.name, f"{size:,} bytes", f"a multiple of {width}")
        seconds = samples / header.sampling_hz
        return samples, (f"{data.name} ends within a sample: the whole ones, {seconds:.1f} s, are read",)
    return samples, ()
