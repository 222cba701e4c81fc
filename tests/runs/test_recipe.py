"""The recipe: what evaluation must know of a training, and the refusal of a wrong one."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigParser

from monai_fusion import __version__
from monai_fusion.data import Preprocessing
from monai_fusion.datalist import Datalist, ModalityPolicy, ParticipantRecord
from monai_fusion.errors import InputError
from monai_fusion.fingerprint import describe_chain
from monai_fusion.recordings.scalogram_recipe import ENTRY, read_recipe_entry
from monai_fusion.run_folder import MODEL_FILE
from monai_fusion.runs import (
    RunConfig,
    check_classes,
    clear_results,
    read_recipe,
    trained_network,
    trained_preprocessing,
    write_recipe,
)
from monai_fusion.sidecar import KIND, LAYOUT

CONFIG: dict[str, Any] = {
    "depth": 4,
    "orientation": "RAS",
    "mri_size": [6, 6, 6],
    "note": "Köln",
    "num_workers": 3,
    "eeg_preprocessing": [
        {"_target_": "monai_fusion.transforms.LoadScalogramd", "shape": [8, 10, 3]},
        {"_target_": "monai_fusion.transforms.ZScoreElectrodesd"},
    ],
    "mri_preprocessing": [
        {"_target_": "monai_fusion.transforms.LoadVolumed", "orientation": "@orientation"},
        {"_target_": "monai_fusion.transforms.ResampleSlabd", "size": "@mri_size", "depth": "@depth"},
        {"_target_": "ScaleIntensityd", "keys": "mri"},
    ],
    "network_def": {"_target_": "torch.nn.Linear", "in_features": "$@depth * 2", "out_features": 2},
}
USES = ModalityPolicy(allow_missing=True)


def write(folder: Path, config: Mapping[str, Any] = CONFIG, records: Sequence[ParticipantRecord] = ()) -> None:
    parser = ConfigParser(dict(config))
    chains = {name: parser.get_parsed_content(f"{name}_preprocessing") for name in ("eeg", "mri")}
    identity = {f"{name}_preprocessing": describe_chain(chain)["transforms"] for name, chain in chains.items()}
    cohort = Datalist(folder / "list.json", "tiny", "gender", ("M", "F"), folder, {"training": tuple(records)})
    write_recipe(folder, cohort, RunConfig(parser), identity, Preprocessing(**chains, mri_dtype="uint16"), USES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder as a finished training leaves it."""
    write(tmp_path)
    (tmp_path / MODEL_FILE).touch()
    return tmp_path


def test_a_recipe_reads_back_as_plain_values(folder: Path) -> None:
    recipe = read_recipe(folder)
    assert recipe["monai_fusion"] == __version__
    assert recipe["classes"] == ["M", "F"] and recipe["mri_size"] == [6, 6, 6] and recipe["note"] == "Köln"
    assert recipe["absence"] is True and recipe["target"] == "gender"
    assert "num_workers" not in recipe  # it changes no number
    assert sorted(path.name for path in folder.iterdir()) == [MODEL_FILE, "recipe.json"]


def test_it_holds_how_the_scalograms_were_made_if_the_files_beside_them_say_so(
    tiny_records: Sequence[ParticipantRecord], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "monai_fusion")
    write(tmp_path, records=tiny_records)
    assert ENTRY not in json.loads((tmp_path / "recipe.json").read_text(encoding="utf-8"))
    assert "no raw EEG: no JSON beside 10 scalograms says how they were made" in caplog.text
    for record in tiny_records:
        content = {
            **{"Kind": KIND, "Layout": LAYOUT, "Finished": True, "Mode": "power", "Units": "z-score"},
            **{"Electrodes": ["Fz", "Cz"], "SegmentSeconds": 10.0, "RejectAboveMicrovolts": None},
            "InterpolatedElectrodes": ["Cz"] if record is tiny_records[2] else [],
            "Signal": {"Reference": "as recorded", "Demean": True, "HighPassHz": 0.5, "LineOption": 50},
        }
        record.eeg[0].with_name(f"{record.participant_id}_scalogram.json").write_text(json.dumps(content))
    write(tmp_path, records=tiny_records)
    (tmp_path / MODEL_FILE).touch()
    found = read_recipe_entry(read_recipe(tmp_path)[ENTRY])
    assert found is not None and found.words() == [
        *("--mode", "power", "--rows", "z-score", "--electrodes", "Fz,Cz", "--seconds", "10", "--reference"),
        *("as-recorded", "--demean", "yes", "--high-pass", "0.5", "--line", "50", "--interpolate", "1"),
    ]


def test_it_holds_the_network_and_the_transforms_as_data(folder: Path) -> None:
    recipe = read_recipe(folder)
    assert recipe["network"] == {"_target_": "torch.nn.modules.linear.Linear", "in_features": 8, "out_features": 2}
    assert recipe["preprocessing"]["mri"] == [
        {"_target_": "monai_fusion.transforms.volume_file.LoadVolumed", "orientation": "RAS"},
        {"_target_": "monai_fusion.transforms.slab_resampling.ResampleSlabd", "size": [6, 6, 6], "depth": 4},
        {"_target_": "monai.transforms.intensity.dictionary.ScaleIntensityd", "keys": "mri"},
    ]


def test_the_trained_parts_are_built_again(folder: Path) -> None:
    recipe = read_recipe(folder)
    assert repr(trained_network(recipe)) == "Linear(in_features=8, out_features=2, bias=True)"
    preprocessing = trained_preprocessing(recipe, folder / "store")
    chains = preprocessing.transforms
    assert preprocessing.dtypes == {"eeg": "float32", "mri": "uint16"}
    assert preprocessing.cache_dir == str(folder / "store")
    assert [type(each).__name__ for each in chains["eeg"]] == ["LoadScalogramd", "ZScoreElectrodesd"]
    assert [type(each).__name__ for each in chains["mri"]] == ["LoadVolumed", "ResampleSlabd", "ScaleIntensityd"]
    assert len(trained_network(recipe | {"members": 2}).members) == 2  # type: ignore[arg-type] # an ensemble's list


def test_transforms_that_compute_other_numbers_now_are_refused(folder: Path) -> None:
    recipe = read_recipe(folder)
    recipe["preprocessing_digests"]["mri"] = "0" * 32  # as if another version had written it
    with pytest.raises(InputError) as caught:
        trained_preprocessing(recipe, None)
    assert str(caught.value) == (
        "recipe.json mri_preprocessing: computes other numbers in this version than in the model's training: "
        f"install monai-fusion {__version__}, or train again"
    )


def test_the_order_of_the_transforms_counts(folder: Path) -> None:
    recipe = read_recipe(folder)
    recipe["preprocessing"]["eeg"].reverse()
    with pytest.raises(InputError, match=r"^recipe\.json eeg_preprocessing: computes other numbers"):
        trained_preprocessing(recipe, None)


def test_an_argument_that_no_file_can_hold_is_refused_when_the_training_starts(tmp_path: Path) -> None:
    network = {"_target_": "torch.nn.Sequential", "modules": "$object()"}
    with pytest.raises(InputError, match=r"^network_def#modules: \$object\(\): returns an object of the class object"):
        write(tmp_path, CONFIG | {"network_def": network})
    assert not (tmp_path / "recipe.json").exists()


def test_a_transform_is_not_a_network_and_a_network_not_a_transform(folder: Path) -> None:
    recipe = read_recipe(folder)
    transform, network = recipe["preprocessing"]["mri"][0], recipe["network"]
    with pytest.raises(InputError, match=r"^recipe\.json network: holds a LoadVolumed, expected a Module"):
        trained_network(recipe | {"network": transform})
    with pytest.raises(InputError, match=r"^recipe\.json preprocessing: holds a Linear, expected a Transform"):
        trained_preprocessing(recipe | {"preprocessing": {"eeg": [network], "mri": []}}, None)


def test_modules_that_the_user_must_trust_for_an_evaluation_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, CONFIG | {"network_def": {"_target_": "tests.support.TinyFusionNet"}})
    assert "an evaluation of this model needs --trusted_modules \"['tests.support']\"" in caplog.text


def test_the_same_classes_pass_and_inference_needs_none(folder: Path) -> None:
    check_classes(read_recipe(folder), ("M", "F"))
    check_classes(read_recipe(folder), (), required=False)


@pytest.mark.parametrize("classes", [["F", "M"], ["young", "old"], []])
def test_other_classes_or_another_order_are_refused_and_named(folder: Path, classes: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        check_classes(read_recipe(folder), classes)
    assert str(caught.value) == (
        f"--datalist classes: {classes}, expected ['M', 'F']: "
        "use a datalist with the classes that the model knows, in their order"
    )


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
    path = folder / "recipe.json"
    recipe = json.loads(path.read_text(encoding="utf-8"))
    del recipe["preprocessing"]["mri"]
    path.write_text(json.dumps(recipe), encoding="utf-8")
    assert "preprocessing: " in message_of(folder) and "expected the transforms of eeg and mri" in message_of(folder)


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
@pytest.mark.parametrize(
    "name",
    ["orientation", "mri_size", "eeg_shape", "slab_depth", "classes", "eeg_store_dtype", "network", "preprocessing"],
)
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
def test_a_recipe_that_is_not_a_file_or_deeply_nested_is_refused_in_a_line(folder: Path) -> None:
    path = folder / "recipe.json"
    path.write_bytes(b"[" * 100_000)
    assert message_of(folder).startswith(f"{path}: not JSON")
    path.unlink()
    os.mkfifo(path)
    assert message_of(folder).startswith(f"{path}: is a named pipe")
    path.unlink()
    path.mkdir()
    assert message_of(folder).startswith(f"{path}: is a folder")
