"""Participants with one recording change no split of those with both; every part gets its share of them."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from monai_fusion.datalist import check_datalist, read_datalist
from monai_fusion.datalist.split.ratio import Split
from monai_fusion.datalist.split.resplitting import split_datalist
from monai_fusion.datalist.split.split_methods import make_split
from monai_fusion.datalist.split.split_options import KeptSplit, SplitFiles, SplitOptions
from monai_fusion.datalist.strata import SplitParticipant
from monai_fusion.errors import InputError
from tests.commands import call
from tests.datalist.lines import Like

SECTIONS = ("training", "validation", "test")
CLASSES = ("M", "F")
METHODS = [
    SplitOptions(),
    SplitOptions(stratify_by=("age",)),
    SplitOptions("stratified"),
    SplitOptions("kfold", folds=4),
    SplitOptions("kfold", folds=4, test_fold=1, validation_fold=3),
]


def participants(number: int, groups: bool = False) -> list[SplitParticipant]:
    """Of ten participants six have both recordings, two an EEG and two an MRI; two of five are of the second class."""
    have = ("both", "both", "eeg", "both", "mri", "both", "both", "eeg", "both", "mri")
    return [
        SplitParticipant(
            f"sub-{i:03d}",
            int(i // 10 % 5 < 2),
            ("old" if i % 7 < 3 else "young",),
            f"f{i // 2}" if groups else None,
            have[i % 10],
        )
        for i in range(number)
    ]


def places(split: Split) -> dict[str, tuple[str, int | None]]:
    return {name: (section, split.folds.get(name)) for section in SECTIONS for name in split.section(section)}


@pytest.mark.parametrize("options", METHODS)
def test_those_with_both_are_where_they_would_be_alone(options: SplitOptions) -> None:
    everyone = participants(150)
    complete = [participant for participant in everyone if participant.recordings == "both"]
    found, alone = (places(make_split(each, CLASSES, options)) for each in (everyone, complete))
    assert found.keys() == {participant.participant_id for participant in everyone}
    assert {name: place for name, place in found.items() if name in alone} == alone
    assert places(make_split(everyone[::-1], CLASSES, options)) == found


@pytest.mark.parametrize("options", [SplitOptions("stratified"), SplitOptions("kfold", folds=5)])
def test_each_part_has_its_share_of_each_class_of_those_with_an_eeg_and_of_those_with_an_mri(
    options: SplitOptions,
) -> None:
    everyone = participants(250)
    found = places(make_split(everyone, CLASSES, options))
    for what in ("eeg", "mri"):
        for label, of_class in ((0, 30), (1, 20)):
            them = [
                participant for participant in everyone if (participant.recordings, participant.label) == (what, label)
            ]
            assert len(them) == of_class
            sections = Counter(found[participant.participant_id][0] for participant in them)
            assert sections["test"] == of_class / 5
            assert abs(sections["validation"] - 0.15 * 0.8 * of_class) < 1
            if options.method == "kfold":
                folds = Counter(found[participant.participant_id][1] for participant in them)
                assert set(folds.values()) == {of_class // 5}


def test_two_of_the_first_class_for_one_of_the_second_are_tested_among_them_too() -> None:
    everyone = participants(150)
    tested = set(make_split(everyone, CLASSES, SplitOptions()).test)
    counts = Counter(
        (participant.recordings != "both", participant.label)
        for participant in everyone
        if participant.participant_id in tested
    )
    assert counts[True, 0] == 2 * counts[True, 1] == 8  # of 60, T0 is 12
    assert counts[False, 0] == 2 * counts[False, 1]
    assert {participant.recordings for participant in everyone if participant.participant_id in tested} == {
        "both",
        "eeg",
        "mri",
    }


@pytest.mark.parametrize("options", METHODS)
def test_a_few_of_them_train_and_keep_nothing_from_being_split(options: SplitOptions) -> None:
    complete = [participant for participant in participants(80) if participant.recordings == "both"]
    found = places(make_split([*complete, SplitParticipant("sub-900", 1, ("old",), None, "mri")], CLASSES, options))
    assert len(found) == len(complete) + 1
    if options.method != "kfold":  # where everyone is tested once
        assert found["sub-900"] == ("training", None)


@pytest.mark.parametrize("options", [SplitOptions("stratified"), SplitOptions("kfold", folds=4)])
def test_a_family_stays_together_also_with_a_member_placed_before(options: SplitOptions) -> None:
    everyone = participants(120, groups=True)
    found = places(make_split(everyone, CLASSES, options))
    # Some who have one recording stand in the test part from before.
    older = {participant.participant_id: "test" for participant in everyone[::7] if participant.recordings != "both"}
    assert older
    kept_split = KeptSplit(older, dict.fromkeys(older, 3) if options.method == "kfold" else {})
    again = places(make_split(everyone, CLASSES, options, kept_split))
    assert {name: again[name][0] for name in older} == older
    for places_of in (found, again):
        by_family: dict[str | None, set[object]] = {}
        for participant in everyone:
            by_family.setdefault(participant.group, set()).add(places_of[participant.participant_id])
        assert all(len(each) == 1 for each in by_family.values())


@pytest.mark.parametrize("options", [SplitOptions(), SplitOptions("stratified"), SplitOptions("kfold", folds=4)])
def test_no_participant_moves_when_new_participants_come(options: SplitOptions) -> None:
    older = make_split(participants(100), CLASSES, options)
    before = places(older)
    kept_split = KeptSplit({name: section for name, (section, _) in before.items()}, older.folds)
    after = places(make_split(participants(150), CLASSES, options, kept_split))
    assert {name: place for name, place in after.items() if name in before} == before
    new = [participant for participant in participants(150)[100:] if participant.recordings != "both"]
    assert {after[participant.participant_id][0] for participant in new} == set(SECTIONS)


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Sixty participants of whom every fifth lacks the MRI and every sixth the EEG."""
    for folder in ("eeg", "mri"):
        (tmp_path / folder).mkdir()
    table = ["participant_id,gender,site"]
    for number in range(60):
        name = f"sub-{number:02d}"
        if number % 6:
            (tmp_path / f"eeg/{name}_EO_seg0.npy").write_bytes(b"\x93NUMPY")
        if number % 5:
            (tmp_path / f"mri/{name}_T1w.nii.gz").write_bytes(b"\x93NUMPY")
        table.append(f"{name},{'MF'[number % 2]},{'AB'[number // 30]}")
    (tmp_path / "participants.csv").write_text("\n".join(table) + "\n", encoding="utf-8")
    return tmp_path


def build(cohort: Path, out: str, *more: str) -> list[str]:
    return [
        "datalist", "build", "--eeg-dir", f"{cohort / 'eeg'}", "--mri-dir", f"{cohort / 'mri'}", "--participants",
        f"{cohort / 'participants.csv'}", "--out", f"{cohort / out}", *more,
    ]  # fmt: skip


def rows(path: Path) -> Iterator[tuple[str, dict[str, object]]]:
    document = json.loads(path.read_text(encoding="utf-8"))
    return ((section, row) for section in SECTIONS for row in document[section])


def test_without_the_option_they_are_left_out_and_the_option_is_named(
    cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = call(capsys, *build(cohort, "plain.json"))
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == f"{cohort / 'plain.json'}: 40 participants with both recordings"
    assert "10 participants with an EEG but no MRI left out: sub-05, sub-10, sub-15 and 7 more" in lines
    hint = "18 participants have one recording only: --allow-missing would keep those of them with a label"
    assert hint in lines
    assert sum("one recording" in line for line in lines) == 1
    assert all(row["eeg"] and row["mri"] for _, row in rows(cohort / "plain.json"))


def test_with_the_option_they_are_in_the_list_the_report_and_the_check(
    cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out_file = cohort / "all.json"
    assert call(capsys, *build(cohort, "plain.json"))[0] == 0
    code, out, _ = call(capsys, *build(cohort, "all.json", "--allow-missing", "--columns", "site"))
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == f"{out_file}: 40 participants with both recordings, 18 with one"
    assert "8 participants with an MRI but no EEG kept: sub-06, sub-12, sub-18 and 5 more" in lines
    assert "2 participants of the table without any recording: sub-00, sub-30" in lines
    assert "left out" not in out
    assert "recordings EEG only   recordings MRI only   recordings both" in out
    by_id = {row["participant_id"]: (section, row) for section, row in rows(out_file)}
    assert by_id["sub-05"][1]["mri"] is None
    assert by_id["sub-06"][1]["eeg"] is None
    assert all(by_id[row["participant_id"]][0] == section for section, row in rows(cohort / "plain.json"))
    assert {section for section, row in by_id.values() if row["mri"] is None} == set(SECTIONS)

    assert check_datalist(out_file) == []
    code, out, err = call(capsys, "datalist", "check", out_file)
    assert (code, err) == (0, "")
    training = [row for section, row in rows(out_file) if section == "training"]
    lacking = sum(row["mri"] is None or row["eeg"] is None for row in training)
    assert f"  training: {len(training)} participants" in out
    assert f", {lacking} of them with one recording only\n" in out
    ending = (
        "18 participants have one recording only (10 EEG, 8 MRI): training uses them only with --allow_missing true"
    )
    assert out.splitlines()[-1] == ending
    report = json.loads(call(capsys, "datalist", "check", out_file, "--json")[1])
    assert sum(each["recordings"]["eeg"] for each in report["sections"].values()) == 10


def test_monai_and_the_training_code_read_the_list(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from monai.data import load_decathlon_datalist

    assert call(capsys, *build(cohort, "all.json", "--allow-missing"))[0] == 0
    ours = read_datalist(cohort / "all.json")
    theirs = load_decathlon_datalist(
        cohort / "all.json", is_segmentation=False, data_list_key="training", base_dir=ours.data_root
    )
    records = ours.records("training")
    assert [None if row["mri"] is None else Path(row["mri"]) for row in theirs] == [record.mri for record in records]
    assert any(not record.eeg for record in records)


def test_labels_are_asked_for_as_of_the_others(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = cohort / "participants.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("sub-05,F", "sub-05,?"), encoding="utf-8")
    assert call(capsys, *build(cohort, "plain.json"))[0] == 0  # of a participant who is left out, nothing is needed
    code, _, err = call(capsys, *build(cohort, "all.json", "--allow-missing"))
    assert (code, not (cohort / "all.json").exists()) == (2, True)
    assert 'sub-05 gender: "?" in line 7, expected "M" or "F"' in err
    code, out, _ = call(capsys, *build(cohort, "all.json", "--allow-missing", "--drop-unlabelled"))
    assert code == 0
    assert "with both recordings, 17 with one" in out
    assert "1 participant without a label left out:" in out


def test_one_participant_under_two_ids_is_not_taken_for_two(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (cohort / "mri/SUB-05_T1w.nii.gz").touch()
    code, _, err = call(capsys, *build(cohort, "all.json", "--allow-missing"))
    assert code == 2
    assert err == (
        "error: sub-05 and SUB-05: an EEG of the one, an MRI of the other, expected one id of one participant: "
        "if they are one, add --loose-ids, or rename the files\n"
    )
    code, out, _ = call(capsys, *build(cohort, "all.json", "--allow-missing", "--loose-ids"))
    assert code == 0
    assert "41 participants with both recordings, 17 with one" in out


def test_an_older_list_without_them_is_extended_by_them(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, *build(cohort, "plain.json", "--method", "stratified"))[0] == 0
    (cohort / "mri/sub-05_T1w.nii.gz").touch()
    more = ("--method", "stratified", "--allow-missing", "--extend")
    assert call(capsys, *build(cohort, "all.json", *more, f"{cohort / 'plain.json'}"))[0] == 0
    before, after = (list(rows(cohort / name)) for name in ("plain.json", "all.json"))
    assert [each for each in after if each in before] == before
    assert len(after) == 58
    (cohort / "mri/sub-10_T1w.nii.gz").touch()
    code, _, err = call(capsys, *build(cohort, "more.json", *more, f"{cohort / 'all.json'}"))
    assert code == 0
    assert f"1 participant with one recording in {cohort / 'all.json'}, and now both: sub-10; the rows stay" in err
    assert list(rows(cohort / "more.json")) == after


def test_folds_are_of_all_only_on_request(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, *build(cohort, "all.json", "--allow-missing"))[0] == 0
    lacking = [str(row["participant_id"]) for _, row in rows(cohort / "all.json") if not (row["eeg"] and row["mri"])]
    kfold = SplitOptions("kfold", folds=3)
    without = split_datalist(cohort / "all.json", SplitFiles(cohort / "without.json"), kfold)
    assert without.notes == (
        Like(f"18 … recording only …: {', '.join(lacking[:3])} and 15 more (--allow-missing splits them too)"),
    )
    result = split_datalist(
        cohort / "all.json", SplitFiles(cohort / "cv.json", all_folds=True), replace(kfold, allow_missing=True)
    )
    assert result.notes == ()
    tested: Counter[str] = Counter()
    for number, path in enumerate(result.paths):
        assert check_datalist(path) == []
        folds = {str(row["participant_id"]): row["fold"] for section, row in rows(path) if section == "test"}
        assert set(folds.values()) == {number}
        tested.update(folds.keys())
    assert set(tested.values()) == {1}
    assert len(tested) == 58
    kept = SplitOptions("kfold", keep_folds=True, allow_missing=True, test_fold=2)
    split_datalist(cohort / "cv_fold1.json", SplitFiles(cohort / "again.json"), kept)
    again, third = (
        {row["participant_id"]: section for section, row in rows(cohort / name)}
        for name in ("again.json", "cv_fold2.json")
    )
    assert again == third


def test_folds_that_are_to_be_kept_are_asked_of_them_too(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, *build(cohort, "all.json", "--allow-missing", "--method", "kfold", "--folds", "3"))[0] == 0
    document = json.loads((cohort / "all.json").read_text(encoding="utf-8"))
    row = next(row for row in document["training"] if row["mri"] is None)
    del row["fold"]
    (cohort / "all.json").write_text(json.dumps(document), encoding="utf-8")
    keep = SplitOptions("kfold", keep_folds=True, allow_missing=True)
    with pytest.raises(InputError, match=f"--keep-folds: no fold: {row['participant_id']}"):
        split_datalist(cohort / "all.json", SplitFiles(cohort / "out.json"), keep)


def test_a_test_set_outside_the_folds_keeps_them(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, *build(cohort, "all.json", "--allow-missing"))[0] == 0
    keep = SplitOptions("kfold", folds=3, keep_test=True, allow_missing=True)
    split_datalist(cohort / "all.json", SplitFiles(cohort / "cv.json", all_folds=True), keep)
    tested = [row for section, row in rows(cohort / "all.json") if section == "test"]
    for number in range(3):
        found = list(rows(cohort / f"cv_fold{number}.json"))
        assert [row for section, row in found if section == "test"] == tested
        assert {row["fold"] for section, row in found if section == "validation"} == {number}


def test_a_recording_that_goes_with_the_class_is_warned_of(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(1, 60, 2):  # half of the F lose their MRI
        if number % 4 == 1:
            (cohort / f"mri/sub-{number:02d}_T1w.nii.gz").unlink(missing_ok=True)
    code, _, err = call(capsys, *build(cohort, "all.json", "--allow-missing", "--method", "stratified"))
    assert code == 0
    assert "warning: recordings goes together with the class" in err
