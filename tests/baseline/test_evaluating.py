"""Baselines of a cohort: what they predict, how a network compares with them, and what the report says first."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from monai_fusion.baseline.baseline_file import Baseline, BaselineResult, PairedDifference, save_baseline
from monai_fusion.baseline.evaluating import BaselineSettings, evaluate_baselines
from monai_fusion.baseline.paired import best_baseline, is_as_good, paired_differences, what_numbers_do
from monai_fusion.baseline.participant_numbers import NumberSettings
from monai_fusion.baseline.predictions import NetworkPredictions
from monai_fusion.baseline.words import as_good, first_sentence, terminal_lines
from monai_fusion.datalist import Datalist, read_datalist
from monai_fusion.errors import InputError
from monai_fusion.evaluation.result_writer import ResultWriter
from monai_fusion.metrics.scores import ScoredCohort
from monai_fusion.report import write_report
from monai_fusion.report.run_results import read_results
from monai_fusion.run_folder import BASELINE_FILE
from monai_fusion.workflow.baselines import check_covariates
from tests.baseline.cohorts import EEG_SHAPE, Cohort, write_cohort
from tests.report.browser import CHROMIUM, chromium

Evaluated = Callable[[float | None], Baseline]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> BaselineSettings:
    return BaselineSettings(numbers=NumberSettings(tmp_path_factory.mktemp("store") / "preprocessed", EEG_SHAPE))


@pytest.fixture(scope="module")
def evaluated(heads: Cohort, settings: BaselineSettings) -> Evaluated:
    """The baselines beside a network that knows so much more of the class than head size; None: beside none."""

    @cache  # 250 regressions take a second; what is found cannot be changed
    def found(knows: float | None) -> Baseline:
        return evaluate_baselines(_datalist(heads), settings, None if knows is None else heads.network(knows))

    return found


def _datalist(cohort: Cohort) -> Datalist:
    return read_datalist(cohort.path, ["test"])  # as an evaluation reads it


def _with_report(cohort: Cohort, evaluated: Evaluated, knows: float, folder: Path) -> str:
    """The first sentence of the report of a network that reads head size, and knows so much more of the class."""
    datalist = _datalist(cohort)
    ResultWriter(folder, ["M", "F"], datalist=datalist.name, section="test")(cohort.predictions(knows))
    save_baseline(evaluated(knows), folder / BASELINE_FILE)
    page = write_report(folder).read_text(encoding="utf-8")
    (first,) = re.findall(r'id="verdict"><strong>(.*?)</strong>', page)
    return str(first).replace("&nbsp;", " ")


def test_a_cohort_whose_classes_differ_in_head_size_alone_ends_in_a_report_that_begins_with_it(
    heads: Cohort, evaluated: Evaluated, tmp_path: Path
) -> None:
    first = _with_report(heads, evaluated, knows=0.0, folder=tmp_path / "run")
    assert "the head volume alone" in first
    assert first.startswith(("Plain numbers do ", "Not shown to be better than plain numbers"))


def test_a_true_extra_signal_ends_in_a_report_that_does_not(
    heads: Cohort, evaluated: Evaluated, tmp_path: Path
) -> None:
    first = _with_report(heads, evaluated, knows=2.5, folder=tmp_path / "run")
    assert first.startswith("Distinguishes M from F better than chance")


def test_classes_that_differ_in_the_power_of_the_eeg_alone_are_told_by_the_raw_numbers_alone(tmp_path: Path) -> None:
    cohort = write_cohort(tmp_path / "cohort", apart=0.0)
    for name, label in cohort.labels.items():
        for path in cohort.path.parent.glob(f"{name}_seg*.npy"):
            np.save(path, np.load(path) * (3 if label else 1))
    found = evaluate_baselines(_datalist(cohort), BaselineSettings(numbers=NumberSettings(None, EEG_SHAPE)))
    auroc = {each.name: each.auroc.value for each in found.baselines}
    assert auroc["eeg_raw_power"] == 1.0
    assert max(auroc["eeg"], auroc["all"]) < 0.8  # the z-score has removed it, and `all` is what the network sees


def test_files_without_power_have_no_raw_numbers(tmp_path: Path) -> None:
    cohort = write_cohort(tmp_path / "cohort", people=30, tested=10)
    for path in cohort.path.parent.glob("*_seg*.npy"):
        np.save(path, -np.load(path))
    found = evaluate_baselines(_datalist(cohort), BaselineSettings(numbers=NumberSettings(None, EEG_SHAPE)))
    assert [each.name for each in found.baselines] == ["head_volume", "covariates", "mri", "eeg", "all"]


def test_the_baselines_are_tested_on_the_tested_part(heads: Cohort, evaluated: Evaluated) -> None:
    network, found = heads.network(knows=0.5), evaluated(0.5)
    names = ["head_volume", "covariates", "mri", "eeg", "eeg_raw_power", "all"]
    assert [each.name for each in found.baselines] == names
    assert [count.participants for count in found.tested] == [20, 20]
    assert [count.participants for count in found.fitted] == [25, 25]
    by_name = {each.name: each for each in found.baselines}
    labels = [heads.labels[name] for name in heads.tested]
    size = [-heads.sizes[name] for name in heads.tested]
    assert by_name["head_volume"].auroc.value == pytest.approx(roc_auc_score(labels, size), abs=0.03)
    assert by_name["covariates"].auroc.value == pytest.approx(0.5, abs=0.25)  # the age is noise
    own = roc_auc_score(labels, [network.probabilities[name][1] for name in heads.tested])
    apart = by_name["head_volume"].network_minus_auroc
    assert apart is not None
    assert apart.value == pytest.approx(own - by_name["head_volume"].auroc.value)  # type: ignore[operator]


def test_head_volume_is_named_as_what_differs_between_the_classes(heads: Cohort, evaluated: Evaluated) -> None:
    found = evaluated(None)
    row = next(each for each in found.balance if each.field == "head_volume")
    size = np.array(list(heads.sizes.values())) ** 3
    labels = np.array(list(heads.labels.values()))
    spread = np.sqrt((size[labels == 0].var(ddof=1) + size[labels == 1].var(ddof=1)) / 2)
    expected = (size[labels == 1].mean() - size[labels == 0].mean()) / spread
    assert row.standardised_difference == pytest.approx(expected, abs=0.15)
    assert any(text.startswith("head volume differs between the classes") for text in found.warnings)


def test_a_network_that_reads_head_size_does_not_know_more_than_it(evaluated: Evaluated) -> None:
    reader, knower = (evaluated(knows).confounds[0] for knows in (0.0, 2.5))
    assert reader.fields == knower.fields == ["head_volume"]
    assert reader.p_beyond is not None and reader.p_beyond > 0.05
    assert knower.p_beyond is not None and knower.p_beyond < 0.01
    assert reader.confounding_index is not None and reader.confounding_index > 0.8
    assert reader.matched_auroc is not None and knower.matched_auroc is not None
    assert reader.matched_interval is not None and reader.matched_interval[0] < 0.5
    assert knower.matched_auroc == 1.0
    assert reader.reference == 90


def test_without_a_network_there_are_no_differences(evaluated: Evaluated) -> None:
    found = evaluated(None)
    assert found.confounds == []
    assert all(each.network_minus_auroc is None for each in found.baselines)
    assert first_sentence(found) is None
    assert any("the head volume alone: AUROC" in line for line in terminal_lines(found))


def test_the_same_cohort_gives_the_same_file(heads: Cohort, settings: BaselineSettings, evaluated: Evaluated) -> None:
    assert evaluate_baselines(_datalist(heads), settings, heads.network(0.5)) == evaluated(0.5)


def test_named_covariates_are_those_that_are_used(heads: Cohort, settings: BaselineSettings) -> None:
    found = evaluate_baselines(_datalist(heads), replace(settings, covariates=("head_volume",)))
    assert [each.name for each in found.baselines] == ["head_volume", "mri", "eeg", "eeg_raw_power", "all"]
    assert [row.field for row in found.balance] == ["head_volume"]


def test_an_unknown_covariate_is_refused_with_the_nearest_name(heads: Cohort, settings: BaselineSettings) -> None:
    with pytest.raises(InputError, match="did you mean"):
        evaluate_baselines(_datalist(heads), replace(settings, covariates=("agee",)))
    with pytest.raises(InputError, match="did you mean"):
        check_covariates(_datalist(heads), "agee")
    check_covariates(_datalist(heads), "agee", enabled=False)


@pytest.mark.parametrize("written", ["age", "head_volume, age", ["head_volume", "age"], None])
def test_a_covariate_may_be_written_without_the_brackets_of_a_list(
    heads: Cohort, written: str | list[str] | None
) -> None:
    check_covariates(_datalist(heads), written)


def test_head_volume_can_be_removed_from_the_numbers(
    heads: Cohort, settings: BaselineSettings, evaluated: Evaluated
) -> None:
    plain = {each.name: each for each in evaluated(None).baselines}
    without = evaluate_baselines(_datalist(heads), replace(settings, residualise=("head_volume",)))
    removed = {each.name: each for each in without.baselines}
    assert without.residualised == ["head_volume"]
    assert plain["mri"].auroc.value is not None and plain["mri"].auroc.value > 0.85
    assert removed["mri"].auroc.value is not None and removed["mri"].auroc.value < 0.7


def test_a_datalist_without_a_training_part_has_confounds_but_no_baselines(tmp_path: Path) -> None:
    cohort = write_cohort(tmp_path / "site_b", people=30, tested=30)
    settings = BaselineSettings(numbers=NumberSettings(None, EEG_SHAPE))
    found = evaluate_baselines(_datalist(cohort), settings, cohort.network(knows=0.0))
    assert found.baselines == []
    assert found.confounds[0].fields == ["head_volume"]
    assert any("no training part" in note for note in found.notes)


def test_a_training_part_whose_files_are_elsewhere_is_a_note_and_no_error(tmp_path: Path) -> None:
    cohort = write_cohort(tmp_path / "cohort", people=40, tested=20)
    for name in cohort.labels:
        if name not in cohort.tested:
            (tmp_path / "cohort" / f"{name}_T1w.nii").unlink()
    settings = BaselineSettings(numbers=NumberSettings(None, EEG_SHAPE))
    found = evaluate_baselines(_datalist(cohort), settings, cohort.network(knows=0.0))
    assert found.baselines == []
    assert any("the other parts of the datalist cannot be used" in note for note in found.notes)


def test_a_network_of_one_recording_is_compared_with_numbers_of_that_recording(
    heads: Cohort, settings: BaselineSettings
) -> None:
    eeg = replace(
        settings, numbers=replace(settings.numbers, modalities="eeg"), use=replace(settings.use, modalities="eeg")
    )
    found = evaluate_baselines(_datalist(heads), eeg)
    assert {each.name for each in found.baselines} == {"covariates", "eeg", "eeg_raw_power", "all"}


def test_paired_differences_are_those_of_scikit_learn_s_scores() -> None:
    random = np.random.default_rng(0)
    labels = np.arange(60) % 2
    ours, theirs = (labels * effect + random.normal(size=60) for effect in (2.0, 1.0))
    cohorts = [
        ScoredCohort.of(np.stack([1 - p, p], axis=1), labels)
        for p in (1 / (1 + np.exp(0.5 - v)) for v in (ours, theirs))
    ]
    found = paired_differences(cohorts[0], {"mri": cohorts[1]}, draws=500)
    assert found["mri", "auroc"].value == pytest.approx(roc_auc_score(labels, ours) - roc_auc_score(labels, theirs))
    balanced = [balanced_accuracy_score(labels, cohort.predicted) for cohort in cohorts]
    assert found["mri", "balanced_accuracy"].value == pytest.approx(balanced[0] - balanced[1])
    interval = found["mri", "auroc"].interval
    assert interval is not None and interval[0] < found["mri", "auroc"].value < interval[1]  # type: ignore[operator]


def test_the_paired_interval_covers_the_true_difference() -> None:
    random = np.random.default_rng(1)
    covered = []
    labels = np.arange(80) % 2
    for _ in range(150):
        common = random.normal(size=80)
        cohorts = []
        for effect in (1.5, 1.0):  # true AUROCs: Phi(effect / sqrt 2) with a standard deviation of 1
            value = effect * labels + np.sqrt(0.8) * common + np.sqrt(0.2) * random.normal(size=80)
            second = 1 / (1 + np.exp(-value))
            cohorts.append(ScoredCohort.of(np.stack([1 - second, second], axis=1), labels))
        low, high = paired_differences(cohorts[0], {"mri": cohorts[1]}, draws=300)["mri", "auroc"].interval or (0, 0)
        covered.append(low <= 0.8556 - 0.7602 <= high)
    assert 0.88 <= np.mean(covered) <= 0.99


@pytest.mark.parametrize(
    ("value", "interval", "expected"),
    [
        (0.1, (0.02, 0.2), False),
        (0.1, (-0.02, 0.2), True),
        (-0.1, (-0.2, -0.01), True),
        (0.0, None, True),
        (0.1, None, False),
        (None, None, False),
    ],
)
def test_a_baseline_is_as_good_if_the_interval_reaches_zero(
    value: float | None, interval: tuple[float, float] | None, expected: bool
) -> None:
    assert is_as_good(PairedDifference(value=value, interval=interval)) is expected


@pytest.mark.parametrize(("high", "does"), [(-0.02, "better"), (0.02, "as well")])
def test_numbers_are_better_only_if_the_interval_says_so(evaluated: Evaluated, high: float, does: str) -> None:
    found = evaluated(0.0)
    apart = {"network_minus_auroc": PairedDifference(value=-0.2, interval=(-0.4, high))}
    changed = found.model_copy(update={"baselines": [each.model_copy(update=apart) for each in found.baselines]})
    assert str(first_sentence(changed)).startswith(f"Plain numbers do {does}: ")


def test_of_nearly_equal_baselines_the_simplest_is_named(evaluated: Evaluated) -> None:
    found = evaluated(0.0)
    named = as_good(found)
    assert named is not None and named.name == "head_volume"

    def worse(each: BaselineResult) -> BaselineResult:
        apart = PairedDifference(value=0.3 if each.name == "head_volume" else -0.01, interval=(-0.1, 0.4))
        return each.model_copy(update={"network_minus_auroc": apart})

    other = found.model_copy(update={"baselines": [worse(each) for each in found.baselines]})
    named = as_good(other)
    assert named is not None and named.name == "covariates"


@pytest.mark.parametrize(
    ("apart", "place", "do"),
    [
        ([(0.3, 0.1, 0.5), (0.2, 0.1, 0.3)], 1, "worse"),  # the closest
        ([(0.02, -0.1, 0.2), (-0.02, -0.1, 0.1)], 0, "as well"),  # nearly equal: the simplest
        ([(0.2, -0.1, 0.5), (-0.02, -0.1, 0.1)], 1, "as well"),
        ([(0.2, 0.1, 0.3), (0.03, -0.1, 0.1)], 1, "not worse"),
        ([None, (-0.2, -0.3, -0.1)], 1, "better"),
        ([None], None, "worse"),
    ],
)
def test_an_evaluation_and_a_comparison_name_the_same_baseline(
    apart: list[tuple[float, float, float] | None], place: int | None, do: str
) -> None:
    differences = [None if each is None else PairedDifference(value=each[0], interval=each[1:]) for each in apart]
    assert best_baseline(differences) == place
    assert what_numbers_do(differences) == do


def test_a_test_of_few_participants_beyond_a_covariate_has_a_note(heads: Cohort, settings: BaselineSettings) -> None:
    network = heads.network(0.0)

    def note(number: int) -> str:
        some = [name for place, name in enumerate(heads.tested) if place < number]
        part = NetworkPredictions({n: network.probabilities[n] for n in some}, {n: network.predicted[n] for n in some})
        found = evaluate_baselines(_datalist(heads), settings, part)
        if number == 12:
            assert any(found.confounds[0].note in line for line in terminal_lines(found))
        return found.confounds[0].note

    assert note(40) == ""
    assert note(12) == "fewer than 30 participants: the test finds large effects only"
    assert note(6) == "no test: fewer than 8 participants"


def test_relatives_are_drawn_together_in_the_differences_from_baselines(
    heads: Cohort, settings: BaselineSettings, evaluated: Evaluated
) -> None:
    """Two siblings in each family: the same values, from groups instead of participants."""
    content = json.loads(heads.path.read_text(encoding="utf-8"))
    for section in ("training", "validation", "test"):
        for place, row in enumerate(content[section]):
            row["family"] = f"{section}{place // 2}"
    path = heads.path.with_name("families.json")
    path.write_text(json.dumps(content | {"group_by": ["family"]}), encoding="utf-8")
    families = evaluate_baselines(read_datalist(path, require_files=True), settings, heads.network(0.0))
    strangers = evaluated(0.0)
    for one, other in zip(families.baselines, strangers.baselines, strict=True):
        assert one.auroc.value == other.auroc.value
        assert one.auroc.method == "newcombe, design effect"
        assert one.network_minus_auroc is not None and other.network_minus_auroc is not None
        assert one.network_minus_auroc.value == other.network_minus_auroc.value
        assert one.network_minus_auroc.interval != other.network_minus_auroc.interval
    assert {each.method for each in families.confounds} == {"sign flipping of groups"}
    assert families.confounds[0].note == "fewer than 30 groups: the test finds large effects only"


def test_the_report_leaves_out_baselines_of_another_evaluation(
    heads: Cohort, evaluated: Evaluated, tmp_path: Path
) -> None:
    datalist, folder = _datalist(heads), tmp_path / "run"
    writer = ResultWriter(folder, ["M", "F"], datalist=datalist.name, section="test")
    writer(heads.predictions(0.0))
    save_baseline(evaluated(0.0), folder / BASELINE_FILE)
    assert read_results(folder).baseline is not None
    writer(heads.predictions(0.0)[:30])
    assert not (folder / BASELINE_FILE).exists()
    save_baseline(evaluated(0.0), folder / BASELINE_FILE)
    assert read_results(folder).baseline is None


def test_a_participant_that_the_network_did_not_predict_is_left_out(heads: Cohort, settings: BaselineSettings) -> None:
    network = heads.network(0.0)
    some = list(heads.tested)[:30]
    part = NetworkPredictions({n: network.probabilities[n] for n in some}, {n: network.predicted[n] for n in some})
    found: Baseline = evaluate_baselines(_datalist(heads), settings, part)
    assert sum(count.participants for count in found.tested) == 30


def test_every_field_of_the_file_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "baselines.md").read_text(encoding="utf-8")
    schema = Baseline.model_json_schema()
    parts = [schema, *schema["$defs"].values()]
    missing = {name for part in parts for name in part["properties"] if f"`{name}`" not in page}
    assert not missing


def test_predictions_of_other_participants_are_refused(heads: Cohort, settings: BaselineSettings) -> None:
    with pytest.raises(InputError, match="none of its participants was predicted"):
        evaluate_baselines(_datalist(heads), settings, NetworkPredictions({"x": (0.5, 0.5)}, {"x": 0}))


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium (apt-get install chromium)")
def test_the_tables_of_plain_numbers_fit_screen_phone_and_paper(
    heads: Cohort, evaluated: Evaluated, tmp_path: Path
) -> None:
    _with_report(heads, evaluated, 0.0, tmp_path)
    with chromium() as browser:
        for width in (1280, 400):
            browser.open(tmp_path / "report.html", width)
            assert browser.complaints == [] and browser.evaluate("document.documentElement.scrollWidth") <= width
        browser.call("Emulation.setEmulatedMedia", media="print")
        browser.open(tmp_path / "report.html", 718)  # A4 less its margins, at 96 dpi
        assert browser.evaluate("document.querySelectorAll('#numbers table').length") == 3
        assert browser.evaluate("document.documentElement.scrollWidth") <= 718
