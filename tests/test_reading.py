"""Small files of unknown origin are read, or refused with a reason: none hangs or fills the memory."""

import os
from pathlib import Path

import pytest

from monai_fusion.opening import NotReadableError
from monai_fusion.reading import read_bytes, read_json, read_json_object, reason_of


def test_json_reads_as_ever(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": [1, null, "Köln"]}', encoding="utf-8")
    assert read_json(tmp_path / "a.json") == {"a": [1, None, "Köln"]}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[" * 100_000 + b"]" * 100_000, "nested too deep"),
        (b'{"a":' * 100 + b"1" + b"}" * 100, "nested too deep"),
        (b"[1,\n2", "not JSON from line 2 on"),
        (b"", "not JSON from line 1 on"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
    ],
)
def test_what_cannot_be_used_is_a_value_error_with_a_short_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ValueError) as caught:
        read_json(tmp_path / "a.json")
    assert reason_of(caught.value) == reason
    assert read_json_object(tmp_path / "a.json") is None


def test_half_a_character_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": {"b": "\\ud800"}}')
    with pytest.raises(ValueError):
        read_json(tmp_path / "a.json")


def test_a_sparse_file_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.json").open("wb") as stream:
        stream.truncate(3 * 2**30)
    with pytest.raises(NotReadableError, match="3,221,225,472 bytes are too many"):
        read_bytes(tmp_path / "a.json")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no named pipes in folders")
def test_folders_and_named_pipes_are_named_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, reason in ((tmp_path, "is a folder"), (tmp_path / "pipe", "is a named pipe")):
        with pytest.raises(NotReadableError, match=reason):
            read_bytes(path)
    with pytest.raises(NotReadableError, match="not a valid file name"):
        read_bytes(tmp_path / "a\0b")


def test_a_link_is_followed_unless_it_may_not_be(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": 1}')
    try:
        (tmp_path / "link.json").symlink_to(tmp_path / "a.json")
    except OSError:
        pytest.skip("this user may not create symbolic links")
    assert read_json_object(tmp_path / "link.json") == {"a": 1}
    if hasattr(os, "O_NOFOLLOW"):
        assert read_json_object(tmp_path / "link.json", follow=False) is None
    assert read_json_object(tmp_path / "a.json", follow=False) == {"a": 1}
