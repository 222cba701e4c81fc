"""Stage A on features of its frozen MRI blocks: the same mathematics on K variants, computed once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from monai.engines import SupervisedTrainer
from monai.transforms import RandFlipd
from torch import nn
from torch.utils.data import DataLoader

from monai_fusion.data import Draw, FusionDataset, FusionPrepareBatch, ParticipantSampler
from monai_fusion.datalist import ParticipantRecord
from monai_fusion.errors import InputError
from monai_fusion.losses import AlignedCrossEntropy
from monai_fusion.networks import FusionNet, GatedFusionHead, MRIEncoder
from monai_fusion.training import EpochSeeding, FeatureReuse, StageHandler, StagePlan, parameter_groups
from monai_fusion.transforms import (
    LoadScalogramd,
    LoadVolumed,
    ResampleSlabd,
    ScaleIntensityPercentilesd,
    ZScoreElectrodesd,
)
from tests.support import EEG_SHAPE, ELECTRODES

Records = tuple[ParticipantRecord, ...]
BLOCKS: list[dict[str, Any]] = [{"eeg": [], "mri": ["layer4"]}, {"eeg": [], "mri": ["layer3", "layer4"]}]


class SmallEEG(nn.Module):
    """In place of ConvNeXt, which wants 32 x 32 at least; the MRI encoder is the real one."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(ELECTRODES, 512)

    def forward(self, eeg: torch.Tensor) -> torch.Tensor:
        return nn.functional.normalize(self.layer(eeg[:, :, 0, 0]), dim=1)

    def set_trainable(self, names: set[str]) -> None:
        """Everything trains."""


def make_network(seed: int = 0) -> FusionNet:
    torch.manual_seed(seed)
    network = FusionNet.__new__(FusionNet)
    nn.Module.__init__(network)
    network.embedding_dim, network.train_stem, network.modalities = 512, True, "both"
    network.eeg_enc = SmallEEG()  # type: ignore[assignment] # stands in
    network.mri_enc = MRIEncoder(pretrained=False, dropout=0.0)
    network.head = GatedFusionHead(dropout=0.0)
    return network


@pytest.fixture
def make_dataset(tiny_records: Records, tmp_path: Path) -> Callable[..., FusionDataset]:
    def make(cache: Path | None = tmp_path / "store", seed: int = 1, flip: float = 0.5) -> FusionDataset:
        eeg = [LoadScalogramd(shape=EEG_SHAPE), ZScoreElectrodesd()]
        mri = [LoadVolumed(), ScaleIntensityPercentilesd(), ResampleSlabd(size=(24,) * 3, depth=16)]
        augmented = [*mri, RandFlipd("mri", prob=flip, spatial_axis=1)]
        return FusionDataset(tiny_records, {"eeg": eeg, "mri": augmented}, cache, seed=seed, progress=False)

    return make


def train(
    dataset: FusionDataset, network: FusionNet, variants: int | None, epochs: tuple[int, int] = (2, 1), workers: int = 0
) -> list[dict[str, Any]]:
    """Train and return what the network was given in each iteration."""
    plan = StagePlan(epochs, BLOCKS)
    sampler = ParticipantSampler(dataset.labels, seed=1)
    seen: list[dict[str, Any]] = []

    def note(engine: Engine) -> None:
        seen.append(
            {**engine.state.batch, "epoch": engine.state.epoch, "loss": float(engine.state.output["loss"].detach())}
        )

    handlers: list[Any] = [EpochSeeding(1, sampler), StageHandler(network, plan)]
    if variants is not None:
        handlers.append(FeatureReuse(network, dataset, sampler, plan, variants))
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=plan.total_epochs,
        train_data_loader=DataLoader(
            dataset,
            sampler=sampler,
            batch_size=2,
            num_workers=workers,
            persistent_workers=workers > 0,
            multiprocessing_context="spawn" if workers else None,
        ),
        network=network,
        optimizer=torch.optim.SGD(parameter_groups(network, plan, 0.01, 0.01)),
        loss_function=AlignedCrossEntropy(),
        optim_set_to_none=True,
        prepare_batch=FusionPrepareBatch(),
        train_handlers=handlers,
        decollate=False,
    )
    trainer.add_event_handler("ITERATION_COMPLETED", note)
    trainer.run()
    return seen


def stored_features(folder: Path) -> list[Path]:
    """The entries that hold features."""
    chains = [path.parent for path in folder.rglob("chain.json") if "MRI blocks" in path.read_text(encoding="utf-8")]
    return [entry for chain in chains for entry in chain.glob("*.npy")]


def test_going_on_from_the_features_is_the_whole_encoder() -> None:
    network = make_network()
    network.set_trainable([], ["layer4"])
    network.train()
    network.mri_enc.projection.eval()
    volumes, eeg = torch.rand(2, 1, 8, 16, 16), torch.rand(2, ELECTRODES, 8, 10)
    features = network.mri_enc.frozen_features(volumes)
    assert features.shape == (2, 256, 2, 2, 2) and not features.requires_grad
    state = {name: value.clone() for name, value in network.state_dict().items()}
    whole = network(eeg, volumes)
    network.load_state_dict(state)  # layer4's BatchNorm has counted the batch
    parts = network(eeg, mri_features=features)
    torch.testing.assert_close(parts["logits"], whole["logits"], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(parts["mri_embedding"], whole["mri_embedding"], rtol=1e-5, atol=1e-6)


def test_without_augmentation_the_losses_are_those_of_fresh_volumes(make_dataset: Callable[..., FusionDataset]) -> None:
    fresh = train(make_dataset(flip=0.0), make_network(), None)
    reused = train(make_dataset(flip=0.0), make_network(), 2)
    # The features were rounded to float16 on the disk.
    assert [row["loss"] for row in reused] == pytest.approx([row["loss"] for row in fresh], abs=2e-3)
    assert [row["participant_id"] for row in reused] == [row["participant_id"] for row in fresh]
    for one, other in zip(reused, fresh, strict=True):
        assert torch.equal(one["eeg"], other["eeg"])


def test_the_first_stage_sees_features_and_the_second_volumes(make_dataset: Callable[..., FusionDataset]) -> None:
    seen = train(make_dataset(), make_network(), 2, epochs=(2, 1))
    assert ["mri_features" in row for row in seen] == [row["epoch"] <= 2 for row in seen]
    assert ["mri" in row for row in seen] == [row["epoch"] == 3 for row in seen]


def test_each_mri_has_its_k_variants_and_no_more(make_dataset: Callable[..., FusionDataset]) -> None:
    dataset, network = make_dataset(), make_network()
    seen = train(dataset, network, 2, epochs=(6, 0))
    served: dict[str, list[torch.Tensor]] = {}
    for row in seen:
        for participant, features in zip(row["participant_id"], row["mri_features"], strict=True):
            known = served.setdefault(participant, [])
            if not any(torch.equal(features, each) for each in known):
                known.append(features)
    assert len(served) == 4 and all(len(known) <= 2 for known in served.values())
    assert any(len(known) == 2 for known in served.values())  # flipped and not flipped
    assert dataset.features is not None
    wanted = dataset.mri.draw(0, dataset.features.random_seed(0, 1))["mri"][None].as_subclass(torch.Tensor)
    network.set_trainable([], ["layer4"])
    found = dataset.features.load(0, 1).float()
    torch.testing.assert_close(found, network.mri_enc.frozen_features(wanted)[0], rtol=2e-3, atol=1e-3)


def test_features_are_computed_once_for_the_same_weights_seed_and_augmentation(
    make_dataset: Callable[..., FusionDataset], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    network = make_network()
    frozen = {name: value.clone() for name, value in network.state_dict().items()}

    def computed(dataset: FusionDataset, network: FusionNet) -> tuple[int, int]:
        caplog.clear()
        train(dataset, network, 2, epochs=(1, 0))
        (line,) = [record.args for record in caplog.records if "frozen MRI blocks, %d variants" in str(record.msg)]
        assert isinstance(line, tuple)
        return int(str(line[1])), int(str(line[2]))

    assert computed(make_dataset(), network) == (8, 0)
    assert computed(make_dataset(), network) == (0, 8)  # layer4 was trained meanwhile: it is not frozen
    network.load_state_dict(frozen)
    assert computed(make_dataset(), network) == (0, 8)
    assert computed(make_dataset(), make_network(seed=5)) == (8, 0)
    assert computed(make_dataset(seed=2), network) == (8, 0)
    assert computed(make_dataset(flip=0.25), network) == (8, 0)
    next(iter(stored_features(tmp_path / "store"))).unlink()
    assert sum(computed(make_dataset(seed=seed), network)[0] for seed in (1, 2)) <= 1


def test_workers_serve_the_same_features(make_dataset: Callable[..., FusionDataset]) -> None:
    alone = train(make_dataset(), make_network(), 2, epochs=(1, 1))
    helped = train(make_dataset(), make_network(), 2, epochs=(1, 1), workers=1)
    assert [row["loss"] for row in helped] == [row["loss"] for row in alone]


def test_features_that_vanish_are_an_error_with_advice(
    make_dataset: Callable[..., FusionDataset], tmp_path: Path
) -> None:
    dataset = make_dataset()
    train(dataset, make_network(), 1, epochs=(1, 0))
    for entry in stored_features(tmp_path / "store"):
        entry.unlink()
    with pytest.raises(InputError, match=r"features are gone or damaged.*--resume true"):
        dataset[Draw(0, epoch=1, position=0, features=True)]


@pytest.mark.parametrize(
    ("variants", "blocks", "message"),
    [
        (0, BLOCKS, "--feature_reuse: 0, expected a whole number from 1"),
        (2.5, BLOCKS, "--feature_reuse: 2.5, expected a whole number from 1"),
        (2, [{"mri": ["stem", "layer4"]}], "stage A trains the MRI stem, expected a frozen stem"),
    ],
)
def test_what_cannot_be_reused_is_refused(
    make_dataset: Callable[..., FusionDataset], variants: Any, blocks: list[dict[str, Any]], message: str
) -> None:
    dataset = make_dataset()
    plan = StagePlan([1] * len(blocks), blocks)
    with pytest.raises(InputError, match=message):
        FeatureReuse(make_network(), dataset, ParticipantSampler(dataset.labels), plan, variants)


def test_without_a_store_there_is_nowhere_to_keep_features(make_dataset: Callable[..., FusionDataset]) -> None:
    dataset = make_dataset(cache=None)
    with pytest.raises(InputError, match="there is no preprocessed store: give --cache_dir a folder"):
        FeatureReuse(make_network(), dataset, ParticipantSampler(dataset.labels), StagePlan([1, 1], BLOCKS), 2)
