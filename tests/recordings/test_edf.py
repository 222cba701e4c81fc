"""EDF, EDF+ and BDF as they lie in archives: several rates, gaps, wrong counts, units that nobody filled in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import edfio
import numpy as np
import pytest

from monai_fusion.errors import InputError
from monai_fusion.recordings.reading import edf, open_recording
from monai_fusion.recordings.recording import Marker
from tests.recordings.raw_files import HZ, NAMES, signal, write_edf

X = signal(10)
STEP = 400 / 65535


def _signal(name: str, values: np.ndarray, hz: float, unit: str = "uV") -> edfio.EdfSignal:
    return edfio.EdfSignal(values, hz, label=name, physical_dimension=unit, physical_range=(-200, 200))


def _write(path: Path, signals: Sequence[edfio.EdfSignal], **how: object) -> Path:
    edfio.Edf(signals, **how).write(path)  # type: ignore[arg-type]
    return path


def _field(path: Path, at: int, text: str | bytes, width: int) -> None:
    """Write a field of the header."""
    content = bytearray(path.read_bytes())
    raw = text.encode("ascii") if isinstance(text, str) else text
    content[at : at + width] = raw.ljust(width)
    path.write_bytes(bytes(content))


def _channel_field(path: Path, channel: int, before: int, text: str | bytes, width: int) -> None:
    """Write a field of one channel; `before` is the width of all fields before it."""
    count = int(path.read_bytes()[252:256])
    _field(path, 256 + before * count + channel * width, text, width)


def _with_records_at(path: Path, onsets: Sequence[float]) -> Path:
    """Say that the records began at those seconds, as a discontinuous EDF+ does."""
    content = bytearray(path.read_bytes())
    count = int(content[252:256])
    labels = [content[256 + 16 * n : 272 + 16 * n].strip() for n in range(count)]
    widths = [2 * int(content[256 + 216 * count + 8 * n : 264 + 216 * count + 8 * n]) for n in range(count)]
    channel = labels.index(b"EDF Annotations")
    for number, onset in enumerate(onsets):
        at = 256 * (count + 1) + number * sum(widths) + sum(widths[:channel])
        first, _, rest = bytes(content[at : at + widths[channel]]).partition(b"\x14\x14")
        assert float(first) == number
        new = f"+{onset:g}".encode() + b"\x14\x14" + rest.rstrip(b"\0")
        content[at : at + widths[channel]] = new.ljust(widths[channel], b"\0")
        assert len(new) < widths[channel]
    path.write_bytes(bytes(content))
    _field(path, 192, "EDF+D", 44)
    return path


def test_the_eeg_s_rate_is_taken_and_other_channels_are_left_out(tmp_path: Path) -> None:
    ecg = signal(10, 1, 1000)[0]
    signals = [
        *(_signal(f"EEG {name}", row, HZ) for name, row in zip(NAMES, X, strict=True)),
        _signal("ECG", ecg, 1000),
    ]
    recording = open_recording(_write(tmp_path / "sub-01.edf", signals))
    assert recording.sampling_hz == HZ
    assert recording.samples == X.shape[1]
    assert recording.channels == tuple(f"EEG {name}" for name in NAMES)
    assert any("another rate: ECG" in note for note in recording.notes)
    np.testing.assert_allclose(recording.microvolts(range(17), 0, 2500), X, atol=STEP)


def test_eeg_channels_of_two_rates_are_refused_by_name(tmp_path: Path) -> None:
    signals = [_signal(name, row, HZ) for name, row in zip(NAMES[:-1], X[:-1], strict=True)]
    signals.append(_signal("O2", signal(10, 1, 500)[0], 500))
    with pytest.raises(InputError, match=r"sampling rates: 500 Hz \(O2\), 250 Hz \(F7, F3, Fz and 13 more\)"):
        open_recording(_write(tmp_path / "sub-01.edf", signals))


def test_a_discontinuous_edf_has_breaks_at_its_gaps_and_annotations_at_their_samples(tmp_path: Path) -> None:
    annotations = [
        edfio.EdfAnnotation(each, None, text)
        for each, text in ((1.5, "one"), (6.25, "two"), (3.25, "gap"), (0, "x" * 20))
    ]
    path = write_edf(tmp_path / "sub-01.edf", X, annotations=annotations)
    content = path.read_bytes().replace(b"+6.25\x14two", b"+9.25\x14two")
    content = content.replace(b"+3.25\x14gap", b"+5.75\x14gap")
    path.write_bytes(content)
    _with_records_at(path, [0, 1, 2, 3, 4, 7, 8, 9, 10, 11])
    recording = open_recording(path)
    assert recording.breaks == (5 * HZ,)
    assert recording.samples == 10 * HZ
    # 9.25 s of the clock lie in the record that began at 9 s, the eighth.
    assert recording.markers[1:] == (
        Marker(375, 0, "one"),
        Marker(5 * HZ, 0, "gap"),  # the first sample behind the gap
        Marker(7 * HZ + 62, 0, "two"),
    )
    assert any("1 gap" in note for note in recording.notes)


def test_records_whose_times_are_only_rounded_have_no_gap(tmp_path: Path) -> None:
    path = write_edf(tmp_path / "sub-01.edf", X, annotations=[edfio.EdfAnnotation(0, None, "x" * 20)])
    _with_records_at(path, [0, 1.001, 2, 2.999, 4, 5, 6, 7, 8, 9])
    assert open_recording(path).breaks == ()


@pytest.mark.parametrize("stated", ["-1", "12", "3"])
def test_a_wrong_count_of_records_does_not_matter(stated: str, tmp_path: Path) -> None:
    path = write_edf(tmp_path / "sub-01.edf", X)
    _field(path, 236, stated, 8)
    recording = open_recording(path)
    assert recording.samples == X.shape[1]
    assert any("10 whole ones" in note for note in recording.notes)


@pytest.mark.parametrize("seconds", [1, 10])
@pytest.mark.parametrize("ending", [".edf", ".bdf"])
def test_records_may_be_as_long_as_the_recording(
    ending: str, seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, signal_of = (edfio.Bdf, edfio.BdfSignal) if ending == ".bdf" else (edfio.Edf, edfio.EdfSignal)
    signals = [signal_of(row, HZ, label=name, physical_range=(-200, 200)) for name, row in zip(NAMES, X, strict=True)]
    path = tmp_path / f"sub-01{ending}"
    made(signals, data_record_duration=seconds).write(path)
    ordinary = open_recording(path).microvolts([3, 16], 333, 2222)
    np.testing.assert_allclose(ordinary, X[[3, 16], 333:2222], atol=STEP)
    monkeypatch.setattr(edf, "_PIECE", 1000)
    np.testing.assert_array_equal(open_recording(path).microvolts([3, 16], 333, 2222), ordinary)


def test_a_file_that_was_cut_off_is_read_to_its_last_whole_record(tmp_path: Path) -> None:
    path = write_edf(tmp_path / "sub-01.edf", X)
    path.write_bytes(path.read_bytes()[:-100])
    recording = open_recording(path)
    assert recording.samples == 9 * HZ
    np.testing.assert_allclose(recording.microvolts(range(17), 0, 9 * HZ), X[:, : 9 * HZ], atol=STEP)


@pytest.mark.parametrize(
    ("unit", "factor"),
    [(b"uV", 1), (b"\xb5V", 1), (b"\xc2\xb5V", 1), (b"\xce\xbcV", 1), (b".V", 1), (b"", 1), (b"mV", 1e3), (b"V", 1e6)],
)
def test_units_become_microvolts(unit: bytes, factor: float, tmp_path: Path) -> None:
    path = write_edf(tmp_path / "sub-01.edf", X)
    for channel in range(len(NAMES)):
        _channel_field(path, channel, 96, unit, 8)
    recording = open_recording(path)
    np.testing.assert_allclose(recording.microvolts([0], 0, 2500), factor * X[:1], atol=factor * STEP)
    assert any("readable unit" in note for note in recording.notes) == (unit in (b".V", b""))
    named = open_recording(path, unit="mV")
    np.testing.assert_allclose(named.microvolts([0], 0, 2500), 1e3 * X[:1], atol=1e3 * STEP)


def test_a_channel_whose_range_is_empty_is_bad_and_the_others_are_read(tmp_path: Path) -> None:
    path = write_edf(tmp_path / "sub-01.edf", X)
    _channel_field(path, 2, 104, "5", 8)
    _channel_field(path, 2, 112, "5", 8)
    recording = open_recording(path)
    assert recording.bad_channels == ("Fz",)
    assert any("no range of values: Fz" in note for note in recording.notes)
    np.testing.assert_allclose(recording.microvolts([1, 3], 0, 2500), X[[1, 3]], atol=STEP)


def test_a_constant_channel_is_bad(tmp_path: Path) -> None:
    x = X.copy()
    x[4] = 3.0
    x[5] = 3.0
    x[5, 1234] = 4.0  # one sample is enough: it is not flat
    recording = open_recording(write_edf(tmp_path / "sub-01.edf", x))
    assert recording.bad_channels == ("F8",)


def test_what_the_header_says_of_the_patient_and_the_day_is_neither_needed_nor_kept(tmp_path: Path) -> None:
    path = write_edf(tmp_path / "sub-01.edf", X)
    _field(path, 8, "Jörg Geheim 31-FEB-1960".encode("latin-1"), 80)
    _field(path, 168, "99.99.99", 8)
    _field(path, 176, "aa.bb.cc", 8)
    recording = open_recording(path)
    assert "Geheim" not in repr(recording)
    np.testing.assert_allclose(recording.microvolts(range(17), 0, 2500), X, atol=STEP)


def test_annotations_outside_the_recording_are_clamped_and_counted(tmp_path: Path) -> None:
    annotations = [
        edfio.EdfAnnotation(8, 10, "long"),
        edfio.EdfAnnotation(20, None, "after"),
        edfio.EdfAnnotation(2, None, "in"),
        edfio.EdfAnnotation(3, 1, "BAD_blink"),
    ]
    recording = open_recording(write_edf(tmp_path / "sub-01.edf", X, annotations=annotations))
    assert recording.markers == (Marker(500, 0, "in"), Marker(2000, 500, "long"))
    assert [(span.start, span.stop, span.why) for span in recording.bad] == [(750, 1000, "BAD_blink")]
    assert any("1 event left out: outside" in note for note in recording.notes)
    assert any("1 event cut" in note for note in recording.notes)


def test_triggers_of_a_bdf_are_markers(tmp_path: Path) -> None:
    status = np.full(2500, 65280)
    status[500:510] = 200
    status[1000:1005] = 210
    signals = [
        edfio.BdfSignal(row, HZ, label=name, physical_dimension="uV", physical_range=(-200, 200))
        for name, row in zip(NAMES, X, strict=True)
    ]
    signals.append(
        edfio.BdfSignal(
            status.astype(float),
            HZ,
            label="Status",
            physical_range=(-8388608, 8388607),
            digital_range=(-8388608, 8388607),
        )
    )
    path = tmp_path / "sub-01.bdf"
    edfio.Bdf(signals).write(path)
    recording = open_recording(path)
    assert recording.markers == (Marker(500, 0, "200"), Marker(1000, 0, "210"))
    assert recording.kinds[-1] == "stim"
    assert recording.scale == (1.0,) * 18
    assert open_recording(path, unit="mV").scale == (1000.0,) * 17 + (1.0,)
    assert recording.format == "BDF"


def test_a_file_that_is_no_edf_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sub-01.edf"
    path.write_bytes(b"RIFF" + bytes(range(256)) * 8)
    with pytest.raises(InputError, match="no EDF or BDF header"):
        open_recording(path)
    whole = write_edf(tmp_path / "sub-02.edf", X).read_bytes()
    path.write_bytes(whole[:1000])
    with pytest.raises(InputError, match="it ends within the header"):
        open_recording(path)
    path.write_bytes(whole[: 256 * 18 + 100])
    with pytest.raises(InputError, match="expected at least"):
        open_recording(path)


@pytest.mark.parametrize("share", range(0, 256, 8))
def test_a_damaged_header_gives_a_sentence_or_a_recording(share: int, tmp_path: Path) -> None:
    content = bytearray(write_edf(tmp_path / "sub-01.edf", X).read_bytes())
    content[share : share + 8] = b"\xff\x00#9-.e\x14"
    path = tmp_path / "sub-02.edf"
    path.write_bytes(bytes(content))
    try:
        recording = open_recording(path)
        recording.microvolts([0], 0, recording.samples)
    except InputError as error:
        assert len(str(error).splitlines()) == 1
