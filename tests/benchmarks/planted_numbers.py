"""A logistic regression on 29 numbers of the planted cohort, on the folds of a comparison: what a network must beat.

The numbers say nothing of any place: the mean intensity of the prepared MRI, and 28 bands of 8 scalogram rows each,
averaged over time, electrodes and segments of the prepared EEG.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from monai_fusion.data import FusionDataset
from monai_fusion.datalist import read_datalist
from monai_fusion.sample_cohort.participant import FEMALE
from monai_fusion.workflow.preparation import configured_preprocessing

BANDS = 28
NUMBERS = 1 + BANDS
RIDGE = (0.001, 0.01, 0.1, 1.0, 10.0)  # scikit-learn's C: the best cross-entropy in five folds of the training decides
DRAWS = 2000
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scored:
    """Out-of-fold predictions: ``[participant]`` arrays in the same order for every method."""

    female: NDArray[np.bool_]
    fold: NDArray[np.int64]
    score: Floats
    predicted: NDArray[np.bool_]

    def auroc(self, drawn: NDArray[np.int64]) -> float:
        """Of the participants drawn, compared only within folds, each fold with equal weight."""
        folds = [drawn[self.fold[drawn] == fold] for fold in np.unique(self.fold)]
        return float(np.mean([roc_auc_score(self.female[each], self.score[each]) for each in folds]))

    def balanced_accuracy(self, drawn: NDArray[np.int64]) -> float:
        """Of the participants drawn, at each fold's own threshold."""
        right, female = self.predicted[drawn] == self.female[drawn], self.female[drawn]
        return float((right[female].mean() + right[~female].mean()) / 2)


SCORES = {"balanced accuracy": Scored.balanced_accuracy, "AUROC": Scored.auroc}


def numbers_of(datalist: Path, store: Path, overlay: Path) -> dict[str, Floats]:
    """The 29 numbers of every participant, from the recordings as the network gets them."""
    cohort = read_datalist(datalist)
    records = cohort.all_records
    data = FusionDataset(records, configured_preprocessing({}, store, overlay), segments="all")
    found = {}
    for place, record in enumerate(records):
        item = data[place]
        bands = np.asarray(item["eeg"]).mean(axis=(0, 1, 3)).reshape(BANDS, -1).mean(axis=1)
        found[record.participant_id] = np.array([float(np.asarray(item["mri"]).mean()), *bands])
    return found


def network_and_numbers(output: Path, variant: str, numbers: dict[str, Floats]) -> tuple[Scored, Scored]:
    """The predictions of a comparison's variant, and those of the regression on the same folds."""
    with (output / "out_of_fold.csv").open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["variant"] == variant]
    female = np.array([row["label"] == FEMALE for row in rows])
    fold = np.array([int(row["fold"]) for row in rows])
    score = np.array([float(row[f"probability_{FEMALE}"]) for row in rows])
    network = Scored(female, fold, score, np.array([row["predicted"] == FEMALE for row in rows]))
    of_numbers = np.empty(len(rows))
    for number in np.unique(fold):
        learned, labels = learned_from(output / "folds" / f"fold{number}.json", numbers)
        model = best_ridge(learned, labels).fit(learned, labels)
        tested = np.flatnonzero(fold == number)
        of_numbers[tested] = model.predict_proba(np.array([numbers[rows[k]["participant_id"]] for k in tested]))[:, 1]
    return network, Scored(female, fold, of_numbers, of_numbers > 0.5)


def learned_from(datalist: Path, numbers: dict[str, Floats]) -> tuple[Floats, NDArray[np.bool_]]:
    """The numbers and the classes of training and validation: the regression has no other use for the validation."""
    content = json.loads(datalist.read_text(encoding="utf-8"))
    rows = [*content["training"], *content["validation"]]
    return np.array([numbers[row["participant_id"]] for row in rows]), np.array(
        [row["label"] == FEMALE for row in rows]
    )


def best_ridge(numbers: Floats, labels: NDArray[np.bool_]) -> Pipeline:
    """The regression with the penalty whose cross-entropy is the lowest in five folds of these participants."""
    folds = StratifiedKFold(5, shuffle=True, random_state=0)

    def model(strength: float) -> Pipeline:
        regression = LogisticRegression(C=strength, class_weight="balanced", max_iter=5000)
        return make_pipeline(StandardScaler(), regression)

    def entropy(strength: float) -> float:
        said = cross_val_predict(model(strength), numbers, labels, cv=folds, method="predict_proba")
        return float(log_loss(labels, said))

    return model(min(RIDGE, key=entropy))


def compared(network: Scored, numbers: Scored, seed: int = 0) -> Iterator[tuple[str, Sequence[Floats]]]:
    """For each score: of the network, of the numbers and their difference, ``[value, low, high]`` of 95 %.

    Percentiles of a bootstrap of participants, drawn within fold and class, the same ones for both.
    """
    rng = np.random.default_rng(seed)
    everybody = np.arange(len(network.female))
    cells = [
        np.flatnonzero((network.fold == f) & (network.female == c)) for f in np.unique(network.fold) for c in (0, 1)
    ]
    draws = [np.concatenate([rng.choice(cell, len(cell)) for cell in cells]) for _ in range(DRAWS)]
    for name, score in SCORES.items():
        values = np.array([[score(network, each), score(numbers, each)] for each in (everybody, *draws)])
        both = np.column_stack([values, values[:, 0] - values[:, 1]])
        yield name, [np.array([column[0], *np.percentile(column[1:], [2.5, 97.5])]) for column in both.T]
