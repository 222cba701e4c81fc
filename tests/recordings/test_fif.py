"""FIF recordings, which MNE reads."""

from __future__ import annotations

import errno
import gzip
import sys
from pathlib import Path

import mne
import numpy as np
import pytest

from monai_fusion.errors import InputError, RunFailed
from monai_fusion.recordings.reading import open_recording, spooled
from monai_fusion.recordings.recording import Marker
from tests.recordings.raw_files import HZ, NAMES, mne_raw, signal

X = signal(20)


@pytest.mark.parametrize("dated", [False, True])
def test_annotations_of_a_cropped_recording_stay_at_their_samples(dated: bool, tmp_path: Path) -> None:
    raw = mne_raw(X)
    if dated:
        raw.set_meas_date(1_000_000_000)
    raw.set_annotations(mne.Annotations([12.0, 15.0], [0, 2], ["eyes open", "BAD_move"]))
    raw.crop(10.0)
    raw.save(tmp_path / "sub-01_eeg.fif", verbose="ERROR")
    recording = open_recording(tmp_path / "sub-01_eeg.fif")
    assert recording.samples == 10 * HZ
    assert recording.markers == (Marker(2 * HZ, 0, "eyes open"),)
    assert [(span.start, span.stop) for span in recording.bad] == [(5 * HZ, 7 * HZ)]
    np.testing.assert_allclose(recording.microvolts([0], 0, 10), X[:1, 2500:2510], atol=1e-4)


def test_a_compressed_file_is_read(tmp_path: Path) -> None:
    mne_raw(X).save(tmp_path / "sub-01_eeg.fif.gz", verbose="ERROR")
    recording = open_recording(tmp_path / "sub-01_eeg.fif.gz")
    np.testing.assert_allclose(recording.microvolts([3], 100, 200), X[3:4, 100:200], atol=1e-4)


def test_bad_channels_kinds_and_positions_are_taken(tmp_path: Path) -> None:
    raw = mne_raw(X, kinds=["eeg"] * 16 + ["eog"])
    montage = mne.channels.make_dig_montage(
        {name: (0.0, 0.01 * n, 0.09) for n, name in enumerate(NAMES[:-1])}, coord_frame="head"
    )
    raw.set_montage(montage, on_missing="ignore")
    raw.info["bads"] = ["T7"]
    raw.save(tmp_path / "sub-01_eeg.fif", verbose="ERROR")
    recording = open_recording(tmp_path / "sub-01_eeg.fif")
    assert recording.bad_channels == ("T7",)
    assert recording.kinds[-1] == "eog"
    assert recording.positions["Fz"] == pytest.approx((0.0, 0.02, 0.09))


def test_joined_recordings_have_a_break_where_they_were_joined(tmp_path: Path) -> None:
    raw = mne.concatenate_raws([mne_raw(X), mne_raw(X)], verbose="ERROR")
    raw.save(tmp_path / "sub-01_eeg.fif", verbose="ERROR")
    assert open_recording(tmp_path / "sub-01_eeg.fif").breaks == (20 * HZ,)


def test_triggers_are_markers(tmp_path: Path) -> None:
    stim = np.zeros((1, X.shape[1]))
    stim[0, 1000:1010] = 200
    raw = mne_raw(X).add_channels([mne_raw(stim * 1e6, ["STI 014"], kinds="stim")], force_update_info=True)
    raw.save(tmp_path / "sub-01_eeg.fif", verbose="ERROR")
    assert open_recording(tmp_path / "sub-01_eeg.fif").markers == (Marker(1000, 0, "200"),)


def test_epochs_are_refused(tmp_path: Path) -> None:
    epochs = mne.make_fixed_length_epochs(mne_raw(X), 2.0, verbose="ERROR")
    epochs.save(tmp_path / "sub-01-epo.fif", verbose="ERROR")
    with pytest.raises(InputError, match="epochs or averages, expected a continuous recording"):
        open_recording(tmp_path / "sub-01-epo.fif")


def test_without_mne_one_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mne_raw(X).save(tmp_path / "sub-01_eeg.fif", verbose="ERROR")
    monkeypatch.setitem(sys.modules, "mne", None)
    with pytest.raises(InputError, match=r'needs mne: pip install "monai-fusion\[eeg\]"') as error:
        open_recording(tmp_path / "sub-01_eeg.fif")
    assert len(str(error.value).splitlines()) == 1


def test_a_damaged_file_gives_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "sub-01_eeg.fif").write_bytes(b"\0\0\0d" + bytes(range(256)) * 20)
    with pytest.raises(InputError) as error:
        open_recording(tmp_path / "sub-01_eeg.fif")
    assert len(str(error.value).splitlines()) == 1


def test_tags_that_lead_back_are_not_followed_without_end(tmp_path: Path) -> None:
    path = tmp_path / "sub-01_eeg.fif"
    mne_raw(X).save(path, verbose="ERROR")
    content = bytearray(path.read_bytes())
    content[52:56] = (-1).to_bytes(4, "big", signed=True)  # no directory: one tag says where the next one is
    path.write_bytes(content)
    assert open_recording(path).samples == X.shape[1]
    content[68:72] = (36).to_bytes(4, "big")  # the third says that the second follows
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"sub-01_eeg\.fif: damaged at byte 56"):
        open_recording(path)


def test_a_part_that_is_named_as_the_one_behind_itself_is_refused(tmp_path: Path) -> None:
    mne_raw(np.tile(X, 15)).save(tmp_path / "sub-01_eeg.fif", split_size="2MB", verbose="ERROR")
    second = next(file for file in tmp_path.glob("*.fif") if file.name != "sub-01_eeg.fif")
    (tmp_path / "sub-01_eeg.fif").replace(second)
    with pytest.raises(InputError, match=f"{second.name} is named as the part that follows itself"):
        open_recording(second)


def test_a_compressed_file_that_never_ends_does_not_fill_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spooled, "_LARGE", 0)
    path = tmp_path / "sub-01_eeg.fif.gz"
    path.write_bytes(gzip.compress(bytes(2**24)))
    with pytest.raises(InputError, match="unpacked, more than 100 times its size"):
        open_recording(path)


def test_a_full_temporary_folder_is_not_blamed_on_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    mne_raw(X).save(tmp_path / "sub-01_eeg.fif.gz", verbose="ERROR")
    monkeypatch.setattr(spooled.gzip.GzipFile, "read", full)
    with pytest.raises(RunFailed, match=r"no space left to unpack .*sub-01_eeg\.fif\.gz in "):
        open_recording(tmp_path / "sub-01_eeg.fif.gz")


def test_a_file_that_was_cut_off_is_told(tmp_path: Path) -> None:
    path = tmp_path / "sub-01_eeg.fif"
    mne_raw(X).save(path, verbose="ERROR")
    assert open_recording(path).notes == ()
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    assert "the file ends too early" in " ".join(open_recording(path).notes)


def test_a_split_recording_without_its_second_file_is_refused(tmp_path: Path) -> None:
    mne_raw(np.tile(X, 15)).save(tmp_path / "sub-01_eeg.fif", split_size="2MB", verbose="ERROR")
    files = sorted(tmp_path.glob("*.fif"))
    recording = open_recording(tmp_path / "sub-01_eeg.fif")
    assert sorted(recording.files) == files
    next(file for file in files if file.name != "sub-01_eeg.fif").unlink()
    with pytest.raises(InputError, match=r"sub-01_eeg\.fif"):
        open_recording(tmp_path / "sub-01_eeg.fif")
