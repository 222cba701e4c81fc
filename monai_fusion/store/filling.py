"""Filling the store: it finds existing entries without reading a recording, and prepares the rest."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Generator, Mapping, Sequence, Set
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from monai_fusion.errors import InputError, Problem
from monai_fusion.files import write_atomically
from monai_fusion.keys import PARTICIPANT_ID
from monai_fusion.messages import hide_bars
from monai_fusion.store.claims import claim_path, is_claimed
from monai_fusion.store.file_index import Known, name_of
from monai_fusion.store.preparing import Outcome, PreparationChain
from monai_fusion.store.runners import Runner
from monai_fusion.store.stored_chain import OLDER_LAYOUTS, make_private

logger = logging.getLogger(__name__)
# tqdm shares its own lock with forked processes: if one were killed while it draws, all others would wait forever.
tqdm.set_lock(threading.RLock())

LAST_RUN_FILE = "last_run.json"
_POLL_S = 0.1


@dataclass
class FillReport:
    """What filling did.

    Attributes:
        prepared: Files that were computed.
        reused: Files whose entry existed, or was made by another process in the meantime.
        changed: Those of ``prepared`` whose file has changed since the last time.
        damaged: Those of ``prepared`` whose entry was damaged.
        misplaced: Those of ``prepared`` with the entry of another file or chain in place of their own.
        outdated: Those of ``prepared`` whose entry had an older format.
        unstored: Those of ``prepared`` that could not be stored; they are prepared whenever they are needed.
        seconds: Wall-clock time.
    """

    prepared: int = 0
    reused: int = 0
    changed: int = 0
    damaged: int = 0
    misplaced: int = 0
    outdated: int = 0
    unstored: int = 0
    seconds: float = 0.0

    def __add__(self, other: FillReport) -> FillReport:
        return FillReport(**{name: getattr(self, name) + getattr(other, name) for name in vars(self)})

    def __str__(self) -> str:
        """``prepared 12, reused 188 (3 recomputed: file changed), 2.1 s``."""
        counts = (
            (self.changed, "file changed"),
            (self.damaged, "entry damaged"),
            (self.misplaced, "entry of another file or chain in its place"),
            (self.outdated, "entry of an older format"),
        )
        reasons = [f"{count} recomputed: {reason}" for count, reason in counts if count]
        because = f" ({'; '.join(reasons)})" if reasons else ""
        return f"prepared {self.prepared}, reused {self.reused}{because}, {self.seconds:.1f} s"


def fill(
    chain: PreparationChain,
    items: Sequence[Mapping[str, Any]],
    runner: Runner,
    title: str,
    progress: bool | None = True,
) -> tuple[list[str], FillReport]:
    """Make sure that every item's recording is in the store.

    Args:
        chain: How recordings are prepared, and the store.
        items: Items with the path of a recording and ``participant_id``.
        runner: Where files are prepared.
        title: The title of the progress bar.
        progress: True shows a bar with rate and remaining time on a terminal; None anywhere; False nowhere.

    Returns:
        The content hash of each item's file, and what was done.

    Raises:
        InputError: Files that cannot be read or are not what they should be; all of them, with their participants.
    """
    started = time.perf_counter()
    assert chain.stored is not None and chain.index is not None  # noqa: S101 # no store, nothing to fill
    chain.index.refresh()
    contents, pending = _sort_out(chain, items)
    if pending:
        _tell_of_older_entries(chain)
    report = FillReport(reused=len(items) - len(pending))
    problems: dict[int, tuple[Problem, ...]] = {}
    computed: set[int] = set()
    with (
        _bar(title, len(items), report.reused, progress if pending else False) as bar,
        closing(_run_all(chain, items, list(pending), runner)) as outcomes,
    ):
        for number, outcome in outcomes:
            bar.update()
            contents[number] = outcome.content
            _say_warnings(outcome, items[number])
            if outcome.problems:
                problems[number] = of_participant(outcome.problems, items[number])
            _count(report, outcome, *pending[number])
            if outcome.state != "reused":
                computed.add(number)
    report.seconds = time.perf_counter() - started
    _note_run(chain, items, computed)
    chain.index.forget()
    if problems:
        raise InputError([p for number in sorted(problems) for p in problems[number]], heading=f"{title} files")
    return contents, report


def of_participant(problems: Sequence[Problem], item: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Prefix problems with a file by the participant it belongs to."""
    participant = item.get(PARTICIPANT_ID)
    return tuple(
        replace(problem, where=f"{participant} ({problem.where})") if participant else problem for problem in problems
    )


def _sort_out(
    chain: PreparationChain, items: Sequence[Mapping[str, Any]]
) -> tuple[list[str], dict[int, tuple[Known | None, str]]]:
    """Return the contents of items whose entry is sound, and the known contents and entry's states of the others."""
    assert chain.stored is not None and chain.index is not None  # noqa: S101 # as above
    contents: list[str] = [""] * len(items)
    pending: dict[int, tuple[Known | None, str]] = {}
    for number, item in enumerate(items):
        try:
            known = chain.index.look_up(item[chain.recording])
        except OSError:
            known = None  # preparing it will report what is wrong
        state = chain.stored.state(known.content) if known else "missing"
        if known and known.fresh and state == "sound":
            contents[number] = known.content
        else:
            pending[number] = known, state
    return contents, pending


def _tell_of_older_entries(chain: PreparationChain) -> None:
    """Report why a store that an older version filled is prepared again; call it before this chain has a folder."""
    assert chain.stored is not None  # noqa: S101 # as above
    folder, layout = chain.stored.folder, chain.stored.store
    older = [name for name in OLDER_LAYOUTS if (layout.with_name(name) / folder.name).is_dir()]
    if older and not folder.is_dir():
        logger.warning(
            "preparing again: the entries in %s have an older format, which does not show which recording an entry "
            "belongs to; the program no longer uses them: remove that folder to free disk space",
            layout.with_name(older[-1]),
        )


def _run_all(
    chain: PreparationChain, items: Sequence[Mapping[str, Any]], numbers: list[int], runner: Runner
) -> Generator[tuple[int, Outcome], None, None]:
    """Yield the number and outcome of every item; those that another process is preparing come last."""
    while numbers:
        deferred: list[int] = []
        with closing(runner.run(chain, [(number, items[number]) for number in numbers])) as outcomes:
            for number, outcome in outcomes:
                if outcome.state == "deferred":
                    deferred.append(number)
                else:
                    yield number, outcome
        numbers = []
        while deferred:
            made, deferred, abandoned = _look_again(chain, items, deferred)
            yield from made
            numbers += abandoned
            if deferred and not made:
                time.sleep(_POLL_S)


def _look_again(
    chain: PreparationChain, items: Sequence[Mapping[str, Any]], deferred: list[int]
) -> tuple[list[tuple[int, Outcome]], list[int], list[int]]:
    """Return, of the items that others were preparing, those that are made, those still claimed and those given up."""
    assert chain.stored is not None and chain.index is not None  # noqa: S101 # as above
    claimed = [n for n in deferred if is_claimed(claim_path(chain.stored.folder, items[n][chain.recording]))]
    chain.index.refresh()
    free = [n for n in deferred if n not in set(claimed)]
    contents, pending = _sort_out(chain, [items[n] for n in free])
    made = [(n, Outcome("reused", content)) for n, content in zip(free, contents, strict=True) if content]
    return made, claimed, [free[place] for place in pending]


def _count(report: FillReport, outcome: Outcome, known: Known | None, state: str) -> None:
    if outcome.state == "reused":
        report.reused += 1
    elif outcome.state == "prepared":
        report.prepared += 1
        report.changed += known is not None and known.content != outcome.content
        if known is not None and known.content == outcome.content:
            report.damaged += state == "damaged"
            report.misplaced += state == "misplaced"
            report.outdated += state == "outdated"
        if outcome.unstored and not report.unstored:
            logger.warning(
                "continuing without the store for new files: cannot write to it (%s); "
                "the run prepares files that are not stored whenever it needs them",
                outcome.unstored,
            )
        report.unstored += bool(outcome.unstored)


def _say_warnings(outcome: Outcome, item: Mapping[str, Any]) -> None:
    for message in outcome.warned:
        logger.warning("%s: %s", item.get(PARTICIPANT_ID, "?"), message)


def _bar(title: str, total: int, done: int, progress: bool | None) -> tqdm:
    """A bar with rate and remaining time; in a log file one state every ten seconds."""
    disable = hide_bars({True: None, None: False, False: True}[progress])
    pause = 0.1 if sys.stderr.isatty() else 10.0
    name = f"preparing {title}"
    return tqdm(
        total=total, initial=done, desc=name, unit="file", leave=False, disable=disable, mininterval=pause, miniters=1
    )


# The files that this process has requested from each store, and their state at the first request: a run fills its
# store in several steps, and the later steps find what the earlier ones prepared.
_seen: dict[Path, dict[int, bool]] = {}


def _note_run(chain: PreparationChain, items: Sequence[Mapping[str, Any]], computed: Set[int]) -> None:
    """Record how many of the run's files were reused; in a store that cannot be written, nothing is recorded."""
    assert chain.stored is not None  # noqa: S101 # as above
    store = chain.stored.store
    seen = _seen.setdefault(store, {})
    salt = chain.stored.digest.encode()
    for number, item in enumerate(items):
        seen.setdefault(hash(salt + name_of(item[chain.recording])), number not in computed)
    reused = sum(seen.values())
    summary = {"finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "files": len(seen), "reused": reused}
    try:
        make_private(store)
        write_atomically(store / LAST_RUN_FILE, json.dumps(summary).encode(), private=True)
    except OSError as error:
        logger.debug("could not write %s: %s", LAST_RUN_FILE, error)
