"""Options of the commands that open every recording of a datalist: what it may lack, and how the files are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Unlabelled = Annotated[bool, typer.Option("--unlabelled", help="Labels may be missing: a list for prediction only.")]
AssumeOrientation = Annotated[
    str | None,
    typer.Option(metavar="LAS", help="With --deep: axes of MRIs whose header states none, as in your run's config."),
]
PercentilesOver = Annotated[
    str,
    typer.Option(
        metavar="all|nonzero", help="With --deep: voxels whose percentiles scale an MRI, as in your run's config."
    ),
]
EegShape = Annotated[
    str, typer.Option(metavar="F,T,E", help="With --deep: frequency x time x electrode of a scalogram file.")
]
CacheDir = Annotated[
    Path | None,
    typer.Option(
        "--cache-dir",
        "--cache_dir",
        help="With --deep: the store of preprocessed recordings, which keeps head volumes and other numbers.",
        show_default="none",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(help="With --deep: files opened at a time.", show_default="one a core, at most 8", min=1),
]
EEG_SHAPE = "224,224,17"
"""Of a standard scalogram, as `EegShape` takes it."""
