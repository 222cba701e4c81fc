"""A small training with two processes that load data, one of which meets a limit of the machine; run as a program."""

import logging
import mmap
import sys
import tempfile

import torch
from monai.engines import SupervisedTrainer
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from monai_fusion.data import FusionPrepareBatch
from monai_fusion.training import prepare_worker
from monai_fusion.workflow import run_engine
from monai_fusion.workflow.input_checks import report_input_errors


class Items(Dataset[dict[str, Tensor]]):
    """Recordings of 1.2 MB and, where files are few, many small tensors besides: each needs an open file."""

    def __init__(self, limit: str) -> None:
        self.limit = limit

    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if self.limit == "bus error" and index >= 8:
            touch_behind_the_end()
        more = {f"more{number}": torch.zeros(2) for number in range(60)} if self.limit.isdigit() else {}
        return {"eeg": torch.zeros(300_000), "mri": torch.zeros(300_000), "label": torch.zeros(1), **more}


class Network(nn.Module):
    """One weight."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def forward(self, eeg: Tensor, mri: Tensor) -> Tensor:
        """[B, N], [B, N] -> [B, 1]."""
        output: Tensor = self.layer(eeg[:, :1])
        return output


def touch_behind_the_end() -> None:
    """Raise SIGBUS as a full /dev/shm does: the memory of a file that is shorter than that."""
    with tempfile.TemporaryFile() as file:
        file.truncate(2 * mmap.PAGESIZE)
        memory = mmap.mmap(file.fileno(), 2 * mmap.PAGESIZE)
        file.truncate(0)
        memory[mmap.PAGESIZE]


def main(limit: str) -> None:
    """Train one epoch with a limit: a number of open files, ``bus error``, or ``none``."""
    logging.basicConfig(level=logging.WARNING)
    report_input_errors()
    if limit.isdigit():
        import resource

        resource.setrlimit(resource.RLIMIT_NOFILE, (int(limit), int(limit)))
    network = Network()
    trainer = SupervisedTrainer(
        device="cpu",
        max_epochs=1,
        train_data_loader=DataLoader(Items(limit), batch_size=4, num_workers=2, worker_init_fn=prepare_worker),
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=0.1),
        loss_function=nn.MSELoss(),
        prepare_batch=FusionPrepareBatch(),
        decollate=False,
    )
    run_engine(trainer, {"batch_size": 4})


if __name__ == "__main__":
    main(sys.argv[1])
