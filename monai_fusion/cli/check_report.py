"""What ``monai-fusion datalist check`` prints: for the terminal, or as JSON for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from monai_fusion.cli.covariate_table import CovariateTable
from monai_fusion.errors import InputError
from monai_fusion.messages import answer_json, say
from monai_fusion.wording import a_few, counted

if TYPE_CHECKING:
    from monai_fusion.datalist.examination import Examination
    from monai_fusion.datalist.reporting import Finding

_LEFT_OUT_SHOWN = 10


def print_summary(examination: Examination, warnings: int) -> None:
    """Print that there are no problems, and who is in which part."""
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


def print_warnings(warnings: Sequence[Finding]) -> None:
    """Print the warnings on stderr, those of one kind together."""
    from monai_fusion.datalist.reporting import grouped

    if warnings:
        say(f"{counted(len(warnings), 'warning')}, with which a run still starts:", err=True)
        for line in grouped(warnings):
            say(line, err=True)


def print_hollow(notes: Sequence[Finding]) -> None:
    """Print which files hold no recording, on stderr."""
    if notes:
        say("Files that exist but hold no recording; a run refuses them (--deep looks into all files):", err=True)
        for note in notes:
            say(f"  {note}", err=True)


def print_json(
    examination: Examination,
    problems: Sequence[Finding],
    warnings: Sequence[Finding],
    covariates: CovariateTable | None,
) -> None:
    """Print one object on stdout, described in docs/checking_a_datalist.md, and exit with code 2 for problems."""
    report = {
        "file": str(examination.path),
        "ok": not problems,
        "errors": len(problems),
        "warnings": len(warnings),
        "findings": [finding.as_json() for finding in (*problems, *warnings)],
        "sections": _counts(examination),
        "left_out": [
            {"participant_id": row.participant_id, "section": row.section, "reason": row.entry.exclude}
            for row in examination.left_out
        ],
    }
    if covariates is not None:
        report["covariates"] = covariates.rows
    answer_json(report)
    if problems:
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
