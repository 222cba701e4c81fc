"""BrainVision recordings: a .vhdr header that names a file of samples (.eeg) and one of markers (.vmrk).

Header and markers are text with sections, and are read here leniently: people rename the three files, and the names in
the header stay. Nothing is ever mended on the disk.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from monai_fusion.errors import InputError, Problem
from monai_fusion.recordings.reading.beside import codepage_of, named_beside, renamed_beside, require_here, text_of
from monai_fusion.recordings.reading.brainvision_markers import read_markers
from monai_fusion.recordings.reading.brainvision_text import text_samples
from monai_fusion.recordings.reading.events import Events
from monai_fusion.recordings.reading.flat import FlatSamples
from monai_fusion.recordings.reading.kinds import kinds_of
from monai_fusion.recordings.reading.units import is_stated, microvolts_in
from monai_fusion.recordings.recording import Recording, SampleReader
from monai_fusion.wording import a_few, counted

DATA_ENDINGS = (".eeg", ".dat", ".seg")
_DTYPES = {"INT_16": "<i2", "UINT_16": "<u2", "INT_32": "<i4", "IEEE_FLOAT_32": "<f4"}
_SECTION = re.compile(r"^\s*\[(.+?)\]\s*$")
_HEAD_RADIUS = 0.095  # metres, for positions that are stated as angles only


@dataclass(frozen=True, slots=True)
class _Channel:
    name: str
    reference: str
    resolution: float
    unit: str


@dataclass(frozen=True, slots=True)
class _Header:
    path: Path
    common: Mapping[str, str]
    binary: Mapping[str, str]
    text: Mapping[str, str]
    channels: tuple[_Channel, ...]
    coordinates: Mapping[str, str]
    notes: tuple[str, ...]

    def wrong(self, field: str, seen: str, wanted: str = "", advice: str = "") -> InputError:
        return InputError(Problem(str(self.path), field, seen, wanted, advice))

    @property
    def sampling_hz(self) -> float:
        text = self.common.get("samplinginterval", "").replace(",", ".")
        try:
            interval = float(text)
        except ValueError:
            interval = math.nan
        if not interval > 0 or math.isinf(interval):
            raise self.wrong("SamplingInterval", "no positive number", "microseconds")
        return 1e6 / interval

    @property
    def is_text(self) -> bool:
        """Whether the samples are written as text."""
        return self.common.get("dataformat", "BINARY").upper() == "ASCII"

    @property
    def is_multiplexed(self) -> bool:
        """Whether all channels of a sample lie together; else all samples of a channel do."""
        orientation = self.common.get("dataorientation", "MULTIPLEXED").upper()
        if orientation not in ("MULTIPLEXED", "VECTORIZED"):
            raise self.wrong("DataOrientation", "unknown", "MULTIPLEXED or VECTORIZED")
        return orientation == "MULTIPLEXED"

    @property
    def dtype(self) -> str:
        name = self.binary.get("binaryformat", "").upper()
        if name not in _DTYPES:
            raise self.wrong("BinaryFormat", "missing or unknown", " or ".join(_DTYPES))
        return _DTYPES[name]


def read_brainvision(path: Path) -> Recording:
    """Open a BrainVision recording by its header.

    Args:
        path: The ``.vhdr``.

    Raises:
        InputError: The header cannot be understood, or the samples that it describes are not here.
    """
    header = _read_header(path)
    rate = header.sampling_hz
    data, claimed = _data_file(header)
    samples, reader, notes = _samples(header, data)
    marker_file, marker_notes = _marker_file(header, is_renamed=claimed)
    markers = read_markers(marker_file, samples) if marker_file is not None else Events()
    units = [microvolts_in(each.unit) for each in header.channels]
    kinds = tuple(
        kind if unit is not None or kind == "stim" else "misc"
        for kind, unit in zip(kinds_of([each.name for each in header.channels]), units, strict=True)
    )
    odd = [each.name for each, unit in zip(header.channels, units, strict=True) if unit and not is_stated(each.unit)]
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
        positions=_positions(header),
        markers=markers.markers,
        breaks=markers.breaks,
        bad=markers.bad,
        bad_channels=(),
        reference=next(iter(references)) if len(references) == 1 else "",
        notes=(
            *header.notes,
            *((f"{data.name} is read: the header names another file",) if claimed else ()),
            *notes,
            *marker_notes,
            *markers.notes,
            *((f"unit not readable, taken as microvolts: {a_few(odd, 6)}",) if _garbled(header) else ()),
        ),
        read_samples=reader,
    )


def _garbled(header: _Header) -> bool:
    """Whether a unit stands there and cannot be read without doubt; an empty one is microvolts by the format."""
    return any(each.unit.strip() and not is_stated(each.unit) for each in header.channels)


def _read_header(path: Path) -> _Header:
    text = text_of(path, codepage_of(path))
    lines = text.splitlines()
    first = next((line for line in lines if line.strip()), "")
    notes: tuple[str, ...] = ()
    if not re.search(r"brain\s?vision", first, re.IGNORECASE):
        if "[common infos]" not in text.casefold():
            seen = "no header of a BrainVision recording"
            raise InputError(Problem(str(path), seen=seen, wanted="[Common Infos] and [Channel Infos]"))
        notes = ("the header's first line does not say that it is one of BrainVision: read all the same",)
    sections = sections_of(lines)
    common = sections.get("common infos", {})
    rows = sections.get("channel infos", {})
    header = _Header(
        path,
        common,
        sections.get("binary infos", {}),
        sections.get("ascii infos", {}),
        (),
        sections.get("coordinates", {}),
        notes,
    )
    try:
        wanted = int(common.get("numberofchannels", ""))
    except ValueError:
        wanted = len(rows)
    channels = [_channel(header, f"Ch{number}", rows.get(f"ch{number}")) for number in range(1, wanted + 1)]
    if not channels:
        raise header.wrong("NumberOfChannels", "no channels", "at least one")
    return replace(header, channels=tuple(channels))


def _channel(header: _Header, key: str, row: str | None) -> _Channel:
    if row is None:
        seen = f"{key} is not described, but NumberOfChannels counts it"
        raise header.wrong("[Channel Infos]", seen, "a line for each channel")
    parts = [part.strip() for part in row.split(",")]
    if len(parts) > 4 and parts[2].isdigit() and parts[3].isdigit():
        parts[2:4] = [f"{parts[2]}.{parts[3]}"]  # a decimal comma
    name, reference, resolution, unit = [*parts, "", "", "", ""][:4]
    if resolution and not _is_number(resolution) and _is_number(reference):
        reference, resolution, unit = "", reference, resolution  # written without the field for the reference
    factor = 1.0
    if resolution:
        if not _is_number(resolution):
            raise header.wrong("[Channel Infos]", f"{key} has a resolution that is no number")
        factor = float(resolution)
    return _Channel(name.replace("\\1", ",") or key, reference.replace("\\1", ","), factor, unit)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def sections_of(lines: list[str]) -> dict[str, dict[str, str]]:
    """The ``key=value`` lines of each section, keys and sections in lower case; free text after [Comment] apart."""
    found: dict[str, dict[str, str]] = {}
    section: dict[str, str] = {}
    for line in lines:
        if head := _SECTION.match(line):
            name = head[1].strip().casefold()
            if name == "comment":
                break
            section = found.setdefault(name, {})
        elif "=" in line and not line.lstrip().startswith(";"):
            key, _, value = line.partition("=")
            section.setdefault(key.strip().casefold(), value.strip())
    return found


def _data_file(header: _Header) -> tuple[Path, bool]:
    """The file of the samples, and whether it is not the one that the header names."""
    path = header.path
    name = header.common.get("datafile", "")
    named, own = named_beside(path, name), renamed_beside(path, DATA_ENDINGS)
    if named is not None and own is not None and named != own and _is_of_another(named, path):
        named = None  # copied and renamed, while the original is still in the folder
    found = named or own
    if found is None:
        tried = " and ".join(dict.fromkeys([f"the name in the header ({_last(name)})", f"{path.stem}.eeg"]))
        raise header.wrong("DataFile", f"not here: tried {tried}", "the file of the samples beside the header")
    require_here(found, path)
    return found, found != named


def _last(name: str) -> str:
    return re.split(r"[\\/]", name.strip())[-1] or "none"


def _is_of_another(file: Path, header: Path) -> bool:
    """Whether a file belongs to another header beside it, by its name."""
    other = named_beside(header, f"{file.stem}.vhdr")
    return other is not None and other != header


def _marker_file(header: _Header, is_renamed: bool) -> tuple[Path | None, tuple[str, ...]]:
    path = header.path
    name = header.common.get("markerfile", "")
    named, own = named_beside(path, name) if name else None, renamed_beside(path, [".vmrk"])
    if own is not None and named is not None and named != own and (is_renamed or _is_of_another(named, path)):
        named = None
    found = named or own
    if found is None:
        return None, ("no markers: the .vmrk file is not here",) if name else ("no markers: the header names none",)
    if found.is_file() and found.stat().st_size == 0:
        return None, (f"no markers: {found.name} is empty",)
    require_here(found, path)
    if found == named:
        return found, ()
    return found, (f"{found.name} is read for the markers: the header names another file",) if name else ()


def _samples(header: _Header, data: Path) -> tuple[int, SampleReader, tuple[str, ...]]:
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


def _samples_in(header: _Header, data: Path) -> tuple[int, tuple[str, ...]]:
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


def _positions(header: _Header) -> dict[str, tuple[float, float, float]]:
    """``{name: (right, front, up)}`` in metres, from radius, inclination and azimuth in degrees."""
    positions = {}
    for number, channel in enumerate(header.channels, start=1):
        parts = header.coordinates.get(f"ch{number}", "").split(",")
        if len(parts) < 3 or not all(map(_is_number, parts[:3])):
            continue
        radius, theta, phi = map(float, parts[:3])
        if radius == 0:
            continue  # not placed
        metres = _HEAD_RADIUS if radius == 1 else radius / 1000
        inclination, azimuth = math.radians(theta), math.radians(phi)
        positions[channel.name] = (
            metres * math.sin(inclination) * math.cos(azimuth),
            metres * math.sin(inclination) * math.sin(azimuth),
            metres * math.cos(inclination),
        )
    return positions
