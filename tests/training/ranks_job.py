"""Trainings that the tests in test_devices.py run on one process, and on two by torchrun; each rank writes what it saw.

torchrun --nproc_per_node=2 -m tests.training.ranks_job OUT SCENARIO ...
"""

from __future__ import annotations

import csv
import json
import os
import signal
import sys
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import yaml
from ignite.engine import Engine, Events
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.handlers import LrScheduleHandler, ValidationHandler
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from monai_fusion import ranks
from monai_fusion.data import (
    DistributedEvaluationSampler,
    DistributedTrainingSampler,
    FusionDataset,
    FusionPrepareBatch,
    ParticipantSampler,
    Preprocessing,
    collate_available,
    collate_participants,
)
from monai_fusion.datalist import ModalityPolicy, ParticipantRecord
from monai_fusion.errors import RunFailed
from monai_fusion.evaluation import ParticipantInferer, ParticipantMetric, PredictionCollector
from monai_fusion.losses import AlignedCrossEntropy
from monai_fusion.networks import FusionNet, MRIEncoder
from monai_fusion.networks.digests import tensors_digest
from monai_fusion.training import (
    Checkpoints,
    DistributedGradients,
    EpochLog,
    EpochSeeding,
    FiniteCheck,
    GracefulStop,
    HeadGradientClipping,
    ModelSaver,
    StageHandler,
    StagePlan,
    lower_is_better,
    parameter_groups,
)
from monai_fusion.transforms import (
    LoadScalogramd,
    LoadVolumed,
    RandInPlaneRotated,
    RandSpecAugmentd,
    ResampleSlabd,
    ScaleIntensityPercentilesd,
    ZScoreElectrodesd,
)
from monai_fusion.workflow import processes, report_input_errors
from tests.support import BUNDLE_CONFIGS, EEG_SHAPE, write_scalogram, write_volume
from tests.training.ranks_networks import SpoiltOnRank1, free, real, real_without_chance, resting, tiny_absent

BLOCKS = yaml.safe_load((BUNDLE_CONFIGS / "train.yaml").read_text(encoding="utf-8"))["stage_blocks"]
SEED = 3


class WrappedOnce(DistributedGradients):
    """A trainer with a fixed wrapper: it does not register the parameters that stage B unfreezes."""

    def _wrap(self, engine: Any) -> None:
        if engine.state.epoch == 1:
            super()._wrap(engine)


@dataclass
class Job:
    """One training and what it saw."""

    folder: Path
    participants: int
    network: Callable[[], Any]
    validated: int = 3
    eeg_shape: tuple[int, int, int] = EEG_SHAPE
    mri_size: tuple[int, int, int] = (6, 6, 6)
    num_epochs: tuple[int, int] = (2, 2)
    blocks: Any = field(default_factory=lambda: BLOCKS)
    use: ModalityPolicy = field(default_factory=ModalityPolicy)
    without_mri: tuple[int, ...] = ()
    without_eeg: tuple[int, ...] = ()
    resume: bool = False
    saves: bool = True
    devices: type[DistributedGradients] = DistributedGradients
    wrappers: weakref.WeakSet[DistributedDataParallel] = field(default_factory=weakref.WeakSet)
    seen: dict[str, Any] = field(
        default_factory=lambda: {"digests": [], "losses": [], "ids": [], "seeds": [], "wrapped": [], "present": []}
    )

    def records(self) -> list[ParticipantRecord]:
        """The cohort; rank 0 writes it."""
        files = self.folder.parent / "files" / self.folder.name
        files.mkdir(parents=True, exist_ok=True)
        found = [
            ParticipantRecord(
                participant_id=f"sub-{n:02d}",
                label=n % 2,
                eeg=(files / f"sub-{n:02d}_seg0.npy", files / f"sub-{n:02d}_seg1.npy"),
                mri=files / f"sub-{n:02d}_T1w.nii.gz",
                section="training",
            )
            for n in range(self.participants)
        ]
        if ranks.is_main():
            for n, record in enumerate(found):
                for segment, path in enumerate(record.eeg):
                    write_scalogram(path, 10 * n + segment, self.eeg_shape)
                assert record.mri is not None
                write_volume(record.mri, n)
        ranks.gather(None)
        return [self._left(n, record) for n, record in enumerate(found)]

    def _left(self, number: int, record: ParticipantRecord) -> ParticipantRecord:
        record = replace(record, mri=None) if number in self.without_mri else record
        return replace(record, eeg=()) if number in self.without_eeg else record

    def slab(self) -> ResampleSlabd:
        return ResampleSlabd(size=self.mri_size, depth=self.mri_size[0] - 2)

    def dataset(self, records: list[ParticipantRecord], training: bool) -> FusionDataset:
        eeg: list[Any] = [LoadScalogramd(shape=self.eeg_shape), ZScoreElectrodesd()]
        mri: list[Any] = [LoadVolumed(), ScaleIntensityPercentilesd(), self.slab()]
        preprocessing = Preprocessing(eeg, mri, self.folder.parent / "store")
        if not training:
            return FusionDataset(records, preprocessing, segments="all", use=self.use)
        drawn = {"eeg": [RandSpecAugmentd(fraction=0.3)], "mri": [RandInPlaneRotated(prob=0.9)]}
        return FusionDataset(records, preprocessing, drawn, seed=SEED, use=self.use)

    def run(self, *handlers: Callable[[Engine], None]) -> Job:
        """Train with the handlers of train.yaml and multi_gpu_train.yaml; ``handlers`` run after each iteration."""
        self.folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(SEED)
        records, net = self.records(), self.network()
        plan = StagePlan(self.num_epochs, self.blocks)
        optimizer = torch.optim.AdamW(parameter_groups(net, plan, 2e-2, 1e-2), weight_decay=1e-4)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=plan.total_epochs)
        dataset = self.dataset(records, training=True)
        sampler = ParticipantSampler(dataset.labels, seed=SEED)
        share = DistributedTrainingSampler(sampler, 4)
        validation = self.dataset(records[: self.validated], training=False)
        collector = PredictionCollector()
        evaluator = SupervisedEvaluator(
            device=torch.device("cpu"),
            val_data_loader=DataLoader(
                validation, sampler=DistributedEvaluationSampler(validation), collate_fn=collate_participants
            ),
            network=net,
            prepare_batch=FusionPrepareBatch(),
            inferer=ParticipantInferer(),
            key_val_metric={"cross_entropy": ParticipantMetric("cross_entropy")},
            additional_metrics={"accuracy": ParticipantMetric("accuracy")},
            metric_cmp_fn=lower_is_better,
            val_handlers=[collector, *([ModelSaver(net, self.folder)] if self.saves else [])],
            decollate=False,
        )
        trainer = SupervisedTrainer(
            device=torch.device("cpu"),
            max_epochs=plan.total_epochs,
            train_data_loader=DataLoader(
                dataset,
                sampler=share,
                batch_size=4 // ranks.world_size(),
                collate_fn=collate_available if self.use.allows_missing else None,
            ),
            network=net,
            optimizer=optimizer,
            loss_function=AlignedCrossEntropy(),
            prepare_batch=FusionPrepareBatch(),
            train_handlers=[
                EpochSeeding(SEED, sampler),
                StageHandler(net, plan),
                HeadGradientClipping(net.head.parameters(), 5.0),
                LrScheduleHandler(schedule, print_lr=False),
                FiniteCheck(net, evaluator),
                ValidationHandler(1, evaluator),
                EpochLog(plan, evaluator, self.folder, ["cross_entropy", "accuracy"]),
                *([self.checkpoints(net, optimizer, schedule, evaluator)] if self.saves else []),
                GracefulStop(),
                self.devices(share, self.use.allows_missing),
            ],
            optim_set_to_none=True,
            decollate=False,
        )
        for handler in handlers:
            trainer.add_event_handler(Events.ITERATION_COMPLETED, handler)
        trainer.add_event_handler(Events.ITERATION_COMPLETED, self.after_iteration, net)
        trainer.run()
        assert trainer.network is net  # as it was before
        self.seen |= {
            "stopped": [trainer.state.iteration, str(getattr(trainer.state, "stopped_by", None))],
            "metrics": evaluator.state.metrics,
            "best": [evaluator.state.best_metric, evaluator.state.best_metric_epoch],
            "predicted": [[row.participant_id, *row.probabilities, row.segments] for row in collector.predictions],
            "weights": {name: value.flatten()[:4].tolist() for name, value in net.state_dict().items()},
            "synchronized": any(isinstance(module, nn.SyncBatchNorm) for module in net.modules()),
            "history": history_of(self.folder) if ranks.is_main() else None,
        }
        return self

    def checkpoints(self, net: Any, optimizer: Any, schedule: Any, evaluator: Engine) -> Checkpoints:
        parts = {"network": net, "optimizer": optimizer, "lr_scheduler": schedule}
        return Checkpoints(parts, evaluator, self.folder, {"seed": SEED}, self.resume)

    def after_iteration(self, engine: Any, net: nn.Module) -> None:
        """Note what every rank, or all together, must have had."""
        self.seen["digests"].append(tensors_digest(net.state_dict()))
        self.seen["losses"].append(engine.state.output["loss"].item())
        self.seen["ids"].append(list(engine.state.batch["participant_id"]))
        self.seen["seeds"].append(torch.initial_seed())
        if "present" in engine.state.batch:
            self.seen["present"].append(engine.state.batch["present"].tolist())
        if isinstance(net, FusionNet) and isinstance(net.mri_enc, MRIEncoder):
            self.seen.setdefault("forms", []).append(id(net.mri_enc._forms["layer1"]._form))
        if isinstance(engine.network, DistributedDataParallel):
            self.wrappers.add(engine.network)
            self.seen["wrapped"].append([id(engine.network), len(self.wrappers)])


def history_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open(encoding="utf-8", newline="") as stream:
        return [{**row, "seconds": "", "data_wait": ""} for row in csv.DictReader(stream)]


class KilledError(Exception):
    """Ends a training in the middle, on all ranks."""


def kill_in_epoch_3(engine: Engine) -> None:
    if engine.state.epoch == 3:
        raise KilledError


def same_curve(out: Path) -> dict[str, Any]:
    """Seven participants leave a last batch of three, five one of one: its second rank repeats a participant."""
    return {
        f"curve of {count}": Job(out / str(count), count, resting, num_epochs=(4, 4)).run().seen for count in (7, 5)
    }


def same_bits(out: Path) -> dict[str, Any]:
    """Everything that could make ranks differ: dropout, BatchNorm over a part of the batch, both stages, a resume."""
    whole = Job(out / "whole", 8, free, validated=1).run().seen
    try:
        Job(out / "killed", 8, free, validated=1).run(kill_in_epoch_3)
    except KilledError:
        resumed = Job(out / "killed", 8, free, validated=1, resume=True).run().seen
    shapes = {"eeg_shape": (32, 32, 17), "mri_size": (32, 32, 32), "num_epochs": (1, 1), "saves": False}
    return {
        "whole": whole,
        "resumed": resumed,
        "wrapped once": Job(out / "once", 8, free, devices=WrappedOnce).run().seen,
        "real": Job(out / "real", 8, real, **shapes).run().seen,  # type: ignore[arg-type] # of this dict
    }


def not_a_number(out: Path) -> dict[str, Any]:
    """A batch of which one rank's slice is bad; weights that are bad on one rank only."""

    def spoil_weights_of_rank_1(engine: Any) -> None:
        if ranks.rank() == 1 and engine.state.iteration == 4:
            with torch.no_grad():
                next(engine.network.parameters()).fill_(float("inf"))

    found = {}
    for name, network, handlers in (
        ("bad slice", SpoiltOnRank1, ()),
        ("bad weights", free, (spoil_weights_of_rank_1,)),
    ):
        job = Job(out / name, 8, network)
        try:
            job.run(*handlers)
        except RunFailed as failure:
            found[name] = {"lines": str(failure).splitlines(), "ids": job.seen["ids"]}
    return found


def asked_to_stop(out: Path) -> dict[str, Any]:
    """Only one rank receives the signal."""

    def signal_to_rank_1(engine: Engine) -> None:
        if ranks.rank() == 1 and engine.state.iteration == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    return {"stopped": Job(out / "stopped", 8, free).run(signal_to_rank_1).seen}


def dies(out: Path) -> dict[str, Any]:
    """One rank is killed while the other waits for it."""

    def kill_rank_1(engine: Engine) -> None:
        if ranks.rank() == 1 and engine.state.iteration == 3:
            (out / "killed").touch()
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

    return {"dies": Job(out / "dies", 8, free).run(kill_rank_1).seen}


def refused(out: Path) -> dict[str, Any]:
    """The processes were started with different options."""
    processes.same_for_all({"batch_size": 4, "seed": ranks.rank()})
    return {}


# Every other participant lacks something, and of the others recordings are hidden.
SOME_LACK = {
    "use": ModalityPolicy(allow_missing=True, dropout=0.3),
    "without_mri": (0, 1, 4),
    "without_eeg": (2, 5),
}


def some_lack(out: Path) -> dict[str, Any]:
    """The real network, with frozen BatchNorm and no dropout: one rank and two must then compute the same."""
    shapes = {"eeg_shape": (32, 32, 17), "mri_size": (32, 32, 32), "num_epochs": (3, 0), "saves": False}
    blocks = [{"eeg": ["stage4"], "mri": []}, {"eeg": [], "mri": []}]
    return {"lacking": Job(out / "lacking", 8, real_without_chance, blocks=blocks, **SOME_LACK, **shapes).run().seen}  # type: ignore[arg-type] # of these dicts


def absence_is_resumed(out: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """A training with absent recordings, uninterrupted, and killed in epoch 3 and resumed; on one rank."""

    def job(name: str, **options: Any) -> Job:
        return Job(out / name, 8, tiny_absent, **SOME_LACK, **options)  # type: ignore[arg-type] # of this dict

    whole = job("whole").run().seen
    try:
        job("killed").run(kill_in_epoch_3)
    except KilledError:
        return whole, job("killed", resume=True).run().seen
    raise AssertionError("it was not killed")


SCENARIOS = {
    job.__name__: job for job in (some_lack, same_curve, same_bits, not_a_number, asked_to_stop, dies, refused)
}


def main(out: Path, scenarios: list[str]) -> None:
    """Run scenarios and write what this rank saw."""
    torch.set_num_threads(1)
    report_input_errors()
    processes.join("cpu", 4, timeout_minutes=1)
    seen: dict[str, Any] = {}
    for name in scenarios:
        seen |= SCENARIOS[name](out)
    (out / f"rank{ranks.rank()}.json").write_text(json.dumps(seen), encoding="utf-8")
    processes.leave()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
