"""Gradients on paths that begin at other participants' recordings, in place of a blank one.

Expected gradients (Erion et al., Nature Machine Intelligence 3:620, 2021): integrated gradients, averaged over
references. A blank recording is unlike all that the network has seen; what the network does on the way from it has
little to do with what makes two participants different. From another participant's recording the question is: what in
mine makes the score differ from theirs?
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from monai_fusion.errors import InputError, Problem
from monai_fusion.explain.eeg_axes import axes_of
from monai_fusion.explain.method import Arrays, Explained, Step
from monai_fusion.explain.method_parts import GRADIENT_PASSES, completeness_error, recording_digest
from monai_fusion.explain.scoring import Embeddings, Scorer
from monai_fusion.explain.weight_randomisation import chosen_participants

Recording = Literal["eeg", "mri"]


class ReferenceGradients:
    """Methods ``eeg_reference_gradients`` and ``mri_reference_gradients``.

    The attributions of a participant add up to the score less the mean score of the references, but for the midpoint
    rule: what it misses is the completeness error. Computed in float32 in any precision.

    Args:
        recording: What is explained.
        references: Recordings of other participants, by id, as the network takes them: [S, 17, F, T], of which each of
            the explained segments meets one after the other, or [1, C, T, H, W]. Those of the explained participant do
            not count. Best as many of each class. A recording is asked for only when it is needed, and once.
        steps: Points of each path.
        batch_size: Points in one pass; it affects memory and speed only.

    Raises:
        InputError: There are fewer than two references, so that a participant among them may be left without one.
    """

    def __init__(
        self, recording: Recording, references: Mapping[str, Tensor], steps: int = 8, batch_size: int = 8
    ) -> None:
        self.name = f"{recording}_reference_gradients"
        self.recording: Recording = recording
        self.references, self.names = references, sorted(references)
        self.steps, self.batch_size = steps, batch_size
        self._digests: dict[str, str] = {}
        if len(self.names) < 2 or min(steps, batch_size) < 1:
            seen = f"{len(self.names)} references, {steps} steps, batches of {batch_size}"
            raise InputError(Problem(self.name, seen=seen, wanted="2 references or more, 1 step or more"))

    def settings(self) -> Mapping[str, object]:
        """What changes the numbers: also what the references' recordings hold, which are read for it."""
        for name in self.names:
            if name not in self._digests:
                self._digests[name] = recording_digest(self.references[name])
        return {"references": dict(self._digests), "steps": self.steps}

    def passes(self, participant: Explained) -> int:
        """Each point of each path with its gradient, and both of its ends."""
        others = sum(name != participant.participant_id for name in self.names)
        return len(self._own(participant)) * others * (self.steps * GRADIENT_PASSES + 2)

    def __call__(self, scorer: Scorer, participant: Explained, embeddings: Embeddings, step: Step) -> Arrays:
        """Integrate the gradients from each reference to each segment, or to the volume.

        Returns:
            ``attributions`` [electrode, frequency, time] or [T, H, W] float32, in logit: the mean over segments and
            references, added up over channels of a volume; ``scores`` and ``baseline_scores`` [segment or volume]
            float32, of it and of its references; ``sums`` and ``completeness_error``, as integrated gradients have
            them; of the EEG also the axes.
        """
        single, own, others = scorer.at("float32"), self._own(participant), self._others(participant)

        def score(batch: Tensor) -> Tensor:
            is_eeg = self.recording == "eeg"
            return single.of_segments(batch, embeddings) if is_eeg else single.of_volumes(batch, embeddings)

        total = np.zeros(tuple(own.shape[1:]), np.float64)
        ends = np.zeros((len(own), len(others), 2))
        sums = np.zeros(len(own))
        for place, each in enumerate(own):
            for number, reference in enumerate(others):
                pair = torch.stack([each, reference[place % len(reference)]]).to(single.device)
                with torch.no_grad():
                    ends[place, number] = [float(score(one[None])[0]) for one in pair]
                step(2)
                path = self._path(score, pair[0], pair[1], step)
                total += path
                sums[place] += path.sum() / len(others)
        values = (total / (len(own) * len(others))).astype(np.float32)
        scores, baselines = ends[..., 0].mean(axis=1), ends[..., 1].mean(axis=1)
        axes = (
            axes_of(participant.participant_id, participant.eeg_files, (own.shape[1], own.shape[2], own.shape[3]))
            if self.recording == "eeg"
            else None
        )
        return {
            "attributions": values if axes is not None else values.sum(axis=0),
            "scores": scores.astype(np.float32),
            "baseline_scores": baselines.astype(np.float32),
            "sums": sums.astype(np.float32),
            "completeness_error": completeness_error(sums, scores - baselines),
            **({} if axes is None else axes.arrays()),
        }

    def _path(self, score: Callable[[Tensor], Tensor], end: Tensor, start: Tensor, step: Step) -> NDArray[np.float64]:
        """The difference times the mean gradient between two recordings, by the midpoint rule."""
        gradients = torch.zeros_like(end, dtype=torch.float64)
        points = (torch.arange(self.steps) + 0.5) / self.steps
        for some in torch.split(points, self.batch_size):
            parts = some.to(end).view(-1, *(1 for _ in end.shape))
            batch = (start + parts * (end - start)).requires_grad_()
            with torch.enable_grad():
                (found,) = torch.autograd.grad(score(batch).sum(), batch)
            gradients += found.double().sum(dim=0)
            step(len(some) * GRADIENT_PASSES)
        return np.asarray(((end - start).double() * gradients / self.steps).cpu().numpy(), np.float64)

    def _own(self, participant: Explained) -> Tensor:
        found = participant.eeg if self.recording == "eeg" else participant.mri
        if found is None:
            raise ValueError(f"a participant without the {self.recording}")
        return found

    def _others(self, participant: Explained) -> Sequence[Tensor]:
        return [self.references[name] for name in self.names if name != participant.participant_id]


class ReferenceRecordings(Mapping[str, Tensor]):
    """Recordings of a few participants, as many of each class, that are read when they are first asked for.

    Args:
        recording: Which.
        labels: The class of each participant who has it, by id; None where it is not known.
        read: Reads a participant's recordings.
        count: How many participants; at least one of each class.
    """

    def __init__(
        self, recording: Recording, labels: Mapping[str, object], read: Callable[[str], Explained], count: int = 4
    ) -> None:
        self.recording, self._read = recording, read
        self._kept: dict[str, Tensor] = {}
        groups: dict[object, list[str]] = {}
        for name, label in sorted(labels.items()):
            groups.setdefault(label, []).append(name)
        each = max(1, -(-count // max(1, len(groups))))
        self._names = sorted(name for group in groups.values() for name in chosen_participants(group, each))

    def __getitem__(self, name: str) -> Tensor:
        """Read the recording, or take it from the last time."""
        if name not in self._names:
            raise KeyError(name)
        if name not in self._kept:
            participant = self._read(name)
            found = participant.eeg if self.recording == "eeg" else participant.mri
            if found is None:
                raise ValueError(f"a reference without the {self.recording}")
            self._kept[name] = found
        return self._kept[name]

    def __iter__(self) -> Iterator[str]:
        """The ids."""
        return iter(self._names)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._names)
