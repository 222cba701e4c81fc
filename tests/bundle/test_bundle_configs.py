"""The shipped configs: first-class by MONAI's own rules, and agreeing with each other."""

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from monai.bundle import ConfigWorkflow, create_workflow

from monai_fusion import __version__
from monai_fusion.errors import InputError
from monai_fusion.shipped_bundle import config_files
from tests.bundle.conftest import BUNDLE, CONFIGS, EEG_SIZE, SMALL, Cohort


def config(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((CONFIGS / name).read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_no_component_has_the_name_of_a_module(path: Path) -> None:
    """From Python 3.12 on, MONAI then finds the module: `pydoc.locate` imports as much of a name as it can."""
    targets = set(re.findall(r"_target_:\s*(monai_fusion[\w.]+)", path.read_text(encoding="utf-8")))
    assert [name for name in targets if _is_module(name)] == []


def _is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # of a module that is no package
        return False


def test_the_transforms_stand_in_one_config_alone() -> None:
    for name in ("evaluate.yaml", "inference.yaml"):
        assert "monai_fusion.transforms" not in (CONFIGS / name).read_text(encoding="utf-8")
        assert not config(name).keys() & {"eeg_preprocessing", "mri_preprocessing", "mri_size", "fusion"}


def test_the_knobs_have_the_defaults_of_the_specification() -> None:
    train = config("train.yaml")
    expected = {
        "num_epochs": [15, 10],
        "batch_size": 4,
        "head_lr": 2e-4,
        "encoder_lr": 1e-4,
        "weight_decay": 1e-4,
        "clip_norm": 5.0,
        "lambda_align": 0.15,
        "seed": 1337,
        "pretrained": True,
        "train_stem": True,
        "mri_input_norm": "kinetics",
        "fusion": "gated",
        "eeg_shape": [224, 224, 17],
        "orientation": "RAS",
        "percentiles_over": "all",
        "mri_size": [128, 128, 128],
        "slab_depth": 96,
        "spec_augment_prob": 0.8,
        "spec_augment_fraction": 0.08,
        "flip_prob": [0.5, 0.5, 0.5],
        "rotate_prob": 0.3,
        "rotate_max_degrees": 10.0,
        "keep_epoch": "best",
        "max_eval_segments": None,
        "accumulation_steps": 1,
        "label_smoothing": 0.0,
        "class_weights": None,
        "ema_decay": None,
        "early_stopping": None,
        "time_limit_minutes": None,
        "modality_dropout": 0.0,
        "allow_missing": False,
        "modalities": "both",
    }
    assert {name: train[name] for name in expected} == expected
    assert train["stage_blocks"] == [
        {"eeg": ["stage3", "stage4"], "mri": ["layer4"]},
        {"eeg": ["stage2", "stage3", "stage4"], "mri": ["layer3", "layer4"]},
    ]


@pytest.mark.parametrize("name", sorted(path.name for path in CONFIGS.glob("*.yaml")))
def test_a_config_is_read_without_scrolling_sideways(name: str) -> None:
    lines = (CONFIGS / name).read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) > 120] == []


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_no_number_is_text_by_yamls_rules(path: Path) -> None:
    def texts(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [text for item in value.values() for text in texts(item)]
        if isinstance(value, list):
            return [text for item in value for text in texts(item)]
        return [value] if isinstance(value, str) else []

    def is_number(text: str) -> bool:
        try:
            float(text)
        except ValueError:
            return False
        return True

    assert not [text for text in texts(config(path.name)) if is_number(text)]


def test_the_demo_only_overrides_what_training_defines() -> None:
    assert config("demo.yaml").keys() <= config("train.yaml").keys()


def test_every_knob_has_a_comment() -> None:
    knobs = (CONFIGS / "train.yaml").read_text(encoding="utf-8").split("# ---- the parts")[0]
    lines = [line for line in knobs.splitlines() if line[:1].isalpha()]
    assert len(lines) > 30 and not [line for line in lines if "#" not in line]


def test_an_evaluation_is_an_inference_that_differs_in_few_entries() -> None:
    changed = config("evaluate.yaml").keys() & config("inference.yaml").keys()
    knobs = {"datalist", "model_dir", "output_dir"}
    parts = {
        "log_name",
        "require_labels",
        "may_lose",
        "warnings",
        "everyone",
        "key_metric",
        "handlers",
        "initialize",
        "run",
        "checks",
        "prepare",  # everybody, before the network runs
        "dataset",
        "dataloader",
        "thumbnail_writer",
    }
    assert changed == knobs | parts
    assert config("evaluate.yaml")["initialize"] == config("inference.yaml")["initialize"]


def test_metadata_has_what_monai_requires() -> None:
    metadata = json.loads((CONFIGS / "metadata.json").read_text(encoding="utf-8"))
    assert metadata["version"] in metadata["changelog"]
    assert metadata["required_packages_version"]["monai-fusion"] == __version__
    assert {"monai_version", "pytorch_version", "numpy_version", "task", "intended_use"} <= metadata.keys()
    assert (BUNDLE / "LICENSE").is_file() and (BUNDLE / "docs" / "README.md").is_file()


def test_training_has_all_properties_of_a_monai_bundle(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    workflow = create_workflow(
        config_file=str(CONFIGS / "train.yaml"),
        workflow_type="train",
        datalist=str(cohort.datalist),
        output_dir=str(tmp_path / "run"),
        cache_dir=str(cohort.folder.parent / "runs" / "preprocessed"),
        eeg_shape=EEG_SIZE,
        mri_size=[24, 24, 24],
        slab_depth=16,
        pretrained=False,
        device="cpu",
    )
    assert workflow.check_properties() == []
    assert workflow.train_dataset is not None and workflow.max_epochs == 25


@pytest.mark.parametrize("run", ["evaluate", "predict"])
def test_inference_has_all_properties_of_a_monai_bundle(
    run: str, cohort: Cohort, run_folder: Path, tmp_path: Path
) -> None:
    workflow = ConfigWorkflow(
        config_file=[str(path) for path in config_files(run, BUNDLE)],
        workflow_type="infer",
        datalist=str(cohort.datalist),
        model_dir=str(run_folder),
        output_dir=str(tmp_path),
        device="cpu",
    )
    workflow.initialize()
    assert workflow.check_properties() == []
    workflow.run()
    assert (tmp_path / "predictions.csv").is_file()
    assert torch.is_grad_enabled()  # the evaluator leaves the process as it found it
    assert SMALL["slab_depth"] == json.loads((run_folder / "recipe.json").read_text())["slab_depth"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"batchsize": 3}, "batchsize: nothing in the config refers to it: did you mean batch_size?"),
        ({"head_lr": -1}, "--head_lr: -1, expected a number above 0"),
        ({"num_epochs": [3]}, "--num_epochs: [3], expected 2 numbers, one per stage"),
    ],
)
def test_knobs_that_are_given_from_python_are_checked_too(
    given: dict[str, Any], message: str, cohort: Cohort, tmp_path: Path
) -> None:
    with pytest.raises(RuntimeError) as caught:
        create_workflow(
            config_file=str(CONFIGS / "train.yaml"),
            workflow_type="train",
            datalist=str(cohort.datalist),
            output_dir=str(tmp_path / "run"),
            **given,
        )
    assert message in str(input_error_in(caught.value))
    assert not (tmp_path / "run").exists()


def test_an_overlay_that_python_runs_alone_names_its_base_config(cohort: Cohort) -> None:
    with pytest.raises(RuntimeError) as caught:
        create_workflow(
            config_file=str(CONFIGS / "evaluate.yaml"), workflow_type="infer", datalist=str(cohort.datalist)
        )
    assert "overlay on inference.yaml" in str(input_error_in(caught.value))


def input_error_in(error: BaseException) -> InputError:
    """What MONAI's error of an expression was raised from."""
    while not isinstance(error, InputError):
        assert error.__cause__ is not None
        error = error.__cause__
    return error
