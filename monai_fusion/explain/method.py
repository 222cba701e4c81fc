"""What a method of explanation is: it turns one participant's recordings into arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from monai_fusion.explain.scoring import Embeddings, Scorer

Arrays = Mapping[str, NDArray[np.generic]]
Step = Callable[[int], None]
"""Called with the number of passes (of one segment or one volume through its encoder) that are newly done."""


@dataclass(frozen=True)
class Explained:
    """A participant whose prediction is explained: the preprocessed recordings, as the network takes them.

    Attributes:
        participant_id: The id.
        eeg: [S, 17, F, T] float32 (segment, electrode, frequency, time), z-scored; None without an EEG.
        mri: [1, C, T, H, W] float32 in [0, 1]; None without an MRI.
        eeg_files: The scalogram of each segment, for its sidecar; empty without an EEG.
        mri_file: The NIfTI file, for its space; None without an MRI.
        label: The class index; None where it is not known.
    """

    participant_id: str
    eeg: Tensor | None
    mri: Tensor | None
    eeg_files: tuple[Path, ...] = ()
    mri_file: Path | None = None
    label: int | None = None


class Method(Protocol):
    """A method of explanation.

    Attributes:
        name: As users type it, such as ``eeg_occlusion``; also the folder of its files.
        recording: What it explains. It is not asked about participants who lack this recording.
    """

    name: str
    recording: Literal["eeg", "mri"]

    def passes(self, participant: Explained) -> int:
        """How many passes of one segment or one volume the participant costs, for the progress bar."""

    def __call__(self, scorer: Scorer, participant: Explained, embeddings: Embeddings, step: Step) -> Arrays:
        """Explain one participant.

        Args:
            scorer: Scores of the class that is explained.
            participant: The recordings.
            embeddings: Of these recordings, by this scorer's network.
            step: To be called as the work goes on.

        Returns:
            Arrays by name, in the network's space and in units of logit, that ``numpy.savez_compressed`` can keep and
            ``allow_pickle=False`` can read.
        """

    def settings(self) -> Mapping[str, object]:
        """What changes its numbers (JSON values): a kept file with other settings is computed again."""
