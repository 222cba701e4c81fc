"""Which epoch's network is on disk, and that it is whole."""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from ignite.metrics import Metric
from monai.engines import SupervisedEvaluator
from torch import Tensor

from monai_fusion.data import FusionPrepareBatch
from monai_fusion.errors import InputError
from monai_fusion.networks import FusionNet
from monai_fusion.run_folder import EXPORT_FILE, MODEL_FILE
from monai_fusion.training import ModelSaver, lower_is_better
from tests.support import TinyFusionNet

NAN = float("nan")


class Scripted(Metric):
    """A metric whose values over the evaluations are given."""

    def __init__(self, values: Sequence[float]) -> None:
        self._values: Iterator[float] = iter(values)
        super().__init__(output_transform=lambda output: (output["pred"], None))

    def reset(self) -> None:
        pass

    def update(self, output: Any) -> None:
        pass

    def compute(self) -> float:
        return next(self._values)


def validate(
    folder: Path, scores: Sequence[float], network: Any, keep: Any = "best", also: Sequence[Callable[[], None]] = ()
) -> SupervisedEvaluator:
    """Validate once an epoch; the network's first parameter is the epoch, so that the file tells which it is."""
    batch = {"eeg": torch.zeros(1, 3, 1, 1), "mri": torch.zeros(1, 1, 1, 1, 1)}
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=[batch],
        network=network,
        prepare_batch=FusionPrepareBatch(),
        inferer=lambda *arguments: {},  # what is predicted plays no part here
        key_val_metric={"cross_entropy": Scripted(scores)},
        metric_cmp_fn=lower_is_better,
        val_handlers=[ModelSaver(network, folder, keep, also)],
        decollate=False,
    )
    for epoch in range(1, len(scores) + 1):
        with torch.no_grad():
            network.head["gate"].bias.fill_(float(epoch))
        evaluator.run(epoch)
    return evaluator


def saved_epoch(folder: Path) -> float:
    state: dict[str, Tensor] = torch.load(folder / MODEL_FILE, weights_only=True)
    exported: dict[str, dict[str, Tensor]] = torch.load(folder / EXPORT_FILE, weights_only=True)
    assert state["head.gate.bias"].item() == exported["head"]["gate.bias"].item()
    return state["head.gate.bias"].item()


@pytest.mark.parametrize(
    ("scores", "kept"),
    [
        ([0.7, 0.5, 0.6], 2),
        ([0.7, 0.5, 0.5], 3),  # ties go to the later epoch
        ([0.5, 0.7, 0.9], 1),
        ([NAN, 0.9, 0.95], 2),
        ([0.9, NAN, NAN], 1),
        ([NAN, NAN], 1),
    ],
)
def test_the_epoch_with_the_lowest_score_is_kept(
    tmp_path: Path, tiny_net: TinyFusionNet, scores: list[float], kept: int
) -> None:
    evaluator = validate(tmp_path, scores, tiny_net)
    assert saved_epoch(tmp_path) == kept == evaluator.state.best_metric_epoch
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([MODEL_FILE, EXPORT_FILE])


def test_select_last_keeps_the_last_epoch(tmp_path: Path, tiny_net: TinyFusionNet) -> None:
    validate(tmp_path, [0.1, 0.5, 0.9], tiny_net, keep="last")
    assert saved_epoch(tmp_path) == 3


def test_what_belongs_to_an_epoch_is_written_with_it_and_only_then(tmp_path: Path, tiny_net: TinyFusionNet) -> None:
    seen: list[float] = []
    validate(tmp_path, [0.7, 0.5, 0.6], tiny_net, also=[lambda: seen.append(saved_epoch(tmp_path))])
    assert seen == [1, 2]


def test_an_unknown_selection_is_refused(tmp_path: Path, tiny_net: TinyFusionNet) -> None:
    with pytest.raises(InputError, match="keep_epoch: 'fist', expected 'best' or 'last'"):
        ModelSaver(tiny_net, tmp_path, "fist")  # type: ignore[arg-type] # the wrong value is the point


def test_all_of_the_real_network_is_saved(tmp_path: Path, built_net: FusionNet) -> None:
    saver = ModelSaver(built_net, tmp_path, "last")
    saver(Engine(lambda engine, batch: None))
    state = torch.load(tmp_path / MODEL_FILE, weights_only=True)
    exported = torch.load(tmp_path / EXPORT_FILE, weights_only=True)
    assert list(exported) == ["eeg_enc", "mri_enc", "head"]
    joined = {f"{part}.{name}": value for part, values in exported.items() for name, value in values.items()}
    expected = built_net.state_dict()
    assert list(state) == list(joined) == list(expected)
    assert all(torch.equal(state[name], value) and torch.equal(joined[name], value) for name, value in expected.items())


class Unwritable:
    """A network whose state breaks the pickling halfway through the file."""

    def state_dict(self) -> dict[str, Any]:
        return {"weight": torch.zeros(1000), "unwritable": (number for number in range(3))}

    def export_state(self) -> dict[str, dict[str, Tensor]]:
        return {}


def test_a_failed_save_leaves_the_last_complete_files(tmp_path: Path, tiny_net: TinyFusionNet) -> None:
    validate(tmp_path, [0.5], tiny_net)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(Exception, match="generator"):
        ModelSaver(Unwritable(), tmp_path, "last")(Engine(lambda engine, batch: None))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("current", "best", "better"),
    [(0.4, 0.5, True), (0.5, 0.5, True), (0.6, 0.5, False), (0.6, NAN, True), (NAN, 0.5, False), (NAN, NAN, False)],
)
def test_lower_is_better_and_anything_beats_nan(current: float, best: float, better: bool) -> None:
    assert lower_is_better(current, best) is better
    assert not math.isnan(current) or not better
