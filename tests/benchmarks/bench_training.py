"""What training costs, each number beside its reference in the same run.

    python tests/benchmarks/bench_training.py                       # this machine's CPU, full size: about 25 minutes
    python tests/benchmarks/bench_training.py --size demo --quick   # small volumes, few repetitions: about 4 minutes
    python tests/benchmarks/bench_training.py --rows step           # some of: step, pipeline, baseline
    python tests/benchmarks/bench_training.py --device cuda         # a GPU: the table of gpu_steps.py, then the rows

The reference of a step is the same network in float32, contiguous, run block by block. The baseline is a plain loop
that does what the single-file script did: every file decoded in every epoch, float32, no workers. On a CPU steps
are timed in CPU seconds of one thread, alternating; the pipeline and the baseline in wall seconds. The weights are
random: they do not change what a step costs.

On a bare GPU machine see `on_a_gpu.sh`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gpu_steps
import numpy as np
import torch
from common import Row, augmentation, old_eeg, old_mri, old_rotation, show, write_recordings
from gpu_steps import BLOCKS
from ignite.engine import Engine, Events
from monai.engines import SupervisedTrainer
from monai.transforms import Compose, RandFlipd

from monai_fusion.data import FusionDataset, FusionPrepareBatch, ParticipantSampler, training_loader
from monai_fusion.datalist import ParticipantRecord
from monai_fusion.losses import AlignedCrossEntropy
from monai_fusion.networks import EEGEncoder, FusionNet, GatedFusionHead, MRIEncoder, standard_network
from monai_fusion.precision import resolve_precision
from monai_fusion.training import (
    EpochSeeding,
    HeadGradientClipping,
    PrecisionInferer,
    StageHandler,
    StagePlan,
    TrainingStep,
    parameter_groups,
)
from monai_fusion.transforms import RandInPlaneRotated
from monai_fusion.workflow.preparation import configured_preprocessing

SLABS = {"demo": (32, 48, 48), "full": (96, 128, 128)}


class PlainFusionNet(FusionNet):
    """The same network and the same numbers, contiguous and block by block."""

    def __init__(self) -> None:
        super().__init__(EEGEncoder(pretrained=False), MRIEncoder(pretrained=False), GatedFusionHead())
        self.mri_enc.backbone.to(memory_format=torch.contiguous_format)

    def encode_mri(self, mri: torch.Tensor) -> torch.Tensor:
        """torchvision's own forward pass."""
        encoder: Any = self.mri_enc
        return encoder.embed(encoder.backbone((mri - encoder.input_mean) / encoder.input_std))


def on_device(batch: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """The batch with its tensors on a device."""
    return {name: value.to(device) if isinstance(value, torch.Tensor) else value for name, value in batch.items()}


class Clock:
    """Wall and CPU seconds of a trainer's iterations, without the waiting for data, and wall seconds of its epochs.

    Args:
        device: Where the trainer runs.
        waits: Whether to wait for a GPU after each iteration; otherwise only the epochs' seconds mean something there.
    """

    def __init__(self, device: torch.device, waits: bool = True) -> None:
        self.device = device
        self.waits = waits and device.type == "cuda"
        self.steps: list[tuple[float, float]] = []
        self.epochs: list[float] = []

    def attach(self, engine: Engine) -> None:
        """Attach to a trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._start_epoch)
        engine.add_event_handler(Events.ITERATION_STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._stop)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._stop_epoch)

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _start_epoch(self, engine: Engine) -> None:
        self._wait()
        self._epoch_begun = time.perf_counter()

    def _stop_epoch(self, engine: Engine) -> None:
        self._wait()
        self.epochs.append(time.perf_counter() - self._epoch_begun)

    def _start(self, engine: Engine) -> None:
        self._begun = time.perf_counter(), time.process_time()

    def _stop(self, engine: Engine) -> None:
        if self.waits:
            self._wait()
        now = time.perf_counter(), time.process_time()
        self.steps.append((now[0] - self._begun[0], now[1] - self._begun[1]))


@dataclass
class Setting:
    """What all rows share."""

    device: torch.device
    slab: tuple[int, int, int]
    batch: int
    steps: int
    records: list[ParticipantRecord]
    folder: Path

    def batch_in_memory(self) -> dict[str, Any]:
        """One batch of random recordings."""
        eeg, mri = torch.randn(self.batch, 17, 224, 224), torch.rand(self.batch, 1, *self.slab)
        people = [f"sub-{number}" for number in range(self.batch)]
        return {"eeg": eeg, "mri": mri, "label": torch.arange(self.batch) % 2, "participant_id": people}

    def dataset(self, people: int) -> FusionDataset:
        """The first people, from a warm store, with the shipped augmentation."""
        depth, height, width = self.slab
        size = [height * 4 // 3 if depth * 4 // 3 == height else depth * 3 // 2, height, width]
        preprocessing = configured_preprocessing({"mri_size": size, "slab_depth": depth}, self.folder / "store")
        return FusionDataset(self.records[:people], preprocessing, augmentation(), progress=False)


def make_trainer(
    setting: Setting,
    network: FusionNet,
    loader: Any,
    precision: str = "float32",
    epochs: int = 1,
    stage: int = 0,
    handlers: Sequence[Any] = (),
    fused: bool = True,
) -> SupervisedTrainer:
    """MONAI's trainer with the handlers that cost anything."""
    network.to(setting.device)
    plan = StagePlan([epochs], [BLOCKS[stage]])
    return SupervisedTrainer(
        device=setting.device,
        max_epochs=epochs,
        train_data_loader=loader,
        network=network,
        optimizer=torch.optim.AdamW(parameter_groups(network, plan, 2e-4, 1e-4), fused=fused),
        loss_function=AlignedCrossEntropy(),
        optim_set_to_none=True,
        prepare_batch=FusionPrepareBatch(),
        inferer=PrecisionInferer(precision),
        train_handlers=[
            StageHandler(network, plan),
            HeadGradientClipping(network.head.parameters(), 5.0),
            *handlers,
        ],
        decollate=False,
        iteration_update=TrainingStep(None, setting.device, precision),
        amp=precision == "float16",
        non_blocking=setting.device.type == "cuda",
    )


def step_times(setting: Setting, network: FusionNet, **options: Any) -> list[tuple[float, float]]:
    """Wall and CPU seconds of steps on a batch that is in memory, less a first one."""
    clock = Clock(setting.device)
    loader = [setting.batch_in_memory()] * (setting.steps + 1)
    make_trainer(setting, network, loader, handlers=[clock], **options).run()
    return clock.steps[1:]


# ---- rows -----------------------------------------------------------------------------------------------------------


def measure_step(setting: Setting, quick: bool) -> list[Row]:
    """Stage A's step against float32, contiguous, in CPU seconds of one thread."""
    torch.set_num_threads(1)
    settings: dict[str, Callable[[], Any]] = {
        "reference": lambda: step_times(setting, PlainFusionNet(), fused=False),
        "float32": lambda: step_times(setting, standard_network(pretrained=False)),
    }
    if resolve_precision("auto", setting.device) == "bfloat16":
        settings["bfloat16"] = lambda: step_times(setting, standard_network(pretrained=False), precision="bfloat16")
    taken: dict[str, list[float]] = {name: [] for name in settings}
    for _ in range(1 if quick else 2):
        for name, run in settings.items():
            taken[name] += [cpu for _, cpu in run()]
    least = {name: statistics.median(times) for name, times in taken.items()}
    goals = {"float32": 1.15, "bfloat16": 2.5}
    what = f"stage A step, batch {setting.batch}, MRI {list(setting.slab)}"
    return [
        Row(f"{what}, {name}", f"{least['reference']:.2f} CPU s", f"{least[name]:.2f} CPU s", ratio, goal)
        for name, goal in goals.items()
        if name in least
        for ratio in [least["reference"] / least[name]]
    ]


def measure_pipeline(setting: Setting, quick: bool) -> list[Row]:
    """An epoch as shipped (on a CPU with one worker), against the same steps on a batch in the device's memory."""
    cuda = setting.device.type == "cuda"
    torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))
    people, epochs = 200 if cuda else setting.batch * 4, 2 if quick else 4
    dataset = setting.dataset(people)
    network = standard_network(pretrained=False)
    precision = resolve_precision("auto", setting.device)
    sampler, clock = ParticipantSampler(dataset.labels), Clock(setting.device, waits=False)
    loader = training_loader(dataset, sampler, setting.batch, setting.device, num_workers="auto" if cuda else 1)
    handlers = [EpochSeeding(0, sampler), clock]
    make_trainer(setting, network, loader, precision, epochs + 1, handlers=handlers).run()
    whole = statistics.median(clock.epochs[1:])
    in_memory = Clock(setting.device, waits=False)
    batch = on_device(setting.batch_in_memory(), setting.device)
    make_trainer(setting, network, [batch] * len(loader), precision, epochs + 1, handlers=[in_memory]).run()
    steps = statistics.median(in_memory.epochs[1:])
    rate = 60 * people / whole
    what = f"epoch of the pipeline, {people} participants, batch {setting.batch}, {precision} ({rate:.0f} a minute)"
    return [Row(what, f"{steps:.2f} s", f"{whole:.2f} s", whole / steps, -1.05)]


def measure_baseline(setting: Setting, quick: bool) -> list[Row]:
    """Participants a minute over stage A, against the single-file script's loop in float32."""
    cuda = setting.device.type == "cuda"
    torch.set_num_threads(os.cpu_count() or 1)
    people, epochs = setting.batch * 3, 1 if quick or cuda else 2
    old = plain_epoch_seconds(setting, people, epochs) / people
    # A GPU records its steps first, and holds the data: what counts is how it goes on.
    people, epochs = (200, 3) if cuda else (people, epochs)
    dataset, clock = setting.dataset(people), Clock(setting.device, waits=False)
    sampler = ParticipantSampler(dataset.labels)
    loader = training_loader(dataset, sampler, setting.batch, setting.device, num_workers="auto" if cuda else 1)
    precision = resolve_precision("auto", setting.device) if cuda else "float32"
    handlers = [EpochSeeding(0, sampler), clock]
    make_trainer(setting, standard_network(pretrained=False), loader, precision, epochs + 1, handlers=handlers).run()
    new = statistics.median(clock.epochs[1:]) / people
    what = f"participants/min over stage A, {precision}, against the plain loop in float32"
    return [Row(what, f"{60 / old:.1f}", f"{60 / new:.1f}", old / new, 100.0 if cuda else 1.4)]


def plain_epoch_seconds(setting: Setting, people: int, epochs: int) -> float:
    """Seconds of an epoch of the single-file script's loop, the median of some after a first one."""
    records = setting.records[:people]
    network = PlainFusionNet().to(setting.device)
    optimizer = torch.optim.AdamW(parameter_groups(network, StagePlan([1], BLOCKS[:1]), 2e-4, 1e-4))
    loss, rng = AlignedCrossEntropy(), np.random.default_rng(0)

    def old_epoch() -> float:
        started = time.perf_counter()
        for first in range(0, people, setting.batch):
            items = [old_item(record, setting.slab, rng) for record in records[first : first + setting.batch]]
            eeg, mri = (torch.stack([item[place] for item in items]).to(setting.device) for place in (0, 1))
            labels = torch.tensor([record.label for record in records[first : first + setting.batch]])
            network.train()
            optimizer.zero_grad()
            answer = loss(network(eeg, mri), labels.to(setting.device))
            answer.backward()
            torch.nn.utils.clip_grad_norm_(network.head.parameters(), 5.0)
            optimizer.step()
            answer.item()
        return time.perf_counter() - started

    old_epoch()
    return statistics.median(old_epoch() for _ in range(epochs))


def old_item(
    record: ParticipantRecord, slab: tuple[int, int, int], rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """One participant as the single-file script made it, in every epoch."""
    eeg = torch.from_numpy(old_eeg(np.load(record.eeg[0])))
    volume = old_mri(Path(str(record.mri)))[0]
    if slab != SLABS["full"]:
        volume = np.ascontiguousarray(volume[: slab[0], : slab[1], : slab[2]])
    if rng.random() < 0.3:
        volume = old_rotation(volume, 7.3)
    for axis in range(3):
        if rng.random() < 0.5:
            volume = np.flip(volume, axis)
    return eeg, torch.from_numpy(np.ascontiguousarray(volume))[None]


# ---- a GPU ----------------------------------------------------------------------------------------------------------


def measure_augmentation(setting: Setting) -> None:
    """Print what flips and rotation of a batch cost on the device, beside the CPU."""
    volumes = torch.rand(1, *setting.slab)
    for device in ("cpu", str(setting.device)):
        item = {"mri": volumes.to(device)}
        chain = Compose([*(RandFlipd("mri", 1.0, axis) for axis in range(3)), RandInPlaneRotated(prob=1.0)])
        times = []
        for _ in range(20):
            started = time.perf_counter()
            chain(dict(item))
            if device != "cpu":
                torch.cuda.synchronize()
            times.append(time.perf_counter() - started)
        print(f"augmentation of one MRI on {device}: {statistics.median(times) * 1e3:.2f} ms")


ROWS = {
    "step": measure_step,
    "pipeline": measure_pipeline,
    "baseline": measure_baseline,
}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--size", choices=SLABS, default="full")
    parser.add_argument("--batch", type=int, default=0, help="default: 2 on a CPU, 4 on a GPU")
    parser.add_argument("--steps", type=int, default=0, help="default: 3 on a CPU, 20 on a GPU")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=[])
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    device = torch.device(options.device)
    cuda = device.type == "cuda"
    rows: list[Row] = []
    before = os.getloadavg()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        setting = Setting(
            device,
            SLABS[options.size],
            options.batch or (4 if cuda else 2),
            options.steps or (20 if cuda else 3),
            write_recordings(folder, 200 if cuda else 16),
            folder,
        )
        print(f"torch {torch.__version__}, {torch.cuda.get_device_name() if cuda else 'CPU'}")
        if cuda and not options.rows:
            gpu_steps.report()
            measure_augmentation(setting)
        for each in options.rows or (["pipeline", "baseline"] if cuda else list(ROWS)):
            torch.manual_seed(0)
            rows += ROWS[each](setting, options.quick)
            print(
                f"{each}: " + "; ".join(f"{row.reference} -> {row.ours} ({row.ratio:.2f})" for row in rows[-2:]),
                flush=True,
            )
    show(rows, before)
    return 0 if all(row.reached for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
