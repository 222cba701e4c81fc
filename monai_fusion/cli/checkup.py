"""What ``monai-fusion doctor`` reports about a machine: whether a training would run on it, and with what.

Every finding is made by doing the thing itself (import, multiply, write, lock) as far as that takes a moment. Imports
are in the functions: a library that cannot be imported is a finding as well.
"""

from __future__ import annotations

import importlib
import locale
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_fusion.cores import usable_cores

_GB = 1e9
_FAR_TOO_LITTLE = 2 * _GB  # a model, its checkpoints and its export take 1.5 GB
_IMPORTED = ("numpy", "torch", "torchvision", "timm", "monai", "ignite")  # a broken one of these breaks everything
_SET_BY_USERS = ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "HF_HOME", "TORCH_HOME")


@dataclass(frozen=True)
class CheckupLine:
    """One line of the answer.

    Attributes:
        name: What was looked at, e.g. ``memory``.
        text: What was found.
        trouble: What would stop a run or be missed by it, and what to do; empty if nothing would.
    """

    name: str
    text: str
    trouble: str = ""


def examine_machine(output_dir: Path, cache_dir: Path) -> Iterator[CheckupLine]:
    """Look at this machine.

    Args:
        output_dir: Where results would be written; need not exist, and is not made.
        cache_dir: Where the preprocessed store would be; likewise.

    Yields:
        The findings, in the order of a bug report. Paths below the home folder begin with ``~``.
    """
    yield _program()
    broken = [_import(name) for name in _IMPORTED]
    if failed := [finding for finding in broken if finding is not None]:
        yield from failed
    else:
        yield _guarded("libraries", _libraries)
        yield _guarded("processor", _processor)
        yield _guarded("GPU", _gpu)
        yield _guarded("weights of the EEG encoder", lambda: _weights("eeg_weights"))
        yield _guarded("weights of the MRI encoder", lambda: _weights("mri_weights"))
    yield _guarded("memory", _memory)
    yield _guarded("shared memory", _shared_memory)
    yield _guarded("results", lambda: _folder("results", output_dir, "--output_dir"))
    yield _guarded("store", lambda: _folder("store", cache_dir, "--cache_dir"))
    yield _guarded("terminal", _terminal)


def _guarded(name: str, look: Callable[[], CheckupLine]) -> CheckupLine:
    """A finding also where the look-up itself fails: on the machines that need the doctor, something does."""
    try:
        return look()
    except Exception as error:  # anything: it is what the user came to find out
        return CheckupLine(name, "not known", f"the check failed: {type(error).__name__}: {_first_line(error)}")


def _program() -> CheckupLine:
    import monai_fusion

    place = Path(monai_fusion.__file__).parents[1]
    return CheckupLine(
        "monai-fusion", f"{monai_fusion.__version__} in {_short(place)}, Python {platform.python_version()}"
    )


def _import(name: str) -> CheckupLine | None:
    try:
        importlib.import_module(name)
    except Exception as error:  # OSError of a missing DLL, RuntimeError of two builds that do not fit, ImportError
        return CheckupLine(
            name, "cannot be imported", f"{type(error).__name__}: {_first_line(error)}; install it again"
        )
    return None


def _libraries() -> CheckupLine:
    from monai_fusion.runs.environment import LIBRARIES, git_revision, versions

    found = versions()
    commit = git_revision()
    at = f"; commit {commit['revision'][:10]}{', modified' if commit['modified'] else ''}" if commit else ""
    return CheckupLine("libraries", ", ".join(f"{name} {found[name]}" for name in LIBRARIES) + at)


def _processor() -> CheckupLine:
    import torch

    from monai_fusion.precision import cpu_multiplies_bfloat16
    from monai_fusion.runs.environment import cpu_name

    _compute("cpu")
    bfloat16 = "multiplies bfloat16" if cpu_multiplies_bfloat16() else "no bfloat16: computes in float32"
    cores = f"{usable_cores()} of {os.cpu_count()} cores, {torch.get_num_threads()} threads"
    return CheckupLine("processor", f"{cpu_name()}, {cores}, {bfloat16}")


def _gpu() -> CheckupLine:
    import torch

    if not torch.cuda.is_available():
        built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"
        if shutil.which("nvidia-smi") is None:
            return CheckupLine("GPU", f"none; torch is {built}: runs compute on the processor")
        advice = (
            "install the build of torch that pytorch.org names for your driver"
            if torch.version.cuda is None
            else ("is the driver too old for it? pytorch.org names builds for older ones")
        )
        return CheckupLine(
            "GPU", "none that torch can use", f"there is an NVIDIA driver, but torch is {built}: {advice}"
        )
    from monai_fusion.precision import gpu_multiplies_bfloat16

    shown = []
    for number in range(torch.cuda.device_count()):
        found = torch.cuda.get_device_properties(number)
        free, total = torch.cuda.mem_get_info(number)
        _compute(f"cuda:{number}")
        precision = "bfloat16" if gpu_multiplies_bfloat16(number) else "float16"
        shown.append(f"cuda:{number} {found.name}, {free / _GB:.0f} of {total / _GB:.0f} GB free, {precision}")
    return CheckupLine("GPU", f"{'; '.join(shown)}; CUDA {torch.version.cuda}")


def _compute(device: str) -> None:
    """Do what a training does most: a driver or cuDNN that does not fit shows here and not in its first minute."""
    import torch

    volume = torch.ones(1, 1, 8, 8, 8, device=device)
    found = torch.nn.functional.conv3d(volume, torch.ones(1, 1, 3, 3, 3, device=device))
    if not bool((found == 27).all()):
        raise ArithmeticError(f"a convolution on {device} gives wrong numbers")


def _weights(option: str) -> CheckupLine:
    from monai_fusion.networks.weights import downloaded_before

    place = downloaded_before()[option]
    name = f"weights of the {option[:3].upper()} encoder"
    if place is not None:
        return CheckupLine(name, f"found: {_short(place)}")
    offline = f"--{option} FILE or --pretrained false"
    return CheckupLine(name, f"not on this machine: training downloads them; without a network, give it {offline}")


def _memory() -> CheckupLine:
    import psutil

    found = psutil.virtual_memory()
    low = "close other programs, or take a smaller --batch_size" if found.available < 4 * _GB else ""
    return CheckupLine("memory", f"{found.available / _GB:.1f} of {found.total / _GB:.1f} GB free", low)


def _shared_memory() -> CheckupLine:
    from monai_fusion.workflow.shared_memory import SHARED_MEMORY, shared_memory_free

    if not sys.platform.startswith("linux") or not SHARED_MEMORY.is_dir():
        return CheckupLine("shared memory", "of the system, without a limit of its own")
    free = shared_memory_free()
    low = "give a training --num_workers 0, or start the container with --shm-size 4g" if free < _GB else ""
    return CheckupLine("shared memory", f"{free / _GB:.1f} GB free in {SHARED_MEMORY}", low)


def _folder(name: str, folder: Path, option: str) -> CheckupLine:
    """Write to a folder, or to the nearest one above it that exists, lock a file there, and leave nothing."""
    from filelock import FileLock, Timeout

    from monai_fusion.output_folder import LONGEST_BELOW, longest_path

    place = folder.expanduser().absolute()
    while not place.exists():
        place = place.parent
    shown = _short(folder.expanduser()) + ("" if place == folder.expanduser().absolute() else " (does not exist yet)")
    limit, length = longest_path(), len(str(folder.expanduser().absolute()))
    if limit is not None and length > limit - LONGEST_BELOW:
        return CheckupLine(
            name, shown, f"a path of {length} characters is too long for Windows: choose another {option}"
        )
    if not place.is_dir():
        return CheckupLine(name, shown, f"{_short(place)} is a file: choose another {option}")
    try:
        with tempfile.TemporaryDirectory(prefix=".doctor-", dir=place) as scratch:
            (Path(scratch) / "written").write_bytes(b"0" * 4096)
            try:
                with FileLock(Path(scratch) / "lock", timeout=1):
                    locks = ""
            except (OSError, NotImplementedError, Timeout):
                locks = ", no locks: do not start two runs in one folder"
    except OSError as error:
        return CheckupLine(name, shown, f"cannot be written to ({error.strerror or error}): choose another {option}")
    free = shutil.disk_usage(place).free
    low = f"free some disk, or choose another {option}" if free < _FAR_TOO_LITTLE else ""
    return CheckupLine(name, f"{shown}: can be written to, {free / _GB:.0f} GB free{locks}", low)


def _terminal() -> CheckupLine:
    given = {name: os.environ[name] for name in _SET_BY_USERS if name in os.environ}
    encoding = (sys.stdout.encoding or locale.getpreferredencoding(False)).lower()
    variables = ", ".join(f"{name}={_short(Path(value)) if '/' in value else value}" for name, value in given.items())
    return CheckupLine("terminal", f"{platform.platform()}, {encoding}" + (f", {variables}" if variables else ""))


def _short(path: Path) -> str:
    """The path without the user's name in it: a bug report is public."""
    home = Path.home()
    return f"~/{path.relative_to(home).as_posix()}" if path.is_relative_to(home) else str(path)


def _first_line(error: BaseException) -> str:
    lines: list[Any] = str(error).strip().splitlines() or [""]
    return str(lines[0])[:200]
