"""From a run folder to ``audit.html`` and ``audit.json``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from monai_fusion import __version__
from monai_fusion.audit.audit_file import Audit, Check
from monai_fusion.audit.choices import checks_of_choices, choices_of, evaluations_of
from monai_fusion.audit.citation import bibtex_of
from monai_fusion.audit.facts import facts_of
from monai_fusion.audit.leaks import checks_of_parts
from monai_fusion.audit.participants import characteristics_of, flow_of, left_out_of
from monai_fusion.audit.reporting import guidelines, items_of
from monai_fusion.audit.run_files import RunFiles, read_run
from monai_fusion.baseline.baseline_file import Baseline
from monai_fusion.datalist.schema import SECTIONS
from monai_fusion.errors import InputError, Problem
from monai_fusion.files import write_for_readers
from monai_fusion.report.methods import methods_of
from monai_fusion.report.page import page_environment
from monai_fusion.report.what_was_run import commit_of
from monai_fusion.run_folder import AUDIT_FILE, AUDIT_PAGE_FILE, EVALUATIONS
from monai_fusion.wording import counted

_TITLES = {"right": "right", "note": "note", "unknown": "not known", "wrong": "wrong"}
_ITEMS = {"filled": "filled", "partly": "partly", "author": "the author must write this"}


def audit_run(folder: Path, datalist: Path | None = None) -> tuple[Audit, Baseline | None]:
    """Audit a run; write nothing.

    Args:
        folder: The ``--output_dir`` of a training or an evaluation.
        datalist: Where its datalist is now; None takes the place in the manifest.

    Returns:
        The audit, and the baselines of the evaluation, if there are any.

    Raises:
        InputError: The folder is none of a run, or the datalist is missing or cannot be read.
    """
    run = read_run(folder, datalist)
    checks = [*checks_of_parts(run), *checks_of_choices(run)]
    choices, flow, left_out = choices_of(run), flow_of(run), left_out_of(run)
    characteristics = characteristics_of(run)
    facts = facts_of(run, checks, choices, flow, left_out, characteristics)
    head = run.datalist.head
    audit = Audit(
        monai_fusion=__version__,
        run=run.results.name,
        datalist=head.name or run.datalist.path.stem,
        verdict=_verdict(checks),
        checks=checks,
        choices=choices,
        evaluations=evaluations_of(run),
        evaluations_recorded=EVALUATIONS in run.manifest,
        flow=flow,
        left_out=left_out,
        characteristics=characteristics,
        items=items_of(facts),
        methods=methods_of(replace(run.results, cohort=run.cohort)),
        bibtex=_bibtex(run),
    )
    return audit, run.results.baseline


def write_audit(audit: Audit, baseline: Baseline | None, folder: Path) -> list[Path]:
    """Write ``audit.html`` and ``audit.json`` into a folder.

    Raises:
        InputError: The folder cannot be written to.
    """
    page = render_audit(audit, baseline).encode("utf-8")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [
            write_for_readers(folder / AUDIT_PAGE_FILE, page),
            write_for_readers(folder / AUDIT_FILE, audit.model_dump_json(indent=2).encode("utf-8")),
        ]
    except OSError as error:
        seen = f"cannot be written: {error.strerror or error}"
        raise InputError(Problem(str(folder), seen=seen, advice="choose another folder: --out DIR")) from error


def render_audit(audit: Audit, baseline: Baseline | None) -> str:
    """Return the page as HTML; the same audit gives the same bytes."""
    return (
        page_environment("monai_fusion.audit")
        .get_template("audit.html")
        .render(
            audit=audit,
            baseline=baseline,
            version=__version__,
            titles=_TITLES,
            item_titles=_ITEMS,
            parts=[part for part in SECTIONS if any(row.part == part for row in audit.flow)],
            guidelines=guidelines(),
        )
    )


def wrong_of(audit: Audit) -> list[Check]:
    """The checks that make the audit fail."""
    return [check for check in audit.checks if check.status == "wrong"]


def _verdict(checks: list[Check]) -> str:
    counts = {status: sum(check.status == status for check in checks) for status in _TITLES}
    if counts["wrong"]:
        first = f"{counts['wrong']} of {counted(len(checks), 'check')} found something wrong: the scores cannot stand."
    else:
        first = f"Nothing wrong was found in {counted(len(checks), 'check')}."
    if counts["unknown"]:
        first += f" {counts['unknown']} could not be answered from the files."
    if counts["note"]:
        first += f" {counts['note']} must be mentioned in a paper."
    return first


def _bibtex(run: RunFiles) -> str:
    return bibtex_of(run.part("versions").get("monai-fusion"), commit_of(run.manifest))
