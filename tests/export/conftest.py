"""Small runs and their ONNX files, made once."""

from pathlib import Path

import pytest

from monai_fusion.export.destination import destination_of
from monai_fusion.export.exporting import export_run
from tests.export.runs import write_run


def exported(run: Path, format_: str, out: Path) -> list[str]:
    """Export a run; return what the user is told."""
    told: list[str] = []
    export_run(run, destination_of(run, format_, out, force=False), (), told.append)
    return told


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with both recordings."""
    return write_run(tmp_path_factory.mktemp("runs") / "first")


@pytest.fixture(scope="session")
def onnx_file(run_folder: Path) -> Path:
    """Its ONNX file."""
    path = run_folder.parent / "first.onnx"
    exported(run_folder, "onnx", path)
    return path


@pytest.fixture(scope="session")
def flexible_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was trained for missing recordings."""
    return write_run(tmp_path_factory.mktemp("runs") / "flexible", absence=True)


@pytest.fixture(scope="session")
def flexible_file(flexible_run: Path) -> Path:
    """Its ONNX file."""
    path = flexible_run.parent / "flexible.onnx"
    exported(flexible_run, "onnx", path)
    return path
