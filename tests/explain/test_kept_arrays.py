"""Kept arrays: read back only if they were made from the same; an id never leads out of the folder."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from monai_fusion.explain.kept_arrays import KeptArrays, file_stems, settings_digest


def test_arrays_come_back_if_nothing_they_depend_on_has_changed(tmp_path: Path) -> None:
    kept = KeptArrays(tmp_path, "eeg_occlusion")
    kept.write("sub-01", settings_digest({"a": 1, "b": [2, 3]}), {"map": np.arange(6.0).reshape(2, 3)})
    found = kept.read("sub-01", settings_digest({"b": [2, 3], "a": 1}))
    assert found is not None and list(found) == ["map"]
    np.testing.assert_array_equal(found["map"], [[0, 1, 2], [3, 4, 5]])
    assert kept.read("sub-01", settings_digest({"a": 2, "b": [2, 3]})) is None
    assert kept.read("sub-02", settings_digest({"a": 1, "b": [2, 3]})) is None


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 cut off", None])
def test_a_damaged_file_is_as_none(tmp_path: Path, damage: bytes | None) -> None:
    kept = KeptArrays(tmp_path, "mri_gradcam")
    kept.write("sub-01", "same", {"map": np.zeros((50, 50))})
    content = kept.path("sub-01").read_bytes()
    kept.path("sub-01").write_bytes(content[: len(content) // 2] if damage is None else damage)
    assert kept.read("sub-01", "same") is None


def test_arrays_that_would_fill_the_memory_are_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = KeptArrays(tmp_path, "mri_gradcam")
    kept.write("sub-01", "same", {"map": np.zeros(2**20)})
    assert kept.read("sub-01", "same") is not None
    monkeypatch.setattr("monai_fusion.explain.kept_arrays._MOST_BYTES", 2**20)
    assert kept.read("sub-01", "same") is None


def test_an_array_that_claims_more_than_any_memory_is_as_none(tmp_path: Path) -> None:
    kept = KeptArrays(tmp_path, "mri_gradcam")
    kept.folder.mkdir(parents=True)
    with zipfile.ZipFile(kept.path("sub-01"), "w") as archive, archive.open("map.npy", "w") as stream:
        header = {"descr": "<f8", "fortran_order": False, "shape": (2**45,)}
        np.lib.format.write_array_header_1_0(stream, header)
    assert kept.read("sub-01", "same") is None


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    kept = KeptArrays(tmp_path, "mri_gradcam")
    kept.folder.mkdir(parents=True)
    np.savez(kept.path("sub-01"), made_from=np.array("same"), map=np.array([{"a": 1}], dtype=object))
    assert kept.read("sub-01", "same") is None


def test_plain_ids_name_their_files() -> None:
    assert file_stems(["sub-01", "sub-010002_x"]) == {"sub-01": "sub-01", "sub-010002_x": "sub-010002_x"}


HOSTILE = [
    "../../etc/passwd",
    "a/b",
    "a\\b",
    "",
    ".",
    "..",
    ".hidden",
    "CON",
    "nul.txt",
    "x:y",
    "ends.",
    "Grüße",
    "a\n",
]


@pytest.mark.parametrize("participant", [*HOSTILE, "a" * 300, "\udcff"])
def test_any_other_id_names_a_file_in_the_folder(participant: str, tmp_path: Path) -> None:
    stem = file_stems([participant])[participant]
    path = KeptArrays(tmp_path, "m").path(stem)
    assert path.resolve().parent == (tmp_path / "arrays" / "m").resolve()
    assert stem.isascii() and 0 < len(stem) <= 80 and stem.casefold().split(".")[0] not in ("con", "nul", "")


def test_ids_that_differ_in_case_alone_have_files_of_their_own() -> None:
    stems = file_stems(["Sub-1", "sub-1", "SUB-1"])
    assert len({stem.casefold() for stem in stems.values()}) == 3
