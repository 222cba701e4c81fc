"""What goes wrong with a GPU, by the words of torch and CUDA: full, lost, too old, or not to be had."""

from __future__ import annotations

import torch

from monai_fusion.causes import causes_of
from monai_fusion.errors import InputError, Problem, RunFailed

# How torch and the libraries under it report that no memory is left, besides `torch.OutOfMemoryError`.
_NO_MEMORY = (
    "CUDA error: out of memory",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "DefaultCPUAllocator",
)
_TOO_OLD = ("no kernel image is available", "device kernel image is invalid")
_TAKEN = ("busy or unavailable", "invalid device ordinal", "No CUDA GPUs are available")
_LOST = (
    "unspecified launch failure",
    "the launch timed out and was terminated",
    "GPU has fallen off the bus",
    "GPU is lost",
    "uncorrectable ECC error",
    "uncorrectable NVLink error",
    "hardware stack error",
    "CUDA error: unknown error",
    "device not ready",
)
_FAULTS = ("device-side assert triggered", "an illegal memory access was encountered", "misaligned address")
_DEVICES = "cpu, cuda or cuda:NUMBER"
_RESUME = "a training continues from its last complete epoch with --resume true"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch, or a library under it, ran out of memory, on the GPU or the machine."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _NO_MEMORY)


def of_gpu(error: BaseException) -> RunFailed | None:
    """Name what happened to the GPU, if it is that; memory is another matter (`is_out_of_memory`)."""
    text = str(error)
    if not isinstance(error, RuntimeError) or "CUDA" not in text:
        return None
    first = text.splitlines()[0]
    if any(sign in text for sign in _TOO_OLD):
        advice = "install a torch that was built for it (pytorch.org lists them), or use --device cpu"
        return RunFailed(f"this torch ({torch.__version__}) has no program for this GPU: {first}", advice)
    if any(sign in text for sign in _TAKEN):
        return RunFailed(f"the GPU cannot be used: {first}", "nvidia-smi lists the GPUs, and which program has them")
    if any(sign in text for sign in _LOST):
        advice = "nvidia-smi tells whether it answers: it may be too hot, or need a restart of the machine"
        return RunFailed(f"the GPU stopped working: {first}", f"{advice}; {_RESUME}")
    if any(sign in text for sign in _FAULTS):
        advice = "with CUDA_LAUNCH_BLOCKING=1 in the environment the log file shows the place; --device cpu may, too"
        return RunFailed(f"a computation on the GPU failed, probably by a fault of the program: {first}", advice)
    return None


def memory_failure_behind(error: BaseException | None) -> InputError | RunFailed | None:
    """Name a lack of memory outside training and evaluation: when the network is sent to a GPU that others fill.

    Returns:
        For a GPU an `InputError`: the user can choose another device, and nothing has been computed.
    """
    cause = next((each for each in causes_of(error) if is_out_of_memory(each)), None)
    if cause is None:
        return None
    if "DefaultCPUAllocator" in str(cause):
        return RunFailed("out of memory before the first batch", "end other programs, or use a machine with more")
    seen = "out of GPU memory before the first batch: not even the network fits"
    advice = "nvidia-smi lists the programs that use it; --device cuda:1 is another GPU, --device cpu uses none"
    return InputError(Problem("--device", seen=seen, advice=advice))


def check_device(device: str | torch.device, *, use: bool = True) -> None:
    """Check that there is such a device and, with ``use``, that it computes.

    Args:
        device: Where the network runs.
        use: Whether to compute something on it; not in one of several processes, which have not chosen their GPU yet.

    Raises:
        InputError: There is no such device, or it cannot be used: full, taken, or too old for this torch.
    """
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError):
        raise InputError(Problem("--device", seen=repr(device), wanted=_DEVICES)) from None
    if chosen.type == "cpu":
        return
    if chosen.type != "cuda":
        _compute_on_another_kind(chosen)
        return
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count == 0:
        raise InputError(Problem("--device", seen=str(device), wanted="cpu", advice=_why_no_gpu()))
    if chosen.index is not None and chosen.index >= count:
        wanted = f"cuda:0 to cuda:{count - 1}" if count > 1 else "cuda:0 or cuda, the only GPU"
        raise InputError(Problem("--device", seen=str(device), wanted=wanted))
    if use:
        _compute_on(chosen)


def _why_no_gpu() -> str:
    """Return why torch finds no GPU on this machine, in words for a message."""
    if torch.version.cuda is None and torch.version.hip is None:
        return "this torch was built without CUDA: install one with it (pytorch.org)"
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call] # torch leaves it untyped
    except (RuntimeError, AssertionError) as error:
        return reason_without_gpu(str(error))
    return "torch finds no GPU on this machine"


def reason_without_gpu(text: str) -> str:
    """Return the words for what torch says when it cannot start CUDA."""
    if "driver on your system is too old" in text:
        cuda = torch.version.cuda
        return f"the NVIDIA driver is too old for this torch (CUDA {cuda}): update it, or install an older torch"
    if "Found no NVIDIA driver" in text:
        return "torch finds no GPU on this machine, and no NVIDIA driver"
    if "No CUDA GPUs are available" in text:
        return "torch finds no GPU on this machine; does CUDA_VISIBLE_DEVICES hide it?"
    return f"torch finds no GPU on this machine ({text.splitlines()[0]})" if text else "torch finds no GPU"


def _compute_on_another_kind(device: torch.device) -> None:
    """A device that torch names, such as mps: whether this machine has it shows only when it is used."""
    try:
        _add_on(device)
    except (RuntimeError, AssertionError, ImportError):  # torch's words for it may be a page long
        seen = f"{device}, with which torch cannot compute here"
        raise InputError(Problem("--device", seen=seen, wanted=_DEVICES)) from None


def _add_on(device: torch.device) -> None:
    (torch.ones(1, device=device) + 1).item()


def _compute_on(device: torch.device) -> None:
    try:
        _add_on(device)
    except RuntimeError as error:
        if is_out_of_memory(error):
            advice = "nvidia-smi lists the programs that use its memory; --device cpu uses none"
            raise InputError(Problem("--device", seen=f"{device} has no memory left", advice=advice)) from None
        failure = of_gpu(error)
        if failure is None:
            raise
        what, advice = failure.lines
        raise InputError(Problem("--device", seen=f"{device}: {what}", advice=advice)) from None
