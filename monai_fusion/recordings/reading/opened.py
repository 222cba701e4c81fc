"""Opens a raw recording, whatever its format: the one place where a library's error becomes a sentence."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from monai_fusion.errors import InputError, Problem, RunFailed
from monai_fusion.reading import reason_of
from monai_fusion.recordings.reading.beside import require_here
from monai_fusion.recordings.reading.bids_neighbours import with_neighbours
from monai_fusion.recordings.reading.brainvision import read_brainvision
from monai_fusion.recordings.reading.edf import read_edf
from monai_fusion.recordings.reading.eeglab import read_eeglab
from monai_fusion.recordings.reading.fif import read_fif
from monai_fusion.recordings.reading.flat_channels import constant_channels
from monai_fusion.recordings.reading.other_files import refusal
from monai_fusion.recordings.reading.table import read_table
from monai_fusion.recordings.reading.units import named_unit
from monai_fusion.recordings.recording import Recording, SampleReader
from monai_fusion.spelling import nfc
from monai_fusion.wording import a_few, counted, cut, did_you_mean

_READERS: dict[str, tuple[str, Callable[[Path], Recording]]] = {
    ".vhdr": ("BrainVision", read_brainvision),
    ".set": ("EEGLAB", read_eeglab),
    ".edf": ("EDF", read_edf),
    ".bdf": ("BDF", read_edf),
    ".fif": ("FIF", read_fif),
    ".fif.gz": ("FIF", read_fif),
}
TABLE_ENDINGS = (".csv", ".tsv", ".txt")
ENDINGS = (*_READERS, *TABLE_ENDINGS)
"""Endings of the files that can be opened, in lower case."""

_Found = TypeVar("_Found")
_QUOTED = re.compile(r"""(['"]).*?\1""")
_LEAST_HZ, _MOST_HZ = 1.0, 1e6
_WITHOUT_VOLTS = frozenset({"stim", "misc"})


def open_recording(
    path: Path,
    *,
    sampling_hz: float | None = None,
    unit: str | None = None,
    channel_map: Mapping[str, str] | None = None,
) -> Recording:
    """Open a raw recording; its samples are read later, piece by piece.

    Nothing is written, neither beside the file nor into it. Fields about a person are not kept.

    Args:
        path: A ``.vhdr``, ``.set``, ``.edf``, ``.bdf``, ``.fif``, ``.fif.gz``, or a table of samples (``.csv``,
            ``.tsv``).
        sampling_hz: Of a table that has no column of times.
        unit: What the samples are in, ``uV``, ``mV``, ``V`` or ``nV``, in place of what the file says.
        channel_map: Electrode names by the names that the file has.

    Raises:
        InputError: It cannot be opened; the reason is a sentence.
    """
    path = Path(path)
    name = path.name.lower()
    ending = next((each for each in sorted(ENDINGS, key=len, reverse=True) if name.endswith(each)), None)
    if (wrong := refusal(path, ending)) is not None:
        raise InputError(wrong)
    require_here(path)
    if ending is None:
        seen = f"the ending {path.suffix or 'is missing'}".replace("the ending is", "an ending that is")
        raise InputError(Problem(str(path), seen=seen, wanted=f"one of {' '.join(ENDINGS)}"))
    if ending in TABLE_ENDINGS:
        recording = _guarded(path, "table", lambda: read_table(path, sampling_hz))
    else:
        kind, reader = _READERS[ending]
        recording = _guarded(path, kind, lambda: reader(path))
    recording = _guarded(path, recording.format, lambda: with_neighbours(recording))
    return _finished(recording, unit, channel_map or {})


def _finished(recording: Recording, unit: str | None, channel_map: Mapping[str, str]) -> Recording:
    _refuse_rate(recording)
    recording = replace(recording, read_samples=_GuardedSamples(recording.path, recording.read_samples))
    if channel_map:
        recording = _renamed(recording, channel_map)
    if unit is not None:
        factor = named_unit(unit)
        scale = [
            old if kind in _WITHOUT_VOLTS else factor
            for old, kind in zip(recording.scale, recording.kinds, strict=True)
        ]
        recording = replace(recording, scale=tuple(scale))
    if recording.samples < 1:
        raise InputError(Problem(str(recording.path), seen="no samples"))
    flat = [name for name in constant_channels(recording) if name not in recording.bad_channels]
    if flat:
        note = f"flat, the same value throughout: {a_few(flat, 6)}"
        recording = replace(recording, bad_channels=(*recording.bad_channels, *flat), notes=(*recording.notes, note))
    return recording


def _refuse_rate(recording: Recording) -> None:
    """Refuse a sampling rate that is none of an EEG: endless, or stated in another unit (kHz, s in place of us)."""
    if not _LEAST_HZ <= recording.sampling_hz <= _MOST_HZ:
        seen, wanted = f"{recording.sampling_hz:g} Hz", f"{_LEAST_HZ:g} to {_MOST_HZ:,.0f} Hz"
        advice = "does the file state it in another unit?"
        raise InputError(Problem(str(recording.path), "sampling rate", seen, wanted, advice))


def _renamed(recording: Recording, channel_map: Mapping[str, str]) -> Recording:
    """The recording with channels named as the user says.

    Raises:
        InputError: No channel, or not one of those that the map names, is there.
    """
    names = {nfc(name).strip(): new.strip() for name, new in channel_map.items()}
    here = {nfc(name).strip() for name in recording.channels}
    missing = [name for name in names if name not in here]
    if len(missing) == len(names):
        advice = f"the recording has {a_few(recording.channels, 6)}; {did_you_mean(missing[0], recording.channels)}"
        raise InputError(Problem(str(recording.path), "--channel-map", "names none of its channels", advice=advice))

    def renamed(channel: str) -> str:
        return names.get(nfc(channel).strip(), channel)

    notes = recording.notes
    if missing:
        notes = (*notes, f"{counted(len(missing), 'name')} of the channel map not in this recording: {a_few(missing)}")
    return replace(
        recording,
        channels=tuple(map(renamed, recording.channels)),
        positions={renamed(channel): place for channel, place in recording.positions.items()},
        bad_channels=tuple(map(renamed, recording.bad_channels)),
        reference=renamed(recording.reference),
        notes=notes,
    )


@dataclass(frozen=True, slots=True)
class _GuardedSamples:
    """Reads samples, and says in a sentence why that does not succeed."""

    path: Path
    read: SampleReader

    def __call__(self, channels: Sequence[int], start: int, stop: int) -> NDArray[np.float64]:
        return _guarded(self.path, "", lambda: self.read(channels, start, stop))


def _guarded(path: Path, kind: str, action: Callable[[], _Found]) -> _Found:
    """Do it; whatever a reader fails with becomes one sentence. Nothing is printed meanwhile.

    Raises:
        InputError: It did not succeed.
        RunFailed: The disk of the temporary folder is full.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return action()
    except (InputError, RunFailed, MemoryError):
        raise
    except ImportError as error:
        advice = 'pip install "monai-fusion[eeg]"'
        raise InputError(Problem(str(path), seen=f"needs {error.name or 'MNE'}", advice=advice)) from error
    except OSError as error:
        raise InputError(Problem(str(path), seen=f"cannot be read: {reason_of(error)}")) from error
    except Exception as error:  # what a damaged file does to a parser cannot be listed
        seen = f"cannot be read{f' as {kind}' if kind else ''}"
        text = _QUOTED.sub("...", str(error)).strip()  # what is quoted there may be a person's name
        reason = cut(text.splitlines()[0], 120) if text.strip(".") else type(error).__name__
        raise InputError(Problem(str(path), seen=seen, advice=f"damaged? ({reason})")) from error
