"""One signal, written in every format by other programs, is read as the same microvolts of the same electrodes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import mne
import numpy as np
import pytest
from numpy.typing import NDArray

from monai_fusion.recordings.electrodes import choose_electrodes
from monai_fusion.recordings.reading import open_recording
from tests.recordings.raw_files import HZ, NAMES, mne_raw, signal, write_csv, write_edf, write_vhdr

Writer = Callable[[Path, NDArray[np.float64]], Path]


def _fif(folder: Path, x: NDArray[np.float64]) -> Path:
    mne_raw(x).save(folder / "sub-01_eeg.fif", verbose="ERROR")
    return folder / "sub-01_eeg.fif"


def _split_fif(folder: Path, x: NDArray[np.float64]) -> Path:
    raw = mne_raw(np.tile(x, 30))
    raw.save(folder / "sub-01_eeg.fif", split_size="2MB", verbose="ERROR")
    assert len(list(folder.glob("*.fif"))) > 1
    return folder / "sub-01_eeg.fif"


def _set(folder: Path, x: NDArray[np.float64]) -> Path:
    mne.export.export_raw(folder / "sub-01.set", mne_raw(x), verbose="ERROR")
    return folder / "sub-01.set"


def _csv_with_semicolons(folder: Path, x: NDArray[np.float64]) -> Path:
    return write_csv(folder / "sub-01.csv", x, delimiter=";", decimal=",")


def _bdf(folder: Path, x: NDArray[np.float64]) -> Path:
    import edfio

    signals = [
        edfio.BdfSignal(row, HZ, label=name, physical_dimension="uV", physical_range=(-200, 200))
        for name, row in zip(NAMES, x, strict=True)
    ]
    edfio.Bdf(signals).write(folder / "sub-01.bdf")
    return folder / "sub-01.bdf"


WRITERS: dict[str, tuple[Writer, float]] = {
    "BrainVision float32": (lambda folder, x: write_vhdr(folder, "sub-01", x), 1e-4),
    "BrainVision int16": (lambda folder, x: write_vhdr(folder, "sub-01", x, fmt="binary_int16"), 0.1),
    "EDF": (lambda folder, x: write_edf(folder / "sub-01.edf", x), 400 / 65535),
    "BDF": (_bdf, 400 / 2**24),
    "FIF": (_fif, 1e-4),
    "split FIF": (_split_fif, 1e-4),
    "EEGLAB": (_set, 1e-4),
    "CSV": (lambda folder, x: write_csv(folder / "sub-01.csv", x), 1e-12),
    "CSV of a German Excel": (_csv_with_semicolons, 1e-12),
    "TSV": (lambda folder, x: write_csv(folder / "sub-01.tsv", x, delimiter="\t"), 1e-12),
}


@pytest.mark.parametrize("format_", WRITERS)
def test_every_format_gives_the_same_microvolts(format_: str, tmp_path: Path) -> None:
    x = signal(10)
    write, tolerance = WRITERS[format_]
    recording = open_recording(write(tmp_path, x), sampling_hz=HZ if format_.startswith(("CSV", "TSV")) else None)
    electrodes = choose_electrodes(recording, NAMES[::-1])
    read = electrodes.weights @ recording.microvolts(electrodes.channels, 0, x.shape[1])
    assert recording.sampling_hz == HZ
    np.testing.assert_allclose(read, x[::-1], atol=tolerance, rtol=0)


@pytest.mark.parametrize("format_", WRITERS)
def test_a_piece_is_the_same_as_the_whole_cut_there(format_: str, tmp_path: Path) -> None:
    recording = open_recording(WRITERS[format_][0](tmp_path, signal(10)), sampling_hz=HZ)
    whole = recording.microvolts(range(len(NAMES)), 0, recording.samples)
    piece = recording.microvolts([3, 0, 16], 613, 1407)
    np.testing.assert_array_equal(piece, whole[[3, 0, 16], 613:1407])
    assert recording.microvolts([], 10, 20).shape == (0, 10)


@pytest.mark.parametrize(
    ("format_", "reader"),
    [("BrainVision int16", mne.io.read_raw_brainvision), ("EDF", mne.io.read_raw_edf), ("BDF", mne.io.read_raw_bdf)],
)
def test_what_is_read_here_without_mne_is_what_mne_reads(format_: str, reader: Callable, tmp_path: Path) -> None:
    path = WRITERS[format_][0](tmp_path, signal(10))
    recording = open_recording(path)
    raw = reader(path, verbose="ERROR")
    assert list(recording.channels) == raw.ch_names
    ours = recording.microvolts(range(len(NAMES)), 0, recording.samples)
    np.testing.assert_allclose(ours, raw.get_data() * 1e6, rtol=1e-9, atol=1e-9)


def test_nothing_is_written_beside_the_file(tmp_path: Path) -> None:
    for number, (write, _) in enumerate(WRITERS.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = write(folder, signal(10))
        before = {each.name: each.read_bytes() for each in folder.iterdir()}
        recording = open_recording(path, sampling_hz=HZ)
        recording.microvolts([0], 0, 100)
        assert {each.name: each.read_bytes() for each in folder.iterdir()} == before


@pytest.mark.parametrize("format_", WRITERS)
def test_a_path_may_have_any_letters(format_: str, tmp_path: Path) -> None:
    folder = tmp_path / "Grüße 测试"
    folder.mkdir()
    recording = open_recording(WRITERS[format_][0](folder, signal(10)), sampling_hz=HZ)
    assert recording.microvolts([0], 0, 5).shape == (1, 5)
