"""Where files are prepared: in threads of this process, in processes of this machine, or on a Dask cluster."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from importlib import import_module
from typing import Any, Literal, Protocol

import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # it has no types

from monai_fusion.cores import usable_cores
from monai_fusion.errors import InputError, Problem
from monai_fusion.parallel import has_semaphores, in_processes
from monai_fusion.store.preparing import Outcome, PreparationChain, prepare_in_process, prepare_in_thread

logger = logging.getLogger(__name__)

_WORK = "prepares files"
Numbered = tuple[int, Mapping[str, Any]]


class Runner(Protocol):
    """Prepares files, several at a time."""

    def run(self, chain: PreparationChain, items: Sequence[Numbered]) -> Generator[tuple[int, Outcome], None, None]:
        """Prepare numbered items; yields each number with its outcome when it is done, in any order."""
        ...


class Threads:
    """Threads of this process: they need no start-up, and the slow parts of the work release Python's lock.

    Args:
        workers: How many; None for one per core.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or usable_cores()

    def run(self, chain: PreparationChain, items: Sequence[Numbered]) -> Generator[tuple[int, Outcome], None, None]:
        """See `Runner`."""
        with _one_thread_each(), ThreadPoolExecutor(min(self.workers, len(items)), "preparing") as threads:
            futures = [threads.submit(prepare_in_thread, chain, number, item) for number, item in items]
            try:
                for future in as_completed(futures):
                    yield future.result()
            finally:
                # If the run ends early, the work in progress is finished, so that nothing is left half-written.
                threads.shutdown(cancel_futures=True)


class Processes:
    """Processes of this machine, which import the libraries first (seconds): for hundreds of files, or slow transforms.

    Args:
        workers: How many; None for one per core.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or usable_cores()

    def run(self, chain: PreparationChain, items: Sequence[Numbered]) -> Generator[tuple[int, Outcome], None, None]:
        """See `Runner`."""
        if not has_semaphores():
            logger.warning(
                "preparing in threads: this system provides no semaphores for processes (is /dev/shm writable?)"
            )
            yield from Threads(self.workers).run(chain, items)
            return
        numbered = ((chain, number, item) for number, item in items)
        with closing(in_processes(prepare_in_process, numbered, min(self.workers, len(items)), _WORK)) as done:
            yield from done


class DaskCluster:
    """The workers of a running Dask cluster, which see the recordings and the store under the same paths.

    It uses `distributed` directly. joblib's backend for Dask is as fast, but if a worker process is killed (out of
    memory, for example), it waits forever for the files of that worker; here the run ends with `KilledWorker`.

    Args:
        scheduler: Address of the scheduler, ``tcp://host:8786``.
        timeout: Seconds to wait for it.
    """

    def __init__(self, scheduler: str, timeout: float = 15.0) -> None:
        try:
            distributed: Any = import_module("distributed")
        except ImportError as error:
            raise InputError(
                Problem("--backend dask", seen="not installed", advice="pip install distributed")
            ) from error
        try:
            self._client = distributed.Client(scheduler, timeout=timeout, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            wanted = "the address of a running Dask scheduler, such as tcp://host:8786"
            raise InputError(Problem("--scheduler", seen=f"{scheduler!r} does not answer", wanted=wanted)) from error
        self._as_completed = distributed.as_completed
        self.workers = len(self._client.scheduler_info(n_workers=-1)["workers"])

    def run(self, chain: PreparationChain, items: Sequence[Numbered]) -> Generator[tuple[int, Outcome], None, None]:
        """See `Runner`."""
        numbers, contents = zip(*items, strict=True)
        futures = self._client.map(prepare_in_process, [chain] * len(items), numbers, contents, pure=False)
        try:
            for _, result in self._as_completed(futures, loop=self._client.loop, with_results=True):
                yield result
        finally:
            self._client.cancel(futures)

    def close(self) -> None:
        """Leave the cluster, which continues to run."""
        self._client.close()


def make_runner(
    backend: Literal["threads", "processes", "dask"], workers: int | None = None, scheduler: str | None = None
) -> Threads | Processes | DaskCluster:
    """Return the runner for the options of a command line.

    Raises:
        InputError: The backend does not exist, or its cluster does not answer.
    """
    if backend not in ("threads", "processes", "dask"):
        raise InputError(Problem("--backend", seen=repr(backend), wanted="processes, threads or dask"))
    if (scheduler is None) == (backend == "dask"):
        wanted = "--backend dask and --scheduler ADDRESS together, or neither"
        raise InputError(
            Problem("--scheduler", seen="not given" if scheduler is None else repr(scheduler), wanted=wanted)
        )
    if scheduler is not None:
        return DaskCluster(scheduler)
    return Threads(workers) if backend == "threads" else Processes(workers)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Limit each thread to one thread of arithmetic: a pool of threads inside another one is slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)
