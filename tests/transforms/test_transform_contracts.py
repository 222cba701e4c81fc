"""What every transform of this folder promises."""

from __future__ import annotations

import importlib
import inspect
import multiprocessing
import pickle
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import MapTransform, RandomizableTransform

import monai_fusion.transforms as package

REPOSITORY = Path(__file__).parents[2]
CLASSES = [member for name in package.__all__ if inspect.isclass(member := getattr(package, name))]
LOADERS = [package.LoadScalogramd, package.LoadVolumed]
EEG_CLASSES = [package.LoadScalogramd, package.ZScoreElectrodesd, package.RandSpecAugmentd]


def make(transform_class: type) -> Any:
    transform = transform_class(prob=1.0) if issubclass(transform_class, RandomizableTransform) else transform_class()
    return transform.set_random_state(seed=0) if isinstance(transform, RandomizableTransform) else transform


def make_sample(transform_class: type) -> dict[str, Any]:
    shape = (2, 20, 20) if transform_class in EEG_CLASSES else (1, 6, 7, 8)
    return {make(transform_class).keys[0]: torch.rand(shape), "label": 1}


@pytest.mark.parametrize("transform_class", CLASSES)
def test_each_has_a_version_and_keeps_its_parameters_as_attributes(transform_class: type) -> None:
    assert issubclass(transform_class, MapTransform)
    assert isinstance(transform_class.__dict__["version"], int)
    transform = transform_class()
    for name, parameter in inspect.signature(transform_class.__init__).parameters.items():
        if name in ("self", "keys"):
            continue
        assert getattr(transform, name) == parameter.default
    assert transform.keys == ("eeg",) if transform_class in EEG_CLASSES else ("mri",)


@pytest.mark.parametrize("transform_class", [c for c in CLASSES if c not in LOADERS])
@pytest.mark.parametrize("container", [torch.Tensor, MetaTensor, np.ndarray])
def test_each_hands_on_plain_contiguous_float32_and_leaves_its_input(transform_class: type, container: type) -> None:
    sample = make_sample(transform_class)
    key = make(transform_class).keys[0]
    if container is MetaTensor:
        sample[key] = MetaTensor(sample[key])
    elif container is np.ndarray:
        sample[key] = sample[key].numpy().astype(np.float64)
    given, before = sample[key], np.asarray(sample[key]).copy()
    result = make(transform_class)(sample)
    assert result is not sample
    assert sample[key] is given
    np.testing.assert_array_equal(np.asarray(given), before)
    assert type(result[key]) is torch.Tensor
    assert result[key].dtype == torch.float32
    assert result[key].is_contiguous()
    assert result["label"] == 1


@pytest.mark.parametrize("transform_class", CLASSES)
def test_a_missing_key_is_an_error_unless_allowed(transform_class: type) -> None:
    with pytest.raises(KeyError):
        transform_class()({"label": 1})
    assert transform_class(allow_missing_keys=True)({"label": 1}) == {"label": 1}


@pytest.mark.parametrize("transform_class", [c for c in CLASSES if c not in LOADERS])
def test_each_gives_the_same_after_pickling(transform_class: type) -> None:
    transform, sample = make(transform_class), make_sample(transform_class)
    copy = pickle.loads(pickle.dumps(transform))
    key = transform.keys[0]
    assert torch.equal(copy(sample)[key], transform(sample)[key])


def _run(transforms: list[Any], samples: list[dict[str, Any]]) -> list[np.ndarray]:
    outputs = []
    for transform, sample in zip(transforms, samples, strict=True):
        outputs.append(np.asarray(transform(sample)[transform.keys[0]]))
    return outputs


def test_a_spawned_process_computes_the_same(tmp_path: Path) -> None:
    np.save(tmp_path / "eeg.npy", np.random.default_rng(0).random((6, 8, 3), dtype=np.float32))
    nib.save(nib.Nifti1Image(np.arange(120, dtype=np.int16).reshape(4, 5, 6), np.eye(4)), tmp_path / "mri.nii.gz")
    transforms = [make(c) for c in CLASSES if c not in LOADERS]
    samples = [make_sample(c) for c in CLASSES if c not in LOADERS]
    samples = [{key: np.asarray(value) for key, value in sample.items()} for sample in samples]
    transforms += [package.LoadScalogramd(shape=(6, 8, 3)), package.LoadVolumed(orientation="LPS")]
    samples += [{"eeg": str(tmp_path / "eeg.npy")}, {"mri": str(tmp_path / "mri.nii.gz")}]
    pickled = pickle.dumps(transforms)
    assert len(pickled) < 50_000
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        spawned = pool.apply(_run, (transforms, samples))
    for ours, theirs in zip(_run(transforms, samples), spawned, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_everything_exported_is_documented_and_listed_once() -> None:
    assert sorted(set(package.__all__)) == package.__all__
    assert all(getattr(package, name).__doc__ for name in package.__all__)


def test_the_folder_cannot_be_imported_under_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY))
    monkeypatch.delitem(sys.modules, "transforms", raising=False)
    with pytest.raises(ImportError, match=r"import monai_fusion\.transforms instead of transforms"):
        importlib.import_module("transforms")
