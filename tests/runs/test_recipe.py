"""The recipe: what evaluation must know of a training, and how a wrong one is refused."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from monai_fusion import __version__
from monai_fusion.errors import InputError
from monai_fusion.run_folder import MODEL_FILE
from monai_fusion.runs import check_recipe, clear_results, read_recipe, write_recipe
from monai_fusion.transforms import LoadScalogramd, LoadVolumed, ResampleSlabd, ZScoreElectrodesd


def preprocessing(depth: int = 4) -> dict[str, list[Any]]:
    return {
        "eeg": [LoadScalogramd(shape=(8, 10, 3)), ZScoreElectrodesd()],
        "mri": [LoadVolumed(), ResampleSlabd(size=(6, 6, 6), depth=depth)],
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder as a finished training leaves it."""
    write_recipe(tmp_path, ["M", "F"], preprocessing(), mri_size=[6, 6, 6], orientation="RAS", note="Köln")
    (tmp_path / MODEL_FILE).touch()
    return tmp_path


def test_a_recipe_reads_back_as_plain_values(folder: Path) -> None:
    recipe = read_recipe(folder)
    assert recipe["monai_fusion"] == __version__
    assert recipe["classes"] == ["M", "F"] and recipe["mri_size"] == [6, 6, 6] and recipe["note"] == "Köln"
    assert recipe["preprocessing"].keys() == {"eeg", "mri"}
    assert sorted(path.name for path in folder.iterdir()) == [MODEL_FILE, "recipe.json"]


def test_the_same_classes_and_transforms_pass(folder: Path) -> None:
    check_recipe(read_recipe(folder), ("M", "F"), preprocessing())


def test_other_transforms_are_refused_by_the_recording_they_concern(folder: Path) -> None:
    with pytest.raises(InputError) as caught:
        check_recipe(read_recipe(folder), ["M", "F"], preprocessing(depth=5))
    assert str(caught.value) == (
        "mri_preprocessing: differs from what the model was trained with: "
        "change it (or the knobs it uses) back to the training's"
    )


def test_the_order_of_the_transforms_counts(folder: Path) -> None:
    turned = preprocessing() | {"eeg": preprocessing()["eeg"][::-1]}
    with pytest.raises(InputError, match=r"^eeg_preprocessing: differs"):
        check_recipe(read_recipe(folder), ["M", "F"], turned)


def test_other_classes_or_another_order_are_refused_and_named(folder: Path) -> None:
    with pytest.raises(InputError) as caught:
        check_recipe(read_recipe(folder), ["F", "M"], preprocessing())
    assert str(caught.value) == (
        "--datalist classes: ['F', 'M'], expected ['M', 'F']: "
        "use a datalist with the classes that the model knows, in their order"
    )


def test_all_differences_are_said_at_once_classes_first(folder: Path) -> None:
    with pytest.raises(InputError) as caught:
        check_recipe(read_recipe(folder), ["young", "old"], {"eeg": [], "mri": []})
    assert [problem.where for problem in caught.value.problems] == [
        "--datalist",
        "eeg_preprocessing",
        "mri_preprocessing",
    ]


def message_of(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_recipe(folder)
    return str(caught.value)


def test_a_folder_without_a_training_is_refused(tmp_path: Path) -> None:
    advice = "give the --output_dir of a training (train.yaml)"
    assert message_of(tmp_path) == f"{tmp_path}: no recipe.json, expected a trained model: {advice}"
    missing = tmp_path / "missing"
    assert message_of(missing) == f"{missing}: no recipe.json, expected a trained model: {advice}"


def test_a_training_that_never_saved_a_model_is_refused(folder: Path) -> None:
    (folder / MODEL_FILE).unlink()
    assert message_of(folder).startswith(f"{folder}: no {MODEL_FILE}, expected a trained model")


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe\x00"])
def test_a_damaged_recipe_is_refused(folder: Path, content: bytes) -> None:
    path = folder / "recipe.json"
    path.write_bytes(content)
    assert message_of(folder) == f"{path}: not JSON: train again, or copy the run folder again"


@pytest.mark.parametrize("content", [[], {"recipe": "soup"}, {"classes": ["M", "F"]}, "text"])
def test_json_of_something_else_is_refused(folder: Path, content: object) -> None:
    (folder / "recipe.json").write_text(json.dumps(content))
    assert "not a recipe of monai-fusion" in message_of(folder)


def test_a_recipe_without_one_of_the_recordings_does_not_pass_unseen(folder: Path) -> None:
    recipe = read_recipe(folder)
    del recipe["preprocessing"]["mri"]
    with pytest.raises(InputError, match="mri_preprocessing"):
        check_recipe(recipe, ["M", "F"], preprocessing())


def test_clearing_removes_the_results_of_a_training_and_nothing_else(tmp_path: Path) -> None:
    for name in ("model.pt", "calibration.json", "metrics.json", "recipe.json", "report.html", "notes.txt"):
        (tmp_path / name).write_text("old")
    clear_results(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("fusion", [], "text"),
        ("modalities", 3, "text"),
        ("absence", "false", "true or false"),
        ("allow_missing", 1, "true or false"),
        ("unseen_absence", 5, "a list"),
        ("members", True, "a whole number"),
    ],
)
def test_an_entry_of_another_type_is_named(folder: Path, name: str, value: object, wanted: str) -> None:
    path = folder / "recipe.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {name: value}), encoding="utf-8")
    assert message_of(folder) == f"{path} {name}: {value!r}, expected {wanted}: copy the run folder again"


CODE = "$__import__('pathlib').Path('ran').touch()"


@pytest.mark.parametrize("value", [None, True, -1, 1.5, 10**40, "", CODE, "@home", "a\0b", [], {}, [1, 2], [[[]]]])
@pytest.mark.parametrize("name", ["orientation", "mri_size", "eeg_shape", "slab_depth", "classes", "eeg_store_dtype"])
def test_an_entry_that_no_training_writes_is_refused_and_never_evaluated(
    folder: Path, name: str, value: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    path = folder / "recipe.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {name: value}), encoding="utf-8")
    message = message_of(folder)
    assert message.startswith(f"{path} {name}: ") and "\n" not in message and "\0" not in message
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no named pipes in folders")
def test_a_recipe_that_is_no_file_or_nested_deep_is_refused_in_a_line(folder: Path) -> None:
    path = folder / "recipe.json"
    path.write_bytes(b"[" * 100_000)
    assert message_of(folder).startswith(f"{path}: not JSON")
    path.unlink()
    os.mkfifo(path)
    assert message_of(folder).startswith(f"{path}: is a named pipe")
    path.unlink()
    path.mkdir()
    assert message_of(folder).startswith(f"{path}: is a folder")
