"""Files are there in full or not at all, also where another program keeps the older one open (as on Windows)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monai_fusion import files
from monai_fusion.files import beside_of, latest, write_atomically, write_for_readers


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path, float], None]]:
    """Let a file be open in another program, for so many attempts to replace it."""
    monkeypatch.setattr(files, "WAITS_S", (0.0,) * len(files.WAITS_S))
    left: dict[Path, float] = {}
    replace = Path.replace

    def refuse(temporary: Path, path: Path) -> Path:
        if left.get(path, 0) > 0:
            left[path] -= 1
            raise PermissionError(13, "Access is denied", str(temporary), 5, str(path))
        return replace(temporary, path)

    monkeypatch.setattr(Path, "replace", refuse)
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


def test_a_table_that_is_open_in_excel_gets_a_neighbour_and_a_line_says_so(
    held: Callable[[Path, float], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "predictions.csv"
    path.write_bytes(b"old")
    held(path, float("inf"))
    assert write_for_readers(path, b"new") == tmp_path / "predictions.new.csv"
    assert path.read_bytes() == b"old" and latest(path).read_bytes() == b"new"
    assert caplog.messages == [f"{path} is open in another program: what is new is in predictions.new.csv"]
    held(path, 0)
    assert write_for_readers(path, b"newer") == path
    assert latest(path) == path and not beside_of(path).exists()


def test_a_folder_that_cannot_be_written_to_is_not_mistaken_for_an_open_file(
    held: Callable[[Path, float], None], tmp_path: Path
) -> None:
    path = tmp_path / "predictions.csv"
    held(path, 1)
    with pytest.raises(PermissionError):
        write_for_readers(path, b"new")
    assert list(tmp_path.iterdir()) == []
