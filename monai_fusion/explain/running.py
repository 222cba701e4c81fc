"""The explanation of a trained model: every method for every participant, kept as it goes."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import xxhash
from torch import Tensor
from tqdm import tqdm

from monai_fusion.data.fusion_dataset import FusionDataset
from monai_fusion.datalist import ParticipantRecord
from monai_fusion.errors import RunFailed
from monai_fusion.explain.kept_arrays import KeptArrays, file_stems, settings_digest
from monai_fusion.explain.method import Arrays, Explained, Method, Step
from monai_fusion.explain.modality_values import REFERENCES, ModalityValuer, ModalityValues, Reference
from monai_fusion.explain.scoring import Embeddings, Scorer
from monai_fusion.explain.settings import MODALITY, ExplanationSettings
from monai_fusion.keys import EEG, MRI
from monai_fusion.messages import hide_bars
from monai_fusion.networks.digests import tensors_digest
from monai_fusion.spreading import spread
from monai_fusion.wording import counted

logger = logging.getLogger(__name__)

EMBEDDINGS = "embeddings"
# How much longer an MRI's pass through its encoder takes than a segment's, by their multiplications.
_EEG_COST, _MRI_COST = 1, 70


@dataclass(frozen=True)
class ExplainedParticipant:
    """What is known of one participant after the run.

    Attributes:
        participant_id: The id.
        stem: The name of the participant's files.
        label: Class index; None where it is not known.
        recordings: ``both``, ``eeg`` or ``mri``.
        segments: How many EEG segments were explained.
        score: Log-odds of the explained class, the mean over these segments.
        values: What each recording is worth; None if that was not asked for.
    """

    participant_id: str
    stem: str
    label: int | None
    recordings: str
    segments: int
    score: float
    values: ModalityValues | None = None


class ExplanationRun:
    """Explains the predictions of a model for the participants of a dataset.

    What a stopped run has computed is kept in the folder; the next run goes on with what was made from the same
    recordings, model and settings.

    Args:
        scorer: Scores of the explained class. Its network has its weights when the run begins; it is put into
            evaluation mode, and gets no gradients of its parameters.
        dataset: With ``segments="all"``.
        folder: The explanation folder; it exists.
        settings: What is explained.
        methods: The methods of ``settings.methods`` that explain a recording.
        segment_batch_size: EEG segments that are encoded together.
    """

    def __init__(
        self,
        scorer: Scorer,
        dataset: FusionDataset,
        folder: str | os.PathLike[str],
        settings: ExplanationSettings,
        methods: Sequence[Method],
        segment_batch_size: int = 16,
    ) -> None:
        self.dataset = dataset
        self.folder = Path(folder)
        self.settings = settings
        self.methods = list(methods)
        self.at_once = segment_batch_size
        self.scorer = scorer
        scorer.module.eval().requires_grad_(False)
        self.references = 0
        self._made: dict[str, dict[str, str]] = {}
        self._model = ""
        self._places = {record.participant_id: place for place, record in enumerate(dataset.records)}
        self.stems = file_stems(self._places)

    def run(self) -> list[ExplainedParticipant]:
        """Explain all participants; returns them in the dataset's order.

        Raises:
            OSError: The disk is full or read-only.
        """
        self._model, self._made = tensors_digest(self.scorer.module.state_dict()), {}
        wanted = self.settings.participants
        chosen = [name for name in self._places if wanted is None or name in wanted]
        valuer = self._valuer() if MODALITY in self.settings.methods else None
        found = []
        total = sum(self._cost(method, each) for each in self.sizes(chosen) for method in self.methods)
        with _bar("explaining", total) as bar:
            for number, name in enumerate(chosen, start=1):
                bar.set_description(f"explaining {number} of {len(chosen)}")
                found.append(self._explain(name, valuer, bar))
        return found

    def explained_by(self, method: str) -> list[str]:
        """The participants whose arrays of a method the last :meth:`run` made or found, in the dataset's order."""
        return list(self._made.get(method, {}))

    def arrays(self, method: str, name: str) -> Arrays:
        """The arrays of a method for one of :meth:`explained_by`.

        Raises:
            RunFailed: The file was removed or damaged since.
        """
        kept = KeptArrays(self.folder, method)
        found = kept.read(self.stems[name], self._made[method][name])
        if found is None:
            raise RunFailed(f"{kept.path(self.stems[name])} has changed while the program ran", "run the command again")
        return found

    def sizes(self, names: Sequence[str]) -> list[Explained]:
        """Participants without data, of the right shapes: what methods estimate their cost from."""
        first: dict[str, torch.Size] = {}
        for name in names:
            if len(first) == 2:
                break
            known = self.participant(name)
            first |= {key: value.shape for key, value in ((EEG, known.eeg), (MRI, known.mri)) if value is not None}
        found = []
        for name in names:
            record = self.dataset.records[self._places[name]]
            count = min(len(record.eeg), self.settings.segments)
            eeg = torch.empty(count, *first[EEG][1:], device="meta") if count else None
            mri = torch.empty(first[MRI], device="meta") if record.mri is not None else None
            found.append(Explained(name, eeg, mri))
        return found

    def digests(self, method: str) -> dict[str, str]:
        """What identifies the arrays of a method, by participant."""
        return dict(self._made.get(method, {}))

    @contextmanager
    def bar(self, title: str, passes: int, method: Method) -> Iterator[Step]:
        """Show a progress bar for passes of a method; yields what counts them."""
        weight = _weight(method)
        with _bar(title, passes * weight) as bar:
            yield partial(_advance, bar, weight)

    def record(self, name: str) -> ParticipantRecord:
        """The record of a participant."""
        return self.dataset.records[self._places[name]]

    def participant(self, name: str) -> Explained:
        """Read the recordings of a participant."""
        place = self._places[name]
        record = self.dataset.records[place]
        chosen = self.dataset.chosen_segments(place)
        segments = [chosen[index] for index in spread(0, len(chosen), self.settings.segments)]
        item = self.dataset.recordings(place, segments)
        mri = item.get(MRI)
        return Explained(
            participant_id=name,
            eeg=item.get(EEG),
            mri=None if mri is None else mri[None],
            eeg_files=self.dataset.segment_files(place, segments),
            mri_file=record.mri,
            label=record.label,
        )

    def embeddings(self, participant: Explained) -> Embeddings:
        """The embeddings of a participant's recordings: kept, or computed and kept."""
        return self._embeddings(participant, self._made_from(participant))

    def _embeddings(self, participant: Explained, made_from: Mapping[str, Any]) -> Embeddings:
        kept, stem = KeptArrays(self.folder, EMBEDDINGS), self.stems[participant.participant_id]
        digest = settings_digest(made_from)
        arrays: Mapping[str, Any] | None = kept.read(stem, digest)
        if arrays is None:
            found = self.scorer.embed(participant.eeg, participant.mri, self.at_once)
            pairs = ((EEG, found.eeg), (MRI, found.mri))
            arrays = {name: value.cpu().numpy() for name, value in pairs if value is not None}
            kept.write(stem, digest, arrays)
        tensors = [
            torch.from_numpy(arrays[name]).to(self.scorer.device) if name in arrays else None for name in (EEG, MRI)
        ]
        return Embeddings(*tensors)

    def _explain(self, name: str, valuer: ModalityValuer | None, bar: tqdm) -> ExplainedParticipant:
        participant = self.participant(name)
        made_from = self._made_from(participant)  # reads all of the recordings: once
        embeddings = self._embeddings(participant, made_from)
        for method in self.methods:
            if not _has(participant, method.recording):
                continue
            kept, digest = KeptArrays(self.folder, method.name), self._key(method, made_from)
            self._made.setdefault(method.name, {})[name] = digest
            if kept.read(self.stems[name], digest) is not None:
                bar.total -= self._cost(method, participant)
                bar.refresh()
                continue
            step = partial(_advance, bar, _weight(method))
            arrays = method(self.scorer, participant, embeddings, step)
            kept.write(self.stems[name], digest, cast(Mapping[str, Any], arrays))
        return ExplainedParticipant(
            participant_id=name,
            stem=self.stems[name],
            label=participant.label,
            recordings=_recordings(participant),
            segments=0 if participant.eeg is None else len(participant.eeg),
            score=self.scorer.of_participant(embeddings),
            values=None if valuer is None else valuer(embeddings),
        )

    def _valuer(self) -> ModalityValuer:
        """References are spread evenly over all participants of the part, also over those who are not explained."""
        both = [name for name, place in self._places.items() if self._is_whole(place)] or list(self._places)
        chosen = [both[index] for index in spread(0, len(both), REFERENCES)]
        self.references = len(chosen)
        logger.info(
            "what each recording is worth: against %s of this part", counted(len(chosen), "reference participant")
        )
        references = [self.embeddings(self.participant(name)) for name in chosen]
        return ModalityValuer(self.scorer, references, cast(Reference, self.settings.modality_reference))

    def _is_whole(self, place: int) -> bool:
        return bool(self.dataset.records[place].eeg) and self.dataset.records[place].mri is not None

    def _cost(self, method: Method, participant: Explained) -> int:
        return method.passes(participant) * _weight(method) if _has(participant, method.recording) else 0

    def _key(self, method: Method, made_from: Mapping[str, Any]) -> str:
        own = {"method": method.name, **method.settings(), "target": self.scorer.target}
        return settings_digest({**made_from, **own})

    def _made_from(self, participant: Explained) -> dict[str, Any]:
        """What all arrays of a participant depend on."""
        recordings = {EEG: _digest(participant.eeg), MRI: _digest(participant.mri)}
        computed_by = {"model": self._model, "precision": self.scorer.precision}
        return {"participant": participant.participant_id, **computed_by, **recordings}


def _bar(title: str, total: int) -> tqdm:
    return tqdm(total=total, desc=title, unit="pass", leave=False, disable=hide_bars())


def _advance(bar: tqdm, weight: int, done: int) -> None:
    bar.update(weight * done)


def _weight(method: Method) -> int:
    return _EEG_COST if method.recording == "eeg" else _MRI_COST


def _has(participant: Explained, recording: str) -> bool:
    return (participant.eeg if recording == EEG else participant.mri) is not None


def _recordings(participant: Explained) -> str:
    if participant.eeg is None:
        return MRI
    return EEG if participant.mri is None else "both"


def _digest(recording: Tensor | None) -> str | None:
    return None if recording is None else xxhash.xxh3_128_hexdigest(np.ascontiguousarray(recording.numpy()).data)
