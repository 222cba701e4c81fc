"""What lies in the place of a datalist or of a participants table, and is none."""

import gzip
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from monai_fusion.datalist import check_datalist
from monai_fusion.datalist.building.participants_table import read_participants_table
from monai_fusion.errors import InputError

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 3\n"
WEB = b"<!DOCTYPE html><html><body>404</body></html>"


def of_datalist(path: Path) -> str:
    (problem,) = check_datalist(path)
    return str(problem)


def of_table(path: Path) -> str:
    with pytest.raises(InputError) as raised:
        read_participants_table(path)
    return str(raised.value)


READERS = pytest.mark.parametrize("message", [of_datalist, of_table])


@READERS
@pytest.mark.parametrize(
    ("content", "printed"),
    [
        (LFS, "a pointer of Git LFS, not the file"),
        (b"/annex/objects/MD5-s3--1", "a pointer of git-annex, not the file"),
        (WEB, "a web page"),
        (gzip.compress(b"participant_id", mtime=0), "a file packed with gzip"),
        (b"%PDF-1.7 ...", "a PDF document"),
        (bytes(3000), "nothing but zero bytes"),
        (b"GIF89a\x01\x00", "a GIF picture"),
        (b"\x93NUMPY\x01\x00", "a NumPy array (.npy)"),
        (b"\x5c\x01" + bytes(342) + b"n+1\x00" + bytes(8), "a NIfTI volume"),
        (b"SQLite format 3\x00", "an SQLite database"),
    ],
    ids=["LFS", "annex", "web page", "gzip", "PDF", "zeros", "GIF", "npy", "NIfTI", "SQLite"],
)
def test_another_kind_of_file_is_called_by_its_name(
    content: bytes, printed: str, message: Callable[[Path], str], tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert printed in message(path)
    assert "give the recording" not in message(path)


@pytest.mark.parametrize(("message", "wanted"), [(of_datalist, "datalist"), (of_table, "table")])
def test_the_advice_names_what_was_wanted(message: Callable[[Path], str], wanted: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"%PDF-1.7 ...")
    assert message(path).endswith(f": give the {wanted} itself: is it the right path?")
    path.write_bytes(gzip.compress(b"participant_id", mtime=0))
    assert message(path).endswith(f": unpack it first, if the {wanted} is in it")


@READERS
def test_a_link_to_what_was_not_fetched_is_called_that(message: Callable[[Path], str], tmp_path: Path) -> None:
    path = tmp_path / "file"
    try:
        path.symlink_to(".git/annex/objects/aa/file")
    except OSError:
        pytest.skip("links need a privilege on Windows")
    assert message(path).endswith(
        "a link of git-annex to a file that is not here: fetch it: datalad get, or git annex get"
    )
    path.unlink()
    path.symlink_to("nowhere")
    assert message(path).endswith("a link to a file that is not here: is a disk not mounted?")
    path.unlink()
    assert message(path).endswith("there is no such file")


@READERS
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such pipes")
def test_a_pipe_without_a_writer_and_a_file_of_gigabytes_are_refused_at_once(
    message: Callable[[Path], str], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert message(tmp_path / "pipe").endswith("cannot be read (is a named pipe)")
    with (tmp_path / "large").open("wb") as stream:
        stream.truncate(3 << 30)
    assert message(tmp_path / "large").endswith("cannot be read (3,221,225,472 bytes are too many)")


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="only some systems show open files so")
def test_a_pipe_that_a_shell_made_is_read() -> None:
    read, write = os.pipe()

    def fill() -> None:
        with os.fdopen(write, "wb") as stream:
            stream.write(b"participant_id,gender\nsub-01,M\n")

    writer = threading.Thread(target=fill)
    writer.start()
    try:
        table = read_participants_table(Path(f"/dev/fd/{read}"))
    finally:
        writer.join()
        os.close(read)
    assert [row.values for row in table.rows] == [{"participant_id": "sub-01", "gender": "M"}]
