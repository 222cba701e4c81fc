"""Files are there in full or not at all, also where another program keeps the older one open (as on Windows)."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest
import torch

from monai_fusion import files
from monai_fusion.causes import causes_of
from monai_fusion.errors import InputError
from monai_fusion.files import beside_of, latest, remove_together, write_atomically, write_for_readers
from monai_fusion.output_folder import remove_all
from monai_fusion.runs import clear_results


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path, float], None]]:
    """Let a file be open in another program, for this number of attempts to replace it."""
    monkeypatch.setattr(files, "WAITS_S", (0.0,) * len(files.WAITS_S))
    left: dict[Path, float] = {}
    replace, unlink = Path.replace, Path.unlink

    def refuse(path: Path) -> None:
        if left.get(path, 0) > 0:
            left[path] -= 1
            raise PermissionError(13, "Access is denied", str(path))

    def refuse_to_replace(temporary: Path, path: Path) -> Path:
        refuse(path)
        refuse(temporary)  # which Windows does not rename either
        return replace(temporary, path)

    def refuse_to_unlink(path: Path, missing_ok: bool = False) -> None:
        refuse(path)
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "replace", refuse_to_replace)
    monkeypatch.setattr(Path, "unlink", refuse_to_unlink)
    yield left.__setitem__


def test_a_file_that_is_let_go_of_in_time_is_replaced(held: Callable[[Path, float], None], tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(b"old")
    held(path, len(files.WAITS_S))
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new" and list(tmp_path.iterdir()) == [path]


def test_a_file_that_stays_open_is_left_as_it_is(held: Callable[[Path, float], None], tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(b"old")
    held(path, float("inf"))
    with pytest.raises(PermissionError):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_table_that_is_open_in_excel_gets_a_neighbour_and_a_line_reports_it(
    held: Callable[[Path, float], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "predictions.csv"
    path.write_bytes(b"old")
    held(path, float("inf"))
    assert write_for_readers(path, b"new") == tmp_path / "predictions.new.csv"
    assert path.read_bytes() == b"old" and latest(path).read_bytes() == b"new"
    assert caplog.messages == [f"{path} is open in another program: the new content is in predictions.new.csv"]
    held(path, 0)
    assert write_for_readers(path, b"newer") == path
    assert latest(path) == path and not beside_of(path).exists()


def test_a_copy_beside_a_table_that_is_open_itself_is_known_to_be_old(
    held: Callable[[Path, float], None], tmp_path: Path
) -> None:
    path = tmp_path / "predictions.csv"
    beside_of(path).write_bytes(b"of an earlier time")
    os.utime(beside_of(path), (1e9, 1e9))
    held(beside_of(path), float("inf"))
    assert write_for_readers(path, b"new") == path
    assert latest(path) == path


def written(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).write_text(name)
    return [folder / name for name in names]


def test_files_that_are_removed_together_are_gone_once_all_are_let_go_of(
    held: Callable[[Path, float], None], tmp_path: Path
) -> None:
    paths = written(tmp_path, "model.pt", "metrics.json", "report.html")
    held(paths[1], len(files.WAITS_S))
    remove_together([*paths, tmp_path / "was never there"])
    assert list(tmp_path.iterdir()) == []


def test_of_files_that_are_removed_together_none_is_if_one_stays_open(
    held: Callable[[Path, float], None], tmp_path: Path
) -> None:
    paths = written(tmp_path, "model.pt", "metrics.json", "report.html")
    held(paths[2], float("inf"))
    with pytest.raises(InputError) as refused:
        remove_all(paths)
    assert str(refused.value) == (
        f"{paths[2]}: cannot be removed (Access is denied): is it open in another program? Close it there, or choose "
        "another folder; nothing was removed"
    )
    assert sorted(tmp_path.iterdir()) == sorted(paths) and all(path.read_text() == path.name for path in paths)


def test_a_run_folder_of_which_a_file_is_open_is_left_whole(
    held: Callable[[Path, float], None], tmp_path: Path
) -> None:
    (tmp_path / "checkpoints").mkdir()
    paths = written(tmp_path, "model.pt", "recipe.json", "report.html", "checkpoints/epoch_0001.pt", "notes.txt")
    for name in ("report.html", "checkpoints/epoch_0001.pt"):
        held(tmp_path / name, float("inf"))
        with pytest.raises(InputError, match=f"{name}: cannot be removed"):
            clear_results(tmp_path)
        assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(paths)
        held(tmp_path / name, 0)
    clear_results(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "notes.txt"]


def test_a_folder_that_cannot_be_written_to_is_not_mistaken_for_an_open_file(
    held: Callable[[Path, float], None], tmp_path: Path
) -> None:
    path = tmp_path / "predictions.csv"
    held(path, 1)
    with pytest.raises(PermissionError):
        write_for_readers(path, b"new")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("torch_writes", [False, True])
def test_a_full_disk_names_the_file_and_leaves_nothing(torch_writes: bool, tmp_path: Path) -> None:
    def write(stream: IO[bytes]) -> None:
        class Full(io.RawIOBase):
            def write(self, content: Any) -> int:
                return stream.write(content) if stream.tell() < 1000 else os.write(full, content)

        with contextlib.closing(Full()) as target:
            torch.save({"weights": torch.zeros(4000)}, target) if torch_writes else target.write(bytes(2000))
            target.write(b"more")

    if not Path("/dev/full").exists():
        pytest.skip("no device that is full")
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises((OSError, RuntimeError)) as caught:
            write_atomically(tmp_path / "model.pt", write)
    finally:
        os.close(full)
    names = [cause.filename for cause in causes_of(caught.value) if isinstance(cause, OSError)]
    assert names == [str(tmp_path / "model.pt")]
    assert not list(tmp_path.iterdir())
