"""The answer of a comparison in words: what is claimed in which case, and what is not."""

from typing import Any

import pytest

from monai_fusion.comparison.comparison_file import Comparison, Difference, TTest, VariantResult, VariantScore
from monai_fusion.comparison.verdict import disagreements, verdict_of

Interval = tuple[float, float] | None


def variant(name: str, auroc: float | None, **settings: Any) -> VariantResult:
    score = VariantScore(value=auroc, interval=(0.4, 0.6), folds=[auroc], fold_mean=auroc, fold_sd=None)
    return VariantResult(
        name=name,
        description=name,
        settings={"modalities": "both", "fusion": "gated"} | settings,
        auroc=score,
        balanced_accuracy=score,
        accuracy=score,
        kept_epochs=[1],
        minutes=1,
    )


def difference(name: str, value: float | None, interval: Interval, p: float | None, score: str = "auroc") -> Difference:
    test = None
    if p is not None:
        test = TTest(mean=0, interval=(0, 0), t=0, degrees_of_freedom=4, p=p, p_holm=min(1.0, 2 * p))
    return Difference(
        variant=name,
        score=score,  # type: ignore[arg-type] # the tests name real ones
        value=value,
        interval=interval,
        method="bca",
        note="",
        t_test=test,
    )


def comparison(variants: list[VariantResult], differences: list[Difference], reference: str = "gated") -> Comparison:
    return Comparison(
        monai_fusion="0.1.0",
        datalist="cohort",
        classes=["M", "F"],
        participants=60,
        class_counts=[],
        folds=[{"number": n, "training": 40, "validation": 8, "tested": []} for n in range(5)],  # type: ignore[misc]
        seeds=[1],
        reference=reference,
        confidence_level=0.95,
        bootstrap_draws=100,
        bootstrap_seed=1,
        config_files=["train.yaml"],
        shared_settings={},
        variants=variants,
        differences=differences,
        notes=[],
        warnings=[],
    )


def fusion_against_mri(interval: Interval, p: float | None, mri: float = 0.9) -> Comparison:
    """Gated fusion with 0.982, the EEG with 0.7, and the MRI, of which the difference minus gated is given."""
    variants = [
        variant("gated", 0.982),
        variant("eeg", 0.7, modalities="eeg"),
        variant("mri", mri, modalities="mri"),
    ]
    apart = [difference("eeg", -0.282, (-0.4, -0.2), 0.01), difference("mri", mri - 0.982, interval, p)]
    return comparison(variants, apart)


def test_fusion_that_is_shown_to_be_better_is_said_to_be_worth_it() -> None:
    assert " ".join(verdict_of(fusion_against_mri((-0.15, -0.02), 0.01))) == (
        "Fusion is worth it here. AUROC: the MRI alone 0.900, gated fusion 0.982 (difference +0.082, 95 % interval "
        "0.02 to 0.15, Holm-adjusted p = 0.020)."
    )


def test_fusion_is_compared_with_the_best_single_recording_and_not_called_better_within_the_interval() -> None:
    text = " ".join(verdict_of(fusion_against_mri((-0.01, 0.07), 0.6, mri=0.996)))
    assert text == (
        "Fusion is not shown to be worth it here. AUROC: the MRI alone 0.996, gated fusion 0.982 (difference "
        "\u22120.014, 95 % interval \u22120.07 to 0.01, Holm-adjusted p = 1.000)."
    )


def test_fusion_that_is_shown_to_be_worse_is_said_to_be_worse() -> None:
    assert verdict_of(fusion_against_mri((0.01, 0.07), 0.01))[0].startswith("Fusion is worse here than the best single")


@pytest.mark.parametrize(
    ("p", "why"), [(0.04, "does not confirm it"), (0.59, "does not confirm it"), (None, "there is no t-test")]
)
def test_an_interval_alone_shows_nothing(p: float | None, why: str) -> None:
    found = verdict_of(fusion_against_mri((-0.15, -0.02), p))
    assert found[0] == "Fusion is not shown to be worth it here."
    assert found[2].startswith("These trained models do better with fusion, but") and why in found[2]


def test_without_an_interval_nothing_can_be_told() -> None:
    assert verdict_of(fusion_against_mri(None, 0.01))[0].startswith("Whether fusion is worth it here cannot be told")


def test_a_single_recording_as_reference_is_compared_with_the_best_fusion() -> None:
    variants = [variant("mri", 0.9, modalities="mri"), variant("gated", 0.95), variant("concat", 0.97, fusion="concat")]
    apart = [difference("gated", 0.05, (-0.1, 0.2), 0.5), difference("concat", 0.07, (0.02, 0.12), 0.001)]
    assert " ".join(verdict_of(comparison(variants, apart, "mri"))).startswith(
        "Fusion is worth it here. AUROC: the MRI alone 0.900, concat fusion 0.970 (difference +0.070"
    )


def test_what_was_not_compared_with_each_other_is_not_tested() -> None:
    variants = [variant("eeg", 0.7, modalities="eeg"), variant("gated", 0.95), variant("mri", 0.9, modalities="mri")]
    apart = [difference("gated", 0.25, (0.1, 0.3), 0.001), difference("mri", 0.2, (0.1, 0.3), 0.001)]
    found = verdict_of(comparison(variants, apart, "eeg"))
    assert found[0] == "Whether fusion is worth it is not tested: the MRI alone 0.900, gated fusion 0.950 (AUROC)."
    assert "have" not in found[0] and "compared with the EEG alone only" in found[1]


def test_without_a_single_recording_or_without_fusion_the_question_stays_open() -> None:
    fusions = comparison([variant("gated", 0.9), variant("mean", 0.8)], [difference("mean", -0.1, (-0.2, 0.1), 0.3)])
    assert verdict_of(fusions)[0].startswith("Whether fusion is worth it is not answered: no single recording")
    assert verdict_of(fusions)[-1] == "They are not shown to be different."
    singles = [variant("mri", 0.9, modalities="mri"), variant("eeg", 0.6, modalities="eeg")]
    found = verdict_of(comparison(singles, [difference("eeg", -0.3, (-0.4, -0.2), 0.001)], "mri"))
    assert found[0].endswith("only single recordings were compared.") and found[-1] == "They are different."


def test_one_variant_alone_is_compared_with_nothing() -> None:
    found = verdict_of(comparison([variant("gated", 0.9)], []))
    assert found == [
        "Only gated fusion was trained: there is nothing to compare it with.",
        "AUROC 0.900 (95 % interval 0.40 to 0.60).",
    ]


def test_scores_that_are_not_defined_give_no_answer() -> None:
    variants = [variant("gated", None), variant("mri", 0.9, modalities="mri")]
    assert verdict_of(comparison(variants, [difference("mri", None, None, None)]))[0].startswith(
        "Whether fusion is worth it cannot be told"
    )


def test_where_interval_and_test_contradict_each_other_a_line_says_which_to_believe() -> None:
    found = fusion_against_mri((0.05, 0.23), 0.593)
    (line,) = disagreements(found)
    assert line.startswith(
        "The interval excludes 0 and the t-test does not, so a difference is not shown: mri, AUROC (0.05 to 0.23; "
        "p = 0.593)."
    )
    assert "eeg" not in line
    (line,) = disagreements(fusion_against_mri((-0.004, 0.23), 0.01))
    assert line.startswith("The t-test excludes 0 and the interval does not") and "\u22120.00 to" not in line
    assert disagreements(fusion_against_mri((-0.1, 0.2), 0.5)) == []
