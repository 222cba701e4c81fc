"""Everything works on the device of its input, shown on the meta device: CPU tensors are caught there."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from monai.engines import SupervisedTrainer
from monai.inferers import SimpleInferer
from monai.transforms import RandFlipd

import monai_fusion.transforms as package
from monai_fusion.data import FusionPrepareBatch
from monai_fusion.losses import AlignedCrossEntropy
from monai_fusion.networks import standard_network
from monai_fusion.training import (
    HeadGradientClipping,
    RescalePartialAccumulation,
    StageHandler,
    StagePlan,
    WeightAverage,
    WeightAveraging,
    parameter_groups,
)
from monai_fusion.training.iteration_metrics import loss_and_gate
from monai_fusion.transforms import (
    RandInPlaneRotated,
    RandSpecAugmentd,
    ResampleSlabd,
    ScaleIntensityPercentilesd,
    ZScoreElectrodesd,
)
from monai_fusion.transforms.batch_forms import batch_forms
from tests.devices import META, GPURules, NoTensorOnTheCPU, as_on_a_gpu

READERS = ("LoadScalogramd", "LoadVolumed")  # from a path
COMPUTED_BY_TORCH: dict[str, Callable[[], Any]] = {
    "RandInPlaneRotated": lambda: RandInPlaneRotated(prob=1.0),
    "RandSpecAugmentd": lambda: RandSpecAugmentd(prob=1.0),
    "ResampleSlabd": lambda: ResampleSlabd(size=(6, 7, 8), depth=4),
}
COMPUTED_BY_THE_PROCESSOR: dict[str, Callable[[], Any]] = {
    "ScaleIntensityPercentilesd": ScaleIntensityPercentilesd,
    "ZScoreElectrodesd": ZScoreElectrodesd,
}
EEG, MRI = (3, 16, 20), (1, 9, 12, 12)


def sample(device: torch.device | str) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    eeg, mri = torch.randn(EEG, generator=generator), torch.rand(MRI, generator=generator)
    return {"eeg": eeg.to(device), "mri": mri.to(device)}


def test_the_tables_have_every_transform() -> None:
    classes = {name for name in package.__all__ if isinstance(getattr(package, name), type)}
    assert classes == {*READERS, *COMPUTED_BY_TORCH, *COMPUTED_BY_THE_PROCESSOR}


def test_a_tensor_on_the_cpu_is_caught() -> None:
    with pytest.raises(AssertionError, match=r"shape \(2,\) on the CPU"), NoTensorOnTheCPU():
        torch.arange(2)


def test_the_rules_of_a_gpu_are_kept() -> None:
    there, here, places = torch.empty(3, 2, device=META), torch.ones(3, 2), torch.tensor([0, 2])
    with GPURules():
        there[places] = there[places] + there[torch.tensor([True, False, True])][0] * torch.tensor(2.0)
        there.copy_(here)
        assert (there.cpu() == 0.5).all() and float(there[0, 0]) == 0.5 and there.any() and not there.equal(there)
        for mixed in (
            lambda: there + here,
            lambda: there.index_select(0, places),
            lambda: here[places.to(META)],
            lambda: there.masked_fill(here > 0, 0.0),
            lambda: torch.cat([there, here]),
            lambda: there.index_put_((places,), here[:2]),
        ):
            with pytest.raises(AssertionError, match="mixes tensors"):
                mixed()


@pytest.mark.parametrize("name", COMPUTED_BY_TORCH)
def test_a_transform_makes_no_tensor_on_another_device_than_its_input(name: str) -> None:
    transform, before = COMPUTED_BY_TORCH[name](), sample(META)
    with NoTensorOnTheCPU(sends=name == "ResampleSlabd"):  # where it interpolates
        after = transform(before)
    (key,) = transform.keys
    assert after[key].device == META and after[key].dtype == torch.float32
    assert after[key].shape == COMPUTED_BY_TORCH[name]()(sample("cpu"))[key].shape


class Elsewhere(torch.Tensor):
    """Behaves like a tensor on a GPU to code that needs an array."""

    @property
    def device(self) -> torch.device:  # type: ignore[override] # which is read-only
        return META

    def __array__(self, dtype: Any = None) -> np.ndarray:
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    def numpy(self, **options: Any) -> np.ndarray:
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    def cpu(self, **options: Any) -> torch.Tensor:
        return self.as_subclass(torch.Tensor)


@pytest.mark.parametrize("name", COMPUTED_BY_THE_PROCESSOR)
def test_what_the_processor_computes_returns_to_the_device_of_the_input(name: str) -> None:
    transform = COMPUTED_BY_THE_PROCESSOR[name]()
    after = transform({key: value.as_subclass(Elsewhere) for key, value in sample("cpu").items()})
    (key,) = transform.keys
    assert after[key].device == META and after[key].shape == sample("cpu")[key].shape


def forms() -> list[tuple[str, Any]]:
    chains = {
        "eeg": [RandSpecAugmentd(prob=1.0)],
        "mri": [*(RandFlipd("mri", 0.5, axis) for axis in range(3)), RandInPlaneRotated(prob=0.5)],
    }
    return [(key, form) for key, chain in chains.items() for form in batch_forms(chain, key)]


@pytest.mark.parametrize(("key", "form"), forms(), ids=lambda value: type(value).__name__)
def test_a_batch_form_makes_no_tensor_on_another_device(key: str, form: Any) -> None:
    batch = torch.stack([sample("cpu")[key]] * 5)
    numbers = form.numbers([form.drawn() for _ in range(5)], batch.shape)
    assert numbers is not None and numbers.dtype == np.int64
    on_meta, numbers_on_meta = batch.to(META), torch.from_numpy(numbers).to(META)
    with NoTensorOnTheCPU():
        after = form.apply(on_meta, numbers_on_meta)
    assert after.device == META and after.shape == batch.shape


def test_a_training_step_makes_no_tensor_on_another_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forward pass, loss, backward pass, clipping, optimiser, moving average and the values for the curves."""
    with META:
        network = standard_network(pretrained=False)
    plan = StagePlan([1], [{"eeg": ["stage4"], "mri": ["layer4"]}])
    seen: list[Mapping[str, Any]] = []
    batch = {"eeg": torch.empty(2, 17, 64, 64, device=META), "mri": torch.empty(2, 1, 16, 32, 32, device=META)}
    batch["label"] = torch.empty(2, dtype=torch.int64, device=META)
    average = WeightAverage(network, 0.9)

    class Curves:
        def attach(self, engine: Any) -> None:
            engine.add_event_handler("ITERATION_COMPLETED", lambda: seen.append({"curve": loss_and_gate(engine)}))

    trainer = SupervisedTrainer(
        device=META,
        max_epochs=1,
        train_data_loader=[batch] * 3,
        network=network,
        optimizer=torch.optim.AdamW(parameter_groups(network, plan, 2e-4, 1e-4), foreach=False),
        loss_function=AlignedCrossEntropy(class_weights=[1.0, 2.0]),
        optim_set_to_none=True,
        prepare_batch=FusionPrepareBatch(),
        inferer=SimpleInferer(),
        train_handlers=[
            StageHandler(network, plan),
            RescalePartialAccumulation(),
            HeadGradientClipping(network.head.parameters(), 5.0),
            WeightAveraging(average),
            Curves(),
        ],
        decollate=False,
        accumulation_steps=2,
    )
    with as_on_a_gpu(monkeypatch, NoTensorOnTheCPU()):
        trainer.run()
    assert [each["curve"].device for each in seen] == [META] * 3


@pytest.mark.gpu
@pytest.mark.parametrize("name", [*COMPUTED_BY_TORCH, *COMPUTED_BY_THE_PROCESSOR])
def test_a_gpu_computes_what_the_processor_computes(name: str) -> None:
    transform = {**COMPUTED_BY_TORCH, **COMPUTED_BY_THE_PROCESSOR}[name]()
    results = []
    for device in ("cpu", "cuda"):
        if hasattr(transform, "set_random_state"):
            transform.set_random_state(seed=3)
        results.append(transform(sample(device))[transform.keys[0]])
    assert results[1].device.type == "cuda"
    assert torch.allclose(results[1].cpu(), results[0], rtol=0, atol=1e-4)
