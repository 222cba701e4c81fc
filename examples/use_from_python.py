"""Train and evaluate on a cohort from a program of your own, and read what came out.

    python examples/use_from_python.py my_cohort.json runs/first --batch_size 8

What stands behind the two paths are knobs of the training (``monai-fusion train --help``). Training and evaluation run
in processes of their own: knobs and files are checked before anything starts, a GPU's memory is free afterwards, and
this program ends with their exit code (2 for wrong input).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd


def monai_fusion(*words: str | Path) -> None:
    """Run a command as in a terminal.

    Raises:
        subprocess.CalledProcessError: It failed; it has printed why.
    """
    subprocess.run([sys.executable, "-m", "monai_fusion", *map(str, words)], check=True)


def read_results(run: Path) -> tuple[dict, pd.DataFrame]:
    """The scores and the predictions of an evaluation; docs/metrics.md says what is in them."""
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    # As text, or pandas makes numbers of ids and classes such as 007.
    texts = dict.fromkeys(["participant_id", "label", "predicted"], str)
    return metrics, pd.read_csv(run / "predictions.csv", dtype=texts)


def main() -> int:
    """Train, evaluate and print a summary; return the exit code."""
    parser = argparse.ArgumentParser(description="Train and evaluate on a cohort.", allow_abbrev=False)
    parser.add_argument("datalist", type=Path)
    parser.add_argument("run", type=Path, help="the folder of the results")
    given, knobs = parser.parse_known_args()
    try:
        monai_fusion("datalist", "check", given.datalist)
        monai_fusion("train", given.datalist, "--output_dir", given.run, *knobs)
        monai_fusion("evaluate", given.datalist, "--output_dir", given.run)
    except subprocess.CalledProcessError as failed:
        return failed.returncode

    metrics, predictions = read_results(given.run)
    wrong = predictions[predictions["label"].notna() & (predictions["label"] != predictions["predicted"])]
    print(pd.DataFrame(metrics["scores"]).T[["value", "interval", "baseline"]].to_string())
    print(*metrics["warnings"], sep="\n")
    print("predicted wrongly:", ", ".join(wrong["participant_id"]) or "none of them")
    print("report:", (given.run / "report.html").resolve().as_uri())
    return 0


if __name__ == "__main__":
    sys.exit(main())
