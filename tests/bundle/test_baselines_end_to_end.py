"""Plain numbers through the real commands: sample cohort, datalist, training, evaluation, `monai-fusion baseline`."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from monai_fusion.datalist import read_datalist
from tests.bundle.conftest import SMALL, bundle_run, monai_fusion, shrink_scalograms


def _with_families(table: Path) -> None:
    """Give every two participants of a table a family."""
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    with table.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [*rows[0], "family"])
        writer.writeheader()
        writer.writerows({**row, "family": f"f{place // 2}"} for place, row in enumerate(rows))


@pytest.mark.slow
def test_a_cohort_that_head_size_solves_ends_in_a_report_that_says_so_first(tmp_path: Path) -> None:
    """Heads differ by four standard deviations; a network of two epochs cannot know more than their volume."""
    folder, run, datalist = tmp_path / "cohort", tmp_path / "runs" / "first", tmp_path / "cohort" / "list.json"
    made = monai_fusion(
        *("sample-cohort", folder, "--participants", 48, "--segments-per-condition", 1, "--conditions", "EO"),
        *("--mri-effect", 4, "--eeg-effect", 0, "--mri-signal", "size"),
    )
    assert made.returncode == 0, made.stderr
    shrink_scalograms(folder)
    _with_families(folder / "participants.csv")
    built = monai_fusion(
        *("datalist", "build", "--eeg-dir", folder / "eeg", "--mri-dir", folder / "mri"),
        *("--participants", folder / "participants.csv", "--id-column", "participant_id"),
        *("--label-column", "gender", "--classes", "M", "F", "--out", datalist),
        *("--group-by", "family", "--test-fraction", 0.5, "--validation-fraction", 0.15),
    )
    assert built.returncode == 0, built.stderr
    assert read_datalist(datalist).group_by == ("family",)
    trained = bundle_run("train.yaml", datalist=datalist, output_dir=run, **SMALL)
    assert trained.returncode == 0, trained.stdout + trained.stderr
    evaluated = bundle_run("evaluate.yaml", datalist=datalist, output_dir=run)
    assert evaluated.returncode == 0, evaluated.stdout + evaluated.stderr

    found = json.loads((run / "baseline.json").read_text(encoding="utf-8"))
    assert [each["name"] for each in found["baselines"]] == ["head_volume", "mri", "eeg", "eeg_raw_power", "all"]
    head = found["baselines"][0]
    assert head["auroc"]["value"] > 0.95  # Phi(4 / sqrt 2) is 0.998
    assert head["network_minus_auroc"]["value"] <= 0
    first = re.findall(r'id="verdict"><strong>(.*?)</strong>', (run / "report.html").read_text(encoding="utf-8"))[0]
    assert first.startswith("Plain numbers do ") and "the head volume alone" in first

    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    groups = metrics["groups"]
    assert groups["fields"] == ["family"] and groups["resampled"] and groups["largest"] == 2
    assert metrics["scores"]["auroc"]["method"] == "newcombe, design effect"
    assert f"draw {groups['groups']} whole groups by family" in evaluated.stdout + evaluated.stderr

    again = monai_fusion("baseline", datalist, "--run", run, "--cache-dir", tmp_path / "runs" / "preprocessed")
    assert again.returncode == 0, again.stderr
    assert json.loads((run / "baseline.json").read_text(encoding="utf-8")) == found
