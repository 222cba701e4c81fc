"""Ids, labels and columns that nearly agree: what is one is joined; what is only near is named, with what joins it."""

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from monai_fusion.datalist import check_datalist
from monai_fusion.datalist.building.build_options import BuildOptions
from monai_fusion.datalist.building.new_datalist import BuildResult, build_datalist
from monai_fusion.datalist.near_misses import LOOSE, MAP, near_misses
from monai_fusion.datalist.split.split_options import SplitOptions
from monai_fusion.errors import InputError
from monai_fusion.spelling import loose_key
from tests.datalist.building.options_of_build import build_options, changed
from tests.datalist.lines import Like

PARTICIPANTS = [f"sub-{number:02d}" for number in range(1, 17)]
LABELS = dict(zip(PARTICIPANTS, "MFMMFMMFMMFMMFMM", strict=True))


def nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


@pytest.fixture
def options(tmp_path: Path) -> BuildOptions:
    """Sixteen participants, sub-01 to sub-16, with an empty EEG and MRI file each, and a table of them."""
    for folder in ("eeg", "mri"):
        (tmp_path / folder).mkdir()
    for name in PARTICIPANTS:
        (tmp_path / f"eeg/{name}_EO_seg0.npy").touch()
        (tmp_path / f"mri/{name}_T1w.nii.gz").touch()
    built = build_options(
        tmp_path / "list.json",
        eeg_dir=(tmp_path / "eeg",),
        mri_dir=(tmp_path / "mri",),
        participants=tmp_path / "participants.csv",
    )
    write_table(built, {})
    return built


def write_table(options: BuildOptions, other_ids: dict[str, str], name: str = "gender") -> None:
    assert options.table.participants is not None
    rows = [f"{other_ids.get(participant, participant)},{label}" for participant, label in LABELS.items()]
    options.table.participants.write_text("\n".join([f"participant_id,{name}", *rows]), encoding="utf-8")


def test_rows_that_contradict_one_another_are_both_named_to_whoever_lacks_a_row(options: BuildOptions) -> None:
    write_table(options, {"sub-02": "SUB-02", "sub-03": "sub-2"})
    rename(options.folders.eeg_dir[0], "sub-03", "sub-30")
    rename(options.folders.mri_dir[0], "sub-03", "sub-30")
    first, *_ = [line for line in message(options) if "sub-02" in line]
    assert first == (
        Like(
            '  sub-02 gender: not … table …: near are SUB-02 in line 3 ("F") and sub-2 in line 4 ("M"): '
            "write sub-02 … row … meant"
        )
    )


def test_a_near_row_of_a_participant_with_files_is_named(options: BuildOptions) -> None:
    for folder, ending in ((options.folders.eeg_dir[0], "_EO_seg0.npy"), (options.folders.mri_dir[0], "_T1w.nii.gz")):
        assert folder is not None
        (folder / f"sub-003{ending}").touch()
    assert message(options) == [
        f"{options.table.participants}: 1 problem",
        Like(
            '  sub-003 gender: not … table …: near is sub-03 in line 4 ("M"), … files … name: '
            "if … remove … files … sub-003"
        ),
    ]


def rename(folder: Path | None, old: str, new: str) -> None:
    assert folder is not None
    for path in folder.glob(f"{old}_*"):
        path.rename(path.with_name(path.name.replace(old, new)))


def everyone(result: BuildResult) -> dict[str, dict[str, str]]:
    assert check_datalist(result.path) == []
    document = json.loads(result.path.read_text(encoding="utf-8"))
    return {row["participant_id"]: row for part in ("training", "validation", "test") for row in document[part]}


def message(options: BuildOptions) -> list[str]:
    with pytest.raises(InputError) as raised:
        build_datalist(options)
    assert not options.output.out.exists()
    return str(raised.value).splitlines()


@pytest.mark.parametrize("eeg", [nfc, nfd])
@pytest.mark.parametrize("mri", [nfc, nfd])
@pytest.mark.parametrize("table", [nfc, nfd])
def test_one_participant_in_composed_and_decomposed_letters_is_one_and_called_as_in_the_table(
    eeg: Callable[[str], str], mri: Callable[[str], str], table: Callable[[str], str], options: BuildOptions
) -> None:
    rename(options.folders.eeg_dir[0], "sub-03", eeg("sub-Jörg"))
    rename(options.folders.mri_dir[0], "sub-03", mri("sub-Jörg"))
    write_table(options, {"sub-03": table("sub-Jörg")})
    rows = everyone(build_datalist(options))
    assert len(rows) == 16
    assert rows[table("sub-Jörg")] == {
        "participant_id": table("sub-Jörg"),
        "label": "M",
        "eeg": eeg("eeg/sub-Jörg_EO_seg0.npy"),
        "mri": mri("mri/sub-Jörg_T1w.nii.gz"),
    }


def test_two_spellings_in_one_place_are_an_error_and_not_merged(options: BuildOptions) -> None:
    rename(options.folders.mri_dir[0], "sub-03", nfd("sub-Jörg"))
    rename(options.folders.mri_dir[0], "sub-04", nfc("sub-Jörg"))
    assert message(options) == [
        Like(
            f"MRIs: sub-Jo\\u0308rg and {nfc('sub-Jörg')}, expected one spelling: … differ … letters … "
            "accents are stored: … one … rename … files"
        )
    ]
    rename(options.folders.mri_dir[0], nfc("sub-Jörg"), "sub-04")
    write_table(options, {"sub-03": nfd("sub-Jörg"), "sub-05": nfc("sub-Jörg")})
    assert "there in 2 spellings, as sub-Jo\\u0308rg and" in message(options)[1]


def test_labels_classes_and_columns_are_compared_in_composed_letters(options: BuildOptions) -> None:
    write_table(options, {}, nfd("größe"))
    assert options.table.participants is not None
    text = options.table.participants.read_text(encoding="utf-8")
    text = text.replace(",M", nfd(",männlich")).replace(",F", ",weiblich")
    options.table.participants.write_text(text, encoding="utf-8")
    named = changed(options, label_column=nfc("größe"))
    rows = everyone(build_datalist(changed(named, classes=(nfc("männlich"), "weiblich"))))
    assert rows["sub-01"]["label"] == nfc("männlich")
    mapped = changed(named, label_map=(nfc("männlich=M"), "weiblich=F"), force=True, columns=(nfc("größe"),))
    rows = everyone(build_datalist(mapped))
    assert (rows["sub-01"]["label"], rows["sub-01"][nfc("größe")]) == ("M", nfd("männlich"))
    options.output.out.unlink()
    assert message(changed(named, classes=(nfc("männlich"), nfd("männlich")))) == [
        Like(f'--classes: "{nfc("männlich")}" "{nfd("männlich")}", expected … different names')
    ]


ODD_IDS = {
    "sub-01": "sub-01\u200b",
    "sub-02": "sub\u201102",
    "sub-03": "\ufeffsub-03",
    "sub-04": "SUB-04",
    "sub-05": "5.0",
    "sub-06": '="sub-06"',
    "sub-07": "'sub-07",
    "sub-08": "sub_08",
    "sub-09": "sub-9",
}


def test_each_participant_without_a_row_gets_the_nearest_and_the_option_joins_them(options: BuildOptions) -> None:
    write_table(options, ODD_IDS)
    shown = {**ODD_IDS, "sub-01": "sub-01\\u200b", "sub-02": "sub\\u201102", "sub-03": "\\ufeffsub-03"}
    assert message(options)[1:-1] == [
        f"  {name} gender: not in the table, expected a row: {shown[name]} in line {line} is probably {name}: "
        "add --loose-ids"
        for line, name in enumerate(ODD_IDS, start=2)
    ]
    rows = everyone(build_datalist(changed(options, loose_ids=True)))
    assert {name: row["label"] for name, row in rows.items()} == LABELS


def test_two_recordings_of_ids_that_nearly_agree_are_reported_and_the_option_joins_them(options: BuildOptions) -> None:
    rename(options.folders.mri_dir[0], "sub-06", "SUB-06")
    result = build_datalist(options)
    assert result.notes == ("sub-06 (EEG) and SUB-06 (MRI) are probably one participant: add --loose-ids",)
    assert (result.only_eeg, result.only_mri) == (("sub-06",), ("SUB-06",))
    assert len(everyone(build_datalist(changed(options, loose_ids=True, force=True)))) == 16
    options.output.out.unlink()
    allow = changed(options, split=SplitOptions(allow_missing=True))
    assert message(allow)[0].endswith("if they are one, add --loose-ids, or rename the files")


def test_a_second_row_or_file_of_a_participant_under_nearly_their_id_is_reported(options: BuildOptions) -> None:
    assert options.table.participants is not None
    with options.table.participants.open("a", encoding="utf-8") as table:
        table.write("\nSUB-02,M\nsub-3,M\nsub-2,F\nsub-99,F")
    (options.folders.eeg_dir[0] / "sub-1_EO_seg1.npy").touch()
    result = build_datalist(options)
    assert result.notes == (
        Like('SUB-02 in line 18 is probably sub-02, who … line 3 already ("F", not "M"): correct the table'),
        Like("sub-2 in line 20 is probably sub-02, who … line 3 already: correct the table"),
        Like("sub-3 in line 19 is probably sub-03, who … line 4 already: correct the table"),
        Like("sub-1 (EEG) is probably sub-01, who has an EEG and an MRI already: rename … remove them"),
    )
    assert len(everyone(result)) == 16


def test_a_map_of_ids_with_numbers_that_lost_their_form_is_reported_and_the_option_joins_them(
    options: BuildOptions, tmp_path: Path
) -> None:
    for number, name in enumerate(PARTICIPANTS, start=1):
        rename(options.folders.eeg_dir[0], name, f"p{number}")
    rows = [f"p{n},{name if n < 9 else f'{n}.0'}" for n, name in enumerate(PARTICIPANTS, start=1)]
    id_map = tmp_path / "map.csv"
    id_map.write_text("\n".join(["a,b", *rows]), encoding="utf-8")
    mapped = changed(options, id_map=id_map)
    notes = build_datalist(mapped).notes
    assert len(notes) == 8
    assert notes[0] == "sub-09 (files or table) and 9.0 (map.csv) are probably one participant: add --loose-ids"
    found = everyone(build_datalist(changed(mapped, loose_ids=True, force=True)))
    assert {name: row["label"] for name, row in found.items()} == LABELS


def test_an_option_that_could_not_run_is_not_advised(options: BuildOptions) -> None:
    write_table(options, {"sub-01": "SUB-01", "sub-02": "1"})  # loosely, these two rows would be one participant's
    assert not any("--loose-ids" in line for line in message(options))
    assert near_misses(["a-01"], ["A-1"], [["x-1"]])["a-01"].advice == MAP
    assert near_misses(["sub-01"], ["1"], [["sub-01"], ["1"]])["sub-01"].advice == LOOSE
    assert near_misses(["sub-01"], ["1"], [["sub-01", "1"]])["sub-01"].advice == MAP
    assert near_misses(["sub-01"], ["sub-11"], []) == {}


def test_a_participant_of_the_older_datalist_under_nearly_the_same_id_is_not_new(options: BuildOptions) -> None:
    old = build_datalist(options).path.rename(options.output.out.with_name("old.json"))
    (options.folders.eeg_dir[0] / "SUB-16_EO_seg0.npy").touch()
    (options.folders.mri_dir[0] / "SUB-16_T1w.nii.gz").touch()
    if len(list(options.folders.mri_dir[0].glob("*16*"))) == 1:
        pytest.skip("this file system does not tell upper and lower case apart")
    write_table(options, {"sub-01": "SUB-16"})
    assert message(changed(options, extend=old)) == [
        Like(f"SUB-16: new, and looks like sub-16 of {old}: … keep … files … id")
    ]


def test_an_older_datalist_in_other_letters_keeps_its_participants_and_their_ids(options: BuildOptions) -> None:
    for folder in (options.folders.eeg_dir[0], options.folders.mri_dir[0]):
        rename(folder, "sub-03", nfd("sub-Jörg"))
    write_table(options, {"sub-03": nfd("sub-Jörg")})
    first = everyone(build_datalist(options))
    old = options.output.out.rename(options.output.out.with_name("old.json"))
    write_table(options, {"sub-03": nfc("sub-Jörg")})
    assert everyone(build_datalist(changed(options, extend=old))) == first


@pytest.mark.parametrize("name", ["10002", "010002", "sub-010002", "SUB_10002", "10002.0", '="010002"', "'sub-10002"])
def test_what_ids_have_in_common_does_not_depend_on_what_a_spreadsheet_made_of_them(name: str) -> None:
    assert loose_key(name) == "10002"
