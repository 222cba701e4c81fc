"""What is found in folders and datasets: one entry a recording, named so that no two outputs meet."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from monai_fusion.errors import InputError
from monai_fusion.recordings.finding import find_recordings


def _files(folder: Path, names: Sequence[str]) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return folder


def _found(paths: Sequence[Path], task: str | None = None) -> list[tuple[str, str, str | None]]:
    return [(each.path.name, each.name, each.condition) for each in find_recordings(paths, task).recordings]


def test_a_recording_is_one_entry_whatever_its_files_in_natural_order(tmp_path: Path) -> None:
    names = [
        "sub-10.vhdr",
        "sub-10.eeg",
        "sub-10.vmrk",
        "a/sub-2.set",
        "a/sub-2.fdt",
        "sub-3_EO.csv",
        "sub-1.edf",
        "notes.pdf",
    ]
    names += [
        "sub-4.fif",
        "sub-4-1.fif",
        "sub-4-2.fif",
        "sub-5_split-01_eeg.fif",
        "sub-5_split-02_eeg.fif",
        ".hidden/sub-9.edf",
    ]
    names += [
        "sub-4-ica.fif",
        "sub-4-epo.fif",
        "participants.tsv",
        "sub-1_channels.tsv",
        "sub-1_task-x_events.tsv",
        "._sub-1.edf",
    ]
    _files(tmp_path, names)
    assert [name for name, _, _ in _found([tmp_path])] == [
        "sub-2.set", "sub-1.edf", "sub-3_EO.csv", "sub-4.fif", "sub-5_split-01_eeg.fif", "sub-10.vhdr",
    ]  # fmt: skip


def test_ids_conditions_and_what_tells_recordings_apart_come_from_the_names(tmp_path: Path) -> None:
    names = ["sub-01_ses-1_task-rest_eeg.edf", "sub-01_ses-2_task-rest_eeg.edf", "sub-02_EO.set", "sub-02_EC.set"]
    names += ["sub-05_task-a_eeg.edf", "sub-05_task-b_eeg.edf"]
    names += ["sub-03_task-eyesopen_eeg.edf", "sub-03_task-eyesclosed_eeg.edf", "sub-04_task-rest_run-1_eeg.edf"]
    assert _found([_files(tmp_path, names)]) == [
        ("sub-01_ses-1_task-rest_eeg.edf", "sub-01_ses-1", None),
        ("sub-01_ses-2_task-rest_eeg.edf", "sub-01_ses-2", None),
        ("sub-02_EC.set", "sub-02", "EC"),
        ("sub-02_EO.set", "sub-02", "EO"),
        ("sub-03_task-eyesclosed_eeg.edf", "sub-03", "EC"),
        ("sub-03_task-eyesopen_eeg.edf", "sub-03", "EO"),
        ("sub-04_task-rest_run-1_eeg.edf", "sub-04", None),
        ("sub-05_task-a_eeg.edf", "sub-05_task-a", None),
        ("sub-05_task-b_eeg.edf", "sub-05_task-b", None),
    ]


def test_two_recordings_that_nothing_tells_apart_are_refused(tmp_path: Path) -> None:
    folder = _files(tmp_path, ["a/sub-01_EO.set", "b/sub-01_EO.set"])
    with pytest.raises(
        InputError, match=r"sub-01: .*a.sub-01_EO\.set and .*b.sub-01_EO\.set, expected names whose outputs differ"
    ):
        find_recordings([folder])
    folder = _files(tmp_path / "c", ["sub-02.vhdr", "sub-02.set"])
    with pytest.raises(InputError, match="sub-02"):
        find_recordings([folder])
    folder = _files(tmp_path / "d", ["sub-03_EO.set", "sub-03_rest.set"])
    with pytest.raises(InputError, match="sub-03"):
        find_recordings([folder])


def test_a_file_that_is_given_twice_counts_once(tmp_path: Path) -> None:
    folder = _files(tmp_path, ["sub-01.edf", "sub-02.edf"])
    found = find_recordings([folder, folder / "sub-01.edf", folder / ".." / folder.name / "sub-02.edf"])
    assert [each.participant_id for each in found.recordings] == ["sub-01", "sub-02"]


def test_a_bids_dataset_is_searched_for_its_raw_recordings_of_a_task(tmp_path: Path) -> None:
    names = ["dataset_description.json", "sub-01/eeg/sub-01_task-rest_eeg.vhdr", "sub-01/eeg/sub-01_task-rest_eeg.eeg"]
    names += [
        "sub-01/eeg/sub-01_task-nback_eeg.vhdr",
        "sub-02/ses-1/eeg/sub-02_ses-1_task-Rest_eeg.set",
        "sub-03/eeg/sub-03_eeg.edf",
    ]
    names += [
        "derivatives/clean/sub-01/eeg/sub-01_task-rest_eeg.set",
        "sub-01/eeg/sub-01_task-rest_channels.tsv",
        "code/x.edf",
    ]
    names += ["sub-01/beh/sub-01_task-rest_beh.tsv", "sub-01/sub-01_scans.tsv", "participants.tsv"]
    _files(tmp_path, names)
    found = find_recordings([tmp_path], task="rest")
    assert [each.path.name for each in found.recordings] == [
        "sub-01_task-rest_eeg.vhdr",
        "sub-02_ses-1_task-Rest_eeg.set",
        "sub-03_eeg.edf",
    ]
    assert any("1 recording without a task in the name taken all the same" in note for note in found.notes)
    assert len(find_recordings([tmp_path]).recordings) == 4
    assert find_recordings([tmp_path], task="task-nback").recordings[0].participant_id == "sub-01"
    with pytest.raises(InputError, match="no raw recording of the task go"):
        find_recordings([tmp_path / "sub-01"], task="go")


def test_nothing_found_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file or folder"):
        find_recordings([tmp_path / "gone"])
    _files(tmp_path, ["sub-01.eeg", "sub-01.vmrk"])
    with pytest.raises(InputError, match=r"no raw recording, expected files that end in \.vhdr"):
        find_recordings([tmp_path])


def test_recordings_in_a_format_that_is_not_read_are_told(tmp_path: Path) -> None:
    _files(tmp_path, ["sub-1.edf", "sub-2.cnt", "sub-3.GDF", "b/sub-4.eeg", "a/sub-5.eeg", "a/sub-5.vhdr"])
    (note,) = find_recordings([tmp_path]).notes
    assert note.startswith("3 recordings in a format that is not read:")
    assert all(name in note for name in ("sub-2.cnt", "sub-3.GDF", "sub-4.eeg"))


def test_a_name_without_an_id_is_refused(tmp_path: Path) -> None:
    folder = _files(tmp_path, ["_EO.edf"])
    with pytest.raises(InputError, match="rename it"):
        find_recordings([folder])


def test_a_file_that_is_named_is_taken_whatever_its_ending(tmp_path: Path) -> None:
    folder = _files(tmp_path, ["sub-01.eeg", "sub-02_values.txt"])
    assert [
        each.path.name for each in find_recordings([folder / "sub-01.eeg", folder / "sub-02_values.txt"]).recordings
    ] == [
        "sub-01.eeg",
        "sub-02_values.txt",
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a permission there")
def test_links_of_git_annex_to_what_is_not_here_are_found(tmp_path: Path) -> None:
    (tmp_path / "sub-01.edf").symlink_to(".git/annex/objects/k/MD5E-1.edf")
    (tmp_path / "sub-02.edf").symlink_to(".git/annex/objects/k/MD5E-1.edf")
    assert [each.participant_id for each in find_recordings([tmp_path]).recordings] == ["sub-01", "sub-02"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a permission there")
def test_a_link_of_the_same_name_counts_once_and_one_of_another_name_is_a_recording(tmp_path: Path) -> None:
    folder = _files(tmp_path / "a", ["sub-01.edf"])
    (folder / "sub-02.edf").symlink_to("sub-01.edf")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "sub-01.edf").symlink_to(folder / "sub-01.edf")
    found = find_recordings([tmp_path])
    assert [each.path.relative_to(tmp_path).as_posix() for each in found.recordings] == ["a/sub-01.edf", "a/sub-02.edf"]
    assert found.notes == ("1 path to a recording that is taken already",)


def test_letters_of_all_languages_stay(tmp_path: Path) -> None:
    folder = _files(tmp_path, ["Grüße 测试/sub-01_EO.edf"])
    assert _found([folder]) == [("sub-01_EO.edf", "sub-01", "EO")]
