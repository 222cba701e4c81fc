"""A training that diverges stops, names the participants, and keeps the last good weights."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from monai.engines import IterationEvents, SupervisedEvaluator, SupervisedTrainer
from monai.handlers import ValidationHandler
from torch import Tensor

from monai_fusion.data import FusionPrepareBatch
from monai_fusion.errors import RunFailed
from monai_fusion.evaluation import ParticipantInferer, ParticipantMetric
from monai_fusion.losses import AlignedCrossEntropy
from monai_fusion.run_folder import saved_epochs
from monai_fusion.training import Checkpoints, FiniteCheck, ModelSaver, lower_is_better
from tests.support import CountedReadings, TinyFusionNet


def batch(number: int, spoilt: bool = False) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(number)
    eeg = torch.randn(2, 3, 2, 2, generator=generator)
    return {
        "eeg": torch.full_like(eeg, math.nan) if spoilt else eeg,
        "mri": torch.rand(2, 1, 2, 2, 2, generator=generator),
        "label": torch.tensor([0, 1]),
        "participant_id": [f"sub-{2 * number:02d}", f"sub-{2 * number + 1:02d}"],
    }


class SpoiltIn(list[dict[str, Any]]):
    """Four batches; from one epoch on, the third holds NaN."""

    def __init__(self, epoch: int | None) -> None:
        super().__init__(batch(number) for number in range(4))
        self.epoch = epoch
        self.passes = 0

    def __iter__(self) -> Any:
        self.passes += 1
        return (batch(number, number == 2 and self.passes == self.epoch) for number in range(4))


class Training:
    """MONAI's trainer and evaluator with the handlers of train.yaml that save something."""

    def __init__(self, folder: Path, data: list[dict[str, Any]], every: int = 32, epochs: int = 3) -> None:
        self.folder = folder
        self.network = TinyFusionNet()
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=0.01)
        participant = {**batch(9), "mri": batch(9)["mri"][:1], "label": torch.tensor([0])}
        self.evaluator = SupervisedEvaluator(
            device="cpu",
            val_data_loader=[{**participant, "participant_id": ["sub-18"]}],
            network=self.network,
            prepare_batch=FusionPrepareBatch(),
            inferer=ParticipantInferer(),
            key_val_metric={"cross_entropy": ParticipantMetric("cross_entropy")},
            metric_cmp_fn=lower_is_better,
            val_handlers=[ModelSaver(self.network, folder, "last")],
            decollate=False,
        )
        self.trainer = SupervisedTrainer(
            device="cpu",
            max_epochs=epochs,
            train_data_loader=data,
            network=self.network,
            optimizer=self.optimizer,
            loss_function=AlignedCrossEntropy(),
            prepare_batch=FusionPrepareBatch(),
            train_handlers=[
                FiniteCheck(self.network, self.evaluator, "bfloat16", every),
                ValidationHandler(interval=1, validator=self.evaluator),
                Checkpoints({"network": self.network}, self.evaluator, folder, {}),
            ],
            decollate=False,
        )

    def fail(self) -> list[str]:
        with pytest.raises(RunFailed) as caught:
            self.trainer.run()
        return str(caught.value).splitlines()

    def saved(self) -> list[dict[str, Tensor]]:
        """Everything on disk that holds weights."""
        checkpoints = [
            torch.load(path, weights_only=True) for path in saved_epochs(self.folder / "checkpoints").values()
        ]
        models = [torch.load(path, weights_only=True) for path in self.folder.glob("model.pt")]
        return [state["parts"]["network"] for state in checkpoints] + models


@pytest.mark.parametrize("every", [1, 2, 3, 32])
def test_a_loss_that_is_nan_stops_the_training_and_names_the_first_such_batch(tmp_path: Path, every: int) -> None:
    training = Training(tmp_path, SpoiltIn(epoch=2), every)
    *lines, advice = training.fail()
    assert lines == [
        "the training loss is nan in epoch 2, batch 3 of 4",
        "  participants of the batch: sub-04, sub-05",
        "  model.pt keeps epoch 1, checkpoints/ keeps epoch 1",
    ]
    assert (
        "datalist check --deep" in advice
        and "lower --head_lr and --encoder_lr" in advice
        and advice.endswith("or with --precision float32")
    )
    assert len(training.saved()) == 2
    assert all(value.isfinite().all() for state in training.saved() for value in state.values())
    assert training.evaluator.state.epoch == 1  # what is wrong is not even validated


def test_weights_that_the_last_step_spoilt_are_not_saved_either(tmp_path: Path) -> None:
    training = Training(tmp_path, SpoiltIn(epoch=None))

    def spoil(engine: Engine) -> None:
        if engine.state.iteration == 4:  # after the optimiser's step
            with torch.no_grad():
                training.network.classifier.bias.fill_(math.inf)

    training.trainer.add_event_handler(IterationEvents.MODEL_COMPLETED, spoil)
    assert training.fail()[:3] == [
        "the weights contain NaN or Inf after epoch 1",
        "  participants of the batch: sub-06, sub-07",
        "  no epoch was completed: nothing is kept",
    ]
    assert training.saved() == []


def test_a_training_that_is_well_is_left_alone_and_its_losses_are_read_seldom(tmp_path: Path) -> None:
    training = Training(tmp_path, SpoiltIn(epoch=None))
    training.trainer.run()
    assert training.trainer.state.epoch == 3 and len(training.saved()) == 3

    silent = Engine(lambda engine, data: {"loss": torch.tensor(1.0)})
    FiniteCheck(training.network, training.evaluator, every=32).attach(silent)
    with CountedReadings() as counted:
        silent.run([batch(number) for number in range(100)], max_epochs=1)
    assert counted.readings <= 3 + 1 + 1  # every 32 iterations, the rest at the end, and the weights once
