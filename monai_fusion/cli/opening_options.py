"""Options of the commands that open every recording of a datalist: what it may lack, and how the files are read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monai_fusion.cli.lengths import three_lengths
from monai_fusion.errors import InputError, Problem
from monai_fusion.run_folder import RECIPE_FILE

if TYPE_CHECKING:
    from monai_fusion.datalist.trained_model import FileReading

Unlabelled = Annotated[bool, typer.Option("--unlabelled", help="Labels may be missing: a list for prediction only.")]
AssumeOrientation = Annotated[
    str | None,
    typer.Option(
        metavar="LAS",
        help="With --deep: axes of MRIs whose header states none, as in your run's config.",
        show_default="RUN_DIR's, if given",
    ),
]
PercentilesOver = Annotated[
    str | None,
    typer.Option(
        metavar="all|nonzero",
        help="With --deep: voxels whose percentiles scale an MRI, as in your run's config.",
        show_default="RUN_DIR's, else all",
    ),
]
EegShape = Annotated[
    str | None,
    typer.Option(
        "--eeg-shape",
        "--eeg_shape",
        metavar="F,T,E",
        help="With --deep: frequency x time x electrode of a scalogram file.",
        show_default="RUN_DIR's, else 224,224,17",
    ),
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


def how_read(
    eeg_shape: str | None, assume_orientation: str | None, percentiles_over: str | None = None, run: Path | None = None
) -> FileReading:
    """Return what the options ask for; what they leave open is as in the run, or else as shipped.

    Args:
        eeg_shape: The option ``--eeg-shape``.
        assume_orientation: The option ``--assume-orientation``.
        percentiles_over: The option ``--percentiles-over``.
        run: A run folder; one without a recipe (a prediction's, an earlier version's) leaves all open.

    Raises:
        InputError: An option has no value that such files can have, or the run's recipe is damaged.
    """
    from monai_fusion.contrast import OVER
    from monai_fusion.datalist.trained_model import FileReading, read_trained_model
    from monai_fusion.file_formats.nifti import check_axis_codes

    files = FileReading()
    if run is not None and (run.is_file() or (run / RECIPE_FILE).is_file()):
        files = read_trained_model(run, "--run", need_classes=False).files
    if eeg_shape is not None:
        frequency, time, electrode = three_lengths(eeg_shape, "--eeg-shape")
        files = replace(files, eeg_shape=(frequency, time, electrode))
    if assume_orientation is not None:
        check_axis_codes(assume_orientation, "", "--assume-orientation")
        files = replace(files, assume_orientation=assume_orientation)
    if percentiles_over is not None:
        if percentiles_over not in OVER:
            raise InputError(Problem("--percentiles-over", seen=repr(percentiles_over), wanted=" or ".join(OVER)))
        files = replace(files, percentiles_over=percentiles_over)
    return files
