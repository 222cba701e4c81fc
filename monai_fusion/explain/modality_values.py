"""How much each recording is worth for a participant: Shapley values of two players, exact, from the head alone.

The players are the two recordings; the value of a coalition is the score (log-odds) that the network gives with it.
With two players, the Shapley value (Shapley 1953) of the EEG is

    ((v(EEG) - v(neither)) + (v(both) - v(MRI))) / 2,

and the values of both add up to v(both) - v(neither). No recording is encoded again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from monai_fusion.explain.scoring import Embeddings, Scorer

REFERENCES = 16
"""The largest number of reference participants."""
_ROWS_AT_ONCE = 4096
Reference = Literal["swapped", "absent"]


@dataclass(frozen=True)
class ModalityValues:
    """The scores of the four coalitions, in units of logit; NaN where a participant lacks the recording.

    Attributes:
        both: With both recordings; of a participant with one, with this one.
        eeg: With the EEG alone.
        mri: With the MRI alone.
        neither: The mean score of the references: what is expected of a participant of whom nothing is known.
    """

    both: float
    eeg: float
    mri: float
    neither: float

    @property
    def of_eeg(self) -> float:
        """The Shapley value of the EEG; NaN without one."""
        if self.mri != self.mri:  # only the EEG is there: it has all of the change
            return self.eeg - self.neither
        return ((self.eeg - self.neither) + (self.both - self.mri)) / 2

    @property
    def of_mri(self) -> float:
        """The Shapley value of the MRI; NaN without one."""
        if self.eeg != self.eeg:
            return self.mri - self.neither
        return ((self.mri - self.neither) + (self.both - self.eeg)) / 2

    @property
    def interaction(self) -> float:
        """What both together add to the sum of either alone: v(both) - v(EEG) - v(MRI) + v(neither)."""
        return self.both - self.eeg - self.mri + self.neither


class ModalityValuer:
    """Values the recordings of participants.

    Args:
        scorer: Scores of the explained class.
        references: The embeddings of reference participants, who have both recordings.
        reference: What stands for a recording that is taken away: ``swapped``, those of each reference participant in
            turn, of which the scores are averaged; ``absent``, the embedding that the network has learned for a missing
            recording.

    Raises:
        ValueError: There are no references.
    """

    def __init__(self, scorer: Scorer, references: Sequence[Embeddings], reference: Reference = "swapped") -> None:
        if not references:
            raise ValueError("no references")
        self.scorer = scorer
        self.reference = reference
        both = [(each.eeg, each.mri) for each in references if each.eeg is not None and each.mri is not None]
        self._eeg = torch.cat([eeg for eeg, _ in both]) if both else None
        self._mri = torch.cat([mri for _, mri in both]) if both else None
        # Each reference counts once, however many segments it has.
        self._shares = torch.cat(
            [torch.full((len(eeg),), 1 / (len(eeg) * len(both))) for eeg, _ in both] or [torch.zeros(0)]
        )
        self.neither = sum(scorer.of_participant(each) for each in references) / len(references)

    @torch.no_grad()
    def __call__(self, own: Embeddings) -> ModalityValues:
        """Value the recordings of one participant."""
        both = self.scorer.of_participant(own)
        if own.eeg is None or own.mri is None:
            eeg, mri = (both, float("nan")) if own.mri is None else (float("nan"), both)
            return ModalityValues(both, eeg, mri, self.neither)
        return ModalityValues(both, self._with_eeg(own.eeg), self._with_mri(own.mri), self.neither)

    def _with_eeg(self, eeg: Tensor) -> float:
        if self.reference == "absent":
            return self.scorer.of_participant(Embeddings(eeg, None))
        assert self._mri is not None  # noqa: S101 # a participant with both recordings is a reference
        rows = Embeddings(eeg.repeat_interleave(len(self._mri), dim=0), self._mri.repeat(len(eeg), 1))
        return float(self._scores(rows).mean())

    def _with_mri(self, mri: Tensor) -> float:
        if self.reference == "absent":
            return self.scorer.of_participant(Embeddings(None, mri))
        assert self._eeg is not None  # noqa: S101 # as above
        return float((self._scores(Embeddings(self._eeg, mri.expand(len(self._eeg), -1))) * self._shares).sum())

    def _scores(self, rows: Embeddings) -> Tensor:
        """[N] float64 on the CPU."""
        assert rows.eeg is not None and rows.mri is not None  # noqa: S101 # the caller gave both
        parts = zip(torch.split(rows.eeg, _ROWS_AT_ONCE), torch.split(rows.mri, _ROWS_AT_ONCE), strict=True)
        return torch.cat([self.scorer.fused(Embeddings(*part)) for part in parts]).double().cpu()
