"""Where the training data wait: what is chosen for a machine, and what the choice says."""

from pathlib import Path
from typing import Any

import pytest
import torch
from monai.transforms import Compose, RandFlipd, RandGaussianNoised
from torch.utils.data import DataLoader

from monai_fusion.data import DeviceLoader, FusionDataset, ParticipantSampler, Preprocessing, training_loader
from monai_fusion.data.batch_augmentation import BatchAugmentation
from monai_fusion.data.loading import Machine, describe, plan_loading
from monai_fusion.datalist import ParticipantRecord
from monai_fusion.errors import InputError
from monai_fusion.transforms import LoadScalogramd, LoadVolumed, ResampleSlabd, ZScoreElectrodesd
from tests.support import EEG_SHAPE

CUDA, CPU = torch.device("cuda"), torch.device("cpu")
GB = 1e9


@pytest.mark.parametrize(
    ("machine", "needed", "wanted", "workers", "without", "line"),
    [
        ((CUDA, 70 * GB, 16), 31, None, None, [], "on the GPU (31.0 GB; 70.0 GB were free)"),
        ((CUDA, 70 * GB, 16), 36, True, None, [], "on the GPU (36.0 GB; 70.0 GB were free)"),
        (
            (CUDA, 12 * GB, 16),
            31,
            None,
            None,
            [],
            "4 threads read it from the store, the GPU augments it (there they would need 31.0 GB: more than half of"
            " the 12.0 GB that are free)",
        ),
        (
            (CUDA, 70 * GB, 2),
            3,
            False,
            None,
            [],
            "1 thread reads it from the store, the GPU augments it (device_data is false)",
        ),
        (
            (CUDA, 70 * GB, 16),
            3,
            False,
            0,
            [],
            "the main thread reads it from the store, the GPU augments it (device_data is false)",
        ),
        (
            (CUDA, 70 * GB, 16),
            3,
            False,
            None,
            ["RandGaussianNoised"],
            "8 processes load it (device_data is false; the GPU cannot augment whole batches: RandGaussianNoised)",
        ),
        ((CPU, 70 * GB, 1), 3, None, None, [], "the main process loads it"),
        ((CPU, 70 * GB, 2), 3, None, None, [], "1 process loads it"),
        ((CPU, 70 * GB, 64), 3, None, None, [], "2 processes load it"),
        ((CPU, 70 * GB, 64), 3, None, 5, [], "5 processes load it"),
        ((CPU, 70 * GB, 64), 3, True, None, [], "in memory (3.0 GB; 70.0 GB were free)"),
    ],
)
def test_the_choice_and_its_reason(
    machine: tuple[Any, ...], needed: float, wanted: bool | None, workers: int | None, without: list[str], line: str
) -> None:
    plan = plan_loading(Machine(*machine), needed * GB, wanted, workers, without)
    assert describe(plan, Machine(*machine)) == line


@pytest.mark.parametrize(("device", "where"), [(CUDA, "of the GPU"), (CPU, "of memory")])
def test_a_cohort_that_does_not_fit_is_refused_with_what_it_needs(device: torch.device, where: str) -> None:
    with pytest.raises(InputError) as caught:
        plan_loading(Machine(device, 12 * GB, 16), 31 * GB, True, None, [])
    assert str(caught.value) == (
        f"--device_data: true, but the training data need 31.0 GB, and 12.0 GB {where} are free, of which they may take"
        " 80%: leave it at auto, or halve them: --eeg_store_dtype float16 --mri_store_dtype uint16 (files are prepared"
        " again)"
    )


@pytest.mark.parametrize(
    ("wanted", "line"),
    [
        (None, "8 processes load it (the GPU cannot augment whole batches: Own)"),
        (True, "on the GPU (3.0 GB; 70.0 GB were free)"),
    ],
)
def test_a_transform_that_may_know_no_gpu_gets_data_there_only_if_that_is_asked_for(
    wanted: bool | None, line: str
) -> None:
    machine = Machine(CUDA, 70 * GB, 16)
    assert describe(plan_loading(machine, 3 * GB, wanted, None, ["Own"], ["Own"]), machine) == line


def test_monais_transforms_know_gpus_and_those_of_a_user_may_not() -> None:
    class Own(RandGaussianNoised):
        """Of this module."""

    compose = Compose([RandGaussianNoised("mri"), Own("mri")])
    augmentation = BatchAugmentation(compose, compose.transforms, "mri")
    assert augmentation.singles == ["RandGaussianNoised", "Own"] and augmentation.foreign == ["Own"]


def test_a_transform_may_return_an_array() -> None:
    def halved(sample: dict[str, Any]) -> dict[str, Any]:
        return {**sample, "mri": sample["mri"].numpy() / 2}

    augmentation = BatchAugmentation(Compose([halved]), [halved], "mri")
    batch = torch.rand(2, 1, 2, 2, 2)
    assert augmentation.singles == ["function"]
    assert torch.equal(augmentation.apply(batch, [], [3, 4], [{}, {}]), batch / 2)


def dataset(records: tuple[ParticipantRecord, ...], store: Path, noise: bool = False) -> FusionDataset:
    preprocessing = Preprocessing(
        [LoadScalogramd(shape=EEG_SHAPE), ZScoreElectrodesd()],
        [LoadVolumed(), ResampleSlabd(size=(6, 6, 6), depth=4)],
        store,
    )
    mri: list[Any] = [RandFlipd("mri", 0.5, 0), *([RandGaussianNoised("mri")] if noise else [])]
    return FusionDataset(records, preprocessing, {"mri": mri}, progress=False)


def test_a_cpu_loads_with_processes_unless_memory_is_asked_for(
    tiny_records: tuple[ParticipantRecord, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = dataset(tiny_records, tmp_path / "store")
    sampler = ParticipantSampler(data.labels)
    caplog.set_level("INFO")
    loader = training_loader(data, sampler, 2, "cpu", num_workers=0)
    assert isinstance(loader, DataLoader) and loader.num_workers == 0 and not loader.pin_memory
    held = training_loader(data, sampler, 2, "cpu", "true")
    assert isinstance(held, DeviceLoader) and held.held
    first, second = (record.getMessage() for record in caplog.records if "training data" in record.getMessage())
    assert first == "training data: the main process loads it"
    # 1 + 2 + 3 + 4 segments of [3, 8, 10] and 4 MRIs of [1, 4, 6, 6], in float32
    assert second.startswith("training data: in memory (0.0 MB; ")
    assert sum(source.nbytes for source in held.memory()) == (10 * 3 * 8 * 10 + 4 * 4 * 6 * 6) * 4


def test_a_gpu_that_fills_up_meanwhile_has_the_data_read_instead(
    tiny_records: tuple[ParticipantRecord, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With the CPU in the place of the GPU."""
    data = dataset(tiny_records, tmp_path / "store")
    made: list[bool] = []
    caplog.set_level("INFO")

    def first_is_too_large(*args: Any, held: bool = True, **options: Any) -> DeviceLoader:
        made.append(held)
        if held:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return DeviceLoader(data, "cpu", 2, held=False, **options)

    monkeypatch.setattr("monai_fusion.data.loading.DeviceLoader", first_is_too_large)
    monkeypatch.setattr("monai_fusion.data.loading.this_machine", lambda device: Machine(CUDA, 1e9, 4))
    loader = training_loader(data, ParticipantSampler(data.labels), 2, "cuda")
    assert made == [True, False] and isinstance(loader, DeviceLoader)
    said = caplog.records[-1].getMessage()
    assert said.startswith("training data: 3 threads read it") and said.endswith(
        "(the GPU has no room left for 0.0 MB)"
    )
    with pytest.raises(InputError, match=r"no room left for the 0\.0 MB of the training data, expected auto"):
        training_loader(data, ParticipantSampler(data.labels), 2, "cuda", "true")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device_data": "maybe"}, "--device_data: 'maybe', expected auto, true or false"),
        ({"num_workers": -1}, "--num_workers: -1, expected a whole number, at least 0, or auto"),
        ({"num_workers": "many"}, "--num_workers: 'many', expected a whole number, at least 0, or auto"),
    ],
)
def test_a_knob_with_another_value_is_refused(
    tiny_records: tuple[ParticipantRecord, ...], tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    data = dataset(tiny_records, tmp_path / "store")
    with pytest.raises(InputError) as caught:
        training_loader(data, ParticipantSampler(data.labels), 2, "cpu", **options)
    assert str(caught.value) == message
