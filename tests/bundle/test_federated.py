"""Federated learning: MONAI's client trains through the bundle, and both stages keep what is frozen."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from monai.fl.client import MonaiAlgo
from monai.fl.utils.exchange_object import ExchangeObject
from torch import Tensor

from monai_fusion.datalist import read_datalist
from monai_fusion.errors import InputError
from monai_fusion.networks import FusionNet, standard_network
from tests.bundle.conftest import BUNDLE, EEG_SIZE, ROOT, Cohort, monai_fusion

TINY = {
    "eeg_shape": EEG_SIZE,
    "mri_size": [24, 24, 24],
    "slab_depth": 16,
    "num_epochs": [1, 1],
    "pretrained": False,
    "num_workers": 0,
    "device": "cpu",
}
TRAIN_IN_A = {"eeg_enc.stage3", "eeg_enc.stage4", "mri_enc.layer4"}
TRAIN_IN_B = TRAIN_IN_A | {"eeg_enc.stage2", "mri_enc.layer3"}
ALWAYS_TRAIN = {"eeg_enc.stem", "eeg_enc.projection", "mri_enc.projection", "head"}


@pytest.fixture
def client(cohort: Cohort, tmp_path: Path) -> MonaiAlgo:
    """MONAI's client on the shipped bundle, as examples/federated/client.py makes it."""
    paths = {
        "datalist": str(cohort.datalist),
        "output_dir": str(tmp_path / "site"),
        "cache_dir": str(cohort.folder.parent / "runs" / "preprocessed"),
    }
    client = MonaiAlgo(
        bundle_root=str(BUNDLE),
        send_weight_diff=False,
        config_train_filename="configs/train.yaml",
        config_evaluate_filename=None,
        train_kwargs={**TINY, **paths},
    )
    client.initialize({})
    return client


def changed_blocks(network: FusionNet, sent: dict[str, Tensor]) -> set[str]:
    """The blocks of which any parameter or statistic is not exactly what the server sent."""
    names = {id(value): name for name, value in network.state_dict(keep_vars=True).items()}
    found = set()
    for block, modules in network.blocks().items():
        tensors = [each for module in modules for each in (*module.parameters(), *module.buffers())]
        if any(not torch.equal(each.detach(), sent[names[id(each)]]) for each in tensors):
            found.add(block)
    return found


def from_server(weights: dict[str, Tensor], seed: int) -> dict[str, Tensor]:
    """Other weights than the client has, as an average of several sites has."""
    drawn = torch.Generator().manual_seed(seed)
    return {
        name: value * (1 + 0.01 * torch.rand(value.shape, generator=drawn))
        if value.is_floating_point()
        else value.clone()
        for name, value in weights.items()
    }


def test_both_stages_keep_their_frozen_blocks_as_the_server_sent_them(client: MonaiAlgo, tmp_path: Path) -> None:
    network, log = client.trainer.network, tmp_path / "site" / "train.log"
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    for round_number, trained in enumerate([TRAIN_IN_A, TRAIN_IN_B], start=1):
        sent = from_server(weights, round_number)
        client.train(ExchangeObject(weights={name: value.numpy() for name, value in sent.items()}))
        assert client.trainer.state.epoch == round_number
        assert changed_blocks(network, sent) == trained | ALWAYS_TRAIN
        answer = client.get_weights()
        weights = {name: value.clone() for name, value in answer.weights.items()}
        assert weights.keys() == sent.keys()
    logs = [each for each in logging.getLogger().handlers if getattr(each, "baseFilename", "") == str(log)]
    assert len(logs) == 1  # MONAI's client initializes the workflow twice; each line is written once


def sites(cohort: Cohort) -> list[Path]:
    """Two sites of unequal size: the training part is dealt out; both have the other parts, which are small."""
    content = json.loads(cohort.datalist.read_text(encoding="utf-8"))
    training = content["training"]
    found = []
    for site, part in enumerate((training[:4], training[4:]), start=1):
        path = cohort.folder / f"site-{site}.json"  # beside the cohort's datalist: the paths in it are relative
        path.write_text(json.dumps({**content, "training": part}), encoding="utf-8")
        found.append(path)
    return found


def example(name: str) -> ModuleType:
    """A module of examples/federated."""
    pytest.importorskip("nvflare")
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / "federated" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def other_order(cohort: Cohort) -> Path:
    """The cohort's datalist with its classes in the other order."""
    content = json.loads(cohort.datalist.read_text(encoding="utf-8"))
    path = cohort.folder / "other_order.json"
    path.write_text(json.dumps({**content, "classes": content["classes"][::-1]}), encoding="utf-8")
    return path


def test_a_site_with_other_classes_refuses_to_train(other_order: Path, tmp_path: Path) -> None:
    own = {"datalist": str(other_order), "output_dir": str(tmp_path / "site")}
    with pytest.raises(InputError, match=r"classes: \['F', 'M'\], expected as agreed \['M', 'F'\]"):
        example("client").make_client("site-1", own, {"classes": ["M", "F"], "knobs": TINY})
    assert not (tmp_path / "site").exists()


def test_a_job_with_wrong_input_is_refused_before_anything_starts(
    cohort: Cohort,
    other_order: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for words, message in [
        ([cohort.datalist, other_order], "classes: ['F', 'M'], expected ['M', 'F']"),
        ([cohort.datalist, cohort.datalist, "--batchsize", 3], "did you mean batch_size?"),
        ([cohort.datalist, "nothing.json"], "nothing.json: there is no such file"),
    ]:
        monkeypatch.setattr(sys, "argv", ["job.py", *map(str, words), "--out", str(tmp_path / "runs")])
        assert example("job").main() == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "runs" / "nvflare").exists()


@pytest.mark.slow
def test_two_simulated_sites_train_one_network_that_an_evaluation_takes(cohort: Cohort, tmp_path: Path) -> None:
    first, second = sites(cohort)
    knobs = [word for name, value in TINY.items() for word in (f"--{name}", json.dumps(value).strip('"'))]
    pytest.importorskip("nvflare")
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, ROOT / "examples" / "federated" / "job.py", first, second, "--out", "runs", *knobs]
    done = subprocess.run(
        list(map(str, command)),
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=1500,
    )
    assert done.returncode == 0, done.stdout + done.stderr

    out = tmp_path / "runs"
    start = torch.load(out / "first_weights.pt", weights_only=True)
    average = torch.load(out / "global" / "model.pt", weights_only=True)
    network = standard_network(pretrained=False)
    network.load_state_dict(average)
    unlike = {name for name, value in average.items() if not torch.allclose(value, start[name], rtol=1e-6, atol=1e-8)}
    names = {id(value): name for name, value in network.state_dict(keep_vars=True).items()}
    for block, modules in network.blocks().items():
        tensors = [each for module in modules for each in (*module.parameters(), *module.buffers())]
        trained = {names[id(each)] for each in tensors} & unlike
        assert bool(trained) == (block in TRAIN_IN_B | ALWAYS_TRAIN), block

    # The last average is that of the sites' last epochs, weighted by their training participants.
    ended = [_last_network(out / f"site-{number}") for number in (1, 2)]
    people = [len(read_datalist(path).records("training")) for path in (first, second)]
    for name, value in average.items():
        if value.is_floating_point():
            wanted = sum(each[name] * count for each, count in zip(ended, people, strict=True)) / sum(people)
            torch.testing.assert_close(value, wanted, rtol=1e-4, atol=1e-6)

    for number in (1, 2):
        history = (out / f"site-{number}" / "history.csv").read_text(encoding="utf-8").splitlines()
        assert [line.split(",")[:2] for line in history[1:]] == [["1", "A"], ["2", "B"]]
    done = monai_fusion(
        *("evaluate", second, "--model_dir", out / "global", "--output_dir", out / "scores"),
        *("--calibrate", "false", "--device", "cpu"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (out / "scores" / "metrics.json").is_file()


def _last_network(run: Path) -> dict[str, Tensor]:
    state: dict[str, Tensor] = torch.load(run / "checkpoints" / "epoch_0002.pt", weights_only=True)["parts"]["network"]
    return state
