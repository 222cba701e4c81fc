"""The header of a .npy file, also where Python's parser stumbles over other threads."""

import io
from pathlib import Path

import numpy as np
import pytest

from monai_fusion.npy_header import read_npy_header
from monai_fusion.transforms import LoadScalogramd

MISMATCH = "AST constructor recursion depth mismatch (before=21, after=24)"
REAL = np.lib.format.read_magic


class Stumbling:
    """CPython issue 106905, which comes once in thousands of headers: the first ``times`` attempts end with it."""

    def __init__(self, times: int) -> None:
        self.times = times

    def __call__(self, stream: io.BytesIO) -> tuple[int, int]:
        found: tuple[int, int] = REAL(stream)  # so much of the stream has been read when the parser stumbles
        self.times -= 1
        if self.times >= 0:
            raise SystemError(MISMATCH)
        return found


def saved(array: np.ndarray) -> io.BytesIO:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream


@pytest.mark.parametrize("order", ["C", "F"])
def test_it_stops_where_the_numbers_begin(order: str) -> None:
    array = np.asarray(np.arange(12.0).reshape(3, 4), order=order)  # type: ignore[call-overload] # a str
    stream = saved(array)
    assert read_npy_header(stream) == ((3, 4), order == "F", np.dtype(np.float64))
    np.testing.assert_array_equal(np.frombuffer(stream.read()), array.ravel(order="K"))


def test_a_stumbling_parser_is_asked_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stream = saved(np.zeros((2, 3, 4), np.float32))
    path = tmp_path / "sub-01_seg0.npy"
    path.write_bytes(stream.getvalue())
    monkeypatch.setattr(np.lib.format, "read_magic", Stumbling(5))
    assert read_npy_header(stream)[0] == (2, 3, 4)
    monkeypatch.setattr(np.lib.format, "read_magic", Stumbling(5))
    assert LoadScalogramd(shape=(2, 3, 4))({"eeg": path})["eeg"].shape == (4, 2, 3)


def test_one_that_never_succeeds_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np.lib.format, "read_magic", Stumbling(1000))
    with pytest.raises(SystemError, match="AST constructor"):
        read_npy_header(saved(np.zeros(3)))


def test_another_version_of_the_format_is_refused() -> None:
    damaged = bytearray(saved(np.zeros(3)).getvalue())
    damaged[6] = 9
    with pytest.raises(KeyError):
        read_npy_header(io.BytesIO(bytes(damaged)))
