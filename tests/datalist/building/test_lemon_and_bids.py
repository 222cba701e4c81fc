"""Cohorts shaped like LEMON: BIDS with many images a participant, two ids of everyone, codes in the column's name."""

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from monai_fusion.datalist import check_datalist
from monai_fusion.datalist.building.build_options import BuildOptions
from monai_fusion.datalist.building.new_datalist import build_datalist
from monai_fusion.datalist.choosing import Choice
from monai_fusion.datalist.split.split_options import SplitOptions
from monai_fusion.errors import InputError
from tests.datalist.building.options_of_build import build_options, changed
from tests.datalist.lines import Like

IMAGES = (
    "acq-mp2rage_T1w", "acq-mp2rage_T1map", "acq-mp2rage_defacemask", "inv-1_mp2rage", "inv-2_mp2rage", "T2w",
    "acq-highres_FLAIR",
)  # fmt: skip
AGES = ("20-25", "25-30", "60-65", "65-70")


@dataclass(frozen=True)
class Lemon:
    """Where everything is, and everyone's two ids."""

    root: Path
    ids: tuple[tuple[str, str], ...]  # (INDI_ID of the EEG, Initial_ID of the MRI)
    options: BuildOptions

    def image(self, number: int, name: str, session: str = "01") -> Path:
        mri = self.ids[number][1]
        return self.options.folders.bids / mri / f"ses-{session}/anat/{mri}_ses-{session}_{name}.nii.gz"  # type: ignore[operator] # is given


def table(path: Path, rows: list[list[object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, delimiter="\t" if path.suffix == ".tsv" else ",").writerows(rows)
    return path


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.fixture
def lemon(tmp_path: Path) -> Lemon:
    """Twenty-four participants with seven images and four segments each; every third is F."""
    ids = tuple((f"sub-{32301 + n:06d}", f"sub-{10002 + 3 * n:06d}") for n in range(24))
    sexes = ["F" if n % 3 == 0 else "M" for n in range(24)]
    bids = tmp_path / "ds000221"
    found = Lemon(
        tmp_path,
        ids,
        build_options(
            out=tmp_path / "list.json",
            bids=bids,
            eeg_dir=(tmp_path / "scalograms",),
            preset="lemon",
            id_map=tmp_path / "name_match.csv",
        ),
    )
    for number, (eeg, _) in enumerate(ids):
        for image in IMAGES:
            touch(found.image(number, image))
        for segment in ("EO_seg0", "EO_seg1", "EC_seg0", "EC_seg1"):
            touch(tmp_path / f"scalograms/{eeg}_{segment}.npy")
    ages = [AGES[n % 4] for n in range(24)]
    rows = [[mri, sex, age] for (_, mri), sex, age in zip(ids, sexes, ages, strict=True)]
    table(bids / "participants.tsv", [["participant_id", "gender", "age (5-year bins)"], *rows])
    codes = {"F": 1, "M": 2}
    rows = [[eeg, codes[sex], age, ""] for (eeg, _), sex, age in zip(ids, sexes, ages, strict=True)]
    table(tmp_path / "META.csv", [["ID", "Gender_ 1=female_2=male", "Age", "DRUG"], *rows])
    table(tmp_path / "name_match.csv", [["INDI_ID", "Initial_ID"], *ids])
    return found


def rows_of(path: Path) -> dict[str, dict[str, object]]:
    document = json.loads(path.read_text(encoding="utf-8"))
    return {row["participant_id"]: row for part in ("training", "validation", "test") for row in document[part]}


def message(options: BuildOptions) -> str:
    with pytest.raises(InputError) as raised:
        build_datalist(options)
    assert not options.output.out.exists()
    return str(raised.value)


@pytest.mark.parametrize("participants", [None, "META.csv"])
def test_both_of_lemons_tables_give_the_same_datalist(lemon: Lemon, participants: str | None) -> None:
    options = changed(lemon.options, participants=lemon.root / participants if participants else None)
    build_datalist(options)
    assert check_datalist(options.output.out) == []
    rows = rows_of(options.output.out)
    eeg, mri = lemon.ids[3]
    assert rows[mri] == {
        "participant_id": mri,
        "label": "F",
        "eeg": f"scalograms/{eeg}_*.npy",
        "mri": f"ds000221/{mri}/ses-01/anat/{mri}_ses-01_acq-mp2rage_T1w.nii.gz",
        "age": "65-70",
    }
    assert len(rows) == 24
    assert [name for name, row in rows.items() if row["label"] == "F"] == sorted(
        (mri for number, (_, mri) in enumerate(lemon.ids) if number % 3 == 0), key=list(rows).index
    )


def test_only_t1_weighted_images_are_picked_from_two_folders_as_well(lemon: Lemon) -> None:
    options = changed(
        lemon.options, bids=None, mri_dir=(lemon.options.folders.bids,), participants=lemon.root / "META.csv"
    )
    result = build_datalist(options)
    assert {str(row["mri"]).rpartition("_")[2] for row in rows_of(options.output.out).values()} == {"T1w.nii.gz"}
    assert result.notes == (
        "144 MRIs skipped, not T1-weighted by name: 24 FLAIR, 24 T1map, 24 T2w, 24 defacemask, "
        "24 inv-1_mp2rage, 24 inv-2_mp2rage",
    )


def test_those_with_one_recording_get_in_under_the_one_id_they_have(lemon: Lemon) -> None:
    lemon.image(4, "acq-mp2rage_T1w").unlink()
    for segment in lemon.root.glob(f"scalograms/{lemon.ids[5][0]}_*"):
        segment.unlink()
    result = build_datalist(changed(lemon.options, split=SplitOptions(allow_missing=True)))
    assert result.kept == {"eeg": (lemon.ids[4][1],), "mri": (lemon.ids[5][1],)}
    assert check_datalist(lemon.options.output.out) == []
    rows = rows_of(lemon.options.output.out)
    assert len(rows) == 24
    assert (rows[lemon.ids[4][1]]["mri"], rows[lemon.ids[5][1]]["eeg"]) == (None, None)
    assert rows[lemon.ids[4][1]]["age"] == AGES[0]


def test_without_the_map_no_id_agrees_and_the_map_is_suggested(lemon: Lemon) -> None:
    assert message(changed(lemon.options, id_map=None)) == (
        Like(
            "participants: EEG of sub-032301, sub-032302, sub-032303 and 21 more; MRIs of sub-010002, sub-010005, "
            "sub-010008 and 21 more … same …: LEMON gives each …: "
            "add --id-map name_match.csv, … table … columns INDI_ID and Initial_ID"
        )
    )


def test_numbers_instead_of_ids_are_suggested_and_taken(lemon: Lemon) -> None:
    path = table(
        lemon.root / "numbers.csv",
        [["id", "sex"], *([int(mri[4:]), "MF"[n % 2]] for n, (_, mri) in enumerate(lemon.ids))],
    )
    options = changed(lemon.options, preset=None, participants=path, id_column="id", label_column="sex")
    assert message(options).endswith(
        "if sub-010002 and 10002 are one participant, and so with 24 of them, add --loose-ids"
    )
    build_datalist(changed(options, loose_ids=True))
    assert set(rows_of(options.output.out)) == {mri for _, mri in lemon.ids}


def test_two_ids_that_would_become_one_are_refused(lemon: Lemon) -> None:
    touch(lemon.root / "scalograms/32301_EO_seg0.npy")
    assert (
        message(changed(lemon.options, loose_ids=True)) == "--loose-ids: 32301 and sub-032301, expected one participant"
    )


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ([["a", "b", "c"], ["1", "2", "3"]], "the columns a, b, c, expected two columns of ids"),
        ([["a", "b"], ["x", "y"], ["x", "z"]], "x: belongs to y and, in line 3, to z, expected one"),
        ([["a", "b"], ["x", "y"]], "expected ids that the files or the table have"),
    ],
)
def test_a_map_that_cannot_be_one_is_refused(lemon: Lemon, rows: list[list[object]], wanted: str) -> None:
    assert wanted in message(changed(lemon.options, id_map=table(lemon.root / "map.csv", rows)))


def test_two_sessions_and_two_t1w_ask_for_a_rule_and_the_rule_decides(lemon: Lemon) -> None:
    touch(lemon.image(1, "acq-mp2rage_T1w", "02"))
    touch(lemon.image(2, "acq-mprage_T1w"))
    for image in IMAGES:  # a participant of the second session only
        lemon.image(3, image).unlink()
        touch(lemon.image(3, image, "02"))
    names = [mri for _, mri in lemon.ids]
    assert message(lemon.options).splitlines() == [
        "2 problems",
        f"  {names[1]} mri: 2 MRIs: {names[1]}_ses-01_acq-mp2rage_T1w.nii.gz, "
        f"{names[1]}_ses-02_acq-mp2rage_T1w.nii.gz, expected one: choose with --session 01 02",
        f"  {names[2]} mri: 2 MRIs: {names[2]}_ses-01_acq-mp2rage_T1w.nii.gz, {names[2]}_ses-01_acq-mprage_T1w.nii.gz, "
        'expected one: choose with a --t1w-pattern such as "*_acq-mp2rage_T1w*"',
    ]
    only_first = changed(lemon.options, choice=Choice(("01",), ("*_acq-mp2rage_*",)))
    build_datalist(only_first)
    assert set(rows_of(only_first.output.out)) == {*names} - {names[3]}
    only_first.output.out.unlink()
    build_datalist(changed(lemon.options, choice=Choice(("02", "ses-01"), ("*_acq-mp2rage_*",))))
    rows = rows_of(lemon.options.output.out)
    assert len(rows) == 24
    assert ["ses-02" in str(rows[name]["mri"]) for name in names[:5]] == [False, True, False, True, False]


def test_eeg_of_two_sessions_asks_as_well_and_all_of_it_may_be_taken(lemon: Lemon) -> None:
    eeg, mri = lemon.ids[4]
    touch(lemon.root / f"scalograms/{eeg}_ses-01_seg0.npy")
    touch(lemon.root / f"scalograms/{eeg}_ses-02_seg0.npy")
    assert message(lemon.options) == (
        f"{eeg} eeg: sessions 01, 02, expected one: choose with --session 01, prefer with --session 01 02, "
        "or --session all"
    )
    build_datalist(changed(lemon.options, choice=Choice(("all",))))
    assert rows_of(lemon.options.output.out)[mri]["eeg"] == f"scalograms/{eeg}_*.npy"


def test_one_condition_is_chosen_and_the_pattern_means_it_alone(lemon: Lemon) -> None:
    build_datalist(changed(lemon.options, choice=Choice(eeg_condition="eo")))
    eeg, mri = lemon.ids[0]
    assert rows_of(lemon.options.output.out)[mri]["eeg"] == f"scalograms/{eeg}_EO_*.npy"
    lemon.options.output.out.unlink()
    assert message(changed(lemon.options, choice=Choice(eeg_condition="E0"))) == (
        Like('--eeg-condition "E0": no EEG file … this …: the names have "EC", "EO"')
    )


@pytest.mark.parametrize("place", ["derivatives", "derivatives/morlet", "derivatives/morlet/{id}/eeg"])
def test_scalograms_are_found_below_derivatives(lemon: Lemon, place: str) -> None:
    assert lemon.options.folders.bids is not None
    for path in (lemon.root / "scalograms").iterdir():
        new = lemon.options.folders.bids / place.format(id=path.name.partition("_")[0]) / path.name
        touch(new)
        path.unlink()
    touch(lemon.options.folders.bids / "derivatives/fmriprep/sub-010002/anat/sub-010002_desc-preproc_T1w.nii.gz")
    build_datalist(changed(lemon.options, eeg_dir=()))
    assert len(rows_of(lemon.options.output.out)) == 24


def test_what_is_missing_in_a_bids_dataset_is_reported(lemon: Lemon, tmp_path: Path) -> None:
    assert lemon.options.folders.bids is not None
    no_eeg = changed(lemon.options, eeg_dir=())
    assert message(no_eeg).endswith("expected EEG scalograms (.npy): name their folder with --eeg-dir")
    for name in ("one", "two"):
        touch(lemon.options.folders.bids / f"derivatives/{name}/sub-010002_seg0.npy")
    assert '.npy files in "one", "two", expected in one: name their folder with --eeg-dir' in message(no_eeg)
    assert "expected a BIDS dataset" in message(changed(lemon.options, bids=lemon.options.folders.bids / "derivatives"))
    assert "expected a folder that exists" in message(changed(lemon.options, bids=tmp_path / "no"))
    (lemon.options.folders.bids / "participants.tsv").unlink()
    assert "participants.tsv: there is no such file" in message(lemon.options)


def test_images_that_git_annex_has_not_fetched_are_noted(lemon: Lemon, symlink: Callable[[Path, Path], None]) -> None:
    path = lemon.image(5, IMAGES[0])
    path.unlink()
    symlink(path, lemon.root / ".git/annex/objects/gone")
    result = build_datalist(lemon.options)
    assert result.only_eeg == (lemon.ids[5][1],)
    assert (
        f'1 link to a file that is not here (datalad get, or git annex get, fetches it): "{path.name}"'
        in result.notes[0]
    )


@pytest.fixture
def symlink() -> Callable[[Path, Path], None]:
    def make(path: Path, target: Path) -> None:
        try:
            path.symlink_to(target)
        except OSError:
            pytest.skip("links need a privilege on Windows")

    return make


def test_age_groups_by_ranges_leave_out_who_is_in_neither_only_on_request(lemon: Lemon) -> None:
    bins = ("young=20-25,25-30", "old=60-65")
    options = changed(lemon.options, label_column="age", bin=bins)
    lines = message(options).splitlines()
    assert lines[1] == (
        f'  {lemon.ids[3][1]}, {lemon.ids[7][1]}, {lemon.ids[11][1]} and 3 more age: "65-70" in lines 5, 9, 13, 17, 21 '
        "and 1 more, expected 20-25, 25-30 (young) or 60-65 (old)"
    )
    result = build_datalist(changed(options, drop_unlabelled=True))
    rows = rows_of(options.output.out).values()
    assert {(row["label"], row["gender"]) for row in rows} == {
        ("young", "M"), ("young", "F"), ("old", "M"), ("old", "F")
    }  # fmt: skip
    assert len(rows) == 18
    assert result.unlabelled[0].where.count("sub-") == 6
    document = json.loads(options.output.out.read_text(encoding="utf-8"))
    assert (document["target"], document["classes"]) == ("age", ["young", "old"])


def test_a_preset_that_is_not_there_is_refused(lemon: Lemon) -> None:
    assert (
        message(changed(lemon.options, preset="lemmon"))
        == '--preset: "lemmon", expected "lemon": did you mean "lemon"?'
    )
