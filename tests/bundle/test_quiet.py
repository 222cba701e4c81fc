"""--quiet of the short commands reaches the run that they start."""

import csv
from pathlib import Path

from tests.bundle.conftest import monai_fusion


def test_a_quiet_evaluation_prints_warnings_only_and_writes_all(run_folder: Path, tmp_path: Path) -> None:
    done = monai_fusion(
        *("evaluate", run_folder, "--output_dir", tmp_path / "new", "--quiet"),
        *("--device", "cpu", "--cache_dir", run_folder.parent / "preprocessed"),
    )
    assert done.returncode == 0, done.stderr
    assert "confusion matrix" not in done.stdout and "monai.bundle" not in done.stdout
    assert (tmp_path / "new" / "report.html").is_file()
    with (tmp_path / "new" / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        assert len(list(csv.reader(stream))) > 1
