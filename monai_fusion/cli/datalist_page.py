"""``monai-fusion datalist page``: the cohort as one file that a browser opens, to look at and to edit."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monai_fusion.cli.datalist import datalist_app
from monai_fusion.cli.looking_into_files import look_into_files, opener_of, placeholders_in, unlike_scalograms
from monai_fusion.cli.opening_options import (
    AssumeOrientation,
    CacheDir,
    EegShape,
    PercentilesOver,
    Unlabelled,
    Workers,
    how_read,
)
from monai_fusion.errors import InputError, Problem
from monai_fusion.files import latest
from monai_fusion.messages import hide_bars, pasteable, say
from monai_fusion.run_folder import COHORT_PAGE_FILE, PREDICTIONS_FILE
from monai_fusion.wording import counted

if TYPE_CHECKING:
    from monai_fusion.datalist.contents.checking import RecordingOpener
    from monai_fusion.datalist.examination import Examination
    from monai_fusion.datalist.reporting import Finding
    from monai_fusion.datalist_page.facts import Cohort
    from monai_fusion.datalist_page.page import PageFacts

_MEGABYTE = 1e6


@datalist_app.command("page")
def page(
    datalist: Annotated[Path, typer.Argument(metavar="DATALIST", help="The datalist (.json).", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="The page to write.", show_default="DATALIST's name with .html"),
    ] = None,
    deep: Annotated[
        bool,
        typer.Option(
            "--deep/--no-deep",
            help="Open every recording: pictures, what is wrong in the files, and who looks unusual.",
        ),
    ] = True,
    pictures: Annotated[
        bool, typer.Option("--pictures/--no-pictures", help="With --deep: show slices of MRIs and scalograms.")
    ] = True,
    run: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN_DIR",
            help="An evaluation: shows what it predicted, and writes the page beside its report.html (cohort.html).",
            show_default=False,
        ),
    ] = None,
    unlabelled: Unlabelled = False,
    assume_orientation: AssumeOrientation = None,
    percentiles_over: PercentilesOver = None,
    eeg_shape: EegShape = None,
    cache_dir: CacheDir = None,
    workers: Workers = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is no such page.")] = False,
) -> None:
    """Write a page on which clinicians look at the cohort and edit it: leave out, relabel, move, note, undo.

    It is one self-contained file for any current browser: no server, no network. It shows problems, warnings, pictures
    and what looks unusual. "Save" downloads the edited datalist, in which rows without a change keep every byte, and a
    log of the changes. The page never changes DATALIST. A datalist with problems in its rows is shown all the same.
    Exit code 0 if written, 2 for wrong input.

    \b
    monai-fusion datalist page gender.json --out gender.html
    monai-fusion datalist page gender.json --no-pictures
    monai-fusion datalist page gender.json --run runs/first
    """  # noqa: D301 - click wants the character \b, not the two letters of a raw string
    from monai_fusion.datalist.examination import examine_datalist
    from monai_fusion.datalist_page.facts import Cohort
    from monai_fusion.datalist_page.page import refuse_other_files, render_page, write_page

    if run is not None:
        _refuse_other_folders(run)
    out = out or (datalist.with_suffix(".html") if run is None else run / COHORT_PAGE_FILE)
    refuse_other_files(out, force)
    examination = examine_datalist(datalist, require_labels=not unlabelled, complete=True)
    cohort = Cohort.of(examination, pictures and deep)
    opener = opener_of(how_read(eeg_shape, assume_orientation, percentiles_over, run), cohort.looker)
    findings: list[Finding] = [*examination.problems, *examination.warnings, *unlike_scalograms(examination)]
    facts: PageFacts
    if deep:
        facts = _looked_into(cohort, opener, findings, cache_dir, workers)
    else:
        facts = cohort.facts([*findings, *placeholders_in(examination)], {})
    if run is not None:
        facts = _with_predictions(facts, run)
    size = write_page(render_page(facts), out, datalist)
    _print_written(out, size, examination, facts)
    if run is not None and out.parent.resolve() == run.resolve():
        say(f"to let the report's errors open here: {pasteable(('monai-fusion', 'report', run))}")


def _refuse_other_folders(run: Path) -> None:
    """Before every recording is opened."""
    if not latest(run / PREDICTIONS_FILE).exists():
        wanted = "the --output_dir of an evaluation (evaluate.yaml)"
        raise InputError(Problem("--run", seen=f"no {PREDICTIONS_FILE} in {run}", wanted=wanted))


def _with_predictions(facts: PageFacts, run: Path) -> PageFacts:
    from monai_fusion.datalist_page.predictions import with_predictions

    facts, lacking = with_predictions(facts, run)
    if lacking:
        say(f"note: {counted(lacking, 'predicted participant')} of {run} not in this datalist", err=True)
    return facts


def _looked_into(
    cohort: Cohort, opener: RecordingOpener, findings: list[Finding], cache_dir: Path | None, workers: int | None
) -> PageFacts:
    """Open every recording once for the check and the pictures, and once more for numbers that no store has."""
    from monai_fusion.baseline.participant_numbers import NumberSettings
    from monai_fusion.cli.covariate_table import covariates_by_class

    found = [*findings, *look_into_files(cohort.examination, opener, workers)]
    cohort.look_at_left_out(opener)
    with tempfile.TemporaryDirectory() as own, _bar(cohort) as done:
        store = cache_dir or Path(own)  # two comparisons need the same numbers
        settings = NumberSettings(store, opener.eeg_shape, opener.assume_orientation)
        try:
            of_unusual = cohort.unusual(settings, done)
        except InputError as error:
            of_unusual = {}
            say(f"note: participants are not compared with the cohort: {error.problems[0]}", err=True)
        if not any(not finding.warning for finding in found):
            table = covariates_by_class(cohort.examination.datalist(), opener.assume_orientation, store)
            found += table.warnings
    return cohort.facts(found, of_unusual)


@contextmanager
def _bar(cohort: Cohort) -> Iterator[Callable[[], object]]:
    from tqdm import tqdm

    files = len(cohort.looker.usable)
    with tqdm(total=files, desc="Comparing", unit="file", leave=False, disable=hide_bars()) as bar:
        yield bar.update


def _print_written(out: Path, size: int, examination: Examination, facts: PageFacts) -> None:
    rows = sum(len(section.rows) for section in facts.text.sections.values())
    say(f"{out}: {counted(rows, 'participant')}, {size / _MEGABYTE:.1f} MB; open it in a browser")
    problems = sum(not each.warning for each in facts.findings)
    warnings = len(facts.findings) - problems
    strange = sum(each.score > 1 for each in facts.unusual.values())
    say(f"  {counted(problems, 'problem')}, {counted(warnings, 'warning')}, {strange} unusual")
    if facts.layout is not None:
        number = counted(len(facts.layout["people"]), "participant")
        say(
            f"The page holds pictures of {number}: handle it as you handle the recordings. Defaced volumes are "
            "advised; --no-pictures leaves them out."
        )
    say(f"after your edits: monai-fusion datalist check {examination.path.stem}_edited.json")
