"""Every knob that adds state or changes the epochs, through MONAI's engines: killed anywhere, the same final bits."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events
from ignite.metrics import Metric
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.handlers import LrScheduleHandler, ValidationHandler
from torch import Tensor

from monai_fusion.data import FusionPrepareBatch, ParticipantSampler
from monai_fusion.losses import AlignedCrossEntropy
from monai_fusion.run_folder import MODEL_FILE, saved_epochs
from monai_fusion.training import (
    Checkpoints,
    EarlyStopping,
    EpochSeeding,
    HeadGradientClipping,
    ModelSaver,
    RescalePartialAccumulation,
    StageHandler,
    StagePlan,
    WeightAverage,
    WeightAveraging,
    lower_is_better,
    parameter_groups,
)
from tests.support import TinyFusionNet

BLOCKS: list[dict[str, Any]] = [
    {"eeg": ["stage3", "stage4"], "mri": ["layer4"]},
    {"eeg": ["stage2", "stage3", "stage4"], "mri": ["layer3", "layer4"]},
]
# Stage A stops after epoch 3 of 5 and stage B after epoch 8 of 9; epoch 6 is the best.
SCORES = {1: 0.7, 2: 0.8, 3: 0.9, 4: 0.1, 5: 0.1, 6: 0.5, 7: 0.6, 8: 0.7, 9: 0.1}
BATCHES = 5


class ScoreOfEpoch(Metric):
    """A validation with a given result for each epoch."""

    evaluator: Any = None

    def reset(self) -> None:
        pass

    def update(self, output: Any) -> None:
        pass

    def compute(self) -> float:
        return SCORES[self.evaluator.state.epoch]


@dataclass
class Training:
    """A training as train.yaml puts it together, with a tiny network."""

    folder: Path
    resume: bool = False
    early_stopping: int = 2
    decay: float | None = 0.8
    epochs: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        torch.manual_seed(0)
        self.network = TinyFusionNet(dropout=0.3)
        self.plan = StagePlan([5, 4], BLOCKS)
        self.optimizer = torch.optim.AdamW(parameter_groups(self.network, self.plan, 2e-2, 1e-2))
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, T_max=self.plan.total_epochs)
        self.average = WeightAverage(self.network, self.decay)
        self.folder.mkdir(exist_ok=True)
        score = ScoreOfEpoch(output_transform=lambda output: (output["pred"], None))
        common: dict[str, Any] = {"device": torch.device("cpu"), "prepare_batch": FusionPrepareBatch()}
        self.evaluator = score.evaluator = SupervisedEvaluator(
            val_data_loader=batches()[:1],
            network=self.average.network,
            key_val_metric={"cross_entropy": score},
            metric_cmp_fn=lower_is_better,
            val_handlers=[ModelSaver(self.average.network, self.folder)],
            decollate=False,
            **common,
        )
        self.trainer = SupervisedTrainer(
            max_epochs=self.plan.total_epochs,
            train_data_loader=batches(),
            network=self.network,
            optimizer=self.optimizer,
            loss_function=AlignedCrossEntropy(label_smoothing=0.1, class_weights=[1.0, 2.0]),
            optim_set_to_none=True,
            train_handlers=self.handlers(),
            decollate=False,
            accumulation_steps=2,
            **common,
        )
        self.trainer.add_event_handler(Events.EPOCH_STARTED, lambda engine: self.epochs.append(engine.state.epoch))

    def handlers(self) -> list[Any]:
        parts = {"network": self.network, "optimizer": self.optimizer, "schedule": self.schedule}
        parts |= {"average": self.average}
        return [
            EpochSeeding(7, ParticipantSampler([0, 1])),
            StageHandler(self.network, self.plan),
            RescalePartialAccumulation(),
            HeadGradientClipping(self.network.head.parameters(), 1.0),
            WeightAveraging(self.average),
            LrScheduleHandler(self.schedule, print_lr=False),
            ValidationHandler(1, self.evaluator),
            EarlyStopping(self.early_stopping, self.plan, self.evaluator, self.schedule),
            Checkpoints(parts, self.evaluator, self.folder, {"seed": 7}, self.resume),
        ]

    def run(self) -> "Training":
        self.trainer.run()
        return self


def batches() -> list[dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(3)
    return [
        {
            "eeg": torch.randn(4, 3, 2, 2, generator=generator),
            "mri": torch.rand(4, 1, 2, 2, 2, generator=generator),
            "label": torch.tensor([0, 1, 1, 0]),
        }
        for _ in range(BATCHES)
    ]


class KilledError(Exception):
    """Stands for a kill -9: nothing gets a chance to clean up."""


def killed_at(folder: Path, epoch: int, event: Events, place: int, resume: bool = False) -> None:
    training = Training(folder, resume=resume)

    def kill(engine: Engine) -> None:
        if engine.state.epoch == epoch and (engine.state.iteration - 1) % BATCHES == place:
            raise KilledError

    training.trainer.add_event_handler(event, kill)
    with pytest.raises(KilledError):
        training.run()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Training:
    training = Training(tmp_path_factory.mktemp("whole")).run()
    assert training.epochs == [1, 2, 3, 6, 7, 8]
    assert training.evaluator.state.best_metric_epoch == 6
    return training


def state_of(training: Training) -> dict[str, Any]:
    return {
        "network": training.network.state_dict(),
        "average": training.average.state_dict(),
        "saved": torch.load(training.folder / MODEL_FILE, weights_only=True),
    }


def assert_same(training: Training, whole: Training) -> None:
    for name, tensors in state_of(whole).items():
        found = state_of(training)[name]
        assert found.keys() == tensors.keys()
        assert all(torch.equal(found[key], tensor) for key, tensor in tensors.items()), name
    assert training.schedule.state_dict() == whole.schedule.state_dict()
    assert training.evaluator.state.best_metric_epoch == 6 and training.evaluator.state.best_metric == 0.5
    assert training.evaluator.state.epoch == 8  # the last one that was validated
    assert (training.folder / MODEL_FILE).read_bytes() == (whole.folder / MODEL_FILE).read_bytes()


@pytest.mark.parametrize("epoch", [1, 2, 3, 6, 7, 8])
@pytest.mark.parametrize(
    ("event", "place"),
    [(Events.EPOCH_STARTED, 4), (Events.ITERATION_COMPLETED, 1), (Events.ITERATION_COMPLETED, 2)],
    ids=["between epochs", "after a step", "within an accumulation"],
)
def test_killed_anywhere_it_ends_with_the_same_bits(
    tmp_path: Path, whole: Training, epoch: int, event: Events, place: int
) -> None:
    killed_at(tmp_path, epoch, event, place)
    resumed = Training(tmp_path, resume=True).run()
    assert resumed.epochs == [one for one in whole.epochs if one >= epoch]
    assert_same(resumed, whole)


def test_killed_again_and_again_it_ends_with_the_same_bits(tmp_path: Path, whole: Training) -> None:
    for epoch in (2, 3, 6, 8):
        killed_at(tmp_path, epoch, Events.ITERATION_COMPLETED, 3, resume=True)
    assert_same(Training(tmp_path, resume=True).run(), whole)


def test_a_training_that_stopped_early_is_finished(tmp_path: Path, whole: Training) -> None:
    Training(tmp_path).run()
    before = (tmp_path / MODEL_FILE).stat().st_mtime_ns
    again = Training(tmp_path, resume=True).run()
    assert again.epochs == [] and (tmp_path / MODEL_FILE).stat().st_mtime_ns == before
    assert_same(again, whole)


def test_the_best_model_survives_a_resumed_training_that_never_beats_it(tmp_path: Path) -> None:
    killed_at(tmp_path, 7, Events.ITERATION_COMPLETED, 0)
    best = (tmp_path / MODEL_FILE).read_bytes()
    Training(tmp_path, resume=True).run()
    assert (tmp_path / MODEL_FILE).read_bytes() == best


def test_the_last_two_epochs_that_ran_are_kept(whole: Training) -> None:
    """The training ended after epoch 8, which counts as 9."""
    assert sorted(saved_epochs(whole.folder / "checkpoints")) == [7, 9]


def test_what_is_saved_is_the_average(whole: Training, tmp_path: Path) -> None:
    raw = Training(tmp_path, decay=None).run()
    assert raw.epochs == whole.epochs
    network, plain = whole.network.state_dict(), raw.network.state_dict()
    assert all(torch.equal(network[name], plain[name]) for name in network)  # the average changes no step
    averaged, saved = state_of(whole)["saved"], state_of(raw)["saved"]
    assert not any(torch.equal(averaged[name], saved[name]) for name in averaged)
