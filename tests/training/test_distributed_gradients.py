"""Training on two ranks, by torchrun as users start it: the same as on one, the same on both, and ending together."""

import copy
import json
import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from monai_fusion.networks import FusionNet
from monai_fusion.training import synchronize_batchnorm
from tests.training import ranks_job

ROOT = Path(__file__).parents[2]
# Standalone: on a free port, as another test may run torchrun meanwhile.
# Windows has no torchrun beside the interpreter's modules in every installation; the module is always there.
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]


def torchrun(out: Path, *scenarios: str) -> subprocess.CompletedProcess[str]:
    command = [*TORCHRUN, "-m", "tests.training.ranks_job", str(out), *scenarios]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    environment["OMP_NUM_THREADS"] = "1"
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment, timeout=900, encoding="utf-8"
    )


@pytest.fixture(scope="module")
def of_ranks(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """What two ranks saw in all scenarios that end well."""
    out = tmp_path_factory.mktemp("ranks")
    done = torchrun(out, "same_curve", "same_bits", "some_lack", "not_a_number", "asked_to_stop")
    assert done.returncode == 0, done.stdout + done.stderr
    zero, one = (json.loads((out / f"rank{rank}.json").read_text(encoding="utf-8")) for rank in (0, 1))
    return zero, one


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The same trainings in this process."""
    with torch.random.fork_rng(devices=[]):
        return ranks_job.same_curve(tmp_path_factory.mktemp("alone"))


@pytest.mark.parametrize("training", ["curve of 7", "curve of 5"])
def test_one_and_two_ranks_have_the_same_batches_and_loss_curve(
    training: str, of_ranks: tuple[dict[str, Any], dict[str, Any]], alone: dict[str, Any]
) -> None:
    on_one, on_two = alone[training], [rank[training] for rank in of_ranks]
    for whole, *parts in zip(on_one["ids"], *(seen["ids"] for seen in on_two), strict=True):
        together = [participant for part in parts for participant in part]
        assert together == (whole if len(whole) > 1 else whole * 2)  # a last batch of one is repeated, for nothing
    assert on_two[0]["losses"] == pytest.approx(on_one["losses"], rel=0, abs=1e-4)
    for name, values in on_one["weights"].items():
        assert on_two[0]["weights"][name] == pytest.approx(values, rel=0, abs=1e-4)
    assert max(on_one["losses"]) - min(on_one["losses"]) > 0.1  # the curve is one


def test_where_recordings_are_absent_two_ranks_compute_what_one_does(
    of_ranks: tuple[dict[str, Any], dict[str, Any]], tmp_path: Path
) -> None:
    with torch.random.fork_rng(devices=[]):
        whole = ranks_job.some_lack(tmp_path)["lacking"]
    zero, one = (rank["lacking"] for rank in of_ranks)
    there = [[[any(column) for column in zip(*rows, strict=True)] for rows in rank["present"]] for rank in (zero, one)]
    # Some slices have no EEG, or no MRI, at all while the other rank's have: its encoder then has no gradients here.
    assert any(a != b and not all(a) for a, b in zip(*there, strict=True))
    assert [a + b for a, b in zip(zero["present"], one["present"], strict=True)] == whole["present"]
    assert zero["digests"] == one["digests"]
    assert zero["losses"] == pytest.approx(whole["losses"], rel=0, abs=1e-4)
    for name, values in whole["weights"].items():
        assert zero["weights"][name] == pytest.approx(values, rel=0, abs=2e-3)  # steps of 1e-2
    assert max(whole["losses"]) - min(whole["losses"]) > 0.01


def test_the_history_of_two_ranks_is_that_of_one(
    of_ranks: tuple[dict[str, Any], dict[str, Any]], alone: dict[str, Any]
) -> None:
    for row, other in zip(of_ranks[0]["curve of 7"]["history"], alone["curve of 7"]["history"], strict=True):
        assert (row["epoch"], row["stage"], row["accuracy"]) == (other["epoch"], other["stage"], other["accuracy"])
        for name in ("train_loss", "gate", "cross_entropy"):
            assert float(row[name]) == pytest.approx(float(other[name]), rel=0, abs=1e-4)


@pytest.mark.parametrize("training", ["whole", "real", "curve of 7"])
def test_the_ranks_stay_identical_to_the_bit_through_both_stages(
    training: str, of_ranks: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    zero, one = (rank[training] for rank in of_ranks)
    assert zero["digests"] == one["digests"] and zero["losses"] == one["losses"]
    assert all(before != after for before, after in pairwise(zero["digests"]))  # and they trained
    assert zero["best"] == one["best"] and zero["metrics"] == one["metrics"]
    assert not zero["synchronized"]  # SyncBatchNorm is for GPUs


def test_the_digests_would_show_ranks_that_diverge(of_ranks: tuple[dict[str, Any], dict[str, Any]]) -> None:
    zero, one = (rank["wrapped once"]["digests"] for rank in of_ranks)
    assert zero[:4] == one[:4] and all(a != b for a, b in zip(zero[4:], one[4:], strict=True))


def test_each_stage_has_a_wrapper_of_its_own_and_the_old_one_is_gone(
    of_ranks: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    identities, alive = zip(*of_ranks[0]["real"]["wrapped"], strict=True)
    assert len(identities) == 4 and set(alive) == {1}
    assert len({identity for identity, _ in of_ranks[0]["whole"]["wrapped"]}) == 2


def test_frozen_blocks_keep_their_inference_form_from_one_iteration_to_the_next(
    of_ranks: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    for rank in of_ranks:
        first, second, *_ = rank["real"]["forms"]
        assert first == second


def test_each_rank_has_participants_and_dropout_of_its_own(
    of_ranks: tuple[dict[str, Any], dict[str, Any]], alone: dict[str, Any]
) -> None:
    for what in ("ids", "seeds"):
        zero, one = (rank["whole"][what] for rank in of_ranks)
        assert all(a != b for a, b in zip(zero, one, strict=True))
    assert of_ranks[0]["curve of 7"]["seeds"] == alone["curve of 7"]["seeds"]


@pytest.mark.parametrize(("training", "participants"), [("curve of 7", 3), ("whole", 1)])
def test_every_rank_knows_the_prediction_of_each_participant_once(
    training: str, participants: int, of_ranks: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    for rank in of_ranks:
        predicted = rank[training]["predicted"]
        assert [row[0] for row in predicted] == [f"sub-{number:02d}" for number in range(participants)]
        assert all(row[-1] == 2 for row in predicted)  # segments
    assert of_ranks[0][training]["predicted"] == of_ranks[1][training]["predicted"]


def test_a_resumed_training_ends_with_the_same_bits_on_both_ranks(
    of_ranks: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    for rank in of_ranks:
        whole, resumed = rank["whole"], rank["resumed"]
        assert resumed["digests"] == whole["digests"][-len(resumed["digests"]) :] and len(resumed["digests"]) == 4
        assert resumed["best"] == whole["best"]
    assert of_ranks[0]["resumed"]["history"] == of_ranks[0]["whole"]["history"]


def test_a_loss_that_is_nan_on_one_rank_ends_all_with_the_names_of_the_whole_batch(
    of_ranks: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    zero, one = (rank["bad slice"] for rank in of_ranks)
    assert zero["lines"] == one["lines"]
    assert zero["lines"][0] == "the training loss is nan in epoch 2, batch 1 of 2"
    batch = [*zero["ids"][2], *one["ids"][2]]
    assert zero["lines"][1] == f"  participants of the batch: {', '.join(dict.fromkeys(batch))}"
    assert set(zero["ids"][2]) != set(one["ids"][2])


def test_weights_that_are_bad_on_one_rank_only_end_all(of_ranks: tuple[dict[str, Any], dict[str, Any]]) -> None:
    zero, one = (rank["bad weights"] for rank in of_ranks)
    assert zero["lines"] == one["lines"]
    assert zero["lines"][0] == "the weights contain NaN or Inf after epoch 2"
    assert all(name in zero["lines"][1] for rank in (zero, one) for name in rank["ids"][-1])


@pytest.mark.skipif(os.name == "nt", reason="Windows delivers no SIGTERM")
def test_a_signal_to_one_rank_stops_both_after_the_same_iteration(
    of_ranks: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    # It comes when the third iteration is over.
    assert [rank["stopped"]["stopped"] for rank in of_ranks] == [[4, "15"]] * 2


@pytest.mark.slow  # three cold starts of torch; tests/bundle/test_stopping.py kills ranks there, too
@pytest.mark.skipif(os.name == "nt", reason="Windows has no kill -9")
def test_a_killed_rank_ends_the_job_within_a_minute(tmp_path: Path) -> None:
    done = torchrun(tmp_path, "dies")
    assert time.time() - (tmp_path / "killed").stat().st_mtime < 60
    assert done.returncode != 0 and not list(tmp_path.glob("rank*.json"))
    assert "process 0 is exiting: another process failed" in done.stderr
    assert "exitcode  : -9" in done.stderr  # torchrun's report names the one that was killed
    assert "site-packages/monai" not in done.stderr  # no traceback of the one that lost it


def test_an_input_error_of_all_ranks_is_reported_once(tmp_path: Path) -> None:
    done = torchrun(tmp_path, "refused")
    assert done.returncode != 0
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert errors == ["error: all processes need the same command and the same files: 1 problem"]
    assert "\n  seed: differs between process 0 and process 1\n" in done.stderr
    assert "raise InputError" not in done.stderr


def test_synchronised_batchnorm_is_the_same_network_and_stays_frozen(built_net: FusionNet) -> None:
    """It normalises over all ranks on GPUs only; what can be seen here is that nothing else changes."""
    net = copy.deepcopy(built_net).eval()
    eeg, mri = torch.randn(2, 17, 32, 32), torch.rand(2, 1, 16, 32, 32)
    with torch.no_grad():
        before = net(eeg, mri)["logits"]
        state, parameters = copy.deepcopy(net.state_dict()), list(net.parameters())
        synchronize_batchnorm(net)
        assert torch.equal(net(eeg, mri)["logits"], before)
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    assert all(one is other for one, other in zip(net.parameters(), parameters, strict=True))
    net.set_trainable(["stage4"], ["layer4"])
    net.train()
    found = {name: module for name, module in net.named_modules() if isinstance(module, nn.SyncBatchNorm)}
    assert len(found) == 20 and not [m for m in net.modules() if isinstance(m, nn.BatchNorm3d)]
    assert all(module.training == ("layer4" in name) for name, module in found.items())
