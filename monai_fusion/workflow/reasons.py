"""External causes that end a run, recognised by the messages of torch, Python and the system, and reported plainly."""

from __future__ import annotations

import errno
import os

from monai_fusion.causes import causes_of
from monai_fusion.errors import RunFailed
from monai_fusion.files import is_full
from monai_fusion.workflow.gpu_reasons import of_gpu

# How torch reports what a data loading process runs out of: it hands over its tensors in /dev/shm, one file each.
_NO_SHARED_MEMORY = ("shared memory", "Bus error", "unable to mmap", "/torch_")
_NO_FILES = ("Too many open files", "received 0 items of ancdata", "unable to open file descriptor")
# ... and how torch reports that a layer has no input left.
_TOO_SMALL = (
    "Kernel size can't be greater than actual input size",
    "smaller than kernel size",
    "Output size is too small",
    "Expected more than 1 value per channel",
)
_KILLED = "is killed by signal: Killed"
_OF_FOLDERS = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
_OTHERS_LOAD = "--num_workers 0 loads in the main process"


def failure_behind(error: BaseException | None, again: str = "run the same command again") -> RunFailed | None:
    """Name the cause that ended a run, if it is a known one outside this program.

    Args:
        error: The error that was raised; the function examines its causes, too.
        again: What to do once the cause is gone.
    """
    for cause in causes_of(error):
        failure = _of_workers(cause) or _of_files(cause, again) or _of_network(cause) or of_gpu(cause)
        if failure is not None:
            return failure
    return None


def _of_workers(error: BaseException) -> RunFailed | None:
    """The resource that the processes that load data ran out of; torch repeats their errors as text."""
    text = str(error)
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return _too_many_files()
    if not isinstance(error, RuntimeError | OSError):
        return None
    if any(sign in text for sign in _NO_FILES):
        return _too_many_files()
    if any(sign in text for sign in _NO_SHARED_MEMORY):
        return RunFailed(
            "out of shared memory (/dev/shm), through which data loading processes hand over their batches",
            f"{_OTHERS_LOAD}; or enlarge it: docker run --shm-size 8g (64 MB is Docker's default)",
        )
    if isinstance(error, RuntimeError) and _KILLED in text:
        advice = f"memory may have run out: {_OTHERS_LOAD}; a smaller --batch_size or --mri_size needs less"
        return RunFailed("a data loading process was killed from outside", advice)
    return None


def _of_network(error: BaseException) -> RunFailed | None:
    """A network that halves its input more often than the input allows."""
    text = str(error)
    if not isinstance(error, RuntimeError | ValueError) or not any(sign in text for sign in _TOO_SMALL):
        return None
    advice = "raise --mri_size and --slab_depth, or use a network with fewer downsampling steps"
    return RunFailed(f"the input is too small for a layer of the network: {text.splitlines()[0]}", advice)


def _too_many_files() -> RunFailed:
    advice = f"{_OTHERS_LOAD}; or raise the limit: ulimit -n 4096, in the shell that starts the run"
    return RunFailed("too many open files: the system allows this process no more", advice)


def _of_files(error: BaseException, again: str) -> RunFailed | None:
    """The system's reason why a file cannot be written; a wrong input file is an `InputError`."""
    if not isinstance(error, OSError):
        return None
    path = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes | os.PathLike) else ""
    name = f": {path}" if path else ""
    if is_full(error):
        advice = f"free some space and {again}: the files written before are complete"
        return RunFailed(f"no space left to write to{name}", advice)
    if error.errno == errno.EFBIG:
        advice = "ulimit -f limits the size of files here, or the file system does"
        return RunFailed(f"the system allows no file of this size{name}", advice)
    if path and error.errno in _OF_FOLDERS:
        advice = "was the folder deleted, moved, replaced or made read-only while the run used it?"
        if isinstance(error, PermissionError):
            advice += " Or is the file open in another program?"
        return RunFailed(f"{path}: {error.strerror}", advice)
    return None
