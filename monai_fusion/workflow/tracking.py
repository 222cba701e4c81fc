"""``--tracking mlflow``: MONAI's own option, kept offline."""

from __future__ import annotations

import os

from monai_fusion.errors import InputError, Problem
from monai_fusion.options.command_line import CommandLine


def check_tracking(command: CommandLine) -> None:
    """Check that MLflow is installed if the run needs it, and switch off its usage reports.

    Raises:
        InputError: MLflow is not installed.
    """
    if command.options.get("tracking") != "mlflow":
        return
    # Its usage reports would leave the machine; users who want them set the variable to false.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        from mlflow.telemetry import set_telemetry_client
    except ImportError:
        advice = "pip install mlflow, or omit --tracking: the training always writes TensorBoard files and history.csv"
        raise InputError(Problem("--tracking mlflow", seen="MLflow is not installed", advice=advice)) from None
    # MONAI has imported MLflow already: let it read the variable now.
    set_telemetry_client()  # type: ignore[no-untyped-call] # MLflow leaves it untyped
