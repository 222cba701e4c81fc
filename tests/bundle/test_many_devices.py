"""The overlay for many devices, and real trainings with it on two processes."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from monai.bundle import ConfigParser

from monai_fusion.datalist import read_datalist
from monai_fusion.errors import InputError
from monai_fusion.workflow import processes
from tests.bundle.conftest import CONFIGS, SMALL, Cohort, bundle_command, bundle_run, monai_fusion, training_workflow

FILES = [str(CONFIGS / "train.yaml"), str(CONFIGS / "multi_gpu_train.yaml")]


def on_two(**overrides: object) -> subprocess.CompletedProcess[str]:
    """The overlay by torchrun on two processes with gloo."""
    _, *command = bundle_command(repr(FILES), device="cpu", **overrides)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*launcher, *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path.home(),
        env=environment,
        timeout=3000,
    )


def test_the_overlay_adds_to_train_yaml_and_hides_none_of_its_handlers() -> None:
    train, both = (ConfigParser.load_config_files(files) for files in (FILES[0], FILES))
    names = [handler["_target_"].rpartition(".")[2] for handler in both["train"]["handlers"]]
    assert both["train"]["handlers"][:-1] == train["train"]["handlers"] and names[-1] == "DistributedGradients"
    assert both["initialize"][: len(train["initialize"])] == train["initialize"]
    assert both["network_def"] == train["network_def"] and both["identity"] == train["identity"]
    knobs = Path(FILES[1]).read_text(encoding="utf-8").split("process_group")[0]
    assert all("#" in line for line in knobs.splitlines() if line)
    assert yaml.safe_load(knobs) == {"timeout_minutes": 30}


def test_the_overlay_has_all_properties_of_a_monai_bundle(cohort: Cohort, tmp_path: Path) -> None:
    """In one process, where it does nothing."""
    workflow = training_workflow(FILES, cohort, tmp_path / "run")
    workflow.initialize()
    assert workflow.check_properties() == []
    assert workflow.parser.get_parsed_content("train#dataloader").batch_size == 4
    workflow.finalize()


@pytest.fixture
def two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables that torchrun sets for each of two processes."""
    variables = {"WORLD_SIZE": 2, "RANK": 0, "LOCAL_WORLD_SIZE": 2, "MASTER_ADDR": "localhost", "MASTER_PORT": 29500}
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))


@pytest.mark.usefixtures("two_processes")
def test_a_config_for_one_process_is_refused_under_torchrun() -> None:
    with pytest.raises(InputError, match=r"torchrun started 2: add multi_gpu_train\.yaml after train\.yaml"):
        processes.refuse_several()


@pytest.mark.usefixtures("two_processes")
@pytest.mark.parametrize(
    ("device", "batch_size", "message"),
    [
        ("cpu", 5, r"--batch_size: 5, expected a multiple of the 2 processes, .*: e\.g\. 6"),
        ("cpu", 1, r"--batch_size: 1, .*: e\.g\. 2"),
        ("cuda:1", 4, r"--device: cuda:1, expected cuda: each process uses a GPU of its own"),
    ],
)
def test_what_does_not_suit_two_processes_is_refused_before_they_join(
    device: str, batch_size: int, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        processes.join(device, batch_size, timeout_minutes=1)


@pytest.mark.usefixtures("two_processes")
@pytest.mark.skipif(torch.cuda.device_count() > 1, reason="needs a machine with fewer GPUs than processes")
def test_more_processes_than_gpus_are_refused() -> None:
    with pytest.raises(InputError, match=r"--nproc_per_node: 2, expected at most \d, the GPUs of this machine"):
        processes.join("cuda", 4, timeout_minutes=1)


@pytest.mark.slow  # tests/training/test_distributed_gradients.py: a refusal of all ranks is reported once
def test_a_misspelt_option_under_torchrun_is_reported_once(cohort: Cohort, tmp_path: Path) -> None:
    done = on_two(datalist=cohort.datalist, output_dir=tmp_path / "run", num_epoch=1)
    assert done.returncode != 0
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert errors == ["error: --num_epoch: there is no 'num_epoch' in the config: did you mean --num_epochs?"]
    assert "monai/bundle/workflows.py" not in done.stderr and not (tmp_path / "run").exists()


@pytest.mark.slow
def test_two_processes_train_one_model_which_evaluation_then_reads(cohort: Cohort, tmp_path: Path) -> None:
    run = tmp_path / "run"
    options = SMALL | {"datalist": cohort.datalist, "output_dir": run, "cache_dir": tmp_path / "store"}
    done = on_two(**options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("epoch 2/2, stage B") == 1  # one process speaks
    assert (run / "train.log").read_text(encoding="utf-8").count("epoch 2/2, stage B") == 1
    assert "2 devices: each processes 2 of the 4 participants in a batch" in done.stdout
    assert len(list((run / "tensorboard").iterdir())) == 2  # of the trainer and the evaluator, by one process
    with (run / "history.csv").open(encoding="utf-8", newline="") as stream:
        assert [(row["epoch"], row["stage"]) for row in csv.DictReader(stream)] == [("1", "A"), ("2", "B")]
    assert f"over {len(read_datalist(cohort.datalist).records('validation'))} participants" in done.stdout
    again = on_two(**options, resume="true")
    assert again.returncode == 0 and "finished: all 2 epochs are done" in again.stdout
    alone = bundle_run("train.yaml", **options, resume="true")
    assert alone.returncode == 0 and "made on 2 devices, this run uses 1" in alone.stdout
    evaluated = bundle_run("evaluate.yaml", datalist=cohort.datalist, output_dir=run, cache_dir=tmp_path / "store")
    assert evaluated.returncode == 0, evaluated.stderr
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["participants"] == len(read_datalist(cohort.datalist).records("test"))
    repeated = monai_fusion("rerun", run)
    assert repeated.returncode == 0, repeated.stdout + repeated.stderr
    assert "--nproc_per_node=2" in repeated.stdout
    assert repeated.stdout.splitlines()[-1].startswith("identical: the weights have the same digest")
