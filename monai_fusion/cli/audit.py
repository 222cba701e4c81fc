"""``monai-fusion audit``: whether a run's numbers can be trusted, and what a paper about it must still say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monai_fusion.errors import InputError, Problem
from monai_fusion.messages import say


def audit(
    run_dir: Annotated[
        Path,
        typer.Argument(metavar="RUN_DIR", help="The --output_dir of a training or an evaluation.", show_default=False),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where to write the page.", show_default="RUN_DIR"),
    ] = None,
    datalist: Annotated[
        Path | None, typer.Option(help="The datalist, if it moved.", show_default="its path in the manifest")
    ] = None,
) -> None:
    """Check a run for leaks and choices by the test part, and list what a paper must say: audit.html and audit.json.

    It compares ids, recordings (by content) and families between the parts, shows what chose the epoch, the
    calibration and the threshold, counts the evaluations of the test part, fills the items of TRIPOD+AI and CLAIM 2024
    from the files, and writes a Methods text and a BibTeX entry. It needs no model and no GPU.

    Exit code 0 if nothing is wrong, 1 if something is (a leak, or scores of the wrong part), 2 for wrong input.

    \b
    monai-fusion audit runs/first
    monai-fusion audit runs/first --out paper --datalist gender.json
    """  # noqa: D301 - click wants the character \b, not the two letters of a raw string
    if not run_dir.exists():
        raise InputError(Problem(str(run_dir), seen="no such folder"))  # before slow imports
    if out is not None and out.exists() and not out.is_dir():
        raise InputError(Problem("--out", seen=f"{out} is a file", wanted="a folder to write to"))
    from monai_fusion.audit.page import audit_run, write_audit, wrong_of

    found, baseline = audit_run(run_dir, datalist)
    written = write_audit(found, baseline, run_dir if out is None else out)
    for check in found.checks:
        if check.status != "right":
            title = {"unknown": "not known"}.get(check.status, check.status)
            say(f"{title}: {check.name}: {check.seen}{f'; {check.advice}' if check.advice else ''}")
    counts = {status: sum(item.status == status for item in found.items) for status in ("filled", "partly", "author")}
    say(found.verdict)
    say(
        f"TRIPOD+AI and CLAIM: {counts['filled']} items filled from the files, {counts['partly']} partly, "
        f"{counts['author']} for the author"
    )
    say(f"wrote {' and '.join(map(str, written))}")
    if wrong_of(found):
        raise typer.Exit(1)
