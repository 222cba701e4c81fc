"""BrainVision recordings as they lie in archives: renamed, without markers, with letters of an old code page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monai_fusion.errors import InputError
from monai_fusion.recordings.positions import sphere_positions
from monai_fusion.recordings.reading import open_recording
from monai_fusion.recordings.recording import Marker, Span
from tests.recordings.raw_files import NAMES, lemon_events, signal, write_vhdr

X = signal(10)


def _text(path: Path, old: str, new: str) -> None:
    """Replace a part of a header or marker file, line ends as they are."""
    content = path.read_bytes().decode("utf-8")
    assert old in content
    path.write_bytes(content.replace(old, new).encode("utf-8"))


def _read(path: Path) -> np.ndarray:
    recording = open_recording(path)
    return recording.microvolts(range(len(recording.channels)), 0, recording.samples)


def test_a_renamed_recording_is_read_from_the_files_beside_it(tmp_path: Path) -> None:
    old = write_vhdr(tmp_path, "secret", X, events=lemon_events(0, [(200, 3)]))
    for ending in (".vhdr", ".eeg", ".vmrk"):
        old.with_suffix(ending).rename(tmp_path / f"sub-01{ending}")
    before = (tmp_path / "sub-01.vhdr").read_bytes()
    recording = open_recording(tmp_path / "sub-01.vhdr")
    assert [path.name for path in recording.files] == ["sub-01.vhdr", "sub-01.eeg", "sub-01.vmrk"]
    assert [marker.text for marker in recording.markers] == ["Stimulus/S200"] * 3
    assert any("sub-01.eeg is read" in note for note in recording.notes)
    assert not any("secret" in note for note in recording.notes)
    np.testing.assert_allclose(_read(tmp_path / "sub-01.vhdr"), X, atol=1e-4)
    assert (tmp_path / "sub-01.vhdr").read_bytes() == before


def test_a_renamed_copy_never_reads_the_recording_that_it_was_copied_from(tmp_path: Path) -> None:
    write_vhdr(tmp_path, "sub-01", X)
    other = write_vhdr(tmp_path, "sub-02", -X)
    _text(other, "sub-02.eeg", "sub-01.eeg")
    np.testing.assert_allclose(_read(other), -X, atol=1e-4)
    (tmp_path / "sub-02.eeg").unlink()
    with pytest.raises(InputError, match=r"names sub-01\.eeg, which is the file of sub-01\.vhdr"):
        open_recording(other)


def test_two_headers_of_one_participant_may_share_their_samples(tmp_path: Path) -> None:
    path = write_vhdr(tmp_path, "sub-01_EO", X)
    (tmp_path / "sub-01_mended.vhdr").write_bytes(path.read_bytes())
    np.testing.assert_allclose(_read(tmp_path / "sub-01_mended.vhdr"), X, atol=1e-4)


def test_a_header_may_name_a_file_of_another_name_that_is_its_own(tmp_path: Path) -> None:
    path = write_vhdr(tmp_path, "sub-01", X)
    (tmp_path / "sub-01.eeg").rename(tmp_path / "raw0001.eeg")
    _text(path, "sub-01.eeg", "raw0001.eeg")
    recording = open_recording(path)
    assert recording.files[1].name == "raw0001.eeg"
    assert not any("is read" in note for note in recording.notes)


@pytest.mark.parametrize("name", ["C:\\Vision\\Raw Files\\sub-01.eeg", "/data/raw/sub-01.eeg", "$b.eeg", "SUB-01.EEG"])
def test_folders_and_letter_case_of_another_computer_do_not_matter(name: str, tmp_path: Path) -> None:
    path = write_vhdr(tmp_path, "sub-01", X)
    _text(path, "DataFile=sub-01.eeg", f"DataFile={name}")
    np.testing.assert_allclose(_read(path), X, atol=1e-4)


def test_the_header_may_name_a_file_below_its_folder(tmp_path: Path) -> None:
    path = write_vhdr(tmp_path, "sub-01", X)
    (tmp_path / "raw").mkdir()
    (tmp_path / "sub-01.eeg").rename(tmp_path / "raw" / "x.eeg")
    _text(path, "DataFile=sub-01.eeg", "DataFile=.\\raw\\x.eeg")
    np.testing.assert_allclose(_read(path), X, atol=1e-4)


def test_a_header_never_leads_out_of_its_folder(tmp_path: Path) -> None:
    write_vhdr(tmp_path / "other", "sub-02", signal(4, seed=2))
    path = write_vhdr(tmp_path / "here", "sub-01", signal(4))
    path.write_text(path.read_text("utf-8").replace("DataFile=sub-01.eeg", "DataFile=../other/sub-02.eeg"), "utf-8")
    assert open_recording(path).files[1] == path.with_suffix(".eeg")


def test_a_resolution_may_have_a_decimal_comma(tmp_path: Path) -> None:
    path = write_vhdr(tmp_path, "sub-01", X)
    _text(path, ",0.1,µV", ",0,1,µV")
    np.testing.assert_allclose(_read(path), X, atol=1e-4)


def test_endings_may_be_in_capitals(tmp_path: Path) -> None:
    write_vhdr(tmp_path, "sub-01", X)
    for ending in (".vhdr", ".eeg", ".vmrk"):
        (tmp_path / f"sub-01{ending}").rename(tmp_path / f"SUB-01{ending.upper()}")
    np.testing.assert_allclose(_read(tmp_path / "SUB-01.VHDR"), X, atol=1e-4)


def test_samples_may_be_in_a_dat_file(tmp_path: Path) -> None:
    path = write_vhdr(tmp_path, "sub-01", X)
    (tmp_path / "sub-01.eeg").rename(tmp_path / "sub-01.dat")
    np.testing.assert_allclose(_read(path), X, atol=1e-4)


def test_without_the_samples_the_message_says_what_was_tried(tmp_path: Path) -> None:
    path = write_vhdr(tmp_path, "sub-01", X)
    (tmp_path / "sub-01.eeg").unlink()
    with pytest.raises(
        InputError, match=r"sub-01\.vhdr DataFile: not here: tried the name in the header and sub-01\.eeg"
    ):
        open_recording(path)


def test_samples_of_another_length_than_the_header_counts_are_refused_with_both_sizes(tmp_path: Path) -> None:
    path = write_vhdr(tmp_path, "sub-01", X)
    _text(path, "SamplingInterval", "DataPoints=2499\r\nSamplingInterval")
    size, wanted = 2500 * 17 * 4, 2499 * 17 * 4
    with pytest.raises(InputError, match=rf"{size:,} bytes, expected {wanted:,} bytes"):
        open_recording(path)


def test_samples_that_end_within_one_are_read_as_far_as_they_are_whole(tmp_path: Path) -> None:
    path = write_vhdr(tmp_path, "sub-01", X)
    data = tmp_path / "sub-01.eeg"
    data.write_bytes(data.read_bytes()[: 1000 * 17 * 4 + 10])
    recording = open_recording(path)
    assert recording.samples == 1000
    assert any("ends within a sample" in note for note in recording.notes)


@pytest.mark.parametrize("how", ["file missing", "not named", "empty name", "empty file"])
def test_without_markers_the_signal_is_read(how: str, tmp_path: Path) -> None:
    path = write_vhdr(tmp_path, "sub-01", X)
    if how == "not named":
        _text(path, "MarkerFile=sub-01.vmrk\n", "")
    elif how == "empty name":
        _text(path, "MarkerFile=sub-01.vmrk", "MarkerFile=")
    (tmp_path / "sub-01.vmrk").unlink()
    if how == "empty file":
        (tmp_path / "sub-01.vmrk").touch()
    recording = open_recording(path)
    assert recording.markers == ()
    assert any("no markers" in note for note in recording.notes)


def test_a_marker_file_without_its_first_line_is_read(tmp_path: Path) -> None:
    path = write_vhdr(tmp_path, "sub-01", X, events=lemon_events(0, [(210, 4)]))
    markers = tmp_path / "sub-01.vmrk"
    markers.write_bytes(b"\r\n" + markers.read_bytes().split(b"\n", 1)[1])
    recording = open_recording(path)
    assert [marker.onset for marker in recording.markers] == [0, 500, 1000, 1500]
    assert any("first line" in note for note in recording.notes)


def test_markers_may_hold_commas_and_go_beyond_the_recording(tmp_path: Path) -> None:
    path = write_vhdr(tmp_path, "sub-01", X)
    lines = [
        "Brain Vision Data Exchange Marker File, Version 1.0",
        "[Marker Infos]",
        "Mk1=New Segment,,1,1,0,20130101101010000000",
        "Mk2=Comment,hello, you, there,101,1,0",
        "Mk3=Stimulus,a\\1b,201,50,0,,",
        "Mk4=Stimulus,S200,2401,500,0",
        "Mk5=Stimulus,S200,9999,1,0",
        "Mk6=Stimulus,S200",
        "Mk7=New Segment,,1251,1,0,20130101101510000000",
        "Mk8=Bad Interval,Blink,1301,100,0",
        "Mk9=Stimulus,S200,-20,1,0",
    ]
    (tmp_path / "sub-01.vmrk").write_text("\n".join(lines), encoding="utf-8")
    recording = open_recording(path)
    assert recording.markers == (
        Marker(100, 0, "Comment/hello, you, there"),
        Marker(200, 50, "Stimulus/a,b"),
        Marker(2400, 100, "Stimulus/S200"),
    )
    assert recording.breaks == (1250,)
    assert recording.bad == (Span(1300, 1400, "BAD_Blink"),)
    notes = " ".join(recording.notes)
    assert "1 event left out: no time that can be read" in notes
    assert "2 events left out: outside the recording" in notes
    assert "1 event cut to the recording's" in notes
    assert "2013" not in notes


@pytest.mark.parametrize("unit", ["µV", "μV", "uV", "?V", ""])
def test_microvolts_are_microvolts_however_the_sign_is_written(unit: str, tmp_path: Path) -> None:
    path = write_vhdr(tmp_path, "sub-01", X)
    _text(path, "µV", unit)
    np.testing.assert_allclose(_read(path), X, atol=1e-4)


@pytest.mark.parametrize(("unit", "factor"), [("mV", 1e3), ("V", 1e6), ("nV", 1e-3)])
def test_other_units_become_microvolts(unit: str, factor: float, tmp_path: Path) -> None:
    path = write_vhdr(tmp_path, "sub-01", X)
    _text(path, "µV", unit)
    np.testing.assert_allclose(_read(path), X * factor, rtol=1e-4, atol=1e-4 * factor)


def test_a_header_in_latin_1_is_read(tmp_path: Path) -> None:
    path = write_vhdr(tmp_path, "sub-01", X)
    content = path.read_bytes().decode("utf-8").replace("Codepage=UTF-8", "; Prüfstand 100 %")
    path.write_bytes(content.encode("latin-1"))
    np.testing.assert_allclose(_read(path), X, atol=1e-4)


def test_what_is_no_voltage_is_no_eeg(tmp_path: Path) -> None:
    path = write_vhdr(tmp_path, "sub-01", X)
    _text(path, "Ch3=Fz,,0.1,µV", "Ch3=Skin,,0.1,µS")
    recording = open_recording(path)
    assert recording.kinds[2] == "misc"
    assert recording.kinds.count("eeg") == 16


def test_channels_after_another_are_read(tmp_path: Path) -> None:
    path = write_vhdr(tmp_path, "sub-01", X)
    _text(path, "MULTIPLEXED", "VECTORIZED")
    (tmp_path / "sub-01.eeg").write_bytes((X / 0.1).astype("<f4").tobytes())
    np.testing.assert_allclose(_read(path), X, atol=1e-4)
    recording = open_recording(path)
    np.testing.assert_allclose(recording.microvolts([5, 2], 700, 710), X[[5, 2], 700:710], atol=1e-4)


def test_the_reference_electrode_is_known(tmp_path: Path) -> None:
    path = write_vhdr(tmp_path, "sub-01", X)
    content = path.read_text(encoding="utf-8")
    for number, name in enumerate(NAMES, start=1):
        content = content.replace(f"Ch{number}={name},,", f"Ch{number}={name},FCz,")
    path.write_text(content, encoding="utf-8")
    assert open_recording(path).reference == "FCz"


@pytest.mark.parametrize("ending", [".eeg", ".vmrk", ".dat"])
def test_given_another_of_its_files_the_message_names_the_header(ending: str, tmp_path: Path) -> None:
    write_vhdr(tmp_path, "sub-01", X)
    (tmp_path / f"sub-01{ending}").touch()
    with pytest.raises(InputError, match=r"give sub-01\.vhdr"):
        open_recording(tmp_path / f"sub-01{ending}")


def test_a_renamed_eeg_leads_to_the_header_that_names_it(tmp_path: Path) -> None:
    path = write_vhdr(tmp_path, "sub-01", X)
    (tmp_path / "sub-01.eeg").rename(tmp_path / "old.eeg")
    _text(path, "sub-01.eeg", "old.eeg")
    with pytest.raises(InputError, match=r"give sub-01\.vhdr"):
        open_recording(tmp_path / "old.eeg")


def test_an_eeg_of_nihon_kohden_is_told_from_brainvision(tmp_path: Path) -> None:
    path = tmp_path / "DA00100A.EEG"
    path.write_bytes(b"EEG-1100C V01.00" + b"\0" * 2000)
    with pytest.raises(InputError, match=r"Nihon Kohden.*EDF"):
        open_recording(path)


@pytest.mark.parametrize(("decimal", "separator"), [(".", " "), (",", "  "), (".", ","), (",", "\t"), (",", ";")])
def test_samples_written_as_text_are_read(decimal: str, separator: str, tmp_path: Path) -> None:
    path = write_vhdr(tmp_path, "sub-01", X)
    _text(path, "DataFormat=BINARY", "DataFormat=ASCII")
    _text(
        path, "[Channel Infos]", f"[ASCII Infos]\nDecimalSymbol={decimal}\nSkipLines=1\nSkipColumns=1\n[Channel Infos]"
    )
    lines = ["first line " + " ".join(NAMES)]
    lines += [separator.join(f"{value / 0.1:.5f}".replace(".", decimal) for value in (0.0, *row)) for row in X.T]
    (tmp_path / "sub-01.eeg").write_text("\n".join(lines) + "\n", encoding="ascii")
    np.testing.assert_allclose(_read(path), X, atol=1e-5)
    _text(path, "MULTIPLEXED", "VECTORIZED")
    with pytest.raises(InputError, match=r"DataFormat: text with a line for each channel"):
        open_recording(path)


def test_positions_in_the_header_are_right_front_up_in_metres(tmp_path: Path) -> None:
    path = write_vhdr(tmp_path, "sub-01", X)
    places = {1: "1,-90,-36", 3: "1,45,90", 6: "85,-90,0", 8: "1,0,0", 9: "0,0,0"}
    rows = "\n".join(f"Ch{number}={place}" for number, place in places.items())
    path.write_text(
        path.read_text(encoding="utf-8").replace("[Comment]", f"[Coordinates]\n{rows}\n[Comment]"), encoding="utf-8"
    )
    positions = open_recording(path).positions
    assert set(positions) == {"F7", "Fz", "T7", "Cz"}
    assert positions["T7"] == pytest.approx((-0.085, 0, 0), abs=1e-9)
    assert positions["Cz"] == pytest.approx((0, 0, 0.095), abs=1e-9)
    for name in positions:
        cosine = np.dot(positions[name], sphere_positions()[name]) / np.linalg.norm(positions[name])
        assert cosine > 0.999


def test_a_header_that_counts_more_channels_than_it_describes_is_refused(tmp_path: Path) -> None:
    path = write_vhdr(tmp_path, "sub-01", X)
    _text(path, "NumberOfChannels=17", "NumberOfChannels=18")
    with pytest.raises(InputError, match=r"Ch18 is not described"):
        open_recording(path)


def test_the_sampling_rate_is_the_interval_s(tmp_path: Path) -> None:
    assert open_recording(write_vhdr(tmp_path, "sub-01", X, hz=2500)).sampling_hz == 2500
    path = write_vhdr(tmp_path, "sub-02", X)
    _text(path, "SamplingInterval=4000.0", "SamplingInterval=1953,125")
    assert open_recording(path).sampling_hz == 512
