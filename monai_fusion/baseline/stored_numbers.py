"""The numbers of many recordings, each file read once: the preprocessed store keeps them, found by content."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from monai_fusion.baseline.scalogram_numbers import Floats
from monai_fusion.cores import usable_cores
from monai_fusion.errors import InputError, Problem
from monai_fusion.file_formats.content import FileContent
from monai_fusion.store.file_index import SourceIndex, read_source
from monai_fusion.store.stored_chain import StoredChain

logger = logging.getLogger(__name__)

Numbers = Callable[[str | os.PathLike[str]], Floats]


def numbers_of(
    sources: Sequence[Path],
    numbers: Numbers,
    store: str | os.PathLike[str] | None,
    done: Callable[[], object] = str,
    threads: int | None = None,
) -> list[Floats]:
    """Compute the numbers of files, or find them in the store.

    Args:
        sources: Recordings.
        numbers: A `VolumeNumbers` or `ScalogramNumbers`; its class and arguments are part of the store's key.
        store: Folder of the preprocessed store; None computes all of them.
        done: Called after each file.
        threads: How many threads read files; None: one for each core.

    Raises:
        InputError: All files that cannot be read or are not what they should be.
    """
    chain = None if store is None else StoredChain(store, [numbers])
    index = None if store is None else SourceIndex(store)

    def one(source: Path) -> Floats | InputError:
        try:
            found = _known(source, chain, index)
            return _computed(source, numbers, chain, index) if found is None else found
        except InputError as error:
            return error
        finally:
            done()

    found: list[Floats] = []
    problems: list[Problem] = []
    with ThreadPoolExecutor(max(1, min(threads or usable_cores(), len(sources))), "numbers") as pool:
        for each in pool.map(one, sources):
            if isinstance(each, InputError):
                problems += each.problems
            else:
                found.append(each)
    if problems:
        raise InputError(problems)
    return found


def _known(source: Path, chain: StoredChain | None, index: SourceIndex | None) -> Floats | None:
    """The numbers that the store has of a file that has not changed since it was read; None if it has none."""
    if chain is None or index is None:
        return None
    try:
        known = index.look_up(source)
    except OSError:
        return None  # reading it will report what is wrong
    return chain.read(known.content) if known is not None and known.fresh else None


def _computed(source: Path, numbers: Numbers, chain: StoredChain | None, index: SourceIndex | None) -> Floats:
    try:
        reading = read_source(source)
    except OSError as error:
        raise InputError(Problem(str(source), seen=error.strerror or str(error), wanted="a readable file")) from error
    if index is not None:
        index.remember(source, reading)
    found = chain.read(reading.content) if chain is not None else None
    if found is None:
        found = numbers(FileContent(source, reading.buffer))
        if chain is not None:
            try:
                chain.write(reading.content, found)
            except OSError as error:
                logger.debug("could not store numbers: %s", error)
    return found
