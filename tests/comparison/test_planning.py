"""Which runs a comparison takes: variants, folds, and what is refused before anything is written."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from monai_fusion.comparison.fold_datalists import make_folds
from monai_fusion.comparison.planning import Plan
from monai_fusion.comparison.variants import DEFAULT, VARIANTS, select_variants, variants_table
from monai_fusion.datalist import read_datalist
from monai_fusion.errors import InputError
from tests.comparison.conftest import LABELS, Writer
from tests.message_parts import assert_parts

Planner = Callable[..., Plan]


def words_of(command: tuple[str, ...]) -> dict[str, str]:
    """The options of a bundle run."""
    return dict(zip(command[4::2], command[5::2], strict=True))


def refused(plan_of: Planner, **changes: Any) -> str:
    with pytest.raises(InputError) as caught:
        plan_of(**changes)
    return str(caught.value)


def test_the_variants_are_those_of_the_documentation() -> None:
    assert [variant.name for variant in select_variants((), "gated")] == list(DEFAULT)
    assert [variant.name for variant in select_variants(["all"], "mri")] == [
        "mri",
        *(name for name in VARIANTS if name != "mri"),
    ]
    page = (Path(__file__).parents[2] / "docs" / "comparing.md").read_text(encoding="utf-8")
    assert not [name for name in VARIANTS if f"`{name}`" not in page]
    assert all(name in variants_table() for name in VARIANTS)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("concat", {"fusion": "concat", "modalities": "both"}),
        ("mri", {"fusion": "gated", "modalities": "mri"}),
        ("no-align", {"fusion": "gated", "lambda_align": 0.0}),
        ("stage-a", {"num_epochs": [8, 0]}),
        ("stage-b", {"num_epochs": [0, 8]}),
        ("original", {"train_stem": False, "mri_input_norm": "none", "balanced_sampling": False, "keep_epoch": "last"}),
        ("frozen-stem", {"train_stem": False}),
        ("no-kinetics", {"mri_input_norm": "none"}),
        ("no-flip-height", {"flip_prob": [0.5, 0.0, 0.3]}),
    ],
)
def test_a_variant_changes_what_it_is_called_after(name: str, expected: dict[str, Any]) -> None:
    found = VARIANTS[name].settings({"num_epochs": [5, 3], "flip_prob": [0.5, 0.4, 0.3]})
    assert found.items() >= expected.items()


FAMILIES = {f"sub-{number:02d}": {"family": f"f{(number - 1) // 2}"} for number in range(1, 21)}


def torn_families(texts: Iterable[str]) -> int:
    torn = 0
    for text in texts:
        parts = defaultdict(set)
        for section in ("training", "validation", "test"):
            for row in json.loads(text)[section]:
                parts[row["family"]].add(section)
        torn += sum(len(found) > 1 for found in parts.values())
    return torn


def test_families_stay_in_one_part_of_every_fold_with_new_folds_and_with_given_ones(
    datalist: Writer, tmp_path: Path
) -> None:
    alone = make_folds(datalist(more=FAMILIES), tmp_path, 4)
    assert torn_families(alone.texts.values()) > 0
    (note,) = [each for each in alone.notes if each.startswith("family: ")]
    assert "groups are in several parts" in note and note.endswith("(--group-by family keeps them together)")
    together = make_folds(datalist(more=FAMILIES), tmp_path, 4, group_by=("family",))
    assert torn_families(together.texts.values()) == 0
    assert together.notes == ("participants of one family are in one part of every fold",)
    folds = {row["participant_id"]: row["fold"] for row in json.loads(together.texts["fold0.json"])["training"]}
    folds |= {
        row["participant_id"]: row["fold"]
        for section in ("validation", "test")
        for row in json.loads(together.texts["fold0.json"])[section]
    }
    given = {name: {**fields, "fold": folds[name]} for name, fields in FAMILIES.items()}
    assert torn_families(make_folds(datalist(more=given), tmp_path, group_by=("family",)).texts.values()) == 0
    path = datalist(more=given)
    path.write_text(json.dumps({**json.loads(path.read_text()), "group_by": ["family"]}), encoding="utf-8")
    assert torn_families(make_folds(path, tmp_path).texts.values()) == 0


def test_a_torn_site_is_noted_as_a_place_that_is_not_new(datalist: Writer, tmp_path: Path) -> None:
    sites = {f"sub-{number:02d}": {"site": "AB"[number % 2]} for number in range(1, 21)}
    (note,) = make_folds(datalist(more=sites), tmp_path, 4).notes
    assert note.startswith("site: 2 of 2 groups are in several parts") and "no new one is tested" in note


def test_all_variants_of_a_fold_differ_in_what_they_set_alone(plan_of: Planner) -> None:
    plan = plan_of(variants=("no-align", "stage-b"), folds=3, seeds=2, words=("--num_epochs", "[5, 3]"))
    assert [run.title for run in plan.runs[:4]] == [
        *("gated, fold 0, seed 1337", "no-align, fold 0, seed 1337", "stage-b, fold 0, seed 1337"),
        "gated, fold 1, seed 1337",
    ]
    assert len(plan.runs) == 3 * 3 * 2 and plan.seeds == (1337, 1338)
    assert [(run.seed, run.fold) for run in plan.runs_of("gated")] == [(s, f) for s in plan.seeds for f in range(3)]
    gated, without, late = (words_of(run.train) for run in plan.runs[:3])
    assert without.pop("--lambda_align") == "0.0"
    assert late.pop("--num_epochs") == "[0, 8]"  # given twice; the last counts, and is the variant's own
    assert gated.pop("--num_epochs") == without.pop("--num_epochs") == "[5, 3]"
    assert {**gated, "--output_dir": ""} == {**without, "--output_dir": ""} == {**late, "--output_dir": ""}
    assert plan.runs[2].settings["variant"]["num_epochs"] == [0, 8]


def test_folds_hold_every_participant_once_and_their_files_resolve_from_the_output_folder(
    datalist: Writer, tmp_path: Path
) -> None:
    folder = tmp_path / "elsewhere" / "folds"
    folder.mkdir(parents=True)
    made = make_folds(datalist({"sub-01": "test"}), folder, 4)
    assert made.name == "twenty" and list(made.texts) == [f"fold{number}.json" for number in range(4)]
    tested = []
    for name, text in made.texts.items():
        (folder / name).write_text(text, encoding="utf-8")
        cohort = read_datalist(folder / name)
        assert all(record.mri and record.mri.is_file() for record in cohort.records("training"))
        parts = [{record.participant_id for record in cohort.records(part)} for part in cohort.sections]
        assert len(parts) == 3 and set.union(*parts) == set(LABELS) and sum(map(len, parts)) == len(LABELS)
        assert {record.label for record in cohort.records("validation")} == {0, 1}
        tested += sorted(parts[2])
    assert sorted(tested) == sorted(LABELS)
    assert_parts(made.notes[0], "1 participant of the test part", "--keep-test")
    assert make_folds(datalist({"sub-01": "test"}), folder, 4).texts == made.texts


def test_folds_of_the_datalist_are_kept(datalist: Writer, tmp_path: Path) -> None:
    given = {name: {"fold": number % 3} for number, name in enumerate(LABELS)}
    made = make_folds(datalist(more=given), tmp_path)
    for number, text in enumerate(made.texts.values()):
        assert {row["participant_id"] for row in json.loads(text)["test"]} == {
            name for name, more in given.items() if more["fold"] == number
        }
    assert made.notes == ()
    with pytest.raises(InputError, match=r"^--folds: 5, expected 3, .*datalist$"):
        make_folds(datalist(more=given), tmp_path, folds=5)


@pytest.mark.parametrize("there", [True, False])
def test_a_test_part_outside_the_folds_is_left_out(there: bool, datalist: Writer, tmp_path: Path) -> None:
    tested = dict.fromkeys(["sub-01", "sub-02", "sub-03"], "test")
    given = {name: {"fold": number % 3} for number, name in enumerate(LABELS) if name not in tested} if there else {}
    made = make_folds(datalist(tested, given), tmp_path, keep_test=not there)
    for text in made.texts.values():
        rows = [row["participant_id"] for part in ("training", "validation", "test") for row in json.loads(text)[part]]
        assert sorted(rows) == sorted(LABELS.keys() - tested)
    (note,) = made.notes
    assert_parts(note, "3 participants", "test part left out")


def test_participants_who_cannot_take_part_are_reported(datalist: Writer, tmp_path: Path) -> None:
    more = {"sub-04": {"mri": None}, "sub-05": {"exclude": "moved"}}
    made = make_folds(datalist(more=more), tmp_path)
    assert len(made.notes) == 2
    assert_parts(made.notes[0], "1 participant", "one recording left out")
    assert_parts(made.notes[1], "1 participant excluded")
    assert not [name for name in more if name in made.texts["fold0.json"]]


@pytest.mark.parametrize(
    ("sections", "more", "options", "message"),
    [
        ({}, {"sub-02": {"fold": 0}}, {}, "sub-01, sub-03, sub-04 and 16 more fold: missing"),
        ({}, {}, {"keep_test": True}, "--keep-test: no participant is in test"),
        ({}, {}, {"folds": 1}, "--folds: 1, expected 2 or more"),
        ({}, {}, {"folds": 9}, 'class "F": 8 participants, expected at least 9, one for each fold'),
        ({}, {"sub-03": {"label": None}}, {}, "sub-03 label"),
    ],
)
def test_what_cannot_be_put_into_folds_is_refused(
    sections: dict[str, str], more: Any, options: Any, message: str, datalist: Writer, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        make_folds(datalist(sections, more), tmp_path, **options)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"variants": ("gatd",)}, 'did you mean "gated"?'),
        ({"reference": "best"}, '--reference: "best", expected one of gated'),
        ({"ensemble": "mri"}, '--ensemble-of: "mri", expected one of gated, concat'),
        ({"folds": 5, "seeds": 21, "ensemble": "gated"}, "--ensemble: 105 models, expected at most 100"),
        ({"seeds": 0}, "--seeds: 0, expected 1 or more"),
        (
            {"words": ("gated",)},
            "gated: is neither an option",
        ),
        (
            {"words": ("--num_epoch", "3")},
            "did you mean --num_epochs?",
        ),
        ({"words": ("--output-dir=x",)}, "-- --output_dir: is set by the comparison: give it as --output-dir"),
        ({"words": ("--resume", "true")}, "-- --resume: is set by the comparison"),
        (
            {"words": ("--modalities", "eeg")},
            "-- --modalities: differs between the variants",
        ),
        ({"words": ("--fusion", "mean")}, "-- --fusion: differs between the variants"),
        (
            {"words": ("--lambda_align", "0.3"), "variants": ("no-align",)},
            "-- --lambda_align: is set by no-align",
        ),
        ({"words": ("--num_epochs", "3"), "variants": ("stage-a",)}, "--num_epochs: 3, expected epochs of two stages"),
        ({"config_files": (Path("no.yaml"),)}, "no.yaml: no such file"),
    ],
)
def test_what_is_wrong_is_reported_before_anything_is_written(
    changes: dict[str, Any], message: str, plan_of: Planner, tmp_path: Path
) -> None:
    assert message in refused(plan_of, **changes)
    assert not (tmp_path / "out").exists()


def test_transforms_and_networks_of_an_overlay_are_taken_as_the_evaluation_builds_what_was_trained(
    plan_of: Planner, tmp_path: Path
) -> None:
    overlay = tmp_path / "own.yaml"
    overlay.write_text("network_def: {_target_: torch.nn.Identity}\n", encoding="utf-8")
    plan = plan_of(config_files=(overlay,))
    run = plan.runs[0]
    assert str(overlay) in str(run.train) and str(overlay) not in str(run.evaluate)
    assert "inference.yaml" in str(run.evaluate) and "evaluate.yaml" in str(run.evaluate)
