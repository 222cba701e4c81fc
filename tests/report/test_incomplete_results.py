"""``report.html`` where files are missing, damaged or of another kind: the page names what it cannot show."""

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from monai_fusion.errors import InputError
from monai_fusion.report import write_report
from monai_fusion.report.run_results import read_results
from tests.report.conftest import Evaluation, rows_of
from tests.report.page_reader import Page


def report_on(folder: Path) -> Page:
    return Page(write_report(folder))


def metrics_of(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


def test_predictions_alone_are_enough_and_what_is_missing_is_named(evaluation: Evaluation) -> None:
    folder = evaluation("two_classes")
    for path in folder.iterdir():
        if path.name != "predictions.csv":
            path.unlink()
    page = report_on(folder)
    assert len(page.section("discrimination").all("svg")) == 3
    missing = {
        "scores": "no metrics.json",
        "embeddings": "embeddings.npz",
        "mistakes": "thumbnails.npz",
        "cohort": "report_data.json",
        "training": "no history.csv",
        "run": "no manifest.json",
    }
    for section, reason in missing.items():
        assert reason in page.section(section).text


def as_version_1(folder: Path) -> None:
    """Turn a folder's metrics.json into the layout that had ``said`` where ``predicted`` stands today."""
    content = metrics_of(folder)
    for row in content["per_class"]:
        row["said"] = row.pop("predicted")
    (folder / "metrics.json").write_text(json.dumps(content | {"schema_version": 1}), encoding="utf-8")


def as_unversioned(folder: Path) -> None:
    (folder / "metrics.json").write_text('{"accuracy": 0.9, "classes": ["M", "F"]}', encoding="utf-8")


def as_version_2_with_the_old_field(folder: Path) -> None:
    as_version_1(folder)
    (folder / "metrics.json").write_text(json.dumps(metrics_of(folder) | {"schema_version": 3}), encoding="utf-8")


@pytest.mark.parametrize(
    ("age", "seen"),
    [
        (as_version_1, "version 1, not 3"),
        (as_unversioned, "no version"),
        (as_version_2_with_the_old_field, "per_class"),
    ],
)
def test_scores_of_an_older_version_are_refused_with_what_to_do(
    evaluation: Evaluation, age: Callable[[Path], None], seen: str
) -> None:
    folder = evaluation("two_classes")
    age(folder)
    results = read_results(folder)
    assert results.metrics is None and seen in results.metrics_note and "evaluate again" in results.metrics_note
    page = report_on(folder)
    assert results.metrics_note in page.section("headline").text
    assert not page.root.all("div", class_="card")


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("metrics.json", "metrics"),
        ("report_data.json", "cohort"),
        ("manifest.json", "manifest"),
        ("embeddings.npz", "embeddings"),
        ("thumbnails.npz", "mri"),
    ],
)
def test_a_damaged_file_is_as_if_it_were_not_there(evaluation: Evaluation, name: str, field: str) -> None:
    folder = evaluation("two_classes")
    assert getattr(read_results(folder), field)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    assert not getattr(read_results(folder), field)


def test_arrays_of_other_shapes_are_left_out(evaluation: Evaluation) -> None:
    folder = evaluation("two_classes")
    ids = np.array([row["participant_id"] for row in rows_of(folder)])
    np.savez(folder / "embeddings.npz", participant_id=ids, fused=np.zeros((len(ids) - 1, 4)), eeg=np.zeros(len(ids)))
    np.savez(folder / "thumbnails.npz", participant_id=ids, mri=np.zeros((len(ids), 3, 8)), eeg=np.zeros((len(ids), 8)))
    results = read_results(folder)
    assert not results.embeddings and not results.mri and not results.eeg


def test_pickled_arrays_are_not_loaded(evaluation: Evaluation) -> None:
    folder = evaluation("two_classes")
    ids = np.array([row["participant_id"] for row in rows_of(folder)], dtype=object)
    np.savez(folder / "embeddings.npz", participant_id=ids, fused=np.zeros((len(ids), 4)))
    assert not read_results(folder).embeddings


HOSTILE = (None, True, -1, 1e308, 10**40, "", "$open('ran', 'w')", "a\0b", [], {}, [[[]]])


@pytest.mark.parametrize("name", ["metrics.json", "report_data.json", "manifest.json"])
def test_any_value_of_another_type_gives_a_page_or_a_line(evaluation: Evaluation, name: str) -> None:
    path = evaluation("one_participant") / name
    whole = json.loads(path.read_text(encoding="utf-8"))
    keys = [(key, inner) for key, value in whole.items() for inner in (value if isinstance(value, dict) else [None])]
    for place, value in enumerate(HOSTILE * 2):
        key, inner = keys[place % len(keys)]
        changed = {**whole, key: value if inner is None else {**whole[key], inner: value}}
        path.write_text(json.dumps(changed), encoding="utf-8")
        read_results(path.parent)
    write_report(path.parent)


@pytest.mark.parametrize("name", ["metrics.json", "report_data.json", "embeddings.npz", "thumbnails.npz"])
@pytest.mark.parametrize("kind", ["folder", "pipe", "deep", "sparse", "zeros"])
def test_what_is_no_such_file_is_as_if_it_were_not_there(evaluation: Evaluation, name: str, kind: str) -> None:
    path = evaluation("one_participant") / name
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        if os.name == "nt":
            pytest.skip("Windows has no named pipes in folders")
        os.mkfifo(path)
    elif kind == "sparse":
        with path.open("wb") as stream:
            stream.truncate(3 * 2**30)
    else:
        path.write_bytes(b"[" * 100_000 if kind == "deep" else bytes(1000))
    assert read_results(path.parent).participants


def test_an_array_that_claims_gigabytes_is_not_made_room_for(evaluation: Evaluation) -> None:
    folder = evaluation("two_classes")
    header = io.BytesIO()
    claim = {"descr": "<f4", "fortran_order": False, "shape": (1000, 800_000)}
    np.lib.format.write_array_header_1_0(header, claim)
    with zipfile.ZipFile(folder / "embeddings.npz", "w") as archive:
        for name in ("participant_id", "fused"):
            archive.writestr(f"{name}.npy", header.getvalue())
    assert not read_results(folder).embeddings


@pytest.mark.parametrize("shape", [(0,), (1,)])
def test_embeddings_of_no_or_one_dimension_make_no_map_and_no_fault(
    evaluation: Evaluation, shape: tuple[int, ...]
) -> None:
    folder = evaluation("two_classes")
    ids = np.array([row["participant_id"] for row in rows_of(folder)])
    np.savez(folder / "embeddings.npz", participant_id=ids, fused=np.zeros((len(ids), *shape), np.float32))
    write_report(folder)


def test_an_id_with_a_nul_is_refused_without_showing_it(evaluation: Evaluation) -> None:
    path = evaluation("two_classes") / "predictions.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("sub-001,", "sub\0-001,", 1), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_results(path.parent)
    assert "\\x00" in str(caught.value) and "\0" not in str(caught.value)


def test_a_folder_in_place_of_the_page_is_refused_in_a_line(evaluation: Evaluation) -> None:
    folder = evaluation("one_participant")
    (folder / "report.html").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        write_report(folder)


def test_pictures_and_embeddings_find_their_participant_by_id(evaluation: Evaluation) -> None:
    folder = evaluation("two_classes")
    expected = read_results(folder)
    order = np.random.default_rng(3).permutation(len(rows_of(folder)))
    for name in ("embeddings.npz", "thumbnails.npz"):
        with np.load(folder / name) as stored:
            arrays = {key: stored[key][order] for key in stored.files}
        np.savez(folder / name, **arrays)
    found = read_results(folder)
    for name in ("fused", "eeg", "mri"):
        np.testing.assert_array_equal(found.embeddings[name], expected.embeddings[name])
    for participant in expected.participants:
        np.testing.assert_array_equal(found.mri[participant.participant_id], expected.mri[participant.participant_id])
