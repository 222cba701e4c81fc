"""Running the missing runs of a comparison, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from monai_fusion.comparison import fold_datalists as fold_files
from monai_fusion.comparison.children import run_child, stoppable
from monai_fusion.comparison.ensemble import ensemble_is_made
from monai_fusion.comparison.planning import Plan
from monai_fusion.comparison.run_records import LOG_FILE, RunRecord, changed_recordings, computed_differently
from monai_fusion.datalist.saving.writing import write_text
from monai_fusion.errors import InputError, Problem
from monai_fusion.output_folder import lock_folder, make_writable, remove_all

Say = Callable[[str], None]
# Of a run at the shipped sizes, in GB: the weights; two checkpoints with AdamW's moments of all trained parameters.
MODEL_GB, CHECKPOINTS_GB = 0.26, 1.5
_ANOTHER = "earlier runs cannot be compared with the last one; --overwrite repeats them"


def check_folder(plan: Plan) -> list[RunRecord]:
    """Compare the output folder with the plan; write only missing files of folds.

    Returns:
        A record for each run of the plan.

    Raises:
        InputError: A run there has other settings, recordings or folds, and may not be replaced; or a model that the
            ensemble needs is missing.
    """
    records = [RunRecord(run) for run in plan.runs]
    if not plan.options.overwrite and (problems := [*_changed(plan, records), *_lost_models(plan, records)]):
        advice = "choose another --output-dir, or give --overwrite to repeat the runs that differ"
        raise InputError(problems, heading=f"{plan.options.output_dir} contains another comparison: {advice}")
    return records


def run_missing(plan: Plan, say: Say) -> list[RunRecord]:
    """Run all unfinished runs.

    Args:
        plan: All runs.
        say: Prints a line for the user.

    Returns:
        The records of all runs, all finished.

    Raises:
        InputError: See `check_folder`; or another comparison writes to the folder.
        Stopped: The user ended it; finished runs stay.
        ChildFailed: A run failed.
    """
    make_writable(plan.options.output_dir, "--output-dir")
    lock_folder(
        plan.options.output_dir, "compare", "--output-dir"
    )  # before the check: another comparison may be changing the folder
    records = check_folder(plan)
    if plan.options.overwrite:
        _discard_changed(plan, records)
    _write_folds(plan)
    missing = missing_runs(records)
    if missing:
        log = plan.options.output_dir / "VARIANT" / "seedS_foldF" / LOG_FILE
        more = f"; of further repeats in {plan.options.output_dir / 'repeatR'}" if plan.more_folds else ""
        say(f"{len(missing)} of {len(records)} runs to do, one after the other; {space_needed(plan)}")
        say(f"output of each run: {log}{more}")
    progress = _Progress(len(records), len(records) - len(missing), say)
    with stoppable():
        for record in records:
            if not record.finished:
                _run(record, plan)
                progress.step(record)
                if problems := computed_differently(records):
                    raise InputError(problems, heading=_ANOTHER)
            if not _keeps_model(plan, record):
                record.remove_model()
    return records


def space_needed(plan: Plan) -> str:
    """Return how much disk space the models take."""
    whole, members = 2 * MODEL_GB + CHECKPOINTS_GB, 0  # model.pt and the export
    if plan.options.ensemble is not None:
        members = sum(map(plan.is_member, plan.runs))
    kept = len(plan.runs) if plan.options.keep_models else members
    most = max(1, kept) * whole + members * MODEL_GB
    stays = (kept if plan.options.keep_models else 0) * whole + members * MODEL_GB
    return f"at most {most:.0f} GB of disk at the shipped sizes" + (
        f", {stays:.1f} GB of it permanently" if stays else ""
    )


def missing_runs(records: Sequence[RunRecord]) -> list[RunRecord]:
    """The runs that are not finished."""
    return [record for record in records if not record.finished]


def _run(record: RunRecord, plan: Plan) -> None:
    log = record.run.folder / LOG_FILE
    # The folder of a run that has not begun may have files of a discarded run.
    begun = record.settings is not None
    record.begin()
    started = time.monotonic()
    try:
        if not record.trained:
            run_child((*record.run.train, *(("--resume", "true") if begun else ("--overwrite", "true"))), log)
        run_child(record.run.evaluate, log)
    except BaseException:
        record.add_time(time.monotonic() - started)
        raise
    record.add_time(time.monotonic() - started, evaluated=True)


def _keeps_model(plan: Plan, record: RunRecord) -> bool:
    return plan.options.keep_models or plan.is_member(record.run)


def _changed(plan: Plan, records: Sequence[RunRecord]) -> list[Problem]:
    if differences := _together(problem for record in records for problem in record.differences()):
        return differences
    if other := _changed_folds(plan):
        seen = "has other participants or folds than the datalist now gives"
        start = plan.folds_folder(1)
        return [Problem(path.name if path.parent == start else str(path), seen=seen) for path in other]
    finished = [record for record in records if record.finished]
    if not finished:
        return []
    _write_folds(plan)  # the missing ones
    return changed_recordings(plan, finished) + computed_differently(finished)


def _together(problems: Iterable[Problem]) -> list[Problem]:
    """Equal problems of several runs as one problem."""
    found: dict[Problem, list[str]] = {}
    for problem in problems:
        found.setdefault(replace(problem, where=""), []).append(problem.where)
    return [
        replace(problem, where=titles[0] if len(titles) == 1 else f"{len(titles)} runs, the first: {titles[0]}")
        for problem, titles in found.items()
    ]


def _lost_models(plan: Plan, records: Sequence[RunRecord]) -> list[Problem]:
    """Runs whose weights are needed, for the ensemble or an evaluation, but were removed."""
    needed = [record for record in records if record.trained and not record.finished and not record.has_model]
    if needed:
        return [Problem(record.run.title, seen="its results and its model are missing") for record in needed]
    if plan.options.ensemble is None:
        return []
    members = [record for record in records if plan.is_member(record.run)]
    lost = [record for record in members if record.finished and not record.has_model]
    if ensemble_is_made(plan, members):
        return []
    return [Problem(record.run.title, seen="its model was removed after the evaluation") for record in lost]


def _discard_changed(plan: Plan, records: Sequence[RunRecord]) -> None:
    for record in records:
        if record.differences():
            record.discard()
    remove_all(_changed_folds(plan))
    _write_folds(plan)
    finished = [record for record in records if record.finished]
    problems = [*changed_recordings(plan, finished), *computed_differently(finished), *_lost_models(plan, records)]
    titles = {problem.where for problem in problems}
    for record in records:
        if record.run.title in titles:
            record.discard()


def _changed_folds(plan: Plan) -> list[Path]:
    """The existing datalists of folds whose content differs, or that are not needed."""
    return [
        plan.folds_folder(repeat) / name
        for repeat, folds in plan.repeats.items()
        for name in fold_files.changed_files(plan.folds_folder(repeat), folds.texts)
    ]


def _write_folds(plan: Plan) -> None:
    for repeat, folds in plan.repeats.items():
        folder = plan.folds_folder(repeat)
        make_writable(folder, "--output-dir")
        for name, text in folds.texts.items():
            write_text(text, folder / name)


class _Progress:
    """A line for each finished run, with the time that the others may take."""

    def __init__(self, total: int, done: int, say: Say) -> None:
        self._total, self._done, self._before, self._say = total, done, done, say
        self._started = self._last = time.monotonic()

    def step(self, record: RunRecord) -> None:
        """Print that a run is finished."""
        now = time.monotonic()
        self._done += 1
        minutes, left = (now - self._last) / 60, self._total - self._done
        each = (now - self._started) / (self._done - self._before)
        auroc = "AUROC not defined" if record.auroc is None else f"AUROC {record.auroc:.3f}"
        rest = f", about {duration(left * each)} left" if left else ""
        self._say(f"[{self._done}/{self._total}] {record.run.title}: {auroc}, {minutes:.1f} min{rest}")
        self._last = now


def duration(seconds: float) -> str:
    """``2 h 05 min`` or ``4 min``."""
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"
