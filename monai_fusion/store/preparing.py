"""Preparing one file: it is read once, hashed, decoded from the same bytes that were hashed, and stored.

The same function runs in threads of a bundle run, in processes of ``monai-fusion preprocess`` and on Dask workers.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from monai.transforms import Compose
from monai.utils.type_conversion import convert_to_numpy
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # has no types

from monai_fusion.errors import InputError, Problem, input_error_behind
from monai_fusion.file_formats.content import FileContent
from monai_fusion.opening import is_scarcity
from monai_fusion.store.claims import claim, claim_path
from monai_fusion.store.file_index import SourceIndex, read_source
from monai_fusion.store.storage_types import decode, encode, rounded
from monai_fusion.store.stored_chain import StoredChain

logger = logging.getLogger(__name__)

# Computes from a file what the transforms would, or returns None if only they can.
Shortcut = Callable[[Any], torch.Tensor | None]


class Outcome(NamedTuple):
    """The outcome for one file.

    Attributes:
        state: ``prepared``, ``reused`` (an entry existed), ``deferred`` (another process prepares it) or ``refused``.
        content: The content hash of the bytes that were read; empty if none were.
        unstored: Why the result could not be stored; empty if it was.
        problems: What is wrong with the file.
        warned: The warnings of the transforms.
    """

    state: Literal["prepared", "reused", "deferred", "refused"]
    content: str = ""
    unstored: str = ""
    problems: tuple[Problem, ...] = ()
    warned: tuple[str, ...] = ()


@dataclass
class PreparationChain:
    """A chain of deterministic transforms for one kind of recording, and where its results are kept.

    Args:
        recording: The key of the recording in an item.
        transforms: From a path to a tensor.
        folder: The store's folder; None for no store.
        dtype: The type in which results are kept, one of `STORAGE_TYPES`; they are rounded to it without a store, too.
        shortcut: A faster way to the same numbers; it is not part of the key.
    """

    recording: str
    transforms: Sequence[Any]
    folder: str | None = None
    dtype: str = "float32"
    shortcut: Shortcut | None = None
    stored: StoredChain | None = field(init=False, default=None)
    index: SourceIndex | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.folder is not None:
            self.stored = StoredChain(self.folder, self.transforms, self.dtype)
            self.index = SourceIndex(self.folder)

    def compute(self, item: Mapping[str, Any]) -> np.ndarray:
        """Run the transforms on an item, or the shortcut where it can, and return the recording's array.

        Raises:
            InputError: A transform cannot use the file; the message names it.
        """
        prepared = None
        try:
            if self.shortcut is not None:
                prepared = self.shortcut(item[self.recording])
            if prepared is None:
                prepared = Compose(list(self.transforms))(dict(item), threading=True)[self.recording]
        except (InputError, RuntimeError) as error:  # MONAI wraps what a transform raises into RuntimeError
            cause = input_error_behind(error)
            if cause is None or all(problem.where for problem in cause.problems):
                raise
            # The transforms after the one that read the file do not know its name.
            name = str(item[self.recording])
            raise InputError(replace(problem, where=problem.where or name) for problem in cause.problems) from error
        # MONAI's own transforms return tensors with metadata, which nothing here reads.
        return rounded(np.ascontiguousarray(convert_to_numpy(prepared, dtype=np.float32)), self.dtype)

    def load(self, content: str) -> np.ndarray | None:
        """Return a stored result as float32, in memory of its own, or None if it is missing or damaged."""
        stored = self.load_kept(content)
        return stored if stored is None or self.dtype == "float32" else decode(stored)

    def load_kept(self, content: str) -> np.ndarray | None:
        """Return a stored result in the type in which it is kept, or None if it is missing or damaged."""
        assert self.stored is not None  # noqa: S101 # callers ask for stored results of a store only
        return self.stored.read(content)

    def read_and_compute(self, item: Mapping[str, Any]) -> tuple[np.ndarray, str]:
        """Read, hash and compute a file whose entry is missing; store it if that is possible.

        Returns:
            The array and the content hash.

        Raises:
            InputError: The file is not what it should be.
        """
        read, content = self._read(item)
        array = self._compute_and_check(read, content)
        self._store(content, array)
        return array, content

    def prepare(self, item: Mapping[str, Any]) -> Outcome:
        """Make sure that a file's result is stored, unless another process prepares it."""
        assert self.stored is not None and self.index is not None  # noqa: S101 # as above
        with claim(claim_path(self.stored.folder, item[self.recording])) as mine:
            if not mine:
                return Outcome("deferred")
            try:
                if content := self._made_meanwhile(item):
                    return Outcome("reused", content)
                read, content = self._read(item)
                if self.stored.state(content) == "sound":
                    return Outcome("reused", content)
                return Outcome("prepared", content, self._store(content, self._compute_and_check(read, content)))
            except (InputError, RuntimeError) as error:
                cause = input_error_behind(error)
                if cause is None:
                    raise
                return Outcome("refused", problems=cause.problems)

    def _made_meanwhile(self, item: Mapping[str, Any]) -> str:
        """Return the content hash of a file that another process has prepared since the filling began, or None."""
        assert self.stored is not None and self.index is not None  # noqa: S101 # as above
        self.index.refresh()
        try:
            known = self.index.look_up(item[self.recording])
        except OSError:
            return ""  # reading it will report what is wrong
        return known.content if known and known.fresh and self.stored.state(known.content) == "sound" else ""

    def _read(self, item: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        """Return the item with a path that carries the file's content, and its hash."""
        source = item[self.recording]
        try:
            reading = read_source(source)
        except OSError as error:
            advice = "close some, or raise the limit: ulimit -n 4096" if is_scarcity(error) else ""
            problem = Problem(str(source), self.recording, error.strerror or str(error), "a readable file", advice)
            raise InputError(problem) from error
        if self.index is not None:
            self.index.remember(source, reading)
        return {**item, self.recording: FileContent(source, reading.buffer)}, reading.content

    def _compute_and_check(self, read: Mapping[str, Any], content: str) -> np.ndarray:
        array = self.compute(read)
        file: FileContent = read[self.recording]
        if not file.was_used and read_source(file).content != content:
            # A transform opened the file itself: the bytes that it read may not be those that were hashed.
            name = file.path.name
            raise InputError(Problem(name, self.recording, "the file changed while it was being read"))
        return array

    def _store(self, content: str, array: np.ndarray) -> str:
        """Return why the result could not be stored; empty if it could."""
        if self.stored is None:
            return ""
        try:
            self.stored.write(content, encode(array, self.dtype))
        except OSError as error:
            return error.strerror or str(error)
        return ""


# A worker process receives the chain with each file, but reads the index only once, and later only additions.
_indices: dict[Path, SourceIndex] = {}


def prepare_in_process(chain: PreparationChain, number: int, item: Mapping[str, Any]) -> tuple[int, Outcome]:
    """`PreparationChain.prepare` in a worker process: one thread of arithmetic, as there is a worker for each core."""
    torch.set_num_threads(1)
    if chain.index is not None:
        chain.index = _indices.setdefault(chain.index.path, chain.index)
    with threadpool_limits(1), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        outcome = chain.prepare(item)
    return number, outcome._replace(warned=tuple(str(warning.message) for warning in caught))


def prepare_in_thread(chain: PreparationChain, number: int, item: Mapping[str, Any]) -> tuple[int, Outcome]:
    """`PreparationChain.prepare` in a thread; its warnings are shown as usual."""
    return number, chain.prepare(item)
