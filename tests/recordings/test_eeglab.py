"""EEGLAB recordings: samples inside or beside the .set, epochs, joins, several recordings in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mne
import numpy as np
import pytest
from scipy.io import savemat

from monai_fusion.errors import InputError
from monai_fusion.recordings.reading import matlab5, open_recording
from monai_fusion.recordings.recording import Marker
from tests.recordings.raw_files import HZ, NAMES, mne_raw, signal

X = signal(10)


@pytest.fixture(autouse=True, params=["in memory", "on the disk"])
def _where_samples_stay(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it is true of large files as well, whose samples are not taken into memory."""
    if request.param == "on the disk":
        monkeypatch.setattr(matlab5, "_LARGE", 4096)


def _structures(rows: list[dict[str, Any]]) -> np.ndarray:
    """MATLAB's array of structures."""
    kinds = [(key, object) for key in rows[0]]
    return np.array([tuple(row.values()) for row in rows], dtype=kinds)


def _eeg(x: np.ndarray = X, **fields: Any) -> dict[str, Any]:
    locations = _structures(
        [{"labels": name, "type": "", "X": 1.0, "Y": 0.0, "Z": float(n)} for n, name in enumerate(NAMES)]
    )
    eeg = {"nbchan": len(x), "pnts": x.shape[1], "trials": 1, "srate": float(HZ), "xmin": 0.0, "chanlocs": locations}
    return {**eeg, "data": x.astype(np.float32), "ref": "common", **fields}


def _write_set(
    path: Path, eeg: dict[str, Any], fdt: np.ndarray | None = None, nested: bool = True, compressed: bool = False
) -> Path:
    savemat(path, {"EEG": eeg} if nested else eeg, appendmat=False, do_compression=compressed)
    if fdt is not None:
        path.with_suffix(".fdt").write_bytes(fdt.astype("<f4").tobytes(order="F"))
    return path


def _read(path: Path) -> np.ndarray:
    recording = open_recording(path)
    return recording.microvolts(range(len(recording.channels)), 0, recording.samples)


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("beside", [True, False])
def test_samples_may_stand_in_the_set_or_beside_it(nested: bool, beside: bool, tmp_path: Path) -> None:
    eeg = _eeg(data="sub-01.fdt") if beside else _eeg()
    path = _write_set(tmp_path / "sub-01.set", eeg, X if beside else None, nested)
    recording = open_recording(path)
    assert [file.name for file in recording.files] == (["sub-01.set", "sub-01.fdt"] if beside else ["sub-01.set"])
    np.testing.assert_allclose(_read(path), X, atol=1e-4)


def test_what_mne_reads_is_what_is_read_here(tmp_path: Path) -> None:
    path = _write_set(tmp_path / "sub-01.set", _eeg(data="sub-01.fdt"), X, nested=False)
    raw = mne.io.read_raw_eeglab(path, verbose="ERROR")
    np.testing.assert_allclose(_read(path), raw.get_data() * 1e6, atol=1e-9)
    recording = open_recording(path)
    assert list(recording.channels) == raw.ch_names


@pytest.mark.parametrize("stated", ["secret.fdt", "C:\\lab\\secret.fdt"])
def test_a_renamed_pair_is_read(stated: str, tmp_path: Path) -> None:
    path = _write_set(tmp_path / "sub-01.set", _eeg(data=stated), X)
    np.testing.assert_allclose(_read(path), X, atol=1e-4)
    notes = open_recording(path).notes
    assert any("sub-01.fdt is read" in note for note in notes)
    assert not any("secret" in note for note in notes)


def test_a_renamed_copy_never_reads_the_recording_that_it_was_copied_from(tmp_path: Path) -> None:
    _write_set(tmp_path / "sub-01.set", _eeg(data="sub-01.fdt"), X)
    path = _write_set(tmp_path / "sub-02.set", _eeg(data="sub-01.fdt"), -X)
    np.testing.assert_allclose(_read(path), -X, atol=1e-4)
    (tmp_path / "sub-02.fdt").unlink()
    with pytest.raises(InputError, match=r"names sub-01\.fdt, which is the file of sub-01\.set"):
        open_recording(path)


def test_the_third_name_is_that_of_the_field_datfile(tmp_path: Path) -> None:
    path = _write_set(tmp_path / "sub-01.set", _eeg(data="gone.fdt", datfile="kept.fdt"), X)
    (tmp_path / "sub-01.fdt").rename(tmp_path / "kept.fdt")
    np.testing.assert_allclose(_read(path), X, atol=1e-4)


def test_without_samples_the_message_says_what_was_tried(tmp_path: Path) -> None:
    path = _write_set(tmp_path / "sub-01.set", _eeg(data="gone.fdt"))
    with pytest.raises(InputError, match=r"not here: tried the name in the .set and sub-01\.fdt"):
        open_recording(path)


@pytest.mark.parametrize("length", [0, 40, 100_000])
def test_samples_that_are_cut_off_are_refused_with_both_sizes(length: int, tmp_path: Path) -> None:
    path = _write_set(tmp_path / "sub-01.set", _eeg(data="sub-01.fdt"), X)
    fdt = tmp_path / "sub-01.fdt"
    fdt.write_bytes(fdt.read_bytes()[:length])
    wanted = "an empty file" if length == 0 else rf"{length:,} bytes, expected {17 * 2500 * 4:,} bytes"
    with pytest.raises(InputError, match=wanted):
        open_recording(path)


def test_several_recordings_in_a_file_are_refused_and_listed(tmp_path: Path) -> None:
    one = {"nbchan": 17, "pnts": 2500, "srate": 250.0}
    two = {"nbchan": 61, "pnts": 100, "srate": 250.0}
    savemat(tmp_path / "sub-01.set", {"ALLEEG": _structures([one, two])}, appendmat=False)
    with pytest.raises(InputError, match=r"2 recordings, expected one: .*1: 17 channels, 2500 samples, 2: 61 channels"):
        open_recording(tmp_path / "sub-01.set")
    savemat(tmp_path / "sub-02.set", {"EEG": _structures([one, two])}, appendmat=False)
    with pytest.raises(InputError, match="2 recordings"):
        open_recording(tmp_path / "sub-02.set")


@pytest.mark.parametrize("beside", [True, False])
def test_epochs_are_pieces_with_a_break_at_each_edge(beside: bool, tmp_path: Path) -> None:
    epochs = X.reshape(17, 500, 5, order="F")
    eeg = _eeg(X, pnts=500, trials=5, data="sub-01.fdt" if beside else epochs.astype(np.float32))
    path = _write_set(tmp_path / "sub-01.set", eeg, epochs if beside else None)
    recording = open_recording(path)
    assert recording.breaks == (500, 1000, 1500, 2000)
    assert any("5 epochs of 2 s" in note for note in recording.notes)
    np.testing.assert_allclose(_read(path), X, atol=1e-4)


def test_boundaries_are_breaks_and_events_without_a_time_are_counted(tmp_path: Path) -> None:
    events = _structures(
        [
            {"type": "S200", "latency": 101.0, "duration": 1.0},
            {"type": "boundary", "latency": 1000.5, "duration": 400.0},
            {"type": 210.0, "latency": 1201.0, "duration": 0.0},
            {"type": "S210", "latency": np.nan, "duration": 0.0},
            {"type": "boundary", "latency": 2000.5, "duration": np.nan},
            {"type": "boundary", "latency": 0.5, "duration": 20.0},
        ]
    )
    recording = open_recording(_write_set(tmp_path / "sub-01.set", _eeg(event=events)))
    # 1000.5 lies between the samples 1000 and 1001 of MATLAB, of which the second is number 1000 from 0.
    assert recording.breaks == (1000, 2000)
    assert recording.markers == (Marker(100, 0, "S200"), Marker(1200, 0, "210"))
    assert any("1 event left out: no time" in note for note in recording.notes)


def test_boundaries_that_another_program_wrote_are_breaks(tmp_path: Path) -> None:
    raw = mne_raw(X)
    raw.set_annotations(mne.Annotations([4.0, 6.0], [0, 0], ["boundary", "S200"]))
    mne.export.export_raw(tmp_path / "sub-01.set", raw, verbose="ERROR")
    recording = open_recording(tmp_path / "sub-01.set")
    assert recording.breaks == (1000,)
    assert recording.markers == (Marker(1500, 0, "S200"),)


def test_a_single_event_and_a_single_channel_are_read(tmp_path: Path) -> None:
    event = {"type": "S200", "latency": 11.0, "duration": 0.0}
    eeg = _eeg(X[:1], event=event, chanlocs={"labels": "Cz", "type": "EEG"})
    recording = open_recording(_write_set(tmp_path / "sub-01.set", eeg))
    assert recording.channels == ("Cz",)
    assert recording.markers == (Marker(10, 0, "S200"),)


def test_positions_are_right_front_up_in_metres(tmp_path: Path) -> None:
    places = {"Cz": (0.0, 0.0, 90.0), "T7": (0.0, 85.0, 10.0), "Fz": (60.0, 0.0, 60.0)}
    rows = [{"labels": name, "type": "EEG", "X": x, "Y": y, "Z": z} for name, (x, y, z) in places.items()]
    recording = open_recording(_write_set(tmp_path / "sub-01.set", _eeg(X[:3], chanlocs=_structures(rows))))
    assert recording.positions["T7"] == pytest.approx((-0.085, 0.0, 0.01))
    assert recording.positions["Fz"] == pytest.approx((0.0, 0.06, 0.06))


def test_a_channel_of_nothing_but_nan_is_bad(tmp_path: Path) -> None:
    x = X.copy()
    x[3] = np.nan
    assert open_recording(_write_set(tmp_path / "sub-01.set", _eeg(x))).bad_channels == ("F4",)


def test_types_of_channels_are_taken(tmp_path: Path) -> None:
    rows = [{"labels": name, "type": kind} for name, kind in (("Cz", "EEG"), ("X1", "EOG"), ("VEOG", "EEG"))]
    recording = open_recording(_write_set(tmp_path / "sub-01.set", _eeg(X[:3], chanlocs=_structures(rows))))
    assert recording.kinds == ("eeg", "eog", "eog")


def test_without_names_the_channels_have_numbers(tmp_path: Path) -> None:
    recording = open_recording(_write_set(tmp_path / "sub-01.set", _eeg(chanlocs=np.zeros((0, 0)))))
    assert recording.channels[:2] == ("EEG 001", "EEG 002")
    assert any("does not name its channels" in note for note in recording.notes)


def test_given_the_fdt_the_message_names_the_set(tmp_path: Path) -> None:
    _write_set(tmp_path / "sub-01.set", _eeg(data="sub-01.fdt"), X)
    with pytest.raises(InputError, match=r"give sub-01\.set"):
        open_recording(tmp_path / "sub-01.fdt")


def test_a_matlab_file_that_is_no_recording_is_refused(tmp_path: Path) -> None:
    savemat(tmp_path / "sub-01.set", {"something": np.zeros(3)}, appendmat=False)
    with pytest.raises(InputError, match="no EEG in this MATLAB file"):
        open_recording(tmp_path / "sub-01.set")
    (tmp_path / "sub-02.set").write_text("no matlab", encoding="utf-8")
    with pytest.raises(InputError, match="no MATLAB file"):
        open_recording(tmp_path / "sub-02.set")


def test_a_version_of_matlab_files_that_needs_another_package_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pymatreader", None)
    (tmp_path / "sub-01.set").write_bytes(b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(InputError, match=r'7\.3.*pip install "monai-fusion\[eeg\]"'):
        open_recording(tmp_path / "sub-01.set")


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int16])
@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("nested", [True, False])
def test_samples_of_any_type_and_packing_are_read(nested: bool, compressed: bool, kind: type, tmp_path: Path) -> None:
    eeg = _eeg(data=X.astype(kind), comments="x" * 100, etc={"a": np.zeros(3), "data": "no samples"})
    content = {"EEG": eeg, "other": np.zeros((200, 200))} if nested else eeg
    savemat(tmp_path / "sub-01.set", content, appendmat=False, do_compression=compressed)
    np.testing.assert_allclose(_read(tmp_path / "sub-01.set"), X.astype(kind), atol=1e-4)


def test_a_large_file_is_not_taken_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matlab5, "_LARGE", 4096)
    monkeypatch.setattr(matlab5, "_MOST_KEPT", 40_000)
    path = _write_set(tmp_path / "sub-01.set", _eeg(), compressed=True)
    samples = matlab5.read_level5(path, {"EEG", "data"})["EEG"]["data"]
    assert samples.size == X.size
    assert samples.folder is not None
    folder = Path(samples.folder.name)
    assert folder.is_dir()
    assert not folder.is_relative_to(tmp_path)
    del samples
    assert not folder.exists()


@pytest.mark.parametrize("compressed", [False, True])
def test_a_damaged_file_gives_a_sentence_or_a_recording(compressed: bool, tmp_path: Path) -> None:
    """SciPy's reader ends the process on some of them."""
    path = _write_set(tmp_path / "sub-01.set", _eeg(data="sub-01.fdt"), X, compressed=compressed)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(30):
        damaged = np.frombuffer(whole, np.uint8).copy()
        damaged[rng.integers(124, len(damaged), 2)] = rng.integers(0, 256, 2)
        path.write_bytes(damaged.tobytes())
        try:
            assert open_recording(path).samples > 0
        except InputError as error:
            refused += 1
            assert len(str(error).splitlines()) == 1
    assert refused > 2


def test_values_that_are_nested_without_end_are_refused(tmp_path: Path) -> None:
    inside = np.zeros((1, 1), object)
    for _ in range(50):
        outside = np.empty((1, 1), object)
        outside[0, 0] = inside
        inside = outside
    path = _write_set(tmp_path / "sub-01.set", _eeg(event=inside))
    with pytest.raises(InputError, match="nested too deep"):
        open_recording(path)


def test_values_that_are_too_many_to_be_a_description_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matlab5, "_MOST_KEPT", 2**20)
    path = _write_set(tmp_path / "sub-01.set", _eeg(event="x" * 2**20), compressed=True)
    assert path.stat().st_size < 2**18
    with pytest.raises(InputError, match="more than 1 MB beside the samples"):
        open_recording(path)


def test_version_7_3_is_read_where_its_package_is_installed(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    pytest.importorskip("pymatreader")
    path = tmp_path / "sub-01.set"
    with h5py.File(path, "w", userblock_size=512) as file:
        eeg = file.create_group("EEG")
        for key, value in {"nbchan": 17.0, "pnts": 2500.0, "trials": 1.0, "srate": 250.0, "data": X}.items():
            eeg[key] = np.atleast_2d(value).T
            eeg[key].attrs["MATLAB_class"] = np.bytes_("double")
        locations = eeg.create_group("chanlocs")
        references = []
        for number, name in enumerate(NAMES):
            label = file.create_dataset(
                f"#refs#/{number}", data=np.array([[ord(letter)] for letter in name], np.uint16)
            )
            label.attrs["MATLAB_class"] = np.bytes_("char")
            references.append(label.ref)
        locations["labels"] = np.array(references, dtype=h5py.ref_dtype).reshape(-1, 1)
    content = bytearray(path.read_bytes())
    content[:128] = b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM"
    path.write_bytes(bytes(content))
    assert open_recording(path).channels == tuple(NAMES)
    np.testing.assert_allclose(_read(path), X, atol=1e-9)
