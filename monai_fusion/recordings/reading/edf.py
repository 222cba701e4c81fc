"""EDF, EDF+ and BDF recordings, header and samples.

They are read here and not by MNE, which upsamples every channel to the fastest one, reads a discontinuous EDF+ as if it
had no gaps, and refuses files because of fields that are not needed. The fields about the patient are skipped.
"""

from __future__ import annotations

import io
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monai_fusion.errors import InputError, Problem
from monai_fusion.opening import open_regular, read_fully
from monai_fusion.recordings.electrode_names import known_electrode
from monai_fusion.recordings.reading.edf_annotations import annotated, status_events
from monai_fusion.recordings.reading.events import sorted_out
from monai_fusion.recordings.reading.kinds import kind_of
from monai_fusion.recordings.reading.units import is_stated, microvolts_in
from monai_fusion.recordings.recording import Recording
from monai_fusion.wording import a_few, counted

_PIECE = 8 * 2**20  # bytes that are read at once
_FIXED = 256  # bytes of the header's first part, and of each channel's part
_FIELDS = (
    16,
    80,
    8,
    8,
    8,
    8,
    8,
    80,
    8,
    32,
)  # label, transducer, unit, 2 physical, 2 digital, filters, samples, reserved
_NUMBER = re.compile(r"[-+]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][-+]?\d+)?")
_ANNOTATIONS = re.compile(r"^[EB]DF\s*Annotations?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Channel:
    """One signal of the file.

    Attributes:
        label: Its name.
        unit: Of its physical values.
        gain: Physical value of one digital step; 0 for a channel whose range is empty.
        offset: Physical value of the digital 0.
        samples: In each record.
        begins: Where its samples begin in a record, in samples of all channels.
    """

    label: str
    unit: str
    gain: float
    offset: float
    samples: int
    begins: int


@dataclass(frozen=True, slots=True)
class Header:
    """What the reader needs of a file's header.

    Attributes:
        path: The file.
        is_bdf: Samples have 24 bits instead of 16.
        kind: ``EDF+D`` and the like, or nothing.
        data_begins: Bytes of the header.
        records: Whole records that the file holds.
        record_s: Seconds of a record.
        channels: All signals, annotations included.
        notes: What is odd about it.
    """

    path: Path
    is_bdf: bool
    kind: str
    data_begins: int
    records: int
    record_s: float
    channels: tuple[Channel, ...]
    notes: tuple[str, ...]

    @property
    def width(self) -> int:
        """Bytes of a sample."""
        return 3 if self.is_bdf else 2

    @property
    def record_bytes(self) -> int:
        """Bytes of a record."""
        return self.width * sum(channel.samples for channel in self.channels)


@dataclass(frozen=True, slots=True)
class EdfSamples:
    """Reads channels of one rate; see `SampleReader`."""

    path: Path
    is_bdf: bool
    data_begins: int
    record_bytes: int
    channels: tuple[Channel, ...]

    def __call__(self, channels: Sequence[int], start: int, stop: int) -> NDArray[np.float64]:
        """``[channel, time]`` float64 in each channel's physical unit."""
        picked = [self.channels[channel] for channel in channels]
        out = np.empty((len(picked), stop - start))
        if not picked or stop <= start:
            return out
        each = picked[0].samples
        step = max(1, _PIECE // self.record_bytes)
        first, last = start // each, -(-stop // each)
        with open_regular(self.path) as stream:
            if self.record_bytes > _PIECE:  # a record may be as long as the recording
                for row, channel in enumerate(picked):
                    out[row] = self._of_long_records(stream, channel, start, stop)
                first = last
            for at in range(first, last, step):
                count = min(step, last - at)
                records = self._records(stream, at, count)
                begin, end = max(start, at * each), min(stop, (at + count) * each)
                for row, channel in enumerate(picked):
                    values = self._digital(records, channel)[begin - at * each : end - at * each]
                    out[row, begin - start : end - start] = values
        for row, channel in enumerate(picked):
            out[row] = out[row] * channel.gain + channel.offset
        return out

    def _of_long_records(self, stream: io.FileIO, channel: Channel, start: int, stop: int) -> NDArray[np.integer]:
        """The numbers ``[start, stop)`` of one channel, without what lies between them in the file."""
        width = 3 if self.is_bdf else 2
        pieces = []
        while start < stop:
            record, within = divmod(start, channel.samples)
            count = min(stop - start, channel.samples - within)
            stream.seek(self.data_begins + record * self.record_bytes + (channel.begins + within) * width)
            content = read_fully(stream, count * width)
            if len(content) != count * width:
                raise OSError(f"{self.path.name} has become shorter")
            pieces.append(_numbers(content, self.is_bdf))
            start += count
        return np.concatenate(pieces)

    def digital(self, channel: Channel, record: int, count: int) -> NDArray[np.integer]:
        """The numbers of one channel, whatever its rate, in some records, as they are stored."""
        with open_regular(self.path) as stream:
            if self.record_bytes > _PIECE:
                each = channel.samples
                return self._of_long_records(stream, channel, record * each, (record + count) * each)
            return self._digital(self._records(stream, record, count), channel)

    def content(self, channel: Channel, records: int) -> list[bytes]:
        """The bytes of one channel in each record: the annotations are text."""
        width = 3 if self.is_bdf else 2
        with open_regular(self.path) as stream:
            found = []
            for record in range(records):
                stream.seek(self.data_begins + record * self.record_bytes + channel.begins * width)
                found.append(stream.read(channel.samples * width) or b"")
        return found

    def _records(self, stream: io.FileIO, record: int, count: int) -> NDArray[np.uint8]:
        stream.seek(self.data_begins + record * self.record_bytes)
        content = read_fully(stream, count * self.record_bytes)
        if len(content) != count * self.record_bytes:
            raise OSError(f"{self.path.name} has become shorter")
        return content.reshape(count, self.record_bytes)

    def _digital(self, records: NDArray[np.uint8], channel: Channel) -> NDArray[np.integer]:
        width = 3 if self.is_bdf else 2
        begin = channel.begins * width
        return _numbers(records[:, begin : begin + channel.samples * width], self.is_bdf)


def _numbers(content: NDArray[np.uint8], is_bdf: bool) -> NDArray[np.integer]:
    """Bytes as numbers of 16 bits, or of 24."""
    content = np.ascontiguousarray(content)
    if not is_bdf:
        return content.view("<i2").reshape(-1)
    three = content.reshape(-1, 3)
    high = three[:, 2].view(np.int8).astype(np.int32)
    return high << 16 | three[:, 1].astype(np.int32) << 8 | three[:, 0]


def read_edf(path: Path) -> Recording:
    """Open an EDF, EDF+ or BDF recording.

    Raises:
        InputError: It is none, or its EEG channels have several sampling rates.
    """
    header = read_header(path)
    signals = [each for each in header.channels if each.samples > 0 and not _ANNOTATIONS.match(each.label)]
    annotations = [channel for channel in header.channels if _ANNOTATIONS.match(channel.label)]
    kept, left = _of_one_rate(header, signals)
    each = kept[0].samples
    rate = each / header.record_s
    samples = EdfSamples(path, header.is_bdf, header.data_begins, header.record_bytes, tuple(kept))
    kinds = [_kind(channel) for channel in kept]
    timeline = annotated(
        [samples.content(channel, header.records) for channel in annotations], each, rate, header.record_s
    )
    status = next((channel for channel in signals if header.is_bdf and kind_of(channel.label) == "stim"), None)
    triggers = status_events(samples, status, header.records, each) if status is not None else []
    found = sorted_out(
        [*timeline.events, *triggers], header.records * each, timeline.breaks, unreadable=timeline.unreadable
    )
    flat = [channel.label for channel in kept if channel.gain == 0]
    return Recording(
        path=path,
        files=(path,),
        format="BDF" if header.is_bdf else "EDF",
        channels=tuple(channel.label for channel in kept),
        kinds=tuple(kinds),
        sampling_hz=rate,
        samples=header.records * each,
        scale=tuple(microvolts_in(channel.unit) or 1.0 for channel in kept),
        positions={},
        markers=found.markers,
        breaks=found.breaks,
        bad=found.bad,
        bad_channels=tuple(flat),
        reference="",
        notes=(*header.notes, *_about(kept, kinds, left, flat, len(timeline.breaks)), *found.notes),
        read_samples=samples,
    )


def _kind(channel: Channel) -> str:
    kind = kind_of(channel.label)
    return "misc" if kind == "eeg" and microvolts_in(channel.unit) is None else kind


def _about(
    kept: Sequence[Channel], kinds: Sequence[str], left: Sequence[Channel], flat: Sequence[str], gaps: int
) -> list[str]:
    notes = []
    if left:
        notes.append(f"left out, sampled at another rate: {a_few((channel.label for channel in left), 6)}")
    if gaps:
        notes.append(f"{counted(gaps, 'gap')} between records: no segment spans one")
    if flat:
        notes.append(f"flat, the header gives it no range of values: {a_few(flat, 6)}")
    unsaid = [
        channel.label
        for channel, kind in zip(kept, kinds, strict=True)
        if kind == "eeg" and not is_stated(channel.unit)
    ]
    if unsaid:
        notes.append(f"the file does not state a readable unit, taken as microvolts: {a_few(unsaid, 6)}")
    return notes


def _of_one_rate(header: Header, signals: Sequence[Channel]) -> tuple[list[Channel], list[Channel]]:
    """The channels that have the EEG's rate, and the others.

    What has an electrode's name decides; without any, what most of the channels have that are not known to be others.
    """
    if not signals:
        raise InputError(Problem(str(header.path), seen="no channel but annotations", wanted="EEG"))
    eeg = [channel for channel in signals if _kind(channel) == "eeg"]
    electrodes = [channel for channel in eeg if known_electrode(channel.label)]
    deciding = electrodes or eeg or list(signals)
    rates = Counter(channel.samples for channel in deciding)
    most, count = rates.most_common(1)[0]
    if len(rates) > 1 and (electrodes or 2 * count <= len(deciding)):
        seen = ", ".join(
            f"{samples / header.record_s:g} Hz ({a_few([each.label for each in deciding if each.samples == samples])})"
            for samples in sorted(rates, reverse=True)
        )
        raise InputError(Problem(str(header.path), "sampling rates", seen, "one for all EEG channels"))
    kept = [channel for channel in signals if channel.samples == most]
    return kept, [channel for channel in signals if channel.samples != most]


def read_header(path: Path) -> Header:
    """Read what is needed of the header; what it says of the patient and the day is not looked at.

    Raises:
        InputError: It is no EDF or BDF header.
    """
    size = path.stat().st_size
    with open_regular(path) as stream:
        fixed = stream.read(_FIXED) or b""
        count = int(_number(fixed[252:256]) or 0)
        is_bdf = fixed[:1] == b"\xff"
        if len(fixed) < _FIXED or not 0 < count < 10_000 or not (is_bdf or fixed[:8].strip(b" \0") == b"0"):
            raise InputError(Problem(str(path), seen="no EDF or BDF header", advice="is it the right file?"))
        rest = stream.read(_FIXED * count) or b""
    if len(rest) < _FIXED * count:
        raise InputError(Problem(str(path), seen=f"{size:,} bytes: it ends within the header"))
    channels = _channels(path, rest, count)
    record_bytes = (3 if is_bdf else 2) * sum(channel.samples for channel in channels)
    if not record_bytes:
        raise InputError(Problem(str(path), seen="no channel has samples"))
    record_s = _number(fixed[244:252]) or 0.0
    begins = int(_number(fixed[184:192]) or 0)
    notes = []
    if begins != _FIXED * (count + 1):
        notes.append("the header states a wrong length of itself")
        begins = _FIXED * (count + 1)
    if not record_s > 0:
        wanted = "seconds"
        raise InputError(Problem(str(path), "duration of a record", f"{record_s:g}", wanted, "is it one of EDF?"))
    records, over = divmod(size - begins, record_bytes)
    stated = int(_number(fixed[236:244]) or 0)
    if records < 1:
        raise InputError(Problem(str(path), seen=f"{size:,} bytes", wanted=f"at least {begins + record_bytes:,} bytes"))
    if stated == -1:
        notes.append(f"the header does not state how many records there are: the file holds {records} whole ones")
    elif stated != records:
        notes.append(
            f"the header states {counted(stated, 'record')}, the file holds {records} whole ones: those are read"
        )
    elif over:
        notes.append(f"{over:,} bytes behind the last whole record are not read")
    kind = fixed[192:236].decode("latin-1").strip("\0 ")[:5]
    return Header(path, is_bdf, kind, begins, records, record_s, channels, tuple(notes))


def _channels(path: Path, rest: bytes, count: int) -> tuple[Channel, ...]:
    columns = []
    at = 0
    for width in _FIELDS:
        columns.append([rest[at + number * width : at + (number + 1) * width] for number in range(count)])
        at += width * count
    labels, _, units, low, high, digital_low, digital_high, _, samples, _ = columns
    channels = []
    begins = 0
    for number in range(count):
        label = _text(labels[number])
        each = int(_number(samples[number]) or 0)
        limits = [_number(column[number]) for column in (low, high, digital_low, digital_high)]
        if each < 0 or _number(samples[number]) is None:
            raise InputError(Problem(str(path), f"channel {number + 1}", "no number of samples in a record"))
        gain, offset = _scaling(limits)
        channels.append(Channel(label, _text(units[number]), gain, offset, each, begins))
        begins += each
    return tuple(channels)


def _scaling(limits: Sequence[float | None]) -> tuple[float, float]:
    """Gain and offset of physical values; no gain where the range is empty or missing."""
    low, high, digital_low, digital_high = limits
    if low is None or high is None or digital_low is None or digital_high is None or digital_low == digital_high:
        return 0.0, 0.0
    if low == high:
        return 0.0, low
    gain = (high - low) / (digital_high - digital_low)
    return gain, low - gain * digital_low


def _text(field: bytes) -> str:
    """A field's text: ASCII by the format; files in use hold UTF-8 or Latin-1."""
    field = field.split(b"\0")[0]
    try:
        return field.decode("utf-8").strip()
    except UnicodeDecodeError:
        return field.decode("latin-1").strip()


def _number(field: bytes) -> float | None:
    found = _NUMBER.match(field.decode("latin-1").strip("\0 "))
    value = float(found[0].replace(",", ".")) if found else math.nan
    return value if math.isfinite(value) else None
