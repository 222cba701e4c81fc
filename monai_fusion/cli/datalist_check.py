"""``monai-fusion datalist check`` and ``schema``: report the problems of a datalist, and describe the format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monai_fusion.cli.asking import confirmed
from monai_fusion.cli.check_report import print_hollow, print_json, print_summary, print_warnings
from monai_fusion.cli.covariate_table import CovariateTable, covariates_by_class
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
from monai_fusion.cli.unlike_model import require_deep, unlike_the_training
from monai_fusion.errors import InputError, Problem
from monai_fusion.messages import answer, say
from monai_fusion.wording import counted

if TYPE_CHECKING:
    from monai_fusion.datalist.examination import Examination, Requirements
    from monai_fusion.datalist.reporting import Finding


@datalist_app.command("check")
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The datalist (.json).", show_default=False)],
    deep: Annotated[
        bool,
        typer.Option(
            "--deep",
            help="Open every file as well: shape, NaN, damaged files, one recording under two ids. Shows head volume "
            "and other numbers by class.",
        ),
    ] = False,
    unlabelled: Unlabelled = False,
    assume_orientation: AssumeOrientation = None,
    percentiles_over: PercentilesOver = None,
    eeg_shape: EegShape = None,
    cache_dir: CacheDir = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            metavar="RUN_DIR",
            help="With --deep: compare the recordings with those that this trained model learned from.",
            show_default="none",
        ),
    ] = None,
    workers: Workers = None,
    fix: Annotated[
        bool,
        typer.Option(
            "--fix", help="Repair what is safe (commas, quotes, slashes, BOM): shows the change and asks first."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --fix: do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON, for programs.")] = False,
) -> None:
    """Check a datalist, and report all its problems at once.

    Checks the fields, labels and splits, that every file exists, and that all scalograms were made in the same way.
    Exit code 0: no problems (there may be warnings); 2: problems.
    """
    from monai_fusion.datalist.examination import Requirements, examine_datalist
    from monai_fusion.datalist.reporting import DatalistError

    require_deep(model, deep)
    files = how_read(eeg_shape, assume_orientation, percentiles_over, model) if deep else None
    asked = Requirements(labels=not unlabelled, complete=True)
    if as_json and fix and not yes:
        raise InputError(
            Problem("--json", seen="together with --fix", advice="give --yes as well: programs are not asked")
        )
    if fix:
        examination = _fixed(file, asked, ask=not yes, quiet=as_json)
    else:
        examination = examine_datalist(file, require_labels=not unlabelled, complete=True)
    unlike = unlike_scalograms(examination)
    problems: Sequence[Finding] = [*examination.problems, *(finding for finding in unlike if not finding.warning)]
    warnings: Sequence[Finding] = [*examination.warnings, *(finding for finding in unlike if finding.warning)]
    hollow: Sequence[Finding] = []
    covariates: CovariateTable | None = None
    if files is None:
        hollow = placeholders_in(examination)
    else:
        found = look_into_files(examination, opener_of(files), workers)
        problems = [*problems, *(finding for finding in found if not finding.warning)]
        warnings = [*warnings, *(finding for finding in found if finding.warning)]
        if not problems:
            covariates = covariates_by_class(examination.datalist(), files.assume_orientation, cache_dir)
            warnings = [*warnings, *covariates.warnings]
            if model is not None:
                warnings = [*warnings, *unlike_the_training(examination.datalist(), model, files, cache_dir)]
    if as_json:
        print_json(examination, problems, [*warnings, *hollow], covariates)
    elif problems:
        print_warnings(warnings)
        print_hollow(hollow)
        raise DatalistError(problems, heading=str(file))
    else:
        print_summary(examination, len(warnings) + len(hollow))
        for line in () if covariates is None else covariates.lines:
            say(line)
        print_warnings(warnings)
        print_hollow(hollow)


def _fixed(file: Path, asked: Requirements, *, ask: bool, quiet: bool) -> Examination:
    """Repair the file if there is something to repair and the user agrees; return its state afterwards."""
    from monai_fusion.datalist.repair.fixing import plan_repair

    repair = plan_repair(file, asked)
    if not repair.worth_writing:
        if not quiet:
            say(f"{file}: there is nothing that can be repaired safely")
        return repair.before
    if not quiet:
        for line in repair.diff():
            say(line)
    if ask and not confirmed(f"Write this to {repair.before.path}? The old file is kept as {repair.backup.name}."):
        say(f"{file}: nothing was changed")
        return repair.before
    backup = repair.write()
    if not quiet:
        number = len(repair.changes)
        lines = f" ({counted(number, 'line')})" if number else ""
        say(f"{file}: repaired{lines}; the old file is {backup}")
    return repair.after


@datalist_app.command("schema")
def schema(
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The file to write; without it, the command prints the schema.")
    ] = None,
) -> None:
    """Print or write the JSON Schema of datalists.

    With the schema in the folder of your datalist, an editor such as VS Code completes field names and underlines
    mistakes.
    """
    from monai_fusion.datalist.saving.writing import schema_text, write_schema

    if out is None:
        answer(schema_text().removesuffix("\n"))
    else:
        write_schema(out)
        say(f"{out}: written")
