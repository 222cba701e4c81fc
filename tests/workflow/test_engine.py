"""The reason of a run's early end is reported in a short message and recorded."""

import errno
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.handlers import ValidationHandler
from torch import Tensor, nn

from monai_fusion.data import FusionPrepareBatch
from monai_fusion.errors import RunFailed
from monai_fusion.workflow import run_engine, shared_memory

KNOBS = {"batch_size": 4, "eval_batch_size": 8, "segment_batch_size": 16, "mri_size": [128, 128, 128]}
BATCH = {"eeg": torch.zeros(1, 1), "mri": torch.zeros(1, 1), "label": torch.zeros(1, 1)}


class Network(nn.Module):
    """Fails, in training or in evaluation, with a given exception."""

    def __init__(self, in_training: BaseException | None = None, in_evaluation: BaseException | None = None) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)
        self.errors = {True: in_training, False: in_evaluation}

    def forward(self, eeg: Tensor, mri: Tensor) -> Tensor:
        """[B, 1], [B, 1] -> [B, 1]."""
        error = self.errors[self.training]
        if error is not None:
            raise error
        output: Tensor = self.layer(eeg)
        return output


class Record:
    """Records its calls."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def begin(self) -> None:
        self.calls.append("begin")

    def finish(self, engine: Engine, error: BaseException | None) -> None:
        self.calls.append(error)


def evaluator_of(network: nn.Module) -> SupervisedEvaluator:
    return SupervisedEvaluator(
        device="cpu", val_data_loader=[BATCH], network=network, prepare_batch=FusionPrepareBatch(), decollate=False
    )


def trainer_of(network: nn.Module) -> SupervisedTrainer:
    return SupervisedTrainer(
        device="cpu",
        max_epochs=2,
        train_data_loader=[BATCH],
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=0.1),
        loss_function=nn.MSELoss(),
        prepare_batch=FusionPrepareBatch(),
        train_handlers=[ValidationHandler(interval=1, validator=evaluator_of(network))],
        decollate=False,
    )


def allocate_too_much() -> RuntimeError:
    """The genuine error of torch's allocator on the CPU."""
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    return caught.value


NO_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    torch.cuda.OutOfMemoryError("CUDA out of memory."),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    allocate_too_much(),
]


@pytest.mark.parametrize("error", NO_MEMORY, ids=lambda error: str(error)[:30])
def test_out_of_memory_in_training_advises_a_lower_batch_size(error: BaseException) -> None:
    record = Record()
    with pytest.raises(RunFailed) as caught:
        run_engine(trainer_of(Network(in_training=error)), KNOBS, record)
    first, second = str(caught.value).splitlines()
    assert first == "out of memory in training, epoch 1"
    assert second == "  lower --batch_size (now 4) or --mri_size (now [128, 128, 128])"
    assert record.calls == ["begin", caught.value]


def test_out_of_memory_in_the_validation_advises_fewer_segments() -> None:
    network = Network(in_evaluation=torch.OutOfMemoryError("CUDA out of memory."))
    with pytest.raises(RunFailed) as caught:
        run_engine(trainer_of(network), KNOBS)
    assert str(caught.value).splitlines() == [
        "out of memory in validation, epoch 1",
        "  lower --eval_batch_size (now 8), --segment_batch_size (now 16) or --mri_size (now [128, 128, 128])",
    ]


def test_out_of_memory_in_an_evaluation_names_what_can_be_lowered() -> None:
    network = Network(in_evaluation=torch.OutOfMemoryError("CUDA out of memory."))
    with pytest.raises(RunFailed) as caught:
        run_engine(evaluator_of(network), {"eval_batch_size": 1, "segment_batch_size": 16})
    assert str(caught.value).splitlines() == ["out of memory in evaluation", "  lower --segment_batch_size (now 16)"]


def test_a_full_disk_is_named_and_what_to_do() -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "runs/first/checkpoints/epoch_0001.pt")
    with pytest.raises(RunFailed, match="no space left to write to") as caught:
        run_engine(trainer_of(Network(in_training=full)), KNOBS)
    assert "runs/first/checkpoints/epoch_0001.pt" in str(caught.value) and "--resume true" in str(caught.value)
    with pytest.raises(RunFailed, match="run the same command again"):
        run_engine(evaluator_of(Network(in_evaluation=full)), KNOBS)


WORKERS = {
    "unable to allocate shared memory(shm) for file </torch_5095_1>: No space left on device (28)": "--shm-size",
    "DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that dataloader's workers are out of"
    " shared memory.": "--shm-size",
    "Caught RuntimeError in DataLoader worker process 0.\nunable to mmap 12 bytes from file </torch_1>": "--shm-size",
    "received 0 items of ancdata": "ulimit -n",
    "Caught OSError in DataLoader worker process 1.\nOSError: [Errno 24] Too many open files: 'a'": "ulimit -n",
    "DataLoader worker (pid 9) is killed by signal: Killed. ": "--batch_size",
}


@pytest.mark.parametrize("text", WORKERS)
def test_what_data_loading_processes_run_out_of_is_named_with_the_remedy(text: str) -> None:
    with pytest.raises(RunFailed) as caught:
        run_engine(trainer_of(Network(in_training=RuntimeError(text))), KNOBS)
    first, second = str(caught.value).splitlines()
    assert "--num_workers 0" in second and WORKERS[text] in second and "torch_" not in first


@pytest.mark.parametrize(
    "layer", [nn.Conv3d(1, 1, 5), nn.AvgPool3d(5), nn.MaxPool3d(5)], ids=lambda layer: type(layer).__name__
)
def test_a_network_too_deep_for_the_volumes_is_not_reported_as_a_fault_of_the_program(layer: nn.Module) -> None:
    with pytest.raises(RuntimeError) as torchs_own:
        layer(torch.zeros(1, 1, 3, 3, 3))
    with pytest.raises(RunFailed, match="too small for a layer of the network") as caught:
        run_engine(evaluator_of(Network(in_evaluation=torchs_own.value)), {})
    assert "--mri_size" in str(caught.value)


def test_a_folder_that_disappears_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as gone:
        (tmp_path / "run" / "history.csv").open("x")
    with pytest.raises(RunFailed, match=r"history.csv: No such file or directory\n  was the folder deleted"):
        run_engine(trainer_of(Network(in_training=gone.value)), KNOBS)


def test_a_stop_that_also_ended_the_data_loading_processes_is_not_a_failure() -> None:
    trainer = trainer_of(
        Network(in_training=RuntimeError("DataLoader worker (pid 7) is killed by signal: Terminated."))
    )
    trainer.state.stopped_by = 15
    record = Record()
    run_engine(trainer, KNOBS, record)
    assert record.calls == ["begin", None]


class Pictures(torch.utils.data.Dataset[dict[str, Tensor]]):
    """Items of 4,000 bytes."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"mri": torch.zeros(500), "eeg": torch.zeros(500)}


@pytest.mark.skipif(sys.platform != "linux", reason="shared memory is looked at on Linux alone")
@pytest.mark.parametrize(("workers", "free", "warned"), [(2, 47_999, True), (2, 48_000, False), (0, 0, False)])
def test_shared_memory_is_compared_with_the_batches_in_transit(
    workers: int, free: int, warned: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shared_memory, "shared_memory_free", lambda folder: free)
    loader = torch.utils.data.DataLoader(Pictures(), batch_size=3, num_workers=workers)
    assert shared_memory.bytes_in_batch(loader) == 12_000
    shared_memory.warn_of_small_shared_memory(loader)
    assert ("--num_workers 0" in caplog.text and "--shm-size" in caplog.text) is warned


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a device that is always full")
def test_a_record_that_cannot_be_written_hides_nothing() -> None:
    class OnFullDisk(Record):
        def finish(self, engine: Engine, error: BaseException | None) -> None:
            Path("/dev/full").write_text("it did not go well", encoding="utf-8")

    with pytest.raises(RunFailed, match="out of memory"):
        run_engine(trainer_of(Network(in_training=torch.OutOfMemoryError("CUDA out of memory."))), KNOBS, OnFullDisk())


def test_an_unknown_error_stays_unchanged_and_is_recorded() -> None:
    record, error = Record(), ZeroDivisionError("a fault of the program")
    with pytest.raises(ZeroDivisionError) as caught:
        run_engine(trainer_of(Network(in_training=error)), KNOBS, record)
    assert caught.value is error and record.calls == ["begin", error]


def test_a_run_that_ends_well_is_also_recorded() -> None:
    record, trainer = Record(), trainer_of(Network())
    run_engine(trainer, KNOBS, record)
    assert record.calls == ["begin", None] and trainer.state.epoch == 2
