"""``monai-fusion export``: a trained model for other programs and other people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monai_fusion.errors import InputError, Problem
from monai_fusion.messages import say


def export(
    run_dir: Annotated[
        Path,
        typer.Argument(
            metavar="RUN_DIR", help="The --output_dir of a training, or a fold ensemble.", show_default=False
        ),
    ],
    format_: Annotated[
        str,
        typer.Option(
            "--format", metavar="FORMAT", help="onnx, torch-export, bundle or hub; see below.", show_default=False
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="The file to write, or for hub the folder.",
            show_default="model.onnx, model.pt2, bundle.zip or hub in RUN_DIR/export",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    trusted_modules: Annotated[
        list[str] | None,
        typer.Option(metavar="MODULE", help="A module of networks or transforms of your own.", show_default="none"),
    ] = None,
) -> None:
    """Write a trained model as a file or folder that others use: ONNX, torch.export, a MONAI bundle, or for a hub.

    onnx: one file for onnxruntime, in any language. torch-export: a .pt2 file for PyTorch without this program.
    bundle: a zip with configs and model, which another machine runs with `python -m monai.bundle run`. hub: weights
    (safetensors), recipe and model card in a folder ready for upload; nothing is uploaded.

    Each holds class names, preprocessing, calibration, threshold, versions and licence, and no id of a participant and
    no path. Before anything is written, the exported network is compared with PyTorch (at most 1e-4 apart in float32).

    Exit code 0 if done, 1 if the numbers differ (nothing is written), 2 for wrong input.

    \b
    monai-fusion export runs/first --format onnx
    monai-fusion export runs/first --format bundle --out first.zip
    monai-fusion export runs/compare/ensemble --format hub --out upload
    """  # noqa: D301 - click wants the character \b, not the two letters of a raw string
    from monai_fusion.export.destination import destination_of

    if not run_dir.exists():
        raise InputError(Problem(str(run_dir), seen="no such folder"))  # before slow imports
    destination = destination_of(run_dir, format_, out, force)
    from monai_fusion.model_files import is_exported_file, refuse_no_model

    if not is_exported_file(run_dir):
        refuse_no_model(run_dir, "RUN_DIR")
    from monai_fusion.export.exporting import export_run

    export_run(run_dir, destination, trusted_modules or (), say)
