"""``monai-fusion datalist check`` and ``schema``: report the problems of a datalist, and describe the format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monai_fusion.cli.asking import confirmed
from monai_fusion.cli.datalist import datalist_app
from monai_fusion.cli.datalist_findings import Found, found_opened, found_unopened, opener_of
from monai_fusion.cli.opening_options import EEG_SHAPE, AssumeOrientation, CacheDir, EegShape, PercentilesOver, Workers
from monai_fusion.cli.unlike_model import require_deep
from monai_fusion.errors import InputError, Problem
from monai_fusion.messages import answer, answer_json, say

if TYPE_CHECKING:
    from monai_fusion.datalist.examination import Examination, Requirements
    from monai_fusion.datalist.reporting import Finding

_LEFT_OUT_SHOWN = 10


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
    unlabelled: Annotated[
        bool, typer.Option("--unlabelled", help="Labels may be missing: a list for prediction only.")
    ] = False,
    assume_orientation: AssumeOrientation = None,
    percentiles_over: PercentilesOver = "all",
    eeg_shape: EegShape = EEG_SHAPE,
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

    require_deep(model, deep)
    opener = opener_of(eeg_shape, assume_orientation, percentiles_over) if deep else None
    if as_json and fix and not yes:
        raise InputError(
            Problem("--json", seen="together with --fix", advice="give --yes as well: programs are not asked")
        )
    if fix:
        asked = Requirements(labels=not unlabelled, complete=True)
        examination = _fixed(file, asked, ask=not yes, quiet=as_json)
    else:
        examination = examine_datalist(file, require_labels=not unlabelled, complete=True)
    if opener is None:
        found = found_unopened(examination)
    else:
        found = found_opened(examination, opener, workers, cache_dir, model)
    if as_json:
        _print_json(examination, found)
    else:
        _print_found(examination, found)


def _print_found(examination: Examination, found: Found) -> None:
    """Print what the check found.

    Raises:
        DatalistError: There are problems.
    """
    from monai_fusion.datalist.reporting import DatalistError

    if not found.problems:
        _print_summary(examination, len(found.warnings) + len(found.hollow))
        for line in () if found.covariates is None else found.covariates.lines:
            say(line)
    _print_warnings(found.warnings)
    _print_hollow(found.hollow)
    if found.problems:
        raise DatalistError(found.problems, heading=str(examination.path))


def _print_summary(examination: Examination, warnings: int) -> None:
    from monai_fusion.wording import a_few, counted

    found = f"no problems, {counted(warnings, 'warning')}" if warnings else "no problems"
    say(f"{examination.path}: {found}")
    to_predict = bool(examination.participants) and all(
        found.row.entry.label is None for found in examination.participants
    )
    for section, counts in _counts(examination).items():
        if to_predict and not counts["participants"]:  # a list for prediction has one part
            continue
        by_class = [f"{number} {name}" for name, number in counts["classes"].items()]
        by_class += [f"{counts['unlabelled']} without a label"] if counts["unlabelled"] else []
        with_one = counts["recordings"]["eeg"] + counts["recordings"]["mri"]
        of_them = f", {with_one} of them with one recording only" if with_one else ""
        classes = f" ({', '.join(by_class)})" if by_class else ""
        say(f"  {section}: {counted(counts['participants'], 'participant')}{classes}{of_them}")
    if examination.left_out:
        reasons = (f"{row.participant_id}: {row.entry.exclude}" for row in examination.left_out)
        say(f"  left out: {len(examination.left_out)} ({a_few(reasons, _LEFT_OUT_SHOWN)})")
    if to_predict:
        model = "" if examination.head.classes else "; the classes are those of the model"
        use = "this list is for monai-fusion predict, not for training or evaluation"
        say(f"No participant has a label: {use}{model}")
    eeg, mri = (sum(counts["recordings"][what] for counts in _counts(examination).values()) for what in ("eeg", "mri"))
    if eeg or mri:
        have = "participant has" if eeg + mri == 1 else "participants have"
        say(
            f"{eeg + mri} {have} one recording only ({eeg} EEG, {mri} MRI): training uses them only with "
            "--allow_missing true"
        )


def _print_warnings(warnings: Sequence[Finding]) -> None:
    from monai_fusion.datalist.reporting import grouped
    from monai_fusion.wording import counted

    if warnings:
        say(f"{counted(len(warnings), 'warning')}, with which a run still starts:", err=True)
        for line in grouped(warnings):
            say(line, err=True)


def _print_hollow(notes: Sequence[Finding]) -> None:
    if notes:
        say("Files that exist but hold no recording; a run refuses them (--deep looks into all files):", err=True)
        for note in notes:
            say(f"  {note}", err=True)


def _print_json(examination: Examination, found: Found) -> None:
    """One object on stdout; its shape is described in docs/checking_a_datalist.md."""
    warnings = [*found.warnings, *found.hollow]
    report = {
        "file": str(examination.path),
        "ok": not found.problems,
        "errors": len(found.problems),
        "warnings": len(warnings),
        "findings": [finding.as_json() for finding in (*found.problems, *warnings)],
        "sections": _counts(examination),
        "left_out": [
            {"participant_id": row.participant_id, "section": row.section, "reason": row.entry.exclude}
            for row in examination.left_out
        ],
    }
    if found.covariates is not None:
        report["covariates"] = found.covariates.rows
    answer_json(report)
    if found.problems:
        raise typer.Exit(InputError.exit_code)


def _counts(examination: Examination) -> dict[str, dict[str, Any]]:
    counts: dict[str, dict[str, Any]] = {}
    for section in examination.sections:
        entries = [found.row.entry for found in examination.participants if found.row.section == section]
        labels = [entry.label for entry in entries]
        have = ["both" if entry.eeg and entry.mri else "eeg" if entry.eeg else "mri" for entry in entries]
        counts[section] = {
            "participants": len(labels),
            "classes": {name: labels.count(name) for name in examination.head.classes},
            "unlabelled": labels.count(None),
            "recordings": {what: have.count(what) for what in ("both", "eeg", "mri")},
        }
    return counts


def _fixed(file: Path, asked: Requirements, *, ask: bool, quiet: bool) -> Examination:
    """Repair the file if there is something to repair and the user agrees; return its state afterwards."""
    from monai_fusion.datalist.repair.fixing import plan_repair
    from monai_fusion.wording import counted

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
