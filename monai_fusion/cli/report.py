"""``monai-fusion report``: the page about an evaluation, made again from what it left."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monai_fusion.messages import say


def report(
    run_dir: Annotated[
        Path,
        typer.Argument(metavar="RUN_DIR", help="The --output_dir of an evaluation or inference.", show_default=False),
    ],
) -> None:
    """Write RUN_DIR/report.html, one file with all figures that opens anywhere, from the files that are there.

    Of predictions without labels it is predictions.html, with predictions.xlsx beside it. evaluate and predict write
    them, too. Neither the recordings nor the model nor a GPU are needed.

    \b
    monai-fusion report runs/first
    monai-fusion report runs/first/new
    """  # noqa: D301 - click wants the character \b, not the two letters of a raw string
    from monai_fusion.report import write_pages

    for path in write_pages(run_dir):
        say(f"wrote {path}")
