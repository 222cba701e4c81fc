"""Another network in place of R3D-18, as examples/ shows it: from the training to the export, through the bundle."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.bundle.conftest import CONFIGS, ROOT, SMALL, Cohort, bundle_run

# DenseNet121 halves each axis five times.
SMALLEST = SMALL | {"mri_size": "[32, 32, 32]", "slab_depth": 32}
OVERLAY = ROOT / "examples" / "densenet_for_the_mri.yaml"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")  # monai.bundle ckpt_export still uses it
def test_a_densenet_trains_resumes_is_evaluated_and_exported(cohort: Cohort, run_folder: Path, tmp_path: Path) -> None:
    config = str([str(CONFIGS / "train.yaml"), str(OVERLAY)])
    options = SMALLEST | {"datalist": cohort.datalist, "cache_dir": run_folder.parent / "preprocessed", "device": "cpu"}
    whole, halved = tmp_path / "whole", tmp_path / "halved"
    done = bundle_run(config, output_dir=whole, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "MRI dense4" in done.stdout and "layer4" not in done.stdout

    # Continues after the first of two epochs, with the same bits.
    done = bundle_run(config, output_dir=halved, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    (halved / "checkpoints" / "epoch_0002.pt").unlink()
    for name in ("model.pt", "manifest.json"):
        (halved / name).unlink()
    done = bundle_run(config, output_dir=halved, resume="true", **options)
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = (torch.load(folder / "model.pt", weights_only=True) for folder in (whole, halved))
    assert any(name.startswith("mri_enc.backbone.features.denseblock4.") for name in first)
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    shutil.rmtree(halved)

    recipe = json.loads((whole / "recipe.json").read_text(encoding="utf-8"))
    assert recipe["network"]["mri"]["backbone"]["_target_"] == "monai.networks.nets.densenet.DenseNet121"
    done = bundle_run("evaluate.yaml", datalist=cohort.datalist, output_dir=whole, device="cpu")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (whole / "report.html").is_file() and (whole / "predictions.csv").is_file()

    exported = tmp_path / "model.ts"
    words = ["--filepath", exported, "--ckpt_file", whole / "model.pt", "--model_dir", whole]
    words += ["--meta_file", CONFIGS / "metadata.json", "--config_file", CONFIGS / "inference.yaml"]
    command = [sys.executable, "-m", "monai.bundle", "ckpt_export", "network_def", *map(str, words)]
    export = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path.home(), timeout=500)
    assert export.returncode == 0, export.stdout + export.stderr
    found = torch.jit.load(exported).eval()(torch.randn(1, 17, 64, 64), torch.rand(1, 1, 32, 32, 32))  # type: ignore[no-untyped-call] # of torch
    assert found["logits"].shape == (1, 2)


def test_a_block_of_the_shipped_network_is_refused_by_name_where_another_stands(cohort: Cohort, tmp_path: Path) -> None:
    overlay = tmp_path / "own.yaml"
    overlay.write_text(OVERLAY.read_text(encoding="utf-8").split("stage_blocks:")[0], encoding="utf-8")
    config = str([str(CONFIGS / "train.yaml"), str(overlay)])
    done = bundle_run(config, datalist=cohort.datalist, output_dir=tmp_path / "run", **SMALL)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "mri_blocks: 'layer4', expected one of stem, dense1, dense2, dense3, dense4" in done.stderr
