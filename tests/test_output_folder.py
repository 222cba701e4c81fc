"""One run at a time in an output folder, however the one before it ended."""

import os
import sys
import threading
import time
from pathlib import Path

import filelock
import pytest

from monai_fusion import output_folder
from monai_fusion.errors import InputError
from monai_fusion.output_folder import LONGEST_BELOW, lock_folder, make_writable
from tests.message_parts import assert_parts
from tests.support import another


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_folder, "PATIENCE_SECONDS", 0.1)


@pytest.mark.usefixtures("impatient")
def test_a_folder_that_another_process_writes_to_is_refused(tmp_path: Path) -> None:
    with another(tmp_path, "train"):
        with pytest.raises(InputError) as caught:
            lock_folder(tmp_path, "train", "--output_dir")
        lock_file = str(tmp_path.resolve() / ".train.lock")
        assert_parts(str(caught.value), f"--output_dir: {tmp_path}: another run (train)", "remove", lock_file)
        lock_folder(tmp_path, "evaluate", "--output_dir")  # is no training


@pytest.mark.usefixtures("impatient")
def test_what_a_killed_process_held_is_free(tmp_path: Path) -> None:
    with another(tmp_path, "train") as process:
        process.kill()
        process.wait()
        lock_folder(tmp_path, "train", "--output_dir")
        lock_folder(tmp_path / "." / "x" / "..", "train", "--output_dir")  # the same folder, already this process's


def test_the_data_loading_processes_of_a_killed_run_are_outlived(tmp_path: Path) -> None:
    with another(tmp_path, "train") as process:
        started = time.monotonic()
        killer = threading.Timer(1.0, process.kill)
        killer.start()
        lock_folder(tmp_path, "train", "--output_dir")
        assert time.monotonic() - started < output_folder.PATIENCE_SECONDS
        killer.join()


def test_a_file_system_without_locks_is_reported_and_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_locks(self: filelock.FileLock) -> None:
        raise OSError(95, os.strerror(95))

    monkeypatch.setattr(filelock.FileLock, "acquire", no_locks)
    lock_folder(tmp_path, "train", "--output_dir")
    assert f"cannot lock {tmp_path}" in caplog.text and "no other run (train)" in caplog.text


def test_a_folder_whose_files_windows_could_not_name_is_refused_before_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = len(str(tmp_path)) + 30  # for the folder's own path
    monkeypatch.setattr(output_folder, "longest_path", lambda: room + LONGEST_BELOW)
    make_writable(tmp_path / ("a" * 29), "--output_dir")
    too_long = tmp_path / ("a" * 30)
    with pytest.raises(InputError, match="on LongPathsEnabled") as caught:
        make_writable(too_long, "--output_dir")
    assert f"{too_long}: {room + 1} characters with all folders above it, expected at most {room}," in str(caught.value)
    assert not too_long.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has a limit unless long paths are switched on")
def test_elsewhere_paths_may_be_long(tmp_path: Path) -> None:
    assert output_folder.longest_path() is None
    make_writable(tmp_path.joinpath(*["a" * 100] * 4), "--output_dir")
