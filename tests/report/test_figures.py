"""What the figures are made of: curves with bands, maps, swarms, stages, colours."""

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from sklearn.metrics import precision_recall_curve, roc_auc_score, roc_curve

from monai_fusion.report.curves import GRID, bootstrap_counts, precision_recall, read_at_grid, roc
from monai_fusion.report.gate_figure import swarm
from monai_fusion.report.learning import draw_learning_curves, parse_history
from monai_fusion.report.maps import LDA_NEEDS, lda_of, pca_of
from monai_fusion.report.style import CLASS_COLOURS, abbreviated, drawing, legend_below, new_figure, to_svg


def people(number: int, apart: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    positive = np.arange(number) % 3 == 0
    return np.round(generator.normal(size=number) + apart * positive, 1), positive  # rounded: there are ties


def test_a_curve_on_the_grid_takes_the_top_of_a_step_and_the_line_between_points() -> None:
    at = read_at_grid(np.array([0.0, 0.0, 0.5, 0.5, 1.0]), np.array([0.0, 0.2, 0.4, 0.8, 1.0]))
    assert at[GRID == 0] == 0.2 and at[GRID == 0.5] == 0.8
    assert at[GRID == 0.25] == pytest.approx(0.3) and at[GRID == 0.75] == pytest.approx(0.9)


def test_the_curves_are_scikit_learns() -> None:
    scores, positive = people(90, 1.0)
    x, y, _ = roc_curve(positive, scores, drop_intermediate=False)
    found = roc(scores, positive, draws=5, seed=0)
    np.testing.assert_array_equal((found.x, found.y), (x, y))
    precision, recall, _ = precision_recall_curve(positive, scores)
    found = precision_recall(scores, positive, draws=5, seed=0)
    np.testing.assert_array_equal((found.x, found.y), (recall[::-1], precision[::-1]))


def test_a_copy_counts_as_scikit_learn_does_with_weights() -> None:
    scores, positive = people(40, 0.8)
    hits, misses = bootstrap_counts(scores, positive, draws=3, seed=4)
    generator = np.random.default_rng(4)
    order = np.argsort(-scores, kind="stable")
    weights = np.zeros((3, 40))
    for group in (positive[order], ~positive[order]):
        number = group.sum()
        weights[:, group] = generator.multinomial(number, np.full(number, 1 / number), size=3)
    for row in range(3):
        x, y, _ = roc_curve(positive[order], scores[order], sample_weight=weights[row], drop_intermediate=False)
        known = read_at_grid(x, y)
        ours = read_at_grid(np.append(0, misses[row] / misses[row, -1]), np.append(0, hits[row] / hits[row, -1]))
        np.testing.assert_allclose(ours, known, atol=1e-12)
        assert (hits[row, -1], misses[row, -1]) == (positive.sum(), (~positive).sum())  # drawn within each class


@pytest.mark.parametrize("curve", [roc, precision_recall])
def test_a_band_is_repeatable_holds_its_curve_and_narrows_with_more_participants(curve) -> None:  # type: ignore[no-untyped-def]
    few, many = (curve(*people(number, 1.0), draws=300, seed=1) for number in (30, 600))
    again = curve(*people(30, 1.0), draws=300, seed=1)
    np.testing.assert_array_equal((few.low, few.high), (again.low, again.high))
    assert (curve(*people(30, 1.0), draws=300, seed=2).low != few.low).any()
    inside = slice(20, 180)
    own = read_at_grid(few.x, few.y)[inside]
    assert np.mean((few.low[inside] <= own) & (own <= few.high[inside])) > 0.95
    assert (many.high - many.low).mean() < 0.6 * (few.high - few.low).mean()


def test_the_band_of_perfect_scores_is_the_curve_itself() -> None:
    positive = np.arange(20) < 8
    found = roc(positive.astype(float), positive, draws=50, seed=0)
    assert (found.low == 1).all() and (found.high == 1).all()


def test_an_lda_needs_enough_participants_of_each_class() -> None:
    generator = np.random.default_rng(0)
    embeddings = generator.normal(size=(2 * LDA_NEEDS, 6))
    labels = np.repeat([0, 1], LDA_NEEDS)
    assert lda_of(embeddings, labels) is not None
    assert lda_of(embeddings[1:], labels[1:]) is None
    assert lda_of(embeddings, np.zeros_like(labels)) is None


def test_an_lda_of_noise_separates_no_classes_and_of_signal_does() -> None:
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1], 40)
    noise = generator.normal(size=(80, 200))
    apart = noise + 3 * labels[:, None] * (np.arange(200) == 5)
    scores = {name: lda_of(values, labels) for name, values in (("noise", noise), ("apart", 3 * apart))}
    assert all(found is not None for found in scores.values())
    areas = {name: roc_auc_score(labels, found.points[:, 0]) for name, found in scores.items() if found}
    assert areas["noise"] < 0.68 and areas["apart"] > 0.85


def test_three_classes_are_mapped_to_a_plane_as_well() -> None:
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 25)
    centres = np.array([[4, 0, 0], [0, 4, 0], [0, 0, 4]])
    found = lda_of(
        np.hstack([generator.normal(size=(75, 3)) + centres[labels], generator.normal(size=(75, 20))]), labels
    )
    assert found is not None and found.points.shape == (75, 2)
    means = np.array([found.points[labels == label].mean(axis=0) for label in range(3)])
    within = np.mean([found.points[labels == label].std() for label in range(3)])
    assert min(np.linalg.norm(means[a] - means[b]) for a, b in ((0, 1), (0, 2), (1, 2))) > 2 * within


def test_a_pca_states_how_much_its_axes_show() -> None:
    values = np.zeros((10, 5))
    values[:, 1], values[:, 3] = np.arange(10) * 3, np.tile([1, -1], 5)
    found = pca_of(values)
    assert found is not None
    assert found.axes[0].startswith("component 1 (99 %") and found.axes[1].startswith("component 2 (1 %")
    assert pca_of(np.ones((10, 5))) is None and pca_of(values[:2]) is None


def test_dots_at_the_same_place_stand_above_each_other() -> None:
    heights = swarm(np.array([0.501, 0.502, 0.503, 0.9]))
    assert len(set(heights[:3])) == 3 and heights[3] == 0 and heights.max() <= 0.5


def test_a_history_knows_where_stages_begin_and_which_epoch_was_best() -> None:
    rows = [
        {"epoch": str(epoch), "stage": stage, "cross_entropy": loss, "note": "x"}
        for epoch, stage, loss in ((1, "A", "0.9"), (2, "A", ""), (3, "B", "0.5"), (4, "B", "0.5"), (5, "C", "0.7"))
    ]
    history = parse_history(rows)
    assert history is not None
    assert history.boundaries == [(2.5, "B"), (4.5, "C")] and history.best_epoch == 4
    assert set(history.columns) == {"epoch", "cross_entropy"} and np.isnan(history.columns["cross_entropy"][1])
    assert history.best_by == "validation cross-entropy"
    assert parse_history([]) is None and parse_history([{"epoch": "one"}]) is None


def test_a_history_that_has_the_balanced_cross_entropy_is_judged_by_it() -> None:
    rows = [
        {"epoch": str(epoch), "stage": "A", "cross_entropy": plain, "balanced_cross_entropy": balanced}
        for epoch, plain, balanced in ((1, "0.3", "0.6"), (2, "0.4", "0.5"), (3, "0.5", "0.7"))
    ]
    history = parse_history(rows)
    assert history is not None and history.best_epoch == 2
    assert history.best_by == "validation cross-entropy (each class weighted equally)"
    (losses,), _ = draw_learning_curves(history)
    assert [sentence.split(":")[0] for sentence in losses.values] == [
        "validation cross-entropy (each class weighted equally)",
        "validation cross-entropy",
    ]


def test_drawing_leaves_the_callers_settings_as_they_were() -> None:
    before = dict(mpl.rcParams)
    with drawing():
        figure, axes = new_figure()
        axes.plot([0, 1], [0, 1], label="$x_1$ \x0b <b>")
        axes.legend()
        drawn = to_svg(figure, "name", 'a "quoted" <description>')
    assert dict(mpl.rcParams) == before
    assert "$x_1$ ? &lt;b&gt;" in drawn and "<description>" not in drawn


@pytest.mark.parametrize(
    "names",
    [
        ["F"],
        ["young", "old", "middle"],
        ["a long name of a class", "another one", "M"],
        ["training loss", "validation cross-entropy (each class weighted equally)"],  # wider than the figure
    ],
)
def test_a_legend_below_the_axes_meets_neither_their_labels_nor_the_edge(names: list[str]) -> None:
    with drawing():
        figure, axes = new_figure(3.3)
        for name in names:
            axes.plot([0, 1], [0, 1], label=name)
        axes.set(xlabel="false positive rate", title="ROC", aspect="equal")
        legend_below(figure, axes)
        to_svg(figure, "name", "description")
        width, height = figure.get_size_inches() * figure.dpi
        (legend,) = figure.legends
        assert legend.get_window_extent().y1 <= axes.xaxis.label.get_window_extent().y0
        assert legend.get_window_extent().x0 >= 0 and legend.get_window_extent().x1 <= width
        assert axes.title.get_window_extent().y1 <= height


def test_long_names_keep_their_ends() -> None:
    assert abbreviated("right") == "right"
    assert abbreviated("participants of group 12") == "partici…oup 12" and len(abbreviated("x" * 99)) == 14


# Machado, Oliveira & Fernandes, IEEE TVCG 15 (2009), severity 1.0; on linear RGB.
DEFICIENCIES = {
    "none": np.eye(3),
    "protanopia": np.array([[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]]),
    "deuteranopia": np.array([[0.3673, 0.8606, -0.2280], [0.2801, 0.6727, 0.0472], [-0.0118, 0.0429, 0.9689]]),
    "tritanopia": np.array([[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]]),
}


@pytest.mark.parametrize("name", DEFICIENCIES)
def test_the_first_classes_are_distinguishable_with_any_colour_vision(name: str) -> None:
    def lab(hexadecimal: str) -> np.ndarray:
        encoded = np.array(to_rgb(hexadecimal))
        linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
        seen = np.clip(DEFICIENCIES[name] @ linear, 0, 1)
        to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
        ratio = to_xyz @ seen / np.array([0.9505, 1.0, 1.089])
        root = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
        return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])

    colours = [lab(colour) for colour in CLASS_COLOURS[:4]]
    distances = [np.linalg.norm(one - other) for place, one in enumerate(colours) for other in colours[:place]]
    assert min(distances) > 15  # CIE 1976; 2.3 is just noticeable
