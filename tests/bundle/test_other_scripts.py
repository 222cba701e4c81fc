"""Names of participants, classes and folders in any script, also if output goes to a file of Windows' code page."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bundle.conftest import EEG_SIZE, SMALL, Cohort, bundle_command

NAMES = {"M": "男", "F": "Ж"}
CODE_PAGE = os.environ | {"PYTHONIOENCODING": "cp1252"}


def in_other_scripts(cohort: Cohort) -> Path:
    """The same recordings under ids and classes that the code page has no signs for."""
    content = json.loads(cohort.datalist.read_text(encoding="utf-8"))
    content |= {"name": "Когорта", "target": "пол", "classes": [NAMES[name] for name in content["classes"]]}
    for section in ("training", "validation", "test"):
        for row in content[section]:
            row |= {"participant_id": f"Ж-{row['participant_id']}", "label": NAMES[row["label"]]}
    path = cohort.folder / "пол.json"
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path


def redirected(command: list[str], folder: Path) -> tuple[str, str]:
    """Run a command, its output redirected to two files, and return what they hold."""
    files = folder / "out.txt", folder / "err.txt"
    with files[0].open("wb") as out, files[1].open("wb") as err:
        done = subprocess.run(command, stdout=out, stderr=err, env=CODE_PAGE, cwd=Path.home(), check=False, timeout=600)
    printed = files[0].read_text(encoding="cp1252"), files[1].read_text(encoding="cp1252")
    assert done.returncode == 0, printed
    assert "Traceback" not in printed[1] and "Logging error" not in printed[1], printed[1]
    return printed


@pytest.mark.slow
def test_training_evaluation_and_inference_lose_nothing_in_a_code_page(cohort: Cohort, tmp_path: Path) -> None:
    datalist, run = in_other_scripts(cohort), tmp_path / "прогон"
    options = {"datalist": datalist, "output_dir": run, "device": "cpu"}
    out, _ = redirected(bundle_command("train.yaml", **SMALL, **options), tmp_path)
    assert r"\u7537, " in out and r"\u0416" in out  # how many of each class
    assert r"\u043f\u0440\u043e\u0433\u043e\u043d" in out and "next, to score the test part" in out
    log = (run / "train.log").read_text(encoding="utf-8")
    assert "男" in log and "прогон" in log
    out, _ = redirected(
        [sys.executable, "-m", "monai_fusion", "evaluate", str(datalist), "--output_dir", str(run)], tmp_path
    )
    assert r"\u7537" in out and "wrote" in out
    assert "Ж-sub-" in (run / "predictions.csv").read_text(encoding="utf-8") and (run / "report.html").is_file()
    redirected(bundle_command("inference.yaml", datalist=datalist, model_dir=run, device="cpu"), tmp_path)
    stored = ["--cache-dir", str(tmp_path / "склад"), "--eeg-shape", str(EEG_SIZE)]
    redirected([sys.executable, "-m", "monai_fusion", "preprocess", str(datalist), *stored], tmp_path)


def test_errors_are_reported_in_a_code_page(tmp_path: Path) -> None:
    datalist = tmp_path / "пол.json"
    datalist.write_text(json.dumps({"classes": ["男", "男"]}, ensure_ascii=False), encoding="utf-8")
    for command in (
        bundle_command("train.yaml", datalist=datalist, output_dir=tmp_path / "прогон"),
        [sys.executable, "-m", "monai_fusion", "datalist", "check", str(datalist)],
    ):
        done = subprocess.run(command, capture_output=True, env=CODE_PAGE, cwd=Path.home(), check=False, timeout=100)
        text = (done.stdout + done.stderr).decode("cp1252")
        assert done.returncode == 2 and r"\u043f\u043e\u043b.json" in text and "Traceback" not in text, text
