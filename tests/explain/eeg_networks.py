"""Tiny networks whose attributions are known, and participants for them."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from monai_fusion.explain.method import Explained
from monai_fusion.explain.scoring import Embeddings, Scorer
from monai_fusion.recordings.morlet import row_frequencies
from monai_fusion.sidecar import KIND, LAYOUT

ELECTRODES, ROWS, COLUMNS = 3, 12, 8


class Reader(nn.Module):
    """Two classes; the log-odds of class 1 is ``function(weights, segment)`` of each segment, plus the MRI's mean."""

    def __init__(self, weights: Tensor, square: bool = False) -> None:
        super().__init__()
        self.weights = nn.Parameter(weights)
        self.square = square

    def encode_eeg(self, eeg: Tensor) -> Tensor:
        values = eeg**2 if self.square else eeg
        return (values * self.weights).flatten(1).sum(dim=1, keepdim=True)

    def encode_mri(self, mri: Tensor) -> Tensor:
        return mri.flatten(1).mean(dim=1, keepdim=True)

    def fuse(self, eeg: Tensor | None, mri: Tensor | None, present: Tensor | None = None) -> dict[str, Tensor]:
        parts = [each for each in (eeg, mri) if each is not None]
        score = parts[0] + parts[1] if len(parts) == 2 else parts[0]
        return {"logits": torch.cat([torch.zeros_like(score), score], dim=1)}


def weights(seed: int = 0) -> Tensor:
    return torch.randn(ELECTRODES, ROWS, COLUMNS, generator=torch.Generator().manual_seed(seed))


def participant(segments: int = 5, files: tuple[Path, ...] = (), seed: int = 1, with_mri: bool = True) -> Explained:
    draws = torch.Generator().manual_seed(seed)
    eeg = torch.randn(segments, ELECTRODES, ROWS, COLUMNS, generator=draws)
    mri = torch.rand(1, 1, 2, 2, 2, generator=draws) if with_mri else None
    return Explained("sub-07", eeg, mri, files)


def embedded(network: nn.Module, who: Explained, target: int = 1) -> tuple[Scorer, Embeddings]:
    scorer = Scorer(network, target)
    return scorer, scorer.embed(who.eeg, who.mri)


def sidecar(folder: Path, stem: str = "sub-07_EO", segments: int = 5, **changed: object) -> tuple[Path, ...]:
    """Write a sidecar; return the names of its scalograms, which do not exist."""
    names = [f"{stem}_seg{number}.npy" for number in range(segments)]
    content = {
        "Kind": KIND,
        "Layout": LAYOUT,
        "Finished": True,
        "Files": names,
        "Electrodes": ["F3", "Cz", "O1"],
        "RowFrequenciesHz": [round(float(each), 4) for each in row_frequencies(ROWS)],
        "SegmentSeconds": 10.0,
        **changed,
    }
    (folder / f"{stem}_scalogram.json").write_text(json.dumps(content))
    return tuple(folder / name for name in names)
