import json
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from torch import nn

from monai_fusion.errors import InputError
from monai_fusion.evaluation import model_loader
from monai_fusion.evaluation.model_loader import ModelLoader, check_model
from monai_fusion.networks.digests import tensors_digest
from monai_fusion.run_folder import MANIFEST_FILE, MODEL_FILE
from monai_fusion.saved_tensors import load_state
from tests.message_parts import assert_parts

LEFT = {"head.weight": torch.tensor([1.0, 2.0]), "head.bias": torch.tensor([0.5])}
OTHER = {"head.weight": torch.tensor([1.0, 2.0]), "head.bias": torch.tensor([0.25])}  # of the same shapes
FINISHED = {"status": "finished", "weights": {"file": MODEL_FILE, "digest": tensors_digest(LEFT)}}


def run_folder(folder: Path, state: dict[str, torch.Tensor], manifest: Any) -> Path:
    torch.save(state, folder / MODEL_FILE)
    if manifest is not None:
        text = manifest if isinstance(manifest, str) else json.dumps(manifest)
        (folder / MANIFEST_FILE).write_text(text, encoding="utf-8")
    return folder


def test_the_model_that_the_training_left_is_taken(tmp_path: Path) -> None:
    check_model(run_folder(tmp_path, LEFT, FINISHED), None)


def test_a_model_of_another_training_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        check_model(run_folder(tmp_path, OTHER, FINISHED), None)
    (line,) = str(raised.value).splitlines()
    assert_parts(line, f"{tmp_path / MODEL_FILE}: not the file", "manifest.json", "copy")


@pytest.mark.parametrize(
    "manifest",
    [
        None,
        "{ cut",
        "[]",
        FINISHED | {"status": "running"},  # its digest may be of an earlier epoch
        FINISHED | {"weights": None},
        FINISHED | {"weights": {"digest": 3}},
    ],
)
def test_without_a_finished_manifest_that_can_be_read_the_weights_are_taken_as_they_are(
    tmp_path: Path, manifest: Any
) -> None:
    check_model(run_folder(tmp_path, OTHER, manifest), None)


class Head(nn.Module):
    """A network of these names and shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(2, 1)


NETWORK = {"head.weight": torch.tensor([[1.0, 2.0]]), "head.bias": torch.tensor([0.5])}


def test_what_was_checked_is_what_is_loaded_and_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Path] = []

    def counted(path: Path) -> dict[str, torch.Tensor]:
        reads.append(path)
        return load_state(path)

    monkeypatch.setattr(model_loader, "load_state", counted)
    folder, network = run_folder(tmp_path, NETWORK, None), Head()
    check_model(folder, None)
    torch.save({name: value + 1 for name, value in NETWORK.items()}, folder / MODEL_FILE)  # between check and loading
    ModelLoader(network, folder)(Engine(lambda engine, batch: None))
    assert len(reads) == 1
    assert all(torch.equal(value, NETWORK[name]) for name, value in network.state_dict().items())
    ModelLoader(network, folder)(Engine(lambda engine, batch: None))  # nothing is kept any more
    assert len(reads) == 2 and network.head.bias.item() == 1.5


def test_where_memory_is_short_the_model_is_read_again_and_compared_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_loader, "_KEPT_SHARE", 0.0)
    left = {"status": "finished", "weights": {"digest": tensors_digest(NETWORK)}}
    folder = run_folder(tmp_path, NETWORK, left)
    check_model(folder, None)
    torch.save({name: value + 1 for name, value in NETWORK.items()}, folder / MODEL_FILE)
    with pytest.raises(InputError, match=r"not the file .*manifest\.json"):
        ModelLoader(Head(), folder)(Engine(lambda engine, batch: None))
