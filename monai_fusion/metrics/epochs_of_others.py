"""For each validation participant: what the network predicted at the epoch that the *other* ones would have chosen.

The validation part chooses the epoch, so that its predictions at that epoch are a little too good to stand for those of
new participants. A participant's prediction at the epoch that the others choose is not: `prediction_sets` rests on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monai_fusion.metrics.scores import Floats, Labels, cross_entropies


@dataclass
class EpochsOfOthers:
    """The best epoch so far without each participant.

    Attributes:
        labels: [participant].
        scores: [participant] The lowest score of the others so far.
        probabilities: [participant, class] The network's own, of this participant, at that epoch.
    """

    labels: Labels
    scores: Floats
    probabilities: Floats

    @classmethod
    def start(cls, probabilities: Floats, labels: Labels) -> EpochsOfOthers:
        """Begin with a first epoch, which any other one beats."""
        return cls(labels, np.full(len(labels), np.inf), probabilities)

    def add(self, probabilities: Floats, always: bool = False) -> None:
        """Add an epoch: take it for each participant without whom its score is the best; ties go to the later one.

        Args:
            probabilities: [participant, class], the network's own at this epoch.
            always: Whether the last epoch is kept whatever its score: then there is no choice.
        """
        found = scores_without_each(probabilities, self.labels)
        better = np.full(len(found), True) if always else found <= self.scores  # NaN is not
        self.scores = np.where(better, found, self.scores)
        self.probabilities = np.where(better[:, np.newaxis], probabilities, self.probabilities)


def scores_without_each(probabilities: Floats, labels: Labels) -> Floats:
    """Return the score that chooses the epoch, the balanced cross-entropy, without each participant in turn.

    Args:
        probabilities: [participant, class].
        labels: [participant].

    Returns:
        [participant]; NaN for a single participant.
    """
    losses = cross_entropies(probabilities, labels)
    counts = np.bincount(labels)
    sums = np.bincount(labels, weights=losses)
    there = counts > 0
    means = np.where(there, sums / np.maximum(counts, 1), 0.0)
    left = counts[labels] - 1
    own = np.where(left > 0, (sums[labels] - losses) / np.maximum(left, 1), 0.0)
    classes = there.sum() - (left == 0)
    with np.errstate(invalid="ignore"):
        found: Floats = np.where(classes > 0, (means.sum() - means[labels] + own) / np.maximum(classes, 1), np.nan)
    return found
