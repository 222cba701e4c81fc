"""Work in several processes of this machine, one thread of arithmetic each."""

from __future__ import annotations

import multiprocessing
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Any, TypeVar

from joblib import Parallel, delayed, parallel_config  # type: ignore[import-untyped] # joblib has no types
from joblib import parallel as joblib_parallel
from joblib.externals.loky.backend import resource_tracker  # type: ignore[import-untyped] # as above
from joblib.externals.loky.process_executor import TerminatedWorkerError  # type: ignore[import-untyped] # as above

from monai_fusion import stopping
from monai_fusion.errors import RunFailed

# How long a signal to all processes may reach this one after it has ended another.
_PATIENCE_S = 1.0
# What joblib says of a run that is ended early; by filter, as `catch_warnings` would be felt by all threads.
warnings.filterwarnings("ignore", ".*tasks which were still being processed by the workers have been cancelled")
warnings.filterwarnings("ignore", ".*tasks have been successfully executed  but not used")

Result = TypeVar("Result")


def in_processes(
    function: Callable[..., Result], arguments: Iterable[tuple[Any, ...]], workers: int, what: str
) -> Generator[Result, None, None]:
    """Call a function with each of some arguments; yields the results as they are there, in any order.

    Args:
        function: It can be pickled, and so can what it takes and returns.
        arguments: What each call takes.
        workers: How many processes.
        what: What a process does, for the message if one is killed: ``prepares files``.

    Raises:
        RunFailed: A process was ended from outside.
        StopAsked: The signal that ended it was for all processes: it arrives here, too.
    """
    with stopping.deaf_to_hangup():  # as it is to Ctrl-C: it cleans up after the others
        resource_tracker.ensure_running()
    with parallel_config("loky", inner_max_num_threads=1), _deaths_named(what):
        parallel = Parallel(n_jobs=workers, backend="loky", return_as="generator_unordered")
        with closing(parallel(delayed(function)(*each) for each in arguments)) as done:
            yield from done


def has_semaphores() -> bool:
    """Whether processes can be started; without, joblib falls back to threads, and fails on its own options then."""
    if joblib_parallel.mp is None:  # it tried when it was imported
        return False
    try:
        multiprocessing.get_context("spawn").Semaphore()
    except (ImportError, OSError):
        return False
    return True


@contextmanager
def _deaths_named(what: str) -> Iterator[None]:
    """Say plainly that a process was ended from outside; see `in_processes`."""
    try:
        yield
    except TerminatedWorkerError as error:
        time.sleep(_PATIENCE_S)
        advice = "memory may have run out: fewer --workers need less; finished work is kept"
        raise RunFailed(f"a process that {what} was killed from outside", advice) from error
