"""The first steps of a process that loads data, so that neither Ctrl-C nor a lost batch leaves a training waiting."""

from __future__ import annotations

import signal
from multiprocessing.queues import Queue
from typing import Any

from torch._utils import ExceptionWrapper


def prepare_worker(worker: int) -> None:
    """Make a worker of a DataLoader leave Ctrl-C, and batches that it cannot hand over, to the main process.

    A terminal sends Ctrl-C to all processes; the main one ends the training in its own way. If a worker cannot hand
    over a batch, for example because no more files may be opened, Python drops the batch with a traceback, and the
    training would wait for it forever: here the main process receives the error instead. (``worker_init_fn`` of a
    DataLoader.)
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The queue's own thread calls it, as a method: the call identifies the queue that waits.
    Queue._on_queue_feeder_error = _tell_of_lost_batch  # type: ignore[attr-defined] # of Python, since 3.7


def _tell_of_lost_batch(queue: Queue[Any], error: Exception, lost: object) -> None:
    place, _ = lost if isinstance(lost, tuple) and len(lost) == 2 else (None, None)
    wrapped = ExceptionWrapper((type(error), error, None), "in a process that loads data")  # type: ignore[no-untyped-call] # torch leaves it untyped
    queue.put((place, wrapped))
