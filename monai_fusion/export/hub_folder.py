"""``--format hub``: weights, recipe and model card in a folder ready for upload. Nothing is uploaded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from torch import Tensor

from monai_fusion.evaluation.model_loader import ModelLoader
from monai_fusion.export.facts import Facts
from monai_fusion.export.model_card import model_card
from monai_fusion.export.parity import Compute, eager
from monai_fusion.export.trained_run import TrainedRun
from monai_fusion.files import write_atomically, write_unix_text
from monai_fusion.networks import FusionNet
from monai_fusion.networks.digests import tensors_digest
from monai_fusion.run_folder import SAFETENSORS_FILE
from monai_fusion.runs.recipe import read_recipe, trained_network
from monai_fusion.shipped_bundle import shipped_bundle

USE = """```
pip install monai-fusion
monai-fusion predict FOLDER --eeg sub-07_*.npy --mri sub-07_T1w.nii.gz --output_dir results
```

FOLDER is the folder of this file. Nothing in it runs code: the recipe holds values, the weights are tensors alone."""


def write_hub_folder(run: TrainedRun, facts: Facts, folder: Path) -> None:
    """Write the folder: ``model.safetensors``, ``config.json``, the files that inference reads, card and licence.

    Args:
        run: The trained model.
        facts: What ``config.json`` and the card tell.
        folder: Where; it must not exist.
    """
    from safetensors.torch import save

    folder.mkdir()
    state = {name: value.contiguous() for name, value in run.network.state_dict().items()}
    write_atomically(folder / SAFETENSORS_FILE, save(state, metadata={"format": "pt"}))
    config = {"library_name": "monai-fusion", "weights_digest": tensors_digest(state), **facts.content}
    write_unix_text(folder / "config.json", json.dumps(config, indent=2, ensure_ascii=False))
    for name, text in run.texts.items():
        write_unix_text(folder / name, text)
    write_unix_text(folder / "README.md", model_card(facts, USE))
    shutil.copyfile(shipped_bundle() / "LICENSE", folder / "LICENSE")


def computed_by_folder(folder: Path, run: TrainedRun) -> Compute:
    """The network as an evaluation builds it from a folder: from its recipe and its weights."""
    network = cast(FusionNet, trained_network(read_recipe(folder), run.trusted_modules))
    ModelLoader(network, folder).load()
    again = replace(run, network=network.eval())

    def compute(feeds: Mapping[str, Tensor]) -> list[Any]:
        return list(eager(again, feeds).values())

    return compute
