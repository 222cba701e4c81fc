"""Where the training data wait, and who makes batches of them: chosen from the device, its memory and the cores."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import psutil
import torch
from torch.utils.data import DataLoader

from monai_fusion import ranks
from monai_fusion.data.batch_augmentation import BatchAugmentation
from monai_fusion.data.device_loader import DeviceLoader
from monai_fusion.data.distributed_sampling import DistributedTrainingSampler
from monai_fusion.data.fusion_dataset import FusionDataset, collate_available
from monai_fusion.data.held_recordings import bytes_of
from monai_fusion.data.sampling import ParticipantSampler
from monai_fusion.errors import InputError, Problem
from monai_fusion.keys import EEG, MRI
from monai_fusion.options.knob_values import AUTO
from monai_fusion.options.overrides import as_auto
from monai_fusion.wording import a_few, counted

logger = logging.getLogger(__name__)

SHARE = 0.5
"""The share of a GPU's free memory that ``device_data: auto`` gives to the training data; the steps need the rest."""
SHARE_IF_ASKED = 0.8
"""The same of ``device_data: true``, also of a machine's memory."""
_GB = 1e9


class Machine(NamedTuple):
    """What the choice depends on besides the knobs.

    Attributes:
        device: The device of the training.
        free: Bytes of its memory that are free.
        cores: How many cores this process may use for itself.
    """

    device: torch.device
    free: float
    cores: int


class Plan(NamedTuple):
    """Who makes the batches.

    Attributes:
        way: ``held`` on the device, ``read`` by threads for each batch and made on the device, or ``loaded`` by
            processes.
        workers: Threads or processes; 0 for the training's own.
        why: The reason, for the line at the start; may be empty.
    """

    way: Literal["held", "read", "loaded"]
    workers: int
    why: str = ""


def training_loader(
    dataset: FusionDataset,
    sampler: ParticipantSampler | DistributedTrainingSampler,
    batch_size: int,
    device: str | torch.device,
    device_data: object = AUTO,
    num_workers: int | str = AUTO,
    start_method: str | None = None,
    worker_init_fn: Callable[[int], None] | None = None,
) -> DeviceLoader | DataLoader[Any]:
    """Make the loader of a training, and report in one line what was chosen and why.

    Args:
        dataset: The participants, with ``segments="random"``.
        sampler: The draws of an epoch.
        batch_size: Participants in a batch of this process.
        device: Where the training runs.
        device_data: ``true`` holds the prepared recordings on the device; ``false`` reads them in each epoch; ``auto``
            holds them on a GPU if they fit into half of its free memory.
        num_workers: Threads or processes that read them otherwise; ``auto`` for a number from the cores.
        start_method: How processes start; None for the platform's default.
        worker_init_fn: Called first in each process.

    Raises:
        InputError: A knob has another value, or ``device_data`` is true and the recordings do not fit.
    """
    wanted = as_auto(device_data, "--device_data")
    needed = bytes_of(dataset.eeg, len(dataset.eeg)) + bytes_of(dataset.mri, len(dataset.mri))
    machine = this_machine(device)
    without_form, foreign = _without_batch_form(dataset)
    plan = plan_loading(machine, needed, wanted, _workers(num_workers), without_form, foreign)
    if plan.way == "held":
        try:
            loader = DeviceLoader(dataset, device, batch_size, sampler)
        except torch.OutOfMemoryError as error:  # another program has taken it since
            if wanted:
                seen = f"true, but the GPU has no room left for the {_size(needed)} of the training data"
                advice = "another program has taken it meanwhile (nvidia-smi lists them)"
                raise InputError(Problem("--device_data", seen=seen, wanted="auto", advice=advice)) from error
            machine = machine._replace(free=this_machine(device).free)
            full = f"the GPU has no room left for {_size(needed)}"
            plan = plan_loading(machine, needed, False, _workers(num_workers), without_form, refusal=full)
        else:
            logger.info("training data: %s", describe(plan, machine))
            return loader
    logger.info("training data: %s", describe(plan, machine))
    if plan.way == "read":
        return DeviceLoader(dataset, device, batch_size, sampler, held=False, readers=plan.workers)
    return DataLoader(
        dataset,
        sampler=sampler,
        batch_size=batch_size,
        collate_fn=collate_available if dataset.use.allows_missing else None,
        num_workers=plan.workers,
        persistent_workers=plan.workers > 0,
        multiprocessing_context=start_method if plan.workers else None,
        pin_memory=machine.device.type == "cuda",
        worker_init_fn=worker_init_fn,
    )


def plan_loading(
    machine: Machine,
    needed: float,
    wanted: bool | None,
    workers: int | None,
    without_form: list[str],
    foreign: list[str] | None = None,
    refusal: str = "device_data is false",
) -> Plan:
    """Choose where the training data wait.

    Args:
        machine: The device, its free memory, and the cores.
        needed: Bytes that the prepared recordings take.
        wanted: Whether to hold them on the device; None for where that pays and they fit.
        workers: Threads or processes; None for a number from the cores.
        without_form: The transforms that cannot be applied to whole batches.
        foreign: Those of them that may know no tensors on a GPU; with them, only ``wanted=True`` holds the data there.
        refusal: The reason for ``wanted=False``.

    Raises:
        InputError: They are wanted on the device, and do not fit.
    """
    device, free, cores = machine
    on_gpu = device.type == "cuda"
    if wanted:
        if device.type not in ("cuda", "cpu"):
            raise InputError(Problem("--device_data", seen=f"true on {device}", wanted="a CUDA device or the CPU"))
        if needed > SHARE_IF_ASKED * free:
            raise InputError(_too_large(machine, needed))
        return Plan("held", 0, f"{_size(needed)}; {_size(free)} were free")
    if wanted is None and on_gpu and needed <= SHARE * free and not foreign:
        return Plan("held", 0, f"{_size(needed)}; {_size(free)} were free")
    reasons = []
    if on_gpu and wanted is False:
        reasons = [refusal]
    elif on_gpu and needed > SHARE * free:
        reasons = [f"there they would need {_size(needed)}: more than half of the {_size(free)} that are free"]
    if on_gpu and not without_form:
        return Plan("read", min(4, max(1, cores - 1)) if workers is None else workers, "; ".join(reasons))
    if on_gpu:
        reasons.append(f"the GPU cannot augment whole batches: {a_few(without_form)}")
        return Plan("loaded", min(8, max(1, cores - 1)) if workers is None else workers, "; ".join(reasons))
    # The steps need all cores and take far longer than the data: one or two processes keep up.
    return Plan("loaded", min(2, cores // 2) if workers is None else workers)


def describe(plan: Plan, machine: Machine) -> str:
    """Return the line at the start of a training, without its first words."""
    on_gpu = machine.device.type == "cuda"
    why = f" ({plan.why})" if plan.why else ""
    if plan.way == "held":
        return f"on the GPU{why}" if on_gpu else f"in memory{why}"
    if plan.way == "read":
        readers = counted(plan.workers, "thread") if plan.workers else "the main thread"
        reads = "reads" if plan.workers < 2 else "read"
        return f"{readers} {reads} it from the store, the GPU augments it{why}"
    if plan.workers == 0:
        return f"the main process loads it{why}"
    return f"{counted(plan.workers, 'process', 'es')} {'loads' if plan.workers == 1 else 'load'} it{why}"


def this_machine(device: str | torch.device) -> Machine:
    """Look at a device and the cores, shared among the ranks of this machine."""
    chosen = torch.device(device)
    sharing = ranks.on_this_machine()
    if chosen.type == "cuda":
        unused = torch.cuda.memory_reserved(chosen) - torch.cuda.memory_allocated(chosen)
        free = float(torch.cuda.mem_get_info(chosen)[0] + unused)
    else:
        free = psutil.virtual_memory().available / sharing
    return Machine(chosen, free, ranks.own_cores())


def _workers(num_workers: int | str) -> int | None:
    if num_workers == AUTO:
        return None
    if not isinstance(num_workers, int) or isinstance(num_workers, bool) or num_workers < 0:
        wanted = "a whole number, at least 0, or auto"
        raise InputError(Problem("--num_workers", seen=repr(num_workers), wanted=wanted))
    return num_workers


def _without_batch_form(dataset: FusionDataset) -> tuple[list[str], list[str]]:
    """The names of the transforms that cannot be applied to whole batches, and of the foreign ones among them."""
    parts = [(key, part) for key, part in ((EEG, dataset.eeg), (MRI, dataset.mri)) if len(part)]
    found = [BatchAugmentation(part.transform, part.augmentation, key) for key, part in parts]
    return [name for each in found for name in each.singles], [name for each in found for name in each.foreign]


def _too_large(machine: Machine, needed: float) -> Problem:
    free = f"{_size(machine.free)} {'of the GPU' if machine.device.type == 'cuda' else 'of memory'} are free"
    advice = (
        "leave it at auto, or halve them: --eeg_store_dtype float16 --mri_store_dtype uint16 (files are prepared again)"
    )
    seen = f"true, but the training data need {_size(needed)}, and {free}, of which they may take"
    return Problem("--device_data", seen=f"{seen} {SHARE_IF_ASKED:.0%}", advice=advice)


def _size(number: float) -> str:
    return f"{number / _GB:.1f} GB" if number >= _GB / 10 else f"{number / 1e6:.1f} MB"
