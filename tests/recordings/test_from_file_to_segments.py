"""The whole way of a recording such as LEMON's: found, opened, its electrodes chosen, its blocks found and cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from monai_fusion.recordings.conditions import find_conditions
from monai_fusion.recordings.electrode_presets import PRESETS
from monai_fusion.recordings.electrodes import choose_electrodes
from monai_fusion.recordings.finding import find_recordings
from monai_fusion.recordings.reading import open_recording
from monai_fusion.recordings.segments import cut
from tests.recordings.raw_files import lemon_events, write_vhdr

HZ = 2500


def test_a_recording_like_lemon_s_becomes_segments_of_both_conditions(tmp_path: Path) -> None:
    names = ["VEOG", *PRESETS["lemon61"].electrodes]
    time = np.arange(85 * HZ) / HZ
    # Each electrode is a constant of its own, and time is in the last digits: what is read can be told apart.
    x = np.arange(62)[:, None] * 10.0 + np.sin(2 * np.pi * 10 * time)[None]
    events = lemon_events(HZ, [(210, 11), (200, 16), (210, 9)], interval=2 * HZ)
    write_vhdr(tmp_path / "RSEEG", "sub-010002", x, names, HZ, events=events, fmt="binary_int16")
    (found,) = find_recordings([tmp_path]).recordings
    recording = open_recording(found.path)
    electrodes = choose_electrodes(recording, "lemon17")
    conditions = find_conditions(recording)
    pieces = cut(recording, conditions.spans)
    assert [(span.start / HZ, span.stop / HZ, span.why) for span in conditions.spans] == [
        (1, 23, "EC"),
        (23, 55, "EO"),
        (55, 73, "EC"),
    ]
    assert [(segment.start / HZ, segment.condition) for segment in pieces.segments] == [
        (1, "EC"), (11, "EC"), (23, "EO"), (33, "EO"), (43, "EO"), (55, "EC"),
    ]  # fmt: skip
    assert [((span.stop - span.start) / HZ, span.why) for span in pieces.dropped] == [
        (2, "incomplete"), (2, "incomplete"), (8, "incomplete"),
    ]  # fmt: skip
    segment = pieces.segments[3]
    microvolts = electrodes.weights @ recording.microvolts(electrodes.channels, segment.start, segment.stop)
    channels = [names.index(name) for name in electrodes.names]
    np.testing.assert_allclose(microvolts, x[channels, segment.start : segment.stop], atol=0.11)
    assert (segment.margin_start, segment.margin_stop) == (0, 85 * HZ)
