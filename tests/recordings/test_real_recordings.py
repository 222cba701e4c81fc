"""Two real recordings of 128 electrodes (BioSemi, EDF, BIDS), where the package that ships them is installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from monai_fusion.recordings.conditions import find_conditions
from monai_fusion.recordings.electrodes import choose_electrodes
from monai_fusion.recordings.finding import find_recordings
from monai_fusion.recordings.reading import open_recording
from monai_fusion.recordings.segments import cut

_SPEC = find_spec("pylossless")
_ROOT = Path(_SPEC.origin).parent / "assets" / "test_data" if _SPEC is not None and _SPEC.origin else Path("nowhere")

pytestmark = pytest.mark.skipif(not _ROOT.is_dir(), reason="needs pylossless, which ships the recordings")


def test_real_recordings_go_from_the_dataset_to_segments() -> None:
    found = find_recordings([_ROOT], task="faceO")
    assert [each.participant_id for each in found.recordings] == ["sub-s01", "sub-s02"]
    for each in found.recordings:
        recording = open_recording(each.path)
        assert (recording.sampling_hz, len(recording.channels), set(recording.kinds)) == (256, 128, {"eeg"})
        by_label = choose_electrodes(recording, "biosemi128-1020")
        by_place = choose_electrodes(recording, "nearest:lemon17")
        assert by_label.channels == by_place.channels
        np.testing.assert_array_equal(by_label.weights, by_place.weights)
        pieces = cut(recording, find_conditions(recording, condition="rest").spans)
        assert len(pieces.segments) > 90
        assert {span.why for span in pieces.dropped} >= {"BAD_break", "bad_pylossless_ch_sd"}
        first = pieces.segments[0]
        microvolts = by_label.weights @ recording.microvolts(by_label.channels, first.start, first.stop)
        assert microvolts.shape == (17, 2560)
        assert np.all((microvolts.std(axis=1) > 1) & (microvolts.std(axis=1) < 100))
