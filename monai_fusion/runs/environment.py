"""The environment of a run, which its numbers and its speed may depend on: versions, code, machine."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
import torch

import monai_fusion

# The numeric libraries, and those that produce their input.
LIBRARIES = (
    *("torch", "torchvision", "timm", "monai", "pytorch-ignite", "numpy", "scipy", "nibabel", "scikit-learn"),
    *("pandas", "isal", "xxhash"),
)
_SECONDS = 20


def versions() -> dict[str, str | None]:
    """Return the versions of Python, this package, the numeric libraries and CUDA; None where one is absent."""
    found: dict[str, str | None] = {"python": platform.python_version(), "monai-fusion": monai_fusion.__version__}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    cudnn = None
    if torch.cuda.is_available():
        cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call] # torch leaves it untyped
    return {**found, "cuda": torch.version.cuda, "cudnn": None if cudnn is None else str(cudnn)}


def git_revision() -> dict[str, Any] | None:
    """Return the commit of this package's checkout, and whether it has modified files; None without a checkout."""
    root = Path(monai_fusion.__file__).parents[1]
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return None
    try:
        commit = _output_of(git, "-C", str(root), "rev-parse", "HEAD")
        changes = _output_of(git, "--no-optional-locks", "-C", str(root), "status", "--porcelain", "-uno")
    except (OSError, subprocess.SubprocessError):
        return None  # no commit yet, or a checkout of another user
    return {"revision": commit, "modified": bool(changes)}


def hardware(device: str | torch.device) -> dict[str, Any]:
    """Describe the machine and the device of a run; memory in bytes."""
    described: dict[str, Any] = {
        "platform": platform.platform(),
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory": psutil.virtual_memory().total,
        "device": str(device),
    }
    if torch.device(device).type == "cuda":
        found = torch.cuda.get_device_properties(torch.device(device))
        described |= {"gpu": found.name, "gpu_memory": found.total_memory, "gpu_driver": _driver()}
    return described


@cache
def cpu_name() -> str:
    """Return the processor's name as its maker gives it, if the system reports it."""
    try:
        if platform.system() == "Linux":
            lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        if platform.system() == "Darwin":
            return _output_of("sysctl", "-n", "machdep.cpu.brand_string")
    except (OSError, StopIteration, subprocess.SubprocessError):
        pass  # ARM's Linux has no such line
    return platform.processor() or platform.machine()


def _driver() -> str | None:
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    try:
        return _output_of(program, "--query-gpu=driver_version", "--format=csv,noheader").splitlines()[0]
    except (OSError, IndexError, subprocess.SubprocessError):
        return None


def _output_of(*command: str) -> str:
    # The programs and their arguments are constants of this file.
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_SECONDS)  # noqa: S603
    return done.stdout.strip()


def peak_gpu_memory() -> int | None:
    """Return the most bytes that tensors of this process took on one GPU so far; None if it uses none."""
    if not torch.cuda.is_available():
        return None
    return max(torch.cuda.max_memory_allocated(device) for device in range(torch.cuda.device_count())) or None
