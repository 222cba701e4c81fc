"""Splitting a datalist that is there: all else in it stays; folds, kept test sets, an older split to keep."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monai_fusion.datalist import check_datalist, read_datalist
from monai_fusion.datalist.examination import examine_datalist
from monai_fusion.datalist.saving.replacing import Replacing
from monai_fusion.datalist.split.resplitting import SplitResult, split_datalist
from monai_fusion.datalist.split.split_options import SplitFiles, SplitOptions
from monai_fusion.errors import InputError
from tests.datalist.lines import Like

SECTIONS = ("training", "validation", "test")
KFOLD = SplitOptions("kfold", folds=4)
Edit = Callable[[dict[str, Any]], object]


def row(number: int) -> dict[str, Any]:
    name = f"sub-{number:03d}"
    return {
        "age": ("20-25", "25-30", "60-65")[number % 3],
        "participant_id": name,
        "family": f"f{number // 2}",
        "eeg": f"eeg/{name}_*.npy",
        "label": "F" if number % 5 < 2 else "M",
        "mri": f"mri/{name}.nii.gz",
        "note": "Größe",
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Sixty participants, all in training; fields in an order of their own, and files that are not there."""
    path = tmp_path / "gender.json"
    head = {"classes": ["M", "F"], "target": "gender", "data_root": "D", "training": [], "name": "Zwölf"}
    path.write_text(json.dumps({**head, "training": [row(n) for n in range(60)]}), encoding="utf-8")
    return path


def parts_of_families(path: Path) -> dict[str, set[str]]:
    parts: dict[str, set[str]] = {}
    for section in SECTIONS:
        for each in read(path)[section]:
            parts.setdefault(each["family"], set()).add(section)
    return parts


def test_a_split_by_groups_keeps_their_field_and_a_group_that_is_torn_later_is_refused(file: Path) -> None:
    out = file.with_name("out.json")
    split(file, SplitOptions("stratified", group_by=("family",)))
    assert read(out)["group_by"] == ["family"] and all(len(parts) == 1 for parts in parts_of_families(out).values())
    assert check_datalist(out, require_files=False) == []

    moved = read(out)["training"][0]

    def move(content: dict[str, Any]) -> None:
        content["training"].remove(moved)
        content["test"].append(moved)

    (problem,) = check_datalist(edit(out, move), require_files=False)
    assert problem.field == "family" and problem.wanted == "each in one, by group_by"
    assert problem.seen == f'1 of 30 groups is in several parts: "{moved["family"]}" in training and test'


def test_a_split_without_validation_writes_no_such_part(file: Path) -> None:
    split(file, SplitOptions("stratified", validation_fraction=0.0))
    out = read(file.with_name("out.json"))
    assert "validation" not in out and len(out["training"]) + len(out["test"]) == 60
    assert examine_datalist(file.with_name("out.json"), require_files=False, complete=True).problems == ()


def test_relatives_in_two_parts_are_warned_of_without_group_by(file: Path) -> None:
    split(file, SplitOptions("stratified"))
    out = file.with_name("out.json")
    assert "group_by" not in read(out)
    found = examine_datalist(out, require_files=False)
    (warning,) = [each for each in found.warnings if each.field == "family"]
    torn = sum(len(parts) > 1 for parts in parts_of_families(out).values())
    assert warning.seen.startswith(f"{torn} of 30 groups are in several parts: ") and found.problems == ()
    assert "--group-by family" in warning.advice


def test_folds_that_are_kept_keep_their_groups_together_in_the_validation_part_too(file: Path) -> None:
    split(file, replace(KFOLD, group_by=("family",)))
    split(file.with_name("out.json"), SplitOptions("kfold", keep_folds=True, test_fold=2), "two.json")
    two = file.with_name("two.json")
    assert read(two)["group_by"] == ["family"] and all(len(parts) == 1 for parts in parts_of_families(two).values())


def edit(path: Path, change: Edit) -> Path:
    document = read(path)
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def split(file: Path, options: SplitOptions, out: str = "out.json", **more: Any) -> SplitResult:
    return split_datalist(file, SplitFiles(file.with_name(out), **more), options)


def where(path: Path) -> dict[str, str]:
    document = read(path)
    return {row["participant_id"]: section for section in SECTIONS for row in document[section]}


def folds(path: Path) -> dict[str, int]:
    document = read(path)
    return {row["participant_id"]: row["fold"] for section in SECTIONS for row in document[section] if "fold" in row}


def message(call: Callable[[], object]) -> str:
    with pytest.raises(InputError) as raised:
        call()
    return str(raised.value)


def test_rows_keep_their_fields_and_order_and_a_row_stays_a_line(file: Path) -> None:
    split(file, SplitOptions("stratified", stratify_by=("age",)))
    text = file.with_name("out.json").read_text(encoding="utf-8")
    document = json.loads(text)
    assert list(document) == ["classes", "target", "data_root", "training", "name", "validation", "test"]
    assert document["name"] == "Zwölf"
    for section in SECTIONS:
        assert document[section] == [row(n) for n in range(60) if row(n) in document[section]]
        assert all(list(each) == list(row(0)) for each in document[section])
    assert sum(line.startswith('    {"age"') for line in text.splitlines()) == 60
    assert "Größe" in text


def test_each_of_k_files_tests_another_fold_and_all_agree_on_the_folds(file: Path) -> None:
    result = split(file, replace(KFOLD, stratify_by=("age",), group_by=("family",)), all_folds=True)
    assert [path.name for path in result.paths] == [f"out_fold{i}.json" for i in range(4)]
    assert not file.with_name("out.json").exists()
    tested: Counter[str] = Counter()
    for number, path in enumerate(result.paths):
        assert check_datalist(path, require_files=False) == []
        assert folds(path) == folds(result.paths[0])
        assert {folds(path)[name] for name, section in where(path).items() if section == "test"} == {number}
        assert set(where(path).values()) == set(SECTIONS)
        tested.update(name for name, section in where(path).items() if section == "test")
    assert set(tested.values()) == {1}
    assert len(tested) == 60
    by_family: dict[str, set[int]] = {}
    for number in range(60):
        by_family.setdefault(row(number)["family"], set()).add(folds(result.paths[0])[row(number)["participant_id"]])
    assert all(len(found) == 1 for found in by_family.values())


def test_one_fold_may_be_asked_for_and_is_the_same_as_of_all(file: Path) -> None:
    every = split(file, KFOLD, all_folds=True).paths
    split(file, replace(KFOLD, test_fold=2), "two.json")
    assert where(file.with_name("two.json")) == where(every[2])
    split(every[0], SplitOptions("kfold", keep_folds=True, test_fold=2), "again.json")
    assert where(file.with_name("again.json")) == where(every[2])


def test_a_fold_may_validate_and_a_test_set_may_stay_outside_as_auto3dseg_has_it(file: Path) -> None:
    split(file, replace(KFOLD, test_fold=1, validation_fold=3))
    out = file.with_name("out.json")
    assert {folds(out)[name] for name, section in where(out).items() if section == "validation"} == {3}

    split(file, SplitOptions("stratified"), "first.json")
    first = file.with_name("first.json")
    result = split(first, replace(KFOLD, keep_test=True), "kept.json", all_folds=True)
    for number, path in enumerate(result.paths):
        tested = {name for name, section in where(path).items() if section == "test"}
        assert tested == {name for name, section in where(first).items() if section == "test"}
        assert not tested & folds(path).keys()
        assert {folds(path)[name] for name, section in where(path).items() if section == "validation"} == {number}


def test_a_family_is_not_torn_between_a_kept_test_set_and_the_folds(file: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        document["test"] = document["training"][:9]
        document["training"] = document["training"][9:]

    options = replace(KFOLD, keep_test=True, group_by=("family",))
    assert message(lambda: split(edit(file, change), options)) == (
        Like("--group-by the group of sub-008, sub-009: partly … test …: put … whole group … elsewhere")
    )
    edit(file, lambda document: document["training"].append(document["test"].pop()))
    split(file, options)
    assert len(read(file.with_name("out.json"))["test"]) == 8


def test_families_stay_together_in_validation_when_folds_are_kept(file: Path) -> None:
    options = replace(KFOLD, group_by=("family",))
    split(file, options)
    split(file.with_name("out.json"), replace(options, folds=None, keep_folds=True, test_fold=3), "next.json")
    found = where(file.with_name("next.json"))
    assert all(found[f"sub-{n:03d}"] == found[f"sub-{n + 1:03d}"] for n in range(0, 60, 2))


def test_the_training_code_sees_the_fold(file: Path) -> None:
    split(file, KFOLD)
    records = read_datalist(file.with_name("out.json"), require_files=False).records("test")
    assert {record.extra["fold"] for record in records} == {0}


def test_a_split_without_folds_takes_old_folds_away(file: Path) -> None:
    split(file, KFOLD)
    split(file.with_name("out.json"), SplitOptions("stratified"), "plain.json")
    assert folds(file.with_name("plain.json")) == {}


def test_the_excluded_and_those_with_one_recording_stay_and_are_not_counted(file: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        document["test"] = [{**document["training"].pop(0), "exclude": "moved"}]
        document["validation"] = [{**document["training"].pop(0), "mri": None}]

    result = split(edit(file, change), KFOLD)
    out = read(file.with_name("out.json"))
    assert {**row(0), "exclude": "moved"} in out["test"]
    assert {**row(1), "mri": None} in out["validation"]
    assert sum(row.number for row in result.balance.rows if row.name == "all") == 58
    assert result.notes == (
        "1 participant excluded, as before: sub-000",
        Like("1 … recording only …: sub-001 (--allow-missing splits them too)"),
    )


@pytest.mark.parametrize(
    "options",
    [
        SplitOptions(),
        SplitOptions("stratified", stratify_by=("age",)),
        KFOLD,
        replace(KFOLD, group_by=("family",), test_fold=2),
    ],
)
def test_extending_an_older_list_moves_no_participant(file: Path, options: SplitOptions) -> None:
    older = file.with_name("older.json")
    older.write_bytes(file.read_bytes())
    edit(older, lambda document: document.update(training=document["training"][:43]))
    split(older, options, "old.json")
    old = file.with_name("old.json")
    result = split_datalist(file, SplitFiles(file.with_name("new.json")), replace(options, test_fold=None), old)
    new = file.with_name("new.json")
    assert {name: section for name, section in where(new).items() if name in where(old)} == where(old)
    assert {name: fold for name, fold in folds(new).items() if name in folds(old)} == folds(old)
    assert len(where(new)) == 60
    assert result.notes == (Like("43 … stay where …, 17 new: sub-043, sub-044, sub-045 and 14 more"),)


def test_with_no_new_participant_a_test_set_made_by_hand_stays_also_with_ratio(file: Path) -> None:
    split(file, SplitOptions(), "old.json")
    old = file.with_name("old.json")
    edit(old, lambda document: document["test"].append(document["training"].pop()))
    result = split_datalist(file, SplitFiles(file.with_name("new.json")), SplitOptions(), old)
    assert where(file.with_name("new.json")) == where(old)
    assert result.notes == (Like("60 … stay where …, 0 new"),)


def test_who_is_gone_from_the_newer_list_is_reported(file: Path) -> None:
    split(file, SplitOptions(), "old.json")
    edit(file, lambda document: document["training"].pop())
    result = split_datalist(file, SplitFiles(file.with_name("new.json")), SplitOptions(), file.with_name("old.json"))
    assert result.notes[0] == f"1 participant of {file.with_name('old.json')} no longer here: sub-059"


def test_a_file_is_replaced_only_by_force_and_never_one_that_is_wrong(file: Path) -> None:
    assert f"{file} already exists, with a split of its own" in message(lambda: split(file, SplitOptions(), file.name))
    split(file, SplitOptions(), file.name, replacing=Replacing(force=True))
    assert len(where(file)) == 60
    broken = file.with_name("broken.json")
    broken.write_text('{"classes": ["M", "F"],}', encoding="utf-8")
    assert "is not a valid datalist (2 problems): it is not replaced: correct it, move it away" in message(
        lambda: split(file, SplitOptions(), broken.name, replacing=Replacing(force=True))
    )
    assert broken.read_text(encoding="utf-8") == '{"classes": ["M", "F"],}'
    assert message(lambda: split(broken, SplitOptions(), "x.json")).startswith(str(broken))


def test_a_name_that_no_file_may_have_is_one_line(file: Path) -> None:
    text = message(lambda: split(file, SplitOptions(), f"{'x' * 300}.json"))
    assert "cannot be written (" in text
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (SplitOptions("kfolds"), '--method: "kfolds", expected "ratio", "stratified", "kfold" or "test"'),
        (SplitOptions(test_fraction=1.2), "--test-fraction: 1.2, expected a number between 0 and 1"),
        (SplitOptions(folds=3, keep_folds=True), "--folds: only with --method kfold"),
        (SplitOptions("kfold", test_fraction=0.2), "--folds 5 tests a fifth"),
        (SplitOptions("kfold", folds=1), "--folds: 1, expected 2 or more"),
        (SplitOptions("ratio", group_by=("family",)), "whole groups cannot make exactly 2 : 1"),
        (SplitOptions("kfold", keep_test=True, test_fold=1), "with --keep-test no fold is tested"),
        (SplitOptions("kfold", keep_test=True), "--keep-test: no participant is in test"),
        (
            SplitOptions("kfold", test_fold=1, validation_fold=1),
            "--validation-fold: 1, expected a fold other than --test-fold",
        ),
        (SplitOptions("kfold", validation_fold=0), "--validation-fold: 0, expected a fold other than the tested one"),
        (SplitOptions("kfold", test_fold=5), "--test-fold: 5, expected 0 to 4: there are 5 folds"),
        (SplitOptions("kfold", folds=40), 'class "F": 24 participants, expected at least 40, one for each fold'),
        (SplitOptions("kfold", keep_folds=True), "--keep-folds: no participant has a fold"),
        (
            SplitOptions("kfold", keep_folds=True, folds=3),
            "the folds stay, and their number with them: leave out --folds",
        ),
        (SplitOptions("kfold", stratify_by=("agee",)), 'did you mean "age"? the rows have "age", "family", "note"'),
        (SplitOptions("kfold", stratify_by=("mri",)), '--stratify-by "mri": no participant has this field'),
        (SplitOptions("kfold", stratify_by=("label",)), "the label is always balanced"),
        (SplitOptions("kfold", group_by=("note",)), "no participant in fold"),
        (SplitOptions("stratified", test_fraction=0.97), "none left for"),
    ],
)
def test_what_cannot_be_split_so_is_reported(file: Path, options: SplitOptions, text: str) -> None:
    assert text in message(lambda: split(file, options))
    assert not file.with_name("out.json").exists()


def test_a_column_in_which_nearly_everyone_differs_cannot_be_balanced(file: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        for number, each in enumerate(document["training"]):
            each.update(initials=f"x{number}", years=20 + number / 7)

    edit(file, change)
    options = SplitOptions("stratified", stratify_by=("initials",))
    assert '"initials": 60 different values among 60 participants' in message(lambda: split(file, options))
    split(file, replace(options, stratify_by=("years",)))  # numbers are cut into four ranges


def test_missing_labels_are_asked_for(file: Path) -> None:
    edit(file, lambda document: document["training"][3].pop("label"))
    assert "sub-003" in message(lambda: split(file, SplitOptions()))


def test_a_field_whose_name_holds_a_sign_that_cannot_be_seen_is_found(file: Path) -> None:
    edit(file, lambda document: [row.update({"si\u200bte": f"s{n % 3}"}) for n, row in enumerate(document["training"])])
    result = split(file, SplitOptions("stratified", stratify_by=("site",)))
    by_section = where(result.paths[0])
    strata = Counter((by_section[f"sub-{n:03d}"], n % 3) for n in range(60))
    assert {strata["test", site] for site in range(3)} == {4}
    with pytest.raises(InputError, match="no participant has this field"):
        split(file, SplitOptions("stratified", stratify_by=("place",)), out="other.json")


@pytest.mark.parametrize(
    ("classes", "options", "expected"),
    [
        (("M", "F"), SplitOptions(), "ratio"),
        (("F", "M"), SplitOptions(), "stratified"),
        (("patient", "control"), SplitOptions(), "stratified"),
        (("a", "b", "c"), SplitOptions(), "stratified"),
        (("M", "F"), SplitOptions(group_by=("family",)), "stratified"),
        (("patient", "control"), SplitOptions("ratio"), "ratio"),
    ],
)
def test_without_a_method_only_m_and_f_are_split_two_to_one(
    classes: tuple[str, ...], options: SplitOptions, expected: str
) -> None:
    assert options.for_classes(classes).method == expected
