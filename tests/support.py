"""Small real files, and objects that need an importable name because workers pickle them or their source is read."""

from __future__ import annotations

import importlib.util
import inspect
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.transforms import MapTransform
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.data import Dataset

from monai_fusion.data import EEGDataset, EpochSample, MRIDataset, Preprocessing
from monai_fusion.networks import Encoder, FusionNet, GatedFusionHead
from monai_fusion.networks.eeg import EEG_BLOCKS
from monai_fusion.networks.mri import MRI_BLOCKS

ELECTRODES, FREQUENCIES, TIMES = 3, 8, 10
BUNDLE_CONFIGS = Path(__file__).parents[1] / "bundles" / "brain_eeg_mri_classification" / "configs"
EEG_SHAPE = (FREQUENCIES, TIMES, ELECTRODES)

_HOLD = """
import sys, time
from pathlib import Path
from monai_fusion.output_folder import lock_folder
lock_folder(Path(sys.argv[1]), sys.argv[2], "--output_dir")
print("claimed", flush=True)
time.sleep(60)
"""


def write_scalogram(path: Path, seed: int, shape: Sequence[int] = EEG_SHAPE) -> Path:
    """A scalogram file of random magnitudes."""
    np.save(path, np.abs(np.random.default_rng(seed).normal(size=shape)).astype(np.float32))
    return path


def write_volume(path: Path, seed: int, shape: Sequence[int] = (9, 10, 11)) -> Path:
    """A NIfTI file of random int16 intensities at 1 mm."""
    voxels = np.random.default_rng(seed).integers(0, 1000, size=shape).astype(np.int16)
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), path)
    return path


def eeg_dataset(items: Sequence[Any], chain: Sequence[Any], store: Path | None, **options: Any) -> EEGDataset:
    """A dataset of EEG segments over a store; without progress bars."""
    kept_as = options.pop("dtype", "float32")
    preprocessing = Preprocessing(chain, [], store, eeg_dtype=kept_as)
    return EEGDataset(items, preprocessing.chains["eeg"], progress=False, **options)


def mri_dataset(items: Sequence[Any], chain: Sequence[Any], store: Path | None, **options: Any) -> MRIDataset:
    """A dataset of MRIs over a store; without progress bars."""
    kept_as = options.pop("dtype", "float32")
    preprocessing = Preprocessing([], chain, store, mri_dtype=kept_as)
    return MRIDataset(items, preprocessing.chains["mri"], progress=False, **options)


def write_datalist(path: Path, sections: Mapping[str, Sequence[Mapping[str, object]]], **fields: object) -> Path:
    """A datalist with the classes M and F beside its files."""
    head = {"name": "test", "target": "gender", "classes": ["M", "F"], "data_root": "."}
    path.write_text(json.dumps({**head, **fields, **sections}), encoding="utf-8")
    return path


@contextmanager
def another(folder: Path, kind: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that has claimed the folder; it is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen([sys.executable, "-c", _HOLD, str(folder), kind], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "claimed\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


class AddOne(MapTransform):
    """A user's own deterministic transform, without a version."""

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Add one to the recordings."""
        return {**data, **{key: data[key] + 1 for key in self.key_iterator(data)}}

    def __init__(self, keys: str = "mri") -> None:
        super().__init__(keys)


class Dawdle(MapTransform):
    """A transform, and an evaluator's handler, that reports when it begins and then takes time, in many small steps.

    Args:
        marker: A file that is there once it has begun.
        seconds: How long it takes.
    """

    def __init__(self, marker: str, seconds: float = 1.0, keys: str = "mri") -> None:
        super().__init__(keys)
        self.marker, self.seconds = marker, seconds

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Change nothing, slowly."""
        self._wait()
        return data

    def attach(self, engine: Engine) -> None:
        """Attach to an evaluator."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._wait)

    def _wait(self) -> None:
        Path(self.marker).touch()
        for _ in range(int(100 * self.seconds)):
            time.sleep(0.01)


def load_second_version(cls: type, folder: Path, old: str, new: str) -> type:
    """Load a copy of a class with its source changed, as if a user had edited it between two runs."""
    source = Path(inspect.getfile(cls)).read_text(encoding="utf-8")
    path = folder / "second_version.py"
    path.write_text(source.replace(old, new), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("second_version", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, cls.__name__)  # type: ignore[no-any-return] # found by name


class TinyFusionNet(nn.Module):
    """A network with FusionNet's interface in a few dozen parameters; it notes the batches it was asked to encode.

    Blocks of the EEG encoder are ``stage2`` .. ``stage4``, of the MRI encoder ``layer3``, ``layer4``.
    """

    def __init__(self, electrodes: int = ELECTRODES, width: int = 4, classes: int = 2, dropout: float = 0.0) -> None:
        super().__init__()
        self.eeg_blocks = nn.ModuleDict({name: nn.Linear(width, width) for name in ("stage2", "stage3", "stage4")})
        self.mri_blocks = nn.ModuleDict({name: nn.Linear(width, width) for name in ("layer3", "layer4")})
        self.eeg_projection, self.mri_projection = nn.Linear(electrodes, width), nn.Linear(1, width)
        self.head = nn.ModuleDict({"gate": nn.Linear(2 * width, 1), "classifier": nn.Linear(width, classes)})
        self.dropout = nn.Dropout(dropout)
        self.eeg_batches: list[int] = []
        self.mri_batches: list[int] = []

    @property
    def classifier(self) -> nn.Linear:
        """The last layer."""
        layer = self.head["classifier"]
        assert isinstance(layer, nn.Linear)
        return layer

    def encode_eeg(self, eeg: Tensor) -> Tensor:
        """[B, electrodes, F, T] -> [B, D]."""
        self.eeg_batches.append(len(eeg))
        x = self.eeg_projection(eeg[:, :, 0, 0])
        for block in self.eeg_blocks.values():
            x = x + torch.tanh(block(x))
        return x

    def encode_mri(self, mri: Tensor) -> Tensor:
        """[B, 1, T, H, W] -> [B, D]."""
        self.mri_batches.append(len(mri))
        x = self.mri_projection(mri.mean(dim=(2, 3, 4)))
        for block in self.mri_blocks.values():
            x = x + torch.tanh(block(x))
        return x

    def fuse(self, eeg_embedding: Tensor, mri_embedding: Tensor) -> dict[str, Tensor]:
        """[B, D], [B, D] -> what FusionNet returns."""
        gate = torch.sigmoid(self.head["gate"](torch.cat([eeg_embedding, mri_embedding], dim=1)))
        logits = self.classifier(self.dropout(gate * eeg_embedding + (1 - gate) * mri_embedding))
        return {"logits": logits, "gate": gate, "eeg_embedding": eeg_embedding, "mri_embedding": mri_embedding}

    def forward(self, eeg: Tensor, mri: Tensor) -> dict[str, Tensor]:
        """Classify a batch."""
        return self.fuse(self.encode_eeg(eeg), self.encode_mri(mri))

    def set_trainable(self, eeg_blocks: Sequence[str], mri_blocks: Sequence[str]) -> None:
        """Train these blocks, the projections and the head."""
        for blocks, named in ((self.eeg_blocks, eeg_blocks), (self.mri_blocks, mri_blocks)):
            for name, block in blocks.items():
                block.requires_grad_(name in named)

    def export_state(self) -> dict[str, dict[str, Tensor]]:
        """The state dict of the head under the names of an exported state."""
        return {part: dict(self.head.state_dict()) for part in ("eeg_enc", "mri_enc", "head")}


class CountedReadings(TorchFunctionMode):
    """While it is entered, counts how often a value leaves a tensor for Python: on a GPU, each time the host waits."""

    READINGS = frozenset(
        getattr(Tensor, name)
        for name in ("item", "tolist", "numpy", "cpu", "__float__", "__int__", "__bool__", "__format__")
    )

    def __init__(self) -> None:
        super().__init__()
        self.readings = 0
        self._entered = time.perf_counter()

    @property
    def seconds(self) -> float:
        """How long ago it was made."""
        return time.perf_counter() - self._entered

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count and pass on."""
        self.readings += func in self.READINGS
        return func(*args, **(kwargs or {}))


class EchoDraws(Dataset[Tensor]):
    """A dataset that returns the draw itself, [index, epoch, position], as seen in a worker."""

    def __getitem__(self, draw: EpochSample) -> Tensor:
        """The draw's three numbers."""
        return torch.tensor([draw.index, draw.epoch, draw.position])


class TinyEncoder(Encoder):
    """An encoder of [B, channels, ...] with one layer, which sees each channel's spread alone and always trains."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__(nn.Identity(), nn.Linear(channels, width), width)

    def blocks(self) -> dict[str, tuple[nn.Module, ...]]:
        """The one layer, which always trains, and blocks of the names that the stages use."""
        return {"projection": (self.projection,), **dict.fromkeys(EEG_BLOCKS + MRI_BLOCKS, ())}

    def forward(self, x: Tensor) -> Tensor:
        """[B, channels, ...] -> [B, width] of L2 norm 1."""
        return self.embed(x.flatten(2).std(dim=2))


def tiny_absence_net(width: int = 8, dropout: float = 0.0) -> FusionNet:
    """The real `FusionNet` and head around tiny encoders, made with ``absence``."""
    head = GatedFusionHead(width, gate_hidden=width, hidden=width, dropout=dropout)
    return FusionNet(TinyEncoder(ELECTRODES, width), TinyEncoder(1, width), head, absence=True)
