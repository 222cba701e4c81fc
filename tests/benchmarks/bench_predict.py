"""What a prediction costs beside its network, and whether its memory grows with the number of participants.

    python tests/benchmarks/bench_predict.py               # about five minutes on two cores
    python tests/benchmarks/bench_predict.py --only memory --participants 2000

The ratio: the shipped networks (random weights) and recordings of clinical size, prepared before. "Network alone" gets
recordings that are in memory; "prediction" is what `monai-fusion predict` does with them: the store is read beside the
network, every row is written. Both take turns in one process, and the ratio is that of the medians.

The memory: tiny recordings and networks, so that what grows is what the prediction keeps. Judged is the growth of the
resident size from a tenth of the participants to the end.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import psutil
import torch
from ignite.engine import Engine, Events
from monai.engines import SupervisedEvaluator
from torch import nn

from monai_fusion.data import EvaluationPrepareBatch, Preprocessing, StreamedLoader, StreamedParticipants
from monai_fusion.data.collation import collate_participants
from monai_fusion.datalist import ParticipantRecord
from monai_fusion.evaluation import ParticipantInferer
from monai_fusion.evaluation.artifacts import StreamedThumbnailWriter
from monai_fusion.evaluation.prediction_stream import PredictionStream
from monai_fusion.evaluation.result_writer import ResultWriter
from monai_fusion.networks import standard_network
from monai_fusion.transforms import LoadScalogramd, LoadVolumed, ResampleSlabd, ZScoreElectrodesd
from tests.support import EEG_SHAPE, tiny_absence_net, write_scalogram, write_volume

GOAL = 1.3
SHAPE = (224, 224, 17)
MEBIBYTE = 2**20


def clinical_records(folder: Path, participants: int, segments: int) -> list[ParticipantRecord]:
    """Participants with recordings of clinical size, of random numbers."""
    generator = np.random.default_rng(0)
    records = []
    for number in range(participants):
        name = f"sub-{number:02d}"
        paths = [folder / f"{name}_seg{segment}.npy" for segment in range(segments)]
        for path in paths:
            np.save(path, generator.random(SHAPE, dtype=np.float32))
        volume = generator.integers(0, 1000, size=(176, 240, 256)).astype(np.int16)
        nib.save(nib.Nifti1Image(volume, np.eye(4)), folder / f"{name}_T1w.nii")
        records.append(ParticipantRecord(name, None, tuple(paths), folder / f"{name}_T1w.nii", "test"))
    return records


def tiny_records(folder: Path, participants: int) -> list[ParticipantRecord]:
    """Participants with two EEG segments and an MRI of a few numbers."""
    return [
        ParticipantRecord(
            participant_id=f"sub-{number:05d}",
            label=None,
            eeg=tuple(write_scalogram(folder / f"{number}_seg{part}.npy", 2 * number + part) for part in range(2)),
            mri=write_volume(folder / f"{number}_T1w.nii.gz", number),
            section="test",
        )
        for number in range(participants)
    ]


def predictor(data: StreamedParticipants, network: nn.Module, out: Path) -> SupervisedEvaluator:
    """The evaluator of the shipped inference.yaml."""
    out.mkdir(parents=True, exist_ok=True)
    stream = PredictionStream(out, data, ResultWriter(out, ["M", "F"], None, "new", "test"), {"model": "random"})
    return SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=StreamedLoader(data, 1, find=stream.find),
        network=network,
        prepare_batch=EvaluationPrepareBatch(),
        inferer=ParticipantInferer(),
        val_handlers=[stream, StreamedThumbnailWriter(out, data)],
        decollate=False,
    )


def measure_ratio(folder: Path, participants: int, segments: int, repeats: int) -> tuple[list[float], list[float]]:
    """Return the seconds for each participant of the network alone, and of the whole prediction, in each repeat."""
    eeg = [LoadScalogramd(shape=SHAPE), ZScoreElectrodesd()]
    chains = Preprocessing(eeg, [LoadVolumed(), ResampleSlabd(size=(128, 128, 128), depth=96)], folder / "store")
    data = StreamedParticipants(clinical_records(folder, participants, segments), chains)
    network = standard_network(pretrained=False).eval()
    items = [data[index] for index in range(participants)]  # prepares them, too
    begin = time.perf_counter()
    for index in range(participants):
        data.read(index)
    print(f"reading the store: {(time.perf_counter() - begin) / participants:.3f} s a participant")
    inferer, prepare = ParticipantInferer(), EvaluationPrepareBatch()
    alone, whole = [], []
    for repeat in range(repeats):
        begin = time.perf_counter()
        for item in items:
            inputs, _, args, further = prepare(collate_participants([item]), "cpu")
            with torch.no_grad():
                inferer(inputs, network, *args, **further)
        alone.append((time.perf_counter() - begin) / participants)
        engine = predictor(data, network, folder / f"out{repeat}")
        begin = time.perf_counter()
        engine.run()
        whole.append((time.perf_counter() - begin) / participants)
        print(f"repeat {repeat + 1}: network alone {alone[-1]:.2f} s, prediction {whole[-1]:.2f} s a participant")
    return alone, whole


def measure_growth(folder: Path, participants: int) -> tuple[float, float]:
    """Return the growth of the resident size in MiB from a tenth of the participants to the last, and its peak."""
    eeg = [LoadScalogramd(shape=EEG_SHAPE), ZScoreElectrodesd()]
    chains = Preprocessing(eeg, [LoadVolumed(), ResampleSlabd(size=(6, 6, 6), depth=4)], folder / "store")
    data = StreamedParticipants(tiny_records(folder, participants), chains)
    process, sizes = psutil.Process(), []

    def note(_: Engine) -> None:
        sizes.append(process.memory_info().rss / MEBIBYTE)

    engine = predictor(data, tiny_absence_net().eval(), folder / "out")
    engine.add_event_handler(Events.ITERATION_COMPLETED, note)
    engine.run()
    first = sizes[participants // 10]
    return sizes[-1] - first, max(sizes) - first


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("ratio", "memory"))
    parser.add_argument("--participants", type=int, default=2000, help="of the memory")
    parser.add_argument("--people", type=int, default=4, help="of the ratio")
    parser.add_argument("--segments", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args(words)
    torch.set_num_threads(options.threads)
    print(f"{platform.processor() or platform.machine()}, {options.threads} threads, torch {torch.__version__}")
    good = True
    if options.only != "memory":
        with tempfile.TemporaryDirectory() as folder:
            alone, whole = measure_ratio(Path(folder), options.people, options.segments, options.repeats)
        ratio = statistics.median(whole) / statistics.median(alone)
        good = ratio <= GOAL
        print(f"prediction / network alone: {ratio:.2f} (goal: at most {GOAL})")
    if options.only != "ratio":
        with tempfile.TemporaryDirectory() as folder:
            grown, peak = measure_growth(Path(folder), options.participants)
        print(f"{options.participants} participants: resident size {grown:+.1f} MiB, at the peak {peak:+.1f} MiB")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
