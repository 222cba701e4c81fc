"""Maps of the participants: their embeddings in two dimensions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.lines import Line2D
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline

from monai_fusion.report.style import (
    INK,
    MUTED,
    Picture,
    abbreviated,
    colour,
    drawing,
    legend_below,
    marker,
    new_figure,
)
from monai_fusion.wording import counted

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LDA_NEEDS = 20
"""With fewer participants of a class, an LDA of hundreds of dimensions separates any data."""

_LDA_COMPONENTS = 10  # of a PCA before it: half of the smallest class, as a rule of thumb
_LDA_FOLDS = 10
_FEW = 100  # participants; with more, the markers are smaller


@dataclass(frozen=True, slots=True)
class Projection:
    """Points in the plane.

    Attributes:
        points: [N, 2].
        axes: The labels of the axes.
    """

    points: Floats
    axes: tuple[str, str]


def pca_of(embeddings: Floats) -> Projection | None:
    """The first two principal components of [N, D]; None for fewer than three participants or equal embeddings."""
    if len(embeddings) < 3 or embeddings.shape[1] < 2 or np.ptp(embeddings, axis=0).max() < 1e-12:
        return None
    pca = PCA(n_components=2, svd_solver="full")
    points = pca.fit_transform(embeddings)
    shares = 100 * pca.explained_variance_ratio_
    first, second = (f"component {place} ({share:.0f} % of variance)" for place, share in enumerate(shares, 1))
    return Projection(points, (first, second))


def lda_of(embeddings: Floats, labels: Ints) -> Projection | None:
    """Held-out linear discriminant scores: each participant is placed by an LDA that was fitted without them.

    Args:
        embeddings: [N, D].
        labels: [N] class indices.

    Returns:
        For two classes the score against the first principal component, for more the first two principal components of
        the scores; None if a class that occurs has fewer than `LDA_NEEDS` participants, or only one occurs.
    """
    present, counts = np.unique(labels, return_counts=True)
    if len(present) < 2 or counts.min() < LDA_NEEDS:
        return None
    model = make_pipeline(
        PCA(n_components=min(_LDA_COMPONENTS, embeddings.shape[1]), svd_solver="full"), LinearDiscriminantAnalysis()
    )
    folds = StratifiedKFold(_LDA_FOLDS, shuffle=True, random_state=0)
    scores = cross_val_predict(model, embeddings, labels, cv=folds, method="decision_function")
    if scores.ndim == 1:
        points = np.column_stack([scores, PCA(n_components=1, svd_solver="full").fit_transform(embeddings)[:, 0]])
        return Projection(points, ("discriminant score, held out", "component 1 of the PCA"))
    points = PCA(n_components=2, svd_solver="full").fit_transform(scores)
    return Projection(points, ("discriminant scores, held out: 1", "2"))


def draw_map(
    projection: Projection,
    labels: Sequence[int | None],
    wrong: Sequence[bool],
    classes: Sequence[str],
    name: str,
    title: str,
) -> Picture:
    """Draw a map: colour and marker show the true class, a ring a wrong prediction.

    Args:
        projection: Where the participants are.
        labels: Their classes; None if not known.
        wrong: Whether another class was predicted.
        classes: Class names.
        name: Of the figure, unique in a page.
        title: Above it.
    """
    with drawing():
        figure, axes = new_figure(3.3)
        small = min(1.0, (_FEW / len(labels)) ** 0.5)
        known = np.array([-1 if label is None else label for label in labels])
        for label in np.unique(known).tolist():
            x, y = projection.points[known == label].T
            text, shade, shape = "not known", MUTED, "o"
            if label >= 0:
                text, shade, shape = abbreviated(classes[label], 24), colour(label), marker(label)
            axes.scatter(x, y, s=34 * small, color=shade, marker=shape, alpha=0.8, linewidths=0, label=text)
        missed = projection.points[np.asarray(wrong, dtype=bool)]
        axes.scatter(
            missed[:, 0], missed[:, 1], s=120 * small, facecolors="none", edgecolors=INK, linewidths=0.6 + 0.6 * small
        )
        handles, texts = axes.get_legend_handles_labels()
        if len(missed):
            handles.append(Line2D([], [], linestyle="", marker="o", markersize=9, markerfacecolor="none", color=INK))
            texts.append("wrong")
        legend_below(figure, axes, handles, texts)
        axes.set(xlabel=projection.axes[0], ylabel=projection.axes[1], title=title)
        axes.margins(0.12)
        axes.set_xticklabels([])
        axes.set_yticklabels([])
        axes.tick_params(length=0)
    return Picture(name, title, figure, tuple(_described(projection.points, known, missed, classes)))


def _described(points: Floats, known: Ints, missed: Floats, classes: Sequence[str]) -> Iterator[str]:
    """A sentence for each class: the number of participants and their median position."""
    for label in np.unique(known).tolist():
        own = points[known == label]
        x, y = np.median(own, axis=0)
        named = classes[label] if label >= 0 else "Class not known"
        yield f"{named}: {len(own)} participants around ({x:.2f}, {y:.2f})."
    if len(missed):
        yield f"{counted(len(missed), 'wrong prediction')} {'has' if len(missed) == 1 else 'have'} a ring."
