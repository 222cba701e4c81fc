"""The header of a BrainVision recording (.vhdr): text with sections, read leniently."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from monai_fusion.errors import InputError, Problem
from monai_fusion.recordings.reading.beside import codepage_of, text_of

_DTYPES = {"INT_16": "<i2", "UINT_16": "<u2", "INT_32": "<i4", "IEEE_FLOAT_32": "<f4"}
_SECTION = re.compile(r"^\s*\[(.+?)\]\s*$")
_HEAD_RADIUS = 0.095  # metres, for positions that are stated as angles only


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel as the header describes it: its numbers times `resolution` are in `unit`."""

    name: str
    reference: str
    resolution: float
    unit: str


@dataclass(frozen=True, slots=True)
class Header:
    """What stands in a header.

    Attributes:
        path: The ``.vhdr``.
        common: Section [Common Infos], keys in lower case, as in the other sections.
        binary: Section [Binary Infos].
        text: Section [ASCII Infos].
        channels: Section [Channel Infos].
        coordinates: Section [Coordinates].
        notes: What is odd about it.
    """

    path: Path
    common: Mapping[str, str]
    binary: Mapping[str, str]
    text: Mapping[str, str]
    channels: tuple[Channel, ...]
    coordinates: Mapping[str, str]
    notes: tuple[str, ...]

    def wrong(self, field: str, seen: str, wanted: str = "", advice: str = "") -> InputError:
        """The error that something about the header is wrong."""
        return InputError(Problem(str(self.path), field, seen, wanted, advice))

    @property
    def sampling_hz(self) -> float:
        """Samples a second."""
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
        """Of the numbers in a binary file."""
        name = self.binary.get("binaryformat", "").upper()
        if name not in _DTYPES:
            raise self.wrong("BinaryFormat", "missing or unknown", " or ".join(_DTYPES))
        return _DTYPES[name]


def read_header(path: Path) -> Header:
    """Read a header.

    Raises:
        InputError: It is none, or does not describe every channel that it counts.
    """
    text = text_of(path, codepage_of(path))
    lines = text.splitlines()
    first = next((line for line in lines if line.strip()), "")
    notes: tuple[str, ...] = ()
    if not re.search(r"brain\s?vision", first, re.IGNORECASE):
        if "[common infos]" not in text.casefold():
            seen = "no header of a BrainVision recording"
            raise InputError(Problem(str(path), seen=seen, wanted="[Common Infos] and [Channel Infos]"))
        notes = ("the header's first line does not say that it is one of BrainVision: read all the same",)
    sections = _sections_of(lines)
    common = sections.get("common infos", {})
    rows = sections.get("channel infos", {})
    header = Header(
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


def _channel(header: Header, key: str, row: str | None) -> Channel:
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
    return Channel(name.replace("\\1", ",") or key, reference.replace("\\1", ","), factor, unit)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _sections_of(lines: list[str]) -> dict[str, dict[str, str]]:
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


def positions_in(header: Header) -> dict[str, tuple[float, float, float]]:
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
