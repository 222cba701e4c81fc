"""Makes the scalograms of many recordings: several at a time, one thread each; one that fails stops no other."""

from __future__ import annotations

import math
import re
import time
from collections import defaultdict
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing, suppress
from pathlib import Path

from tqdm import tqdm

from monai_fusion.cores import usable_cores
from monai_fusion.messages import hide_bars
from monai_fusion.output_folder import lock_folder, make_writable
from monai_fusion.parallel import has_semaphores, in_processes
from monai_fusion.recordings.finding import Found
from monai_fusion.recordings.making import Made
from monai_fusion.recordings.naming import stem_of
from monai_fusion.recordings.options import ScalogramOptions
from monai_fusion.recordings.placing import refuse_dataset
from monai_fusion.recordings.working import work_on

_UNFINISHED = re.compile(r"\.[0-9a-f]{16}\.part")
_STALE_S = 3600.0  # then nobody writes it any more: this process alone has claimed the folder


def run_job(inputs: Sequence[Path], recordings: Sequence[Found], options: ScalogramOptions) -> list[Made]:
    """Make the scalograms of recordings; what was made before in the same way is left as it is.

    Args:
        inputs: What the user named: files and folders.
        recordings: The recordings found there.
        options: How.

    Returns:
        What became of each, in the order of `recordings`; with ``--on-error stop``, of those until the first failure.

    Raises:
        InputError: The folder cannot be written to, or is part of a dataset.
    """
    out = options.job.out
    refuse_dataset(out, inputs, [each.path for each in recordings])
    make_writable(out, "--out")
    lock_folder(out, "scalogram", "--out")
    groups = _grouped(recordings)
    order = {each.path: place for place, each in enumerate(recordings)}
    _sweep(out, older_than=time.time() - _STALE_S)
    started = time.time()
    done: list[Made] = []
    bar = tqdm(total=len(recordings), desc="scalograms", unit="recording", disable=hide_bars(), leave=False)
    try:
        with bar, closing(_run(groups, options)) as results:
            for made in results:
                done += made
                bar.update(len(made))
                failed = sum(each.state == "failed" for each in done)
                bar.set_postfix_str(f"{failed} failed" if failed else "", refresh=False)
                if failed and options.job.on_error == "stop":
                    break
    except BaseException:
        _sweep(out, newer_than=started)  # of processes that were ended while they wrote
        raise
    return sorted(done, key=lambda each: order[each.path])


def _sweep(out: Path, *, older_than: float = math.inf, newer_than: float = -math.inf) -> None:
    """Remove what `write_atomically` has left of files that were never finished."""
    for path in out.glob(".*.part"):
        with suppress(OSError):
            if _UNFINISHED.fullmatch(path.name) and newer_than - 1 <= path.stat().st_mtime <= older_than:
                path.unlink()


def _grouped(recordings: Iterable[Found]) -> list[list[Found]]:
    """Recordings that may write the same files are done one after the other, so that one of them is refused."""
    groups: dict[str, list[Found]] = defaultdict(list)
    for each in recordings:
        groups[stem_of(each).casefold()].append(each)  # file systems of Windows and macOS see no case
    return list(groups.values())


def _run(groups: Sequence[Sequence[Found]], options: ScalogramOptions) -> Generator[list[Made], None, None]:
    workers = min(options.job.workers or usable_cores(), len(groups))
    if workers > 1 and has_semaphores():
        yield from in_processes(work_on, ((group, options) for group in groups), workers, "makes scalograms")
    else:
        yield from (work_on(group, options) for group in groups)
