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
    output_dir: Annotated[
        Path, typer.Option("--output-dir", "--output_dir", help="Where you would write results.")
    ] = Path("runs"),
    cache_dir: Annotated[
        Path, typer.Option("--cache-dir", "--cache_dir", help="Where you would keep the preprocessed store.")
    ] = Path("runs/preprocessed"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON, for programs.")] = False,
) -> None:
    """Say whether a training would run on this machine: versions, GPU, memory, weights, folders.

    Put its answer into a bug report: it is one screen, and holds no names of participants. Nothing is changed or
    downloaded. Exit code 0 if nothing stands in the way, 1 if something does.

    \b
    monai-fusion doctor
    monai-fusion doctor --output-dir /data/runs --json
    """  # noqa: D301 - click wants the character \b, not the two letters of a raw string
    from monai_fusion.cli.checkup import examine

    found = list(examine(output_dir, cache_dir))
    troubles = [finding for finding in found if finding.trouble]
    if as_json:
        findings = [{"name": each.name, "text": each.text, "trouble": each.trouble or None} for each in found]
        answer_json({"ok": not troubles, "findings": findings})
    else:
        width = min(_WIDEST, shutil.get_terminal_size().columns)
        for each in found:
            answer(_wrapped(f"{each.name}: {each.text}", width))
        for each in troubles:
            answer(_wrapped(f"to mend: {each.name}: {each.trouble}", width))
        if not troubles:
            answer("Nothing stands in the way of a training.")
    if troubles:
        raise typer.Exit(1)


def _wrapped(text: str, width: int) -> str:
    return "\n".join(textwrap.wrap(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False))
