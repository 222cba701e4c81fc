"""The answer of a comparison in words: what is claimed in which case, and what is not."""

from typing import Any

import pytest

from monai_fusion.comparison.comparison_file import Comparison, Difference, TTest, VariantResult, VariantScore
from monai_fusion.comparison.fusion_verdict import disagreements, fusion_verdict
from tests.message_parts import assert_parts

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


def test_fusion_that_is_shown_to_be_better_is_called_worth_it() -> None:
    found = fusion_verdict(fusion_against_mri((-0.15, -0.02), 0.01))
    assert found[0] == "Fusion is worth it here."
    assert_parts(found[1], "the MRI alone 0.900", "gated fusion 0.982", "+0.082", "p = 0.020", "0.02 to 0.15")


def test_fusion_is_compared_with_the_best_single_recording_and_not_called_better_within_the_interval() -> None:
    found = fusion_verdict(fusion_against_mri((-0.01, 0.07), 0.6, mri=0.996))
    assert len(found) == 2 and found[0] == "Fusion is not shown to be worth it here."
    numbers = ("the MRI alone 0.996", "gated fusion 0.982", "\u22120.014", "p = 1.000", "\u22120.07 to 0.01")
    assert_parts(found[1], *numbers)


def test_fusion_that_is_shown_to_be_worse_is_called_worse() -> None:
    assert fusion_verdict(fusion_against_mri((0.01, 0.07), 0.01))[0].startswith("Fusion is worse")


@pytest.mark.parametrize(
    ("p", "why"), [(0.04, "does not confirm it"), (0.59, "does not confirm it"), (None, "there is no t-test")]
)
def test_an_interval_alone_shows_nothing(p: float | None, why: str) -> None:
    found = fusion_verdict(fusion_against_mri((-0.15, -0.02), p))
    assert found[0] == "Fusion is not shown to be worth it here."
    assert_parts(found[2], "trained models are better", why)


def test_without_an_interval_the_question_is_not_answered() -> None:
    assert_parts(fusion_verdict(fusion_against_mri(None, 0.01))[0], "does not answer", "no interval", "0.900", "0.982")


def test_a_single_recording_as_reference_is_compared_with_the_best_fusion() -> None:
    variants = [variant("mri", 0.9, modalities="mri"), variant("gated", 0.95), variant("concat", 0.97, fusion="concat")]
    apart = [difference("gated", 0.05, (-0.1, 0.2), 0.5), difference("concat", 0.07, (0.02, 0.12), 0.001)]
    found = " ".join(fusion_verdict(comparison(variants, apart, "mri")))
    assert_parts(found, "Fusion is worth it here.", "the MRI alone 0.900", "concat fusion 0.970", "+0.070")


def test_what_was_not_compared_with_each_other_is_not_tested() -> None:
    variants = [variant("eeg", 0.7, modalities="eeg"), variant("gated", 0.95), variant("mri", 0.9, modalities="mri")]
    apart = [difference("gated", 0.25, (0.1, 0.3), 0.001), difference("mri", 0.2, (0.1, 0.3), 0.001)]
    found = fusion_verdict(comparison(variants, apart, "eeg"))
    assert_parts(found[0], "does not test", "the MRI alone 0.900, gated fusion 0.950 (AUROC)")
    assert_parts(found[1], "the EEG alone", "no interval")


def test_without_a_single_recording_or_without_fusion_the_question_stays_open() -> None:
    fusions = comparison([variant("gated", 0.9), variant("mean", 0.8)], [difference("mean", -0.1, (-0.2, 0.1), 0.3)])
    assert_parts(fusion_verdict(fusions)[0], "does not answer", "no single recording")
    assert fusion_verdict(fusions)[-1] == "The difference is not shown."
    singles = [variant("mri", 0.9, modalities="mri"), variant("eeg", 0.6, modalities="eeg")]
    found = fusion_verdict(comparison(singles, [difference("eeg", -0.3, (-0.4, -0.2), 0.001)], "mri"))
    assert "only single recordings" in found[0] and found[-1] == "The difference is shown."


def test_one_variant_alone_is_compared_with_nothing() -> None:
    found = fusion_verdict(comparison([variant("gated", 0.9)], []))
    assert len(found) == 2 and "Only gated fusion" in found[0]
    assert_parts(found[1], "AUROC 0.900", "0.40 to 0.60")


def test_scores_that_are_not_defined_give_no_answer() -> None:
    variants = [variant("gated", None), variant("mri", 0.9, modalities="mri")]
    found = fusion_verdict(comparison(variants, [difference("mri", None, None, None)]))
    assert_parts(found[0], "does not answer", "not defined")


def test_where_interval_and_test_contradict_each_other_a_line_names_both() -> None:
    found = fusion_against_mri((0.05, 0.23), 0.593)
    (line,) = disagreements(found)
    assert_parts(line, "interval excludes 0", "t-test does not", "mri, AUROC (0.05 to 0.23; p = 0.593)")
    assert "eeg" not in line
    (line,) = disagreements(fusion_against_mri((-0.004, 0.23), 0.01))
    assert_parts(line, "t-test excludes 0", "interval does not")
    assert "\u22120.00 to" not in line
    assert disagreements(fusion_against_mri((-0.1, 0.2), 0.5)) == []


def test_many_contradictions_are_named_by_score_as_the_table_has_their_numbers() -> None:
    names = ["eeg", "mri", "mean", "concat"]
    variants = [variant(name, 0.6) for name in ("gated", *names)]
    differences = [difference(name, -0.2, (-0.3, -0.1), 0.4) for name in names]
    differences.append(difference("mean", -0.2, (-0.3, -0.1), 0.4, "balanced_accuracy"))
    (line,) = disagreements(comparison(variants, differences))
    assert_parts(line, "interval excludes 0", "AUROC of eeg, mri, mean, concat; balanced accuracy of mean.")
    assert "0.4" not in line
