"""FIF recordings, read by MNE."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_fusion.errors import InputError, Problem
from monai_fusion.recordings.reading.events import Event, sorted_out
from monai_fusion.recordings.reading.fif_circles import refuse_circles
from monai_fusion.recordings.reading.kinds import kind_of
from monai_fusion.recordings.reading.spooled import SpooledSamples, new_folder, unpacked
from monai_fusion.recordings.recording import Recording

_VOLTS = 1.0e6  # MNE's data are in volts


@dataclass(frozen=True, slots=True)
class _MneSamples:
    raw: Any

    def __call__(self, channels: Sequence[int], start: int, stop: int) -> NDArray[np.float64]:
        """``[channel, time]`` float64 in volts."""
        if not channels:
            return np.empty((0, stop - start))
        order = np.unique(np.asarray(channels, int))  # MNE reads picks in ascending order
        data = self.raw.get_data(picks=order, start=start, stop=stop, verbose="ERROR")
        return np.asarray(data[np.searchsorted(order, channels)], np.float64)


def read_fif(path: Path) -> Recording:
    """Open a FIF recording, split ones by their first file.

    Raises:
        InputError: It holds something else, such as epochs.
    """
    import mne

    if path.name.lower().endswith(("-epo.fif", "_epo.fif", "-epo.fif.gz", "_epo.fif.gz", "-ave.fif", "_ave.fif")):
        advice = "save the continuous recording: raw.save(...)"
        raise InputError(Problem(str(path), seen="epochs or averages", wanted="a continuous recording", advice=advice))
    folder = new_folder() if path.name.lower().endswith(".gz") else None  # jumping within gzip takes forever
    opened = path if folder is None else unpacked(path, Path(folder.name))
    refuse_circles(path, opened)
    with _warnings_of_mne() as warned:
        raw = mne.io.read_raw_fif(opened, preload=False, allow_maxshield="yes", verbose="WARNING")
    rate = float(raw.info["sfreq"])
    samples = int(raw.n_times)
    files = [] if folder is not None else [Path(each) for each in raw.filenames if each is not None]
    events = [*_annotations(raw, rate), *_stimuli(mne, raw)]
    found = sorted_out(events, samples)
    types = raw.get_channel_types()
    kinds = tuple(kind_of(name, kind) for name, kind in zip(raw.ch_names, types, strict=True))
    positions = {}
    for channel, kind in zip(raw.info["chs"], kinds, strict=True):
        place = np.asarray(channel["loc"][:3], float)
        if kind == "eeg" and np.isfinite(place).all() and np.any(place != 0):
            positions[str(channel["ch_name"])] = (float(place[0]), float(place[1]), float(place[2]))
    is_cut_off = any("invalid tag" in str(each.message).casefold() for each in warned)
    ends = (f"the file ends too early: its first {samples / rate:.1f} s are read; copied as a whole?",)
    projections = any(projection["active"] for projection in raw.info["projs"])
    return Recording(
        path=path,
        files=(path, *(file for file in files if file.name != path.name)),
        format="FIF",
        channels=tuple(raw.ch_names),
        kinds=kinds,
        sampling_hz=rate,
        samples=samples,
        scale=tuple(1.0 if kind in ("stim", "misc") else _VOLTS for kind in kinds),
        positions=positions,
        markers=found.markers,
        breaks=found.breaks,
        bad=found.bad,
        bad_channels=tuple(raw.info["bads"]),
        reference="",
        notes=(
            *(ends if is_cut_off else ()),
            *(("projections have been applied to it before",) if projections else ()),
            *found.notes,
        ),
        read_samples=_MneSamples(raw) if folder is None else SpooledSamples(_MneSamples(raw), folder),
    )


@contextmanager
def _warnings_of_mne() -> Iterator[list[warnings.WarningMessage]]:
    """Collect what MNE warns of; it neither prints it nor writes it to a log."""
    log = logging.getLogger("mne")
    log.addFilter(_nothing)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            yield warned
    finally:
        log.removeFilter(_nothing)


def _nothing(_: logging.LogRecord) -> bool:
    return False


def _annotations(raw: Any, rate: float) -> list[Event]:
    """Annotations on the axis of the file's samples, whose first is sample 0 even of a cropped recording."""
    annotations = raw.annotations
    origin = raw.first_time  # MNE's onsets count from the acquisition's first sample, which a cropped file lacks
    events = []
    for onset, duration, text in zip(annotations.onset, annotations.duration, annotations.description, strict=True):
        start = round((float(onset) - origin) * rate)
        events.append(Event(start, start + max(0, round(float(duration) * rate)), str(text)))
    return events


def _stimuli(mne: Any, raw: Any) -> list[Event]:
    """Triggers of the stimulus channels, if there are no annotations that could say the same."""
    if len(raw.annotations) or "stim" not in raw.get_channel_types():
        return []
    found = mne.find_events(raw, shortest_event=1, initial_event=True, verbose="ERROR")
    return [
        Event(int(at) - int(raw.first_samp), int(at) - int(raw.first_samp), str(int(code))) for at, _, code in found
    ]
