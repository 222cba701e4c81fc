"""``--format bundle``: the MONAI bundle with the trained model inside, which another machine runs."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import torch

from monai_fusion.errors import InputError, Problem
from monai_fusion.export.facts import Facts
from monai_fusion.export.model_card import model_card
from monai_fusion.export.trained_run import TrainedRun
from monai_fusion.files import write_atomically, write_unix_text
from monai_fusion.keys import EEG
from monai_fusion.run_folder import MODEL_FILE
from monai_fusion.runs.bundle_metadata import METADATA_FILE, PACKED_FILE, metadata_of_run, packed_metadata_of_run
from monai_fusion.shipped_bundle import NAME, copy_bundle

_MODEL_DIR = re.compile(r"^model_dir: \S.*?(?=\s+#|$)", re.MULTILINE)
_OWN_MODEL = "model_dir: $@bundle_root + '/models'"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # of every file in the archive: the same model makes the same bytes

USE = """On a machine with Python 3.11 or newer, in the folder of this file:

```
pip install monai-fusion
monai-fusion datalist build --unlabelled --eeg-dir EEG_FOLDER --mri-dir MRI_FOLDER --out new_participants.json
python -m monai.bundle run --config_file configs/inference.yaml --datalist new_participants.json --output_dir results
```

From another folder, add `--bundle_root FOLDER` and put FOLDER before `configs/`. `results/predictions.csv` has one row
for each participant, `results/predictions.html` shows them. `docs/README.md` describes every config."""


def write_bundle_folder(run: TrainedRun, facts: Facts, folder: Path) -> Path:
    """Write the bundle into a folder.

    Args:
        run: The trained model.
        facts: For the card.
        folder: Where; it must not exist.

    Returns:
        The folder in it that holds the trained model.
    """
    bundle = folder / NAME
    copy_bundle(bundle)
    for name in ("inference.yaml", "evaluate.yaml"):
        _take_own_model(bundle / "configs" / name)
    for name, content in ((METADATA_FILE, filled_metadata(run)), (PACKED_FILE, packed_metadata_of_run(run.folder))):
        write_unix_text(bundle / "configs" / name, json.dumps(content, indent=2, ensure_ascii=False))
    write_unix_text(bundle / "README.md", model_card(facts, USE))
    models = bundle / "models"
    models.mkdir()
    write_atomically(models / MODEL_FILE, lambda stream: torch.save(run.network.state_dict(), stream))
    for name, text in run.texts.items():
        write_unix_text(models / name, text)
    return models


def filled_metadata(run: TrainedRun) -> dict[str, Any]:
    """The bundle's metadata with the facts of a trained model, and the names of its electrodes where they are known."""
    metadata = metadata_of_run(run.folder)
    if run.electrodes and EEG in run.modalities:
        named = {str(place): name for place, name in enumerate(run.electrodes)}
        metadata["network_data_format"]["inputs"][EEG]["channel_def"] = named
    return metadata


def zip_folder(folder: Path, path: Path) -> None:
    """Pack a folder; the same content makes the same bytes on every day and machine.

    Args:
        folder: Its content is packed, without its own name.
        path: The archive.
    """
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(each for each in folder.rglob("*") if each.is_file()):
            entry = zipfile.ZipInfo(file.relative_to(folder).as_posix(), _EPOCH)
            entry.external_attr = 0o644 << 16
            # Weights are as good as random to a packer, and the reader of model.pt takes them as they are.
            entry.compress_type = zipfile.ZIP_STORED if file.suffix == ".pt" else zipfile.ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=True) as packed, file.open("rb") as stream:
                while piece := stream.read(2**22):
                    packed.write(piece)


def _take_own_model(config: Path) -> None:
    """Let a config use the model in its own bundle, unless the command line names another."""
    text, changed = _MODEL_DIR.subn(_OWN_MODEL, config.read_text(encoding="utf-8"), count=1)
    if changed != 1:
        raise InputError(Problem(str(config), "model_dir", "no such knob", "the shipped config"))
    write_unix_text(config, text)
