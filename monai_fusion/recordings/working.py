"""One recording from its file to its scalograms: whatever happens to it becomes a result, and stops no other."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # it has no types

from monai_fusion.errors import InputError, Problem, RunFailed
from monai_fusion.files import is_full
from monai_fusion.reading import reason_of
from monai_fusion.recordings.finding import Found
from monai_fusion.recordings.making import Made, make_scalograms
from monai_fusion.recordings.naming import preview_path, stem_of
from monai_fusion.recordings.opening import opened
from monai_fusion.recordings.options import ScalogramOptions


def work_on(group: Sequence[Found], options: ScalogramOptions) -> list[Made]:
    """Make the scalograms of recordings that may write the same files, one after the other.

    Args:
        group: The recordings.
        options: How.

    Returns:
        What became of each.

    Raises:
        RunFailed: The disk is full.
    """
    taken: dict[Path, Path] = {}
    with threadpool_limits(1):
        return [_made(each, options, taken) for each in group]


def _preview(made: Made, path: Path) -> None:
    if made.state == "finished" and path.is_file():
        return
    from monai_fusion.recordings.preview import write_preview  # matplotlib takes a second

    write_preview(path, made.sidecars)


def _made(found: Found, options: ScalogramOptions, taken: dict[Path, Path]) -> Made:
    try:
        made = make_scalograms(opened(found, options), options, taken)
        if options.job.preview:
            _preview(made, preview_path(options.job.out, stem_of(found)))
        return made
    except InputError as error:
        problems = error.problems
    except RunFailed:
        raise
    except OSError as error:
        if is_full(error):
            advice = "free some space and run the same command again: recordings that are finished are kept"
            raise RunFailed(f"{options.job.out}: {reason_of(error)}", advice) from error
        problems = (Problem(str(found.path), seen=reason_of(error)),)
    except MemoryError:
        problems = (Problem(str(found.path), seen="not enough memory", advice="fewer --workers need less"),)
    except Exception as error:  # a fault of the program in one recording is no reason to lose the others
        where = traceback.extract_tb(error.__traceback__)[-1]
        seen = f"{type(error).__name__} in {Path(where.filename).name}, line {where.lineno}"
        problems = (Problem(str(found.path), seen=seen, advice="a fault of the program: please report it"),)
    return Made(path=found.path, state="failed", problems=problems)
