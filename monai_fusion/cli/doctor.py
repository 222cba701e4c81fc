"""``monai-fusion doctor``: would a training run on this machine?"""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path
from typing import Annotated

import typer

from monai_fusion.messages import answer, answer_json

_WIDEST = 120


def doctor(
    output_dir: Annotated[Path, typer.Option("--output-dir", help="Folder for results.")] = Path("runs"),
    cache_dir: Annotated[Path, typer.Option("--cache-dir", help="Folder for the preprocessed store.")] = Path(
        "runs/preprocessed"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON, for programs.")] = False,
) -> None:
    """Check whether training would run on this machine: versions, GPU, memory, weights, folders.

    Copy its answer into a bug report: one screen, without participant names. It changes and downloads
    nothing. Exit code 0 if training would run, 1 if not.

    \b
    monai-fusion doctor
    monai-fusion doctor --output-dir /data/runs --json
    """  # noqa: D301 - click wants the character \b, not the two letters of a raw string
    from monai_fusion.cli.checkup import examine_machine

    found = list(examine_machine(output_dir, cache_dir))
    troubles = [finding for finding in found if finding.trouble]
    if as_json:
        findings = [{"name": each.name, "text": each.text, "trouble": each.trouble or None} for each in found]
        answer_json({"ok": not troubles, "findings": findings})
    else:
        width = min(_WIDEST, shutil.get_terminal_size().columns)
        for each in found:
            answer(_wrapped(f"{each.name}: {each.text}", width))
        for each in troubles:
            answer(_wrapped(f"to fix: {each.name}: {each.trouble}", width))
        if not troubles:
            answer("This machine is ready for training.")
    if troubles:
        raise typer.Exit(1)


def _wrapped(text: str, width: int) -> str:
    return "\n".join(textwrap.wrap(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False))
