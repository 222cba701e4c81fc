"""What is the same for all formats: placeholders, refusals, the unit and names given by the user, BIDS files."""

from __future__ import annotations

import json
import math
import os
import re
import sys
from pathlib import Path

import mne
import numpy as np
import pytest

from monai_fusion.errors import InputError
from monai_fusion.recordings.electrodes import choose_electrodes
from monai_fusion.recordings.reading import open_recording
from monai_fusion.recordings.recording import Marker, Span
from tests.recordings.raw_files import HZ, NAMES, mne_raw, signal, write_csv, write_edf, write_vhdr

X = signal(10)


def _bids(folder: Path) -> Path:
    return write_edf(folder / "sub-01" / "eeg" / "sub-01_task-rest_eeg.edf", X)


def _tsv(path: Path, name: str, text: str | bytes) -> None:
    content = text.encode("utf-8") if isinstance(text, str) else text
    (path.parent / name).write_bytes(content)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a permission there")
def test_a_link_of_git_annex_whose_content_is_not_here_has_its_own_sentence(tmp_path: Path) -> None:
    path = tmp_path / "my data" / "sub-01.edf"
    path.parent.mkdir()
    path.symlink_to("../.git/annex/objects/Xx/9K/MD5E-s100--0.edf/MD5E-s100--0.edf")
    with pytest.raises(
        InputError, match=r"this file's content was not downloaded: datalad get '.*my data.sub-01\.edf'"
    ):
        open_recording(path)


@pytest.mark.parametrize("ending", [".vhdr", ".edf", ".set", ".fif", ".csv"])
def test_a_pointer_of_git_annex_is_no_recording(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"sub-01{ending}"
    path.write_text("/annex/objects/MD5E-s100--0.edf\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"this file's content was not downloaded: datalad get"):
        open_recording(path)


def test_a_pointer_of_git_lfs_is_no_recording(tmp_path: Path) -> None:
    (tmp_path / "sub-01.edf").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"not downloaded: git lfs pull --include sub-01\.edf"):
        open_recording(tmp_path / "sub-01.edf")


def test_a_header_may_be_here_and_its_samples_not(tmp_path: Path) -> None:
    path = write_vhdr(tmp_path, "sub-01", X)
    (tmp_path / "sub-01.eeg").write_text("/annex/objects/MD5E-s100--0.eeg\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"sub-01\.vhdr sub-01\.eeg: this file's content was not downloaded"):
        open_recording(path)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_does_not_matter(tmp_path: Path) -> None:
    path = write_vhdr(tmp_path / "data", "old", X)
    for ending in (".vhdr", ".eeg", ".vmrk"):
        path.with_suffix(ending).rename(tmp_path / "data" / f"sub-01{ending}")
    (tmp_path / "data").chmod(0o500)
    try:
        assert open_recording(tmp_path / "data" / "sub-01.vhdr").samples == 2500
    finally:
        (tmp_path / "data").chmod(0o700)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sub-01.cnt", "Neuroscan.*EDF"),
        ("sub-01.xlsx", "spreadsheet"),
        ("sub-01.npy", "not a raw recording"),
        ("sub-01.abc", r"expected one of \.vhdr"),
        ("sub-01", r"expected one of \.vhdr"),
    ],
)
def test_other_formats_are_refused_with_what_to_give(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"content")
    with pytest.raises(InputError, match=message):
        open_recording(tmp_path / name)


def test_what_is_not_there_a_folder_or_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        open_recording(tmp_path / "sub-01.edf")
    (tmp_path / "sub-02.edf").mkdir()
    with pytest.raises(InputError, match="a folder, expected a file"):
        open_recording(tmp_path / "sub-02.edf")
    (tmp_path / "sub-03.edf").touch()
    with pytest.raises(InputError, match="an empty file"):
        open_recording(tmp_path / "sub-03.edf")


def test_a_file_that_is_gone_while_it_is_read_gives_a_sentence(tmp_path: Path) -> None:
    path = write_edf(tmp_path / "sub-01.edf", X)
    recording = open_recording(path)
    content = path.read_bytes()
    path.write_bytes(content[:-1000])
    with pytest.raises(InputError, match=r"sub-01\.edf: cannot be read: .*shorter"):
        recording.microvolts([0], 0, 2500)
    path.unlink()
    with pytest.raises(InputError, match=r"sub-01\.edf: cannot be read"):
        recording.microvolts([0], 0, 2500)


@pytest.mark.parametrize(("unit", "factor"), [("uV", 1), ("µV", 1), ("μV", 1), ("mV", 1e3), ("V", 1e6), ("nV", 1e-3)])
def test_the_user_s_unit_is_believed(unit: str, factor: float, tmp_path: Path) -> None:
    recording = open_recording(write_csv(tmp_path / "sub-01.csv", X), sampling_hz=HZ, unit=unit)
    np.testing.assert_allclose(recording.microvolts([0], 0, 100), X[:1, :100] * factor, rtol=1e-12)


def test_an_unknown_unit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'--unit: T, expected "uV", "mV", "V" or "nV"'):
        open_recording(write_csv(tmp_path / "sub-01.csv", X), sampling_hz=HZ, unit="T")


def test_generic_names_become_electrodes_by_the_channel_map(tmp_path: Path) -> None:
    generic = [f"EEG{number}" for number in range(1, 18)]
    path = write_edf(tmp_path / "sub-01.edf", X, generic)
    with pytest.raises(InputError, match=r"0 of 17.*EEG1, EEG2.*--channel-map"):
        choose_electrodes(open_recording(path), "lemon17")
    recording = open_recording(path, channel_map=dict(zip(generic, NAMES, strict=True)))
    assert choose_electrodes(recording, "lemon17").channels == tuple(range(17))


def test_a_channel_map_that_names_no_channel_is_refused_and_a_part_is_told(tmp_path: Path) -> None:
    path = write_edf(tmp_path / "sub-01.edf", X)
    with pytest.raises(InputError, match=r"--channel-map: names none of its channels"):
        open_recording(path, channel_map={"EEG1": "Fz"})
    recording = open_recording(path, channel_map={"Fz": "Cz2", "EEG9": "Fz"})
    assert "Cz2" in recording.channels
    assert any("1 name of the channel map not in this recording: EEG9" in note for note in recording.notes)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_bad_channels_and_types_of_a_channels_tsv_are_taken_by_name(encoding: str, tmp_path: Path) -> None:
    path = _bids(tmp_path)
    text = "name\ttype\tunits\tstatus\nO2\tEEG\tµV\tgood\nFz\tEEG\tµV\tBad\nT7\tEOG\tµV\tgood\n"
    _tsv(path, "sub-01_task-rest_channels.tsv", text.encode(encoding))
    recording = open_recording(path)
    assert recording.bad_channels == ("Fz",)
    assert recording.kinds[NAMES.index("T7")] == "eog"
    assert recording.files[1].name == "sub-01_task-rest_channels.tsv"


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("", "is empty"),
        ("channel\tstatus\nFz\tbad\n", "no column name"),
        (b"name\tstatus\n\0\1\2", "cannot be read"),
    ],
)
def test_a_channels_tsv_that_cannot_be_used_is_a_note(text: str | bytes, note: str, tmp_path: Path) -> None:
    path = _bids(tmp_path)
    _tsv(path, "sub-01_task-rest_channels.tsv", text)
    recording = open_recording(path)
    assert recording.bad_channels == ()
    assert any(note in each for each in recording.notes)


def test_channels_that_only_the_table_has_are_told(tmp_path: Path) -> None:
    path = _bids(tmp_path)
    _tsv(path, "sub-01_task-rest_channels.tsv", "name\tstatus\nFz\tbad\nEXG1\tgood\n")
    recording = open_recording(path)
    assert recording.bad_channels == ("Fz",)
    assert any("1 channel not in the recording: EXG1" in note for note in recording.notes)


def test_events_of_bids_are_read_and_their_bad_stretches_count(tmp_path: Path) -> None:
    path = _bids(tmp_path)
    rows = [
        "onset\tduration\ttrial_type\tvalue",
        "1,5\t2\teyes_open\t1",
        "4.0\tn/a\tn/a\tS210",
        "n/a\t1\teyes_closed\t1",
    ]
    rows += ["6.0\t0.5\tBAD_muscle\tn/a", "99\t1\tlate\t1"]
    _tsv(path, "sub-01_task-rest_events.tsv", "\n".join(rows))
    recording = open_recording(path)
    assert recording.events == (Marker(375, 500, "eyes_open"), Marker(1000, 0, "S210"))
    assert recording.bad == (Span(1500, 1625, "BAD_muscle"),)
    notes = " ".join(recording.notes)
    assert "1 event left out: no time" in notes
    assert "1 event left out: outside" in notes


def test_positions_and_the_reference_of_bids_are_read(tmp_path: Path) -> None:
    path = _bids(tmp_path)
    _tsv(path, "sub-01_space-CapTrak_electrodes.tsv", "name\tx\ty\tz\nFz\t0\t50\t80\nCz\t0\t0\t95\nO2\tn/a\tn/a\tn/a\n")
    _tsv(path, "sub-01_task-rest_eeg.json", json.dumps({"EEGReference": "FCz"}))
    recording = open_recording(path)
    assert recording.positions == {"Fz": pytest.approx((0, 0.05, 0.08)), "Cz": pytest.approx((0, 0, 0.095))}
    assert recording.reference == "FCz"


@pytest.mark.parametrize("hertz", [2.5e-4, 2.5e8, math.inf])
def test_a_sampling_rate_that_no_eeg_has_is_refused(hertz: float, tmp_path: Path) -> None:
    path = write_vhdr(tmp_path, "sub-01_EO", X)
    interval = 1e6 / hertz if math.isfinite(hertz) else 5e-324
    path.write_text(re.sub("SamplingInterval=.*", f"SamplingInterval={interval}", path.read_text("utf-8")), "utf-8")
    with pytest.raises(InputError, match=f"sampling rate: {re.escape(f'{hertz:g}')} Hz, expected 1 to 1,000,000 Hz"):
        open_recording(path)


def test_nothing_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    mne.export.export_raw(tmp_path / "sub-01.set", mne_raw(X), verbose="ERROR")
    mne_raw(X).save(tmp_path / "sub-01.fif", verbose="CRITICAL")  # not a name that MNE likes
    for name in ("sub-01.set", "sub-01.fif"):
        recording = open_recording(tmp_path / name)
        recording.microvolts([0], 0, 10)
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""
