"""``--tracking mlflow``: MONAI's own option, kept offline."""

from __future__ import annotations

import os

from monai_fusion.errors import InputError, Problem
from monai_fusion.options.command_line import CommandLine


def check_tracking(command: CommandLine) -> None:
    """See that MLflow is there if the run asks for it, and that it reports nothing to its makers.

    Raises:
        InputError: MLflow is not installed.
    """
    if command.options.get("tracking") != "mlflow":
        return
    # Its usage reports would leave the machine; who wants them sets the variable to false.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        from mlflow.telemetry import set_telemetry_client
    except ImportError:
        advice = "pip install mlflow, or leave --tracking out: TensorBoard's files and history.csv are always written"
        raise InputError(Problem("--tracking mlflow", seen="MLflow is not installed", advice=advice)) from None
    # MONAI has imported MLflow already: let it read the variable now.
    set_telemetry_client()  # type: ignore[no-untyped-call] # MLflow leaves it untyped
