"""Two real recordings of 128 electrodes (BioSemi, EDF, BIDS), where the package that ships them is installed."""

from __future__ import annotations

import csv
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from monai_fusion.recordings.conditions import find_conditions
from monai_fusion.recordings.electrodes import choose_electrodes
from monai_fusion.recordings.finding import find_recordings
from monai_fusion.recordings.reading import open_recording
from monai_fusion.recordings.segments import cut
from tests.support import write_datalist

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


@pytest.mark.slow
def test_pieces_of_real_recordings_go_from_raw_files_to_a_trained_and_evaluated_model(tmp_path: Path) -> None:
    """Two persons make no cohort: six pieces of each recording stand for participants, to tell the persons apart."""
    mne = pytest.importorskip("mne")
    raw = tmp_path / "raw"
    raw.mkdir()
    for person, source in (("A", "sub-s01"), ("B", "sub-s02")):
        whole = mne.io.read_raw_edf(_ROOT / source / "eeg" / f"{source}_task-faceO_eeg.edf", verbose="error")
        for number in range(6):
            piece = whole.copy().crop(60 + 45 * number, 104 + 45 * number).load_data(verbose="error")
            mne.export.export_raw(raw / f"sub-{person}{number}_eeg.edf", piece, verbose="error")
    how = ["--condition", "EO", "--electrodes", "biosemi128-1020", "--mode", "power"]
    _run(tmp_path, "scalogram", "raw", *how, "--out", "eeg")
    parts = {"training": range(4), "validation": range(4, 5), "test": range(5, 6)}
    rows = {
        part: [
            {"participant_id": f"sub-{person}{number}", "label": person, "eeg": f"eeg/sub-{person}{number}_EO_seg*.npy"}
            for number in numbers
            for person in "AB"
        ]
        for part, numbers in parts.items()
    }
    write_datalist(tmp_path / "list.json", rows, classes=["A", "B"], target="person")
    _run(tmp_path, "datalist", "check", "list.json")
    tiny = ["--num_epochs", "[1, 1]", "--pretrained", "false", "--device", "cpu", "--num_workers", "0"]
    alone = ["--modalities", "eeg", "--allow_missing", "true"]
    _run(tmp_path, "train", "list.json", *alone, *tiny, "--output_dir", "runs/eeg")
    _run(tmp_path, "evaluate", "list.json", "--device", "cpu", "--output_dir", "runs/eeg")
    with (tmp_path / "runs" / "eeg" / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        predicted = list(csv.DictReader(stream))
    assert {row["participant_id"] for row in predicted} == {"sub-A5", "sub-B5"}
    assert (tmp_path / "runs" / "eeg" / "report.html").is_file()


def _run(folder: Path, *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "monai_fusion", *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
