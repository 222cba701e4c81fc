"""A sample cohort and a training on it through the shipped bundle, shared by the tests here."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from monai.bundle import ConfigWorkflow

from monai_fusion.datalist import read_datalist
from monai_fusion.sample_cohort import SampleCohortOptions
from monai_fusion.sample_cohort.write import write_sample_cohort
from tests import warm

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "bundles" / "brain_eeg_mri_classification"
CONFIGS = BUNDLE / "configs"
# Small sizes at which both encoders still work as in earnest.
SMALLER = 4  # times: the rows and columns of a scalogram
EEG_SIZE = [224 // SMALLER, 224 // SMALLER, 17]
SMALL = {
    **{"eeg_shape": str(EEG_SIZE), "mri_size": "[24, 24, 24]", "slab_depth": 16},
    **{"num_epochs": "[1, 1]", "pretrained": "false", "num_workers": 0},
}


def shipped(config: str) -> list[str]:
    """The files of a shipped config: an evaluation and an explanation are overlays on inference.yaml."""
    names = ["inference.yaml", config] if config in ("evaluate.yaml", "explain.yaml") else [config]
    return [str(CONFIGS / name) for name in names]


def bundle_command(config: str, **overrides: object) -> list[str]:
    """The command that runs a shipped config (a file's name, or a list as MONAI takes it)."""
    file = config if config.startswith("[") else str(shipped(config))
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", file, "--bundle_root", str(BUNDLE)]
    return command + [word for name, value in overrides.items() for word in (f"--{name}", str(value))]


def bundle_run(config: str, **overrides: object) -> subprocess.CompletedProcess[str]:
    """Run a shipped config in a process of its own, which starts warm, from another folder than the repository's."""
    _, _, module, *words = bundle_command(config, **overrides)
    return warm.run(module, words, cwd=Path.home(), timeout=3000)


def monai_fusion(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command line."""
    return warm.run("monai_fusion", arguments, cwd=Path.cwd(), timeout=500)


@dataclass(frozen=True)
class Cohort:
    """A sample cohort on disk with its datalist."""

    folder: Path
    datalist: Path


def training_workflow(config_file: str | list[str], cohort: Cohort, output_dir: Path) -> ConfigWorkflow:
    """A training at the smallest size as an object of MONAI's, not yet initialized."""
    return ConfigWorkflow(
        config_file=config_file,
        workflow_type="train",
        datalist=str(cohort.datalist),
        output_dir=str(output_dir),
        cache_dir=str(cohort.folder.parent / "runs" / "preprocessed"),
        eeg_shape=EEG_SIZE,
        mri_size=[24, 24, 24],
        slab_depth=16,
        pretrained=False,
        device="cpu",
    )


def shrink_scalograms(folder: Path) -> None:
    """Make each scalogram of a sample cohort `SMALLER` in frequency and time, by means of blocks."""
    for path in (folder / "eeg").glob("*.npy"):
        blocks = np.load(path, allow_pickle=False).reshape(EEG_SIZE[0], SMALLER, EEG_SIZE[1], SMALLER, EEG_SIZE[2])
        np.save(path, blocks.mean(axis=(1, 3)))
    facts = json.loads((folder / "cohort.json").read_text(encoding="utf-8"))
    region = facts["signal"]["eeg"]["region"]
    region["rows"] = [row // SMALLER for row in region["rows"]]
    (folder / "cohort.json").write_text(json.dumps(facts), encoding="utf-8")


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Sixteen synthetic participants with two EEG segments each, split by `datalist build`."""
    folder = tmp_path_factory.mktemp("bundle") / "cohort"
    write_sample_cohort(folder, SampleCohortOptions(participants=16, segments_per_condition=1), progress=False)
    shrink_scalograms(folder)
    datalist = folder / "datalist.json"
    built = monai_fusion(
        *("datalist", "build", "--eeg-dir", folder / "eeg", "--mri-dir", folder / "mri"),
        *("--participants", folder / "participants.csv", "--id-column", "participant_id"),
        *("--label-column", "gender", "--classes", "M", "F", "--out", datalist),
    )
    assert built.returncode == 0, built.stderr
    assert all(read_datalist(datalist).records(section) for section in ("training", "validation", "test"))
    return Cohort(folder, datalist)


@pytest.fixture(scope="session")
def run_folder(cohort: Cohort) -> Path:
    """The output folder of one training through both stages, tracked with MLflow."""
    folder = cohort.folder.parent / "runs" / "first"
    # As a user starts it; `bundle_run` saves the imports.
    command = bundle_command("train.yaml", tracking="mlflow", datalist=cohort.datalist, output_dir=folder, **SMALL)
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path.home(), timeout=3000)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder
