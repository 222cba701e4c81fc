"""From two folders and a participants table to a datalist; what is ambiguous is refused by name, never guessed."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from monai_fusion.datalist import check_datalist, read_datalist
from monai_fusion.datalist.building.build_options import BuildOptions
from monai_fusion.datalist.building.new_datalist import build_datalist
from monai_fusion.datalist.building.scanning import participant_id_of
from monai_fusion.datalist.choosing import Choice
from monai_fusion.datalist.split.split_options import SplitOptions
from monai_fusion.errors import InputError
from tests.datalist.building.options_of_build import build_options, changed
from tests.datalist.lines import Like

PARTICIPANTS = [f"sub-{number:03d}" for number in range(1, 21)]
Cohort = Callable[..., BuildOptions]


@pytest.fixture
def options(tmp_path: Path) -> BuildOptions:
    """Twenty participants with three EEG segments and an MRI each; every third is F."""
    root = tmp_path / "cohort"
    for folder in ("eeg", "mri"):
        (root / folder).mkdir(parents=True)
    (tmp_path / "lists").mkdir()
    for name in PARTICIPANTS:
        for segment in ("EO_seg0", "EO_seg1", "EC_seg0"):
            (root / f"eeg/{name}_{segment}.npy").touch()
        (root / f"mri/{name}_T1w.nii.gz").touch()
    table = ["participant_id,gender,age"]
    table += [f"{name},{'F' if number % 3 == 0 else 'M'},20-25" for number, name in enumerate(PARTICIPANTS)]
    (root / "participants.csv").write_text("\n".join(table) + "\n", encoding="utf-8")
    return build_options(
        out=tmp_path / "lists/gender.json",
        eeg_dir=(root / "eeg",),
        mri_dir=(root / "mri",),
        participants=root / "participants.csv",
    )


def edit_table(options: BuildOptions, old: str, new: str) -> None:
    text = options.table.participants.read_text(encoding="utf-8")
    assert old in text
    options.table.participants.write_text(text.replace(old, new), encoding="utf-8")


def message(options: BuildOptions) -> str:
    with pytest.raises(InputError) as raised:
        build_datalist(options)
    assert not options.output.out.exists(), "nothing may be written if anything is wrong"
    return str(raised.value)


def test_what_is_built_passes_the_check_and_holds_everyone_with_all_files(options: BuildOptions) -> None:
    result = build_datalist(options)
    assert check_datalist(options.output.out) == []
    datalist = read_datalist(options.output.out)
    records = datalist.all_records
    assert sorted(record.participant_id for record in records) == PARTICIPANTS
    for record in records:
        assert [path.name for path in record.eeg] == [
            f"{record.participant_id}_{segment}.npy" for segment in ("EC_seg0", "EO_seg0", "EO_seg1")
        ]
        assert record.mri is not None
        assert record.mri.name == f"{record.participant_id}_T1w.nii.gz"
        assert record.label == (1 if PARTICIPANTS.index(record.participant_id) % 3 == 0 else 0)
    # 13 M and 7 F: T0 4, k 1; left 11 and 6, 15 % of them 1.65 and 0.9
    assert result.counts == {
        "training": {"M": 9, "F": 5},
        "validation": {"M": 2, "F": 1},
        "test": {"M": 2, "F": 1},
    }


def test_the_file_holds_one_participant_a_line_and_paths_from_data_root(options: BuildOptions) -> None:
    build_datalist(changed(options, columns=("age",), name="Zwölf Übungen"))
    content = options.output.out.read_bytes()
    assert b"\r" not in content
    lines = content.decode("utf-8").splitlines()
    assert lines[:7] == [
        "{",
        '  "$schema": "datalist.schema.json",',
        '  "name": "Zwölf Übungen",',
        '  "target": "gender",',
        '  "classes": ["M", "F"],',
        '  "data_root": "../cohort",',
        '  "training": [',
    ]
    rows = [line for line in lines if "participant_id" in line]
    assert len(rows) == 20
    assert (
        '    {"participant_id": "sub-001", "label": "F", "eeg": "eeg/sub-001_*.npy", '
        '"mri": "mri/sub-001_T1w.nii.gz", "age": "20-25"}'
    ) in [row.removesuffix(",") for row in rows]


def test_the_same_input_gives_the_same_bytes_and_another_seed_another_split(options: BuildOptions) -> None:
    build_datalist(options)
    first = options.output.out.read_bytes()
    build_datalist(changed(options, force=True))
    assert options.output.out.read_bytes() == first
    build_datalist(changed(options, force=True, split=SplitOptions(seed=7)))
    assert options.output.out.read_bytes() != first


def test_monai_reads_the_file(options: BuildOptions) -> None:
    from monai.data import load_decathlon_datalist

    build_datalist(options)
    ours = read_datalist(options.output.out)
    for section in ours.sections:
        theirs = load_decathlon_datalist(
            options.output.out, is_segmentation=False, data_list_key=section, base_dir=ours.data_root
        )
        assert [row["participant_id"] for row in theirs] == [row.participant_id for row in ours.records(section)]
        assert [Path(row["mri"]) for row in theirs] == [row.mri for row in ours.records(section)]
        assert [row["label"] for row in theirs] == [ours.classes[row.label or 0] for row in ours.records(section)]


def test_files_that_no_pattern_means_exactly_are_listed(options: BuildOptions) -> None:
    options.folders.eeg_dir[0].joinpath("sub-001_EO_seg10.npy").touch()
    options.folders.eeg_dir[0].joinpath("late").mkdir()
    options.folders.eeg_dir[0].joinpath("late/sub-002_EO_seg7.npy").touch()
    for segment in ("EO_seg1", "EC_seg0"):
        options.folders.eeg_dir[0].joinpath(f"sub-003_{segment}.npy").unlink()
    options.folders.eeg_dir[0].joinpath("sub-004.npy").touch()
    build_datalist(options)
    document = json.loads(options.output.out.read_text(encoding="utf-8"))
    rows = {row["participant_id"]: row["eeg"] for part in ("training", "validation", "test") for row in document[part]}
    assert rows["sub-001"] == "eeg/sub-001_*.npy"
    assert rows["sub-002"] == ["eeg/late/sub-002_EO_seg7.npy"] + [
        f"eeg/sub-002_{segment}.npy" for segment in ("EC_seg0", "EO_seg0", "EO_seg1")
    ]
    assert rows["sub-003"] == "eeg/sub-003_EO_seg0.npy"
    assert rows["sub-004"][0] == "eeg/sub-004.npy"
    assert check_datalist(options.output.out) == []


def test_hidden_files_and_other_kinds_are_no_recordings(options: BuildOptions) -> None:
    options.folders.mri_dir[0].joinpath("._sub-001_T1w.nii.gz").touch()
    options.folders.mri_dir[0].joinpath("sub-001_T1w.json").touch()
    options.folders.mri_dir[0].joinpath(".git").mkdir()
    options.folders.mri_dir[0].joinpath(".git/sub-001_T1w.nii").touch()
    assert sum(build_datalist(options).counts["test"].values()) == 3


@pytest.mark.parametrize(
    ("name", "participant_id"),
    [
        ("sub-010002_EO_seg0.npy", "sub-010002"),
        ("sub-010002.npy", "sub-010002"),
        ("sub-01.2_x.NPY", "sub-01.2"),
        ("_EO.npy", ""),
    ],
)
def test_the_id_is_the_name_up_to_the_first_underscore(name: str, participant_id: str) -> None:
    assert participant_id_of(name, (".npy",)) == participant_id
    assert participant_id_of("sub-010002.nii.gz", (".nii", ".nii.gz")) == "sub-010002"


def test_labels_that_are_no_class_are_all_listed_and_refused(options: BuildOptions) -> None:
    edit_table(options, "sub-002,M", "sub-002,male")
    edit_table(options, "sub-003,M", "sub-003, ")
    edit_table(options, "sub-004,F", "sub-004,f")
    edit_table(options, "sub-006,M,20-25\n", "")
    edit_table(options, "sub-007,F", "sub-007, F ")  # spaces around a label are the table's, not the label's
    assert message(options).splitlines() == [
        f"{options.table.participants}: 4 problems",
        '  sub-002 gender: "male" in line 3, expected "M" or "F": did you mean "M"?',
        '  sub-003 gender: empty in line 4, expected "M" or "F"',
        '  sub-004 gender: "f" in line 5, expected "M" or "F": did you mean "F"?',
        Like("  sub-006 gender: not … table … row"),
        Like(
            "note: for all of them: correct … table … --label-map VALUE=CLASS, or leave them out with --drop-unlabelled"
        ),
    ]


def test_unlabelled_participants_are_left_out_and_named_only_when_asked_for(options: BuildOptions) -> None:
    edit_table(options, "sub-002,M", "sub-002,male")
    result = build_datalist(changed(options, drop_unlabelled=True))
    assert [str(problem) for problem in result.unlabelled] == [
        'sub-002 gender: "male" in line 3, expected "M" or "F": did you mean "M"?'
    ]
    assert "sub-002" not in options.output.out.read_text(encoding="utf-8")


def test_two_mris_of_one_participant_are_refused_with_both_names(options: BuildOptions) -> None:
    options.folders.mri_dir[0].joinpath("sub-002_rec-2_T1w.nii").touch()
    assert message(options) == (
        "sub-002 mri: 2 MRIs: sub-002_T1w.nii.gz, sub-002_rec-2_T1w.nii, expected one: "
        'choose with a --t1w-pattern such as "*_T1w.nii.gz"'
    )
    build_datalist(changed(options, choice=Choice(t1w_patterns=("*_T1w.nii.gz",))))
    assert "rec-2" not in options.output.out.read_text(encoding="utf-8")


def test_participants_with_one_recording_are_left_out_and_reported(options: BuildOptions) -> None:
    options.folders.mri_dir[0].joinpath("sub-001_T1w.nii.gz").unlink()
    for path in options.folders.eeg_dir[0].glob("sub-002_*"):
        path.unlink()
    edit_table(options, "age\n", "age\nsub-900,M,20-25\n")
    result = build_datalist(options)
    assert (result.only_eeg, result.only_mri, result.without_files) == (("sub-001",), ("sub-002",), ("sub-900",))
    assert sum(sum(counts.values()) for counts in result.counts.values()) == 18


def test_ids_that_nowhere_agree_are_shown_from_both_sides_with_what_to_do(options: BuildOptions) -> None:
    edit_table(options, "sub-0", "")
    edit_table(options, "\n0", "\n")  # 1 instead of sub-001, as Excel leaves it
    assert message(options) == (
        Like(
            "participants: files of sub-001, sub-002, sub-003 and 17 more; "
            "rows in participants.csv of 1, 2, 3 and 17 more … same …: "
            "if sub-001 and 1 … one … so … 20 of them, add --loose-ids"
        )
    )
    assert sum(build_datalist(changed(options, loose_ids=True)).counts["test"].values()) == 3
    options.output.out.unlink()
    for path in options.folders.mri_dir[0].iterdir():
        path.rename(path.with_name(path.name.replace("sub-0", "sub-1")))
    assert message(options).splitlines()[1:] == [
        Like(
            "  participants: EEG of sub-001, sub-002, sub-003 and 17 more; MRIs of sub-101, sub-102, sub-103 and 17 "
            "more, expected … same … both: … table … columns … --id-map TABLE"
        ),
        Like(
            "  participants: files of sub-001, sub-002, sub-003 and 37 more; rows in participants.csv of 1, 2, 3 and "
            "17 more … same …: if sub-001 and 1 … one … so … 20 of them, "
            "add --loose-ids"
        ),
    ]


def test_folders_without_recordings_and_names_without_an_id_are_refused(options: BuildOptions, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    gone = tmp_path / "gone"
    options.folders.mri_dir[0].joinpath("_T1w.nii").touch()
    assert message(changed(options, eeg_dir=(empty,))).splitlines() == [
        "2 problems",
        f"  EEG folder: no .npy file in {empty}, expected at least one",
        '  MRI folder: "_T1w.nii", expected a name such as sub-010002_T1w.nii: rename it',
    ]
    assert f"EEG folder: {gone}: there is no such folder, expected a folder" in message(
        changed(options, eeg_dir=(gone,))
    )
    table = options.table.participants
    assert f"EEG folder: {table}: a file, expected a folder" in message(changed(options, eeg_dir=(table,)))


def test_columns_are_asked_for_by_their_exact_name(options: BuildOptions) -> None:
    edit_table(options, "age\n", "age (5-year bins)\n")
    assert message(changed(options, label_column="Gender", columns=("age",))).splitlines()[1:] == [
        '  column "Gender": not there: did you mean "gender"? '
        'the columns are "participant_id", "gender", "age (5-year bins)"; name one with --label-column',
        '  column "age": not there: did you mean "age (5-year bins)"? '
        'the columns are "participant_id", "gender", "age (5-year bins)"',
    ]


def test_an_existing_file_is_replaced_only_by_force(options: BuildOptions) -> None:
    options.output.out.write_text("years of work", encoding="utf-8")
    with pytest.raises(InputError, match="already exists, and is not a valid datalist"):
        build_datalist(options)
    assert options.output.out.read_text(encoding="utf-8") == "years of work"
    edit_table(options, "sub-002,M", "sub-002,male")
    with pytest.raises(InputError):
        build_datalist(changed(options, force=True))
    assert options.output.out.read_text(encoding="utf-8") == "years of work"
    assert [path.name for path in options.output.out.parent.iterdir()] == ["gender.json"]


def test_options_that_cannot_be_are_refused_before_anything_is_searched(options: BuildOptions) -> None:
    nowhere = changed(options, eeg_dir=(Path("nowhere"),))
    assert message(changed(nowhere, classes=("M", "M"))) == Like('--classes: "M" "M", expected … different names')
    assert "--columns" in message(changed(nowhere, columns=("label",)))
    assert "--columns" in message(changed(nowhere, columns=("Excluded",)))
    by_ratio = changed(options, classes=("M", "F", "D"), split=SplitOptions("ratio"))
    assert "3 classes" in message(by_ratio)


def test_a_cohort_too_small_to_split_is_refused_with_the_counts(options: BuildOptions) -> None:
    for name in PARTICIPANTS[5:]:
        options.folders.mri_dir[0].joinpath(f"{name}_T1w.nii.gz").unlink()
    assert message(options).splitlines() == [
        "the participants cannot be split: 3 problems",
        '  split class "M": 3 participants, of whom 2 would be tested: none left for training',
        '  split class "F": 2 participants, of whom 1 would be tested: none left for training',
        '  split: 3 and 2, expected at least 4 "M" and 3 "F"',
        Like("note: … model … trained …: --method test"),
    ]


def test_data_root_may_be_chosen_if_it_holds_both_folders(options: BuildOptions, tmp_path: Path) -> None:
    build_datalist(changed(options, data_root=tmp_path))
    document = json.loads(options.output.out.read_text(encoding="utf-8"))
    assert document["data_root"] == ".."
    assert document["test"][0]["mri"].startswith("cohort/mri/")
    assert check_datalist(options.output.out) == []
    options.output.out.unlink()
    assert "--data-root" in message(changed(options, data_root=options.folders.eeg_dir[0]))


def test_a_folder_in_the_place_of_a_file_is_reported_as_one(options: BuildOptions, tmp_path: Path) -> None:
    wanted = "expected a participants table (CSV, TSV or .xlsx)"
    assert message(changed(options, participants=tmp_path)) == f"{tmp_path}: a folder, {wanted}"
    for force in (False, True):
        with pytest.raises(InputError, match=r"a folder, expected a file to write, such as .*datalist\.json"):
            build_datalist(changed(options, out=tmp_path, force=force))


def test_an_output_folder_that_is_not_there_is_reported(options: BuildOptions, tmp_path: Path) -> None:
    assert f"there is no folder {tmp_path / 'no'}" in message(changed(options, out=tmp_path / "no" / "list.json"))


def test_extending_keeps_rows_as_they_were_edited_and_distributes_only_the_new(options: BuildOptions) -> None:
    later = PARTICIPANTS[14:]
    waiting = {path: path.read_bytes() for name in later for path in options.folders.mri_dir[0].glob(f"{name}_*")}
    for path in waiting:
        path.unlink()
    build_datalist(options)
    document = json.loads(options.output.out.read_text(encoding="utf-8"))
    first, second, *_ = document["training"]
    first["exclude"] = "fell asleep"
    second |= {"comment": "Größe?", "eeg": second["eeg"].replace("_*", "_EO_seg0")}
    document |= {"name": "ours"}
    old = options.output.out.with_name("old.json")
    old.write_text(json.dumps(document), encoding="utf-8")
    for path, content in waiting.items():
        path.write_bytes(content)

    new = options.output.out.with_name("new.json")
    result = build_datalist(changed(options, out=new, extend=old, columns=("age",)))
    assert check_datalist(new) == []
    extended = json.loads(new.read_text(encoding="utf-8"))
    assert extended["name"] == "ours"
    for section in ("training", "validation", "test"):
        rows = [{**row, "age": "20-25"} for row in document[section]]
        assert [row for row in extended[section] if row["participant_id"] not in later] == rows
    everyone = [row["participant_id"] for section in ("training", "validation", "test") for row in extended[section]]
    assert sorted(everyone) == PARTICIPANTS
    assert result.counts["test"]["M"] == 2 * result.counts["test"]["F"]
    assert f"1 participant excluded, as before: {first['participant_id']}" in result.notes


def test_extending_with_other_classes_or_labels_is_refused(options: BuildOptions) -> None:
    build_datalist(options)
    more = changed(options, extend=options.output.out, out=options.output.out.with_name("more.json"))
    assert '--extend classes: "F" "M", expected "M" "F", as in' in message(changed(more, classes=("F", "M")))
    edit_table(options, "sub-002,M", "sub-002,F")
    assert message(more) == (
        Like('sub-002 label: "F" in the table, "M" in gender.json, expected the same: correct … wrong')
    )


def test_the_split_options_reach_the_datalist(options: BuildOptions) -> None:
    split = SplitOptions("kfold", folds=3, stratify_by=("age",))
    result = build_datalist(changed(options, split=split, all_folds=True))
    assert [path.name for path in result.paths] == ["gender_fold0.json", "gender_fold1.json", "gender_fold2.json"]
    rows = json.loads(result.paths[1].read_text(encoding="utf-8"))["test"]
    assert {row["fold"] for row in rows} == {1}
    assert list(rows[0]) == ["participant_id", "label", "eeg", "mri", "fold", "age"]


def test_labels_that_are_codes_are_mapped(options: BuildOptions) -> None:
    text = options.table.participants.read_text(encoding="utf-8")
    options.table.participants.write_text(text.replace(",M,", ",2,").replace(",F,", ",1,"), encoding="utf-8")
    problem = message(options).splitlines()[1]
    assert problem.startswith('  sub-001, sub-004, sub-007 and 4 more gender: "1" in lines 2, 5, 8, 11, 14 and 2 more')
    result = build_datalist(changed(options, label_map=("1=F", "2=M")))
    assert result.counts["test"] == {"M": 2, "F": 1}
