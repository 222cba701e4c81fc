import json
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_fusion.errors import InputError
from monai_fusion.evaluation.model_loader import check_model
from monai_fusion.networks.digests import tensors_digest
from monai_fusion.run_folder import MANIFEST_FILE, MODEL_FILE

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
    assert str(raised.value) == (
        f"{tmp_path / MODEL_FILE}: not the one that this training left (manifest.json): copy the run folder again"
    )


@pytest.mark.parametrize(
    "manifest",
    [
        None,
        "{ cut",
        "[]",
        FINISHED | {"status": "stopped"},  # its digest may be of an earlier epoch
        FINISHED | {"weights": None},
        FINISHED | {"weights": {"digest": 3}},
    ],
)
def test_without_a_finished_manifest_that_can_be_read_the_weights_are_taken_as_they_are(
    tmp_path: Path, manifest: Any
) -> None:
    check_model(run_folder(tmp_path, OTHER, manifest), None)
