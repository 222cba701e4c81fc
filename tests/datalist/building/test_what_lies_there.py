"""What is in a folder is found or reported: linked folders, other formats, BIDS names with any entity."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from monai_fusion.datalist import check_datalist
from monai_fusion.datalist.building.bids_ignore import names_of
from monai_fusion.datalist.building.build_options import BuildOptions
from monai_fusion.datalist.building.new_datalist import build_datalist
from monai_fusion.datalist.split.split_options import SplitOptions
from monai_fusion.datalist.walking import Walk
from monai_fusion.errors import InputError
from tests.datalist.building.options_of_build import build_options, changed
from tests.datalist.lines import Like

PARTICIPANTS = [f"sub-{number:02d}" for number in range(1, 15)]
T1W = "_T1w.nii.gz"
Link = Callable[[Path, Path | str], None]


@pytest.fixture
def link() -> Link:
    def make(path: Path, target: Path | str) -> None:
        try:
            path.symlink_to(target, target_is_directory=True)
        except OSError:
            pytest.skip("links need a privilege on Windows")

    return make


@pytest.fixture
def options(tmp_path: Path) -> BuildOptions:
    """Fourteen participants, each with a folder for the MRI."""
    rows = ["participant_id,gender"]
    for number, name in enumerate(PARTICIPANTS):
        touch(tmp_path / f"cohort/eeg/{name}_EO_seg0.npy")
        touch(tmp_path / f"cohort/mri/{name}/{name}{T1W}")
        rows.append(f"{name},{'MF'[number % 2]}")
    (tmp_path / "cohort/participants.csv").write_text("\n".join(rows), encoding="utf-8")
    root = tmp_path / "cohort"
    folders = {"eeg_dir": (root / "eeg",), "mri_dir": (root / "mri",)}
    return build_options(root / "list.json", participants=root / "participants.csv", **folders)


@pytest.fixture
def bids(tmp_path: Path) -> BuildOptions:
    """The same participants as a BIDS dataset."""
    rows = ["participant_id\tgender"]
    for number, name in enumerate(PARTICIPANTS):
        touch(tmp_path / f"bids/derivatives/morlet/{name}/{name}_seg0.npy")
        touch(tmp_path / f"bids/{name}/anat/{name}{T1W}")
        rows.append(f"{name}\t{'MF'[number % 2]}")
    (tmp_path / "bids/participants.tsv").write_text("\n".join(rows), encoding="utf-8")
    return build_options(tmp_path / "list.json", bids=tmp_path / "bids")


def test_images_of_any_number_of_names_are_one_short_note(bids: BuildOptions) -> None:
    for number in range(60):
        touch(bids.folders.bids / f"sub-01/anat/picture{number}.nii.gz")
        touch(bids.folders.bids / f"sub-01/anat/sub-01_kind{number}.nii.gz")
    (note,) = [each for each in build_datalist(bids).notes if "in anat folders not used" in each]
    assert note.startswith("120 images in anat folders not used: 1 kind0, 1 kind1, ")
    assert note.endswith(", 60 without _ in the name, 53 of 53 more kinds")


def test_spare_copies_and_texts_beside_recordings_are_noted(options: BuildOptions) -> None:
    touch(options.folders.eeg_dir[0] / "sub-01_EO_seg1.npy.bak")
    touch(options.folders.eeg_dir[0] / "sub-02_EO_seg1.npy.bak")
    touch(options.folders.eeg_dir[0] / "sub-02_EO_seg1.csv")
    (options.folders.eeg_dir[0] / "sub-03_EO_seg0.npy").rename(options.folders.eeg_dir[0] / "sub-03_EO_seg0.npy.bak")
    for name in ("participants.csv", "notes.txt.bak", "sub-04_channels.tsv", "README.txt", "other.csv"):
        touch(options.folders.eeg_dir[0] / name)
    touch(options.folders.mri_dir[0] / "sub-05/sub-05_T1w.nii.gz.bak")
    notes = [note for note in build_datalist(options).notes if "files" in note or ".csv" in note]
    assert notes == [
        Like("1 participant without an EEG has .bak files … used (sub-03): rename … want … use"),
        Like("2 .bak files … beside EEG files: sub-01, sub-02"),
        Like("1 .csv file … beside EEG files: sub-02"),
        Like("1 .bak file … beside MRI files: sub-05"),
    ]


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def move(old: Path, new: Path) -> None:
    new.parent.mkdir(parents=True, exist_ok=True)
    old.rename(new)


def mris(options: BuildOptions) -> dict[str, str | None]:
    document = json.loads(options.output.out.read_text(encoding="utf-8"))
    return {row["participant_id"]: row["mri"] for part in ("training", "validation", "test") for row in document[part]}


def message(options: BuildOptions) -> str:
    with pytest.raises(InputError) as raised:
        build_datalist(options)
    return str(raised.value)


def test_linked_folders_are_entered_and_the_paths_are_those_that_a_user_sees(
    options: BuildOptions, link: Link, tmp_path: Path
) -> None:
    for name in PARTICIPANTS[:5]:
        move(options.folders.mri_dir[0] / name, tmp_path / "archive" / name)
        link(options.folders.mri_dir[0] / name, tmp_path / "archive" / name)
    result = build_datalist(options)
    assert (result.notes, result.only_eeg) == ((), ())
    assert mris(options)["sub-03"] == f"mri/sub-03/sub-03{T1W}"
    assert check_datalist(options.output.out) == []


def test_everyone_behind_one_link_is_in_also_with_allow_missing(
    options: BuildOptions, link: Link, tmp_path: Path
) -> None:
    for name in PARTICIPANTS[:6]:
        move(options.folders.mri_dir[0] / name, tmp_path / "elsewhere/siteB" / name)
    link(options.folders.mri_dir[0] / "siteB", tmp_path / "elsewhere/siteB")
    result = build_datalist(changed(options, split=SplitOptions(allow_missing=True)))
    assert result.kept == {"eeg": (), "mri": ()}
    assert None not in mris(options).values()


def test_links_in_a_circle_end_and_take_nothing_twice(options: BuildOptions, link: Link, tmp_path: Path) -> None:
    link(options.folders.mri_dir[0] / "a_link_to_itself", options.folders.mri_dir[0] / "a_link_to_itself")
    link(options.folders.mri_dir[0] / "again", options.folders.mri_dir[0])
    link(options.folders.mri_dir[0] / "sub-01/up", "..")
    link(options.folders.mri_dir[0] / "sub-02/twin", options.folders.mri_dir[0] / "sub-03")
    link(options.folders.mri_dir[0] / "cohort", tmp_path)
    move(options.folders.mri_dir[0] / "sub-04", tmp_path / "archive/sub-04")
    link(options.folders.mri_dir[0] / "sub-04", tmp_path / "archive/sub-04")
    link(options.folders.mri_dir[0] / "all", tmp_path / "archive")
    link(tmp_path / "archive/back", options.folders.mri_dir[0])
    result = build_datalist(options)
    assert sorted(mris(options)) == PARTICIPANTS
    assert mris(options)["sub-03"] == f"mri/sub-03/sub-03{T1W}"  # the path without a link
    assert result.notes == (
        Like('MRI folder: 1 link … what … (… disk … mounted?): "a_link_to_itself"'),
        Like('MRI folder: 1 … followed … folder …: "cohort"'),
    )


def test_a_link_to_a_file_that_is_found_itself_is_no_second_mri(options: BuildOptions, link: Link) -> None:
    latest = options.folders.mri_dir[0] / f"a/sub-01{T1W}"
    latest.parent.mkdir()
    link(latest, options.folders.mri_dir[0] / f"sub-01/sub-01{T1W}")
    build_datalist(options)
    assert mris(options)["sub-01"] == f"mri/sub-01/sub-01{T1W}"


def test_folders_that_cannot_be_entered_are_noted(
    options: BuildOptions, link: Link, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    move(options.folders.mri_dir[0] / "sub-05", tmp_path / "archive/sub-05")
    link(options.folders.mri_dir[0] / "sub-05", tmp_path / "not mounted/sub-05")
    entered = os.scandir

    def scandir(path: Path) -> object:
        if Path(path).name == "sub-06":
            raise PermissionError(13, "Permission denied")
        return entered(path)

    monkeypatch.setattr("monai_fusion.datalist.walking.os.scandir", scandir)
    result = build_datalist(options)
    assert result.only_eeg == ("sub-05", "sub-06")
    assert result.notes == (
        Like('MRI folder: 1 folder … cannot … (ask for the permission): "sub-06"'),
        Like('MRI folder: 1 link … what … (… disk … mounted?): "sub-05"'),
    )


def test_hidden_folders_and_files_stay_aside(tmp_path: Path) -> None:
    for name in (".git/a.npy", "._a.npy", "b/.c/d.npy", "b/e.npy"):
        touch(tmp_path / name)
    assert list(Walk(tmp_path).files()) == [tmp_path / "b/e.npy"]


@pytest.mark.parametrize(
    ("endings", "what", "advice"),
    [
        ([".mgz"], ".mgz files", "convert them with mri_convert, or nib-convert IN OUT.nii.gz"),
        ([".hdr", ".img"], ".hdr/.img files", "convert them with mri_convert, or nib-convert IN OUT.nii.gz"),
        ([".MNC"], ".mnc files", "convert them with mnc2nii, or nib-convert IN OUT.nii.gz"),
        ([".nii.bz2"], ".nii.bz2 files", "unpack them"),
        ([".tar.gz"], ".tar.gz files", "unpack them"),
        ([".nii.gz.part"], ".part files", "download them again"),
        ([".dcm"], ".dcm files", "convert them with dcm2niix -z y"),
        ([""], "files without an ending", "if they are DICOM, convert them with dcm2niix -z y"),
        ([".nrrd"], ".nrrd files", "convert them to .nii.gz, e.g. with 3D Slicer"),
        ([".strange"], ".strange files", ""),
    ],
)
@pytest.mark.parametrize("named_by", ["file", "folder"])
def test_other_formats_are_reported_for_those_who_lack_an_mri(
    options: BuildOptions, endings: list[str], what: str, advice: str, named_by: str
) -> None:
    for name in PARTICIPANTS[:5]:
        (options.folders.mri_dir[0] / f"{name}/{name}{T1W}").unlink()
        for ending in endings:
            touch(options.folders.mri_dir[0] / f"{name}/{f'{name}_T1w' if named_by == 'file' else 'mri/orig'}{ending}")
        touch(options.folders.mri_dir[0] / f"{name}/{name}_T1w.json")
    touch(options.folders.mri_dir[0] / f"sub-09/sub-09_other{endings[0]}")  # who has an MRI is not meant
    note = f"5 participants without an MRI have {what}, which are not read (sub-01, sub-02, sub-03 and 2 more)"
    note += f": {advice}" if advice else ""
    assert build_datalist(options).notes == (note,)
    kept = build_datalist(changed(options, force=True, split=SplitOptions(allow_missing=True)))
    assert (kept.notes, len(kept.kept["eeg"])) == ((note,), 5)


def test_where_no_participant_has_an_mri_that_is_read_the_error_says_what_is_there(options: BuildOptions) -> None:
    for name in PARTICIPANTS:
        move(options.folders.mri_dir[0] / f"{name}/{name}{T1W}", options.folders.mri_dir[0] / f"{name}/{name}_T1w.mgz")
    assert message(options) == (
        f"MRI folder: no .nii or .nii.gz file in {options.folders.mri_dir[0]}, but 14 .mgz files, "
        "expected at least one: convert them with mri_convert, or nib-convert IN OUT.nii.gz"
    )


def test_eeg_that_is_no_scalogram_is_reported_too(options: BuildOptions) -> None:
    (options.folders.eeg_dir[0] / "sub-01_EO_seg0.npy").rename(options.folders.eeg_dir[0] / "sub-01_EO_seg0.npz")
    (options.folders.eeg_dir[0] / "sub-02_EO_seg0.npy").rename(options.folders.eeg_dir[0] / "sub-02.set")
    assert build_datalist(options).notes == (
        Like("1 participant without an EEG has .npz files … read (sub-01): save each array with numpy.save"),
        Like("1 participant without an EEG has .set files … read (sub-02): … monai-fusion scalogram"),
    )


def test_nothing_is_reported_of_other_formats_where_all_are_complete(options: BuildOptions) -> None:
    touch(options.folders.mri_dir[0] / "sub-01/mri/T1.mgz")
    touch(options.folders.mri_dir[0] / "README")
    assert build_datalist(options).notes == ()


def test_upper_case_endings_are_read(options: BuildOptions, bids: BuildOptions) -> None:
    for folder, built in ((options.folders.mri_dir[0] / "sub-01", options), (bids.folders.bids / "sub-01/anat", bids)):
        (folder / f"sub-01{T1W}").rename(folder / "sub-01_T1W.NII.GZ")
        assert build_datalist(built).only_eeg == ()


@pytest.mark.parametrize(
    "entity",
    [
        "rec-norm", "ce-gd", "part-mag", "echo-1", "chunk-2", "inv-1", "mod-T1w", "hemi-L", "space-T1w", "desc-x",
        "acq-x_rec-norm_run-1_echo-2", "new-entity",
    ],
)  # fmt: skip
def test_a_t1w_image_of_a_bids_dataset_may_have_any_entity(bids: BuildOptions, entity: str) -> None:
    for name in PARTICIPANTS:
        folder = bids.folders.bids / f"{name}/anat"
        (folder / f"{name}{T1W}").rename(folder / f"{name}_{entity}{T1W}")
    result = build_datalist(bids)
    assert (result.notes, len(mris(bids))) == ((), 14)
    assert mris(bids)["sub-01"] == f"sub-01/anat/sub-01_{entity}{T1W}"


def test_two_that_differ_by_an_entity_ask(bids: BuildOptions) -> None:
    touch(bids.folders.bids / f"sub-04/anat/sub-04_rec-norm{T1W}")
    assert message(bids) == (
        "sub-04 mri: 2 MRIs: sub-04_T1w.nii.gz, sub-04_rec-norm_T1w.nii.gz, expected one: "
        'choose with a --t1w-pattern such as "sub-??_T1w.*"'
    )


def test_other_images_of_a_bids_dataset_are_counted_and_reported_for_those_who_lack_one(bids: BuildOptions) -> None:
    anat = "{0}/anat/{0}"
    for name in PARTICIPANTS[:3]:
        touch(bids.folders.bids / f"{anat.format(name)}_FLAIR.nii.gz")
    move(bids.folders.bids / f"sub-03/anat/sub-03{T1W}", bids.folders.bids / "sub-03/anat/sub-03_T1w.mgz")
    move(bids.folders.bids / f"sub-04/anat/sub-04{T1W}", bids.folders.bids / f"sub-04/sub-04{T1W}")
    move(bids.folders.bids / f"sub-05/anat/sub-05{T1W}", bids.folders.bids / "sub-05/anat/sub-05_T2w.nii.gz")
    touch(bids.folders.bids / f"derivatives/fmriprep/sub-05/anat/sub-05_desc-preproc{T1W}")
    result = build_datalist(bids)
    assert result.only_eeg == ("sub-03", "sub-04", "sub-05")
    assert result.notes == (
        Like("4 images … folders …: 3 FLAIR, 1 T2w"),
        Like(
            "1 participant without an MRI has .mgz files … read (sub-03): convert them with mri_convert, or "
            "nib-convert IN OUT.nii.gz"
        ),
        Like(
            "1 participant without an MRI has T1w images outside … (sub-04): move them to "
            "sub-.../anat or sub-.../ses-.../anat, or give --mri-dir in place of --bids"
        ),
        Like("2 participants without an MRI … images … not T1-weighted by their names (sub-03, sub-05)"),
    )


def test_linked_folders_of_a_bids_dataset_and_of_its_derivatives_are_entered(
    bids: BuildOptions, link: Link, tmp_path: Path
) -> None:
    for name in ("sub-01", "sub-02/anat", "derivatives/morlet/sub-03"):
        move(bids.folders.bids / name, tmp_path / "archive" / name)
        link(bids.folders.bids / name, tmp_path / "archive" / name)
    assert build_datalist(bids).only_eeg == ()
    move(bids.folders.bids / "derivatives/morlet", tmp_path / "archive/morlet")
    link(bids.folders.bids / "derivatives/morlet", tmp_path / "archive/morlet")
    assert build_datalist(changed(bids, force=True)).only_mri == ()
    assert check_datalist(bids.output.out) == []


def test_what_bidsignore_names_is_noted(bids: BuildOptions) -> None:
    (bids.folders.bids / ".bidsignore").write_text("# not usable\n\nsub-03/\n*_T2w*\n", encoding="utf-8")
    assert build_datalist(bids).notes == (Like(".bidsignore names 1 T1w image … nevertheless … sub-03"),)


@pytest.mark.parametrize(
    ("patterns", "named"),
    [
        ("sub-03/", True),
        ("sub-03", True),
        ("/sub-03", True),
        ("anat/", True),
        ("sub-0?/anat", True),
        ("sub-0[1-3]/**", True),
        ("**/sub-03_*", True),
        ("*.nii.gz", True),
        ("*.nii.gz\n!sub-03/", False),
        ("anat/sub-03_T1w.nii.gz", False),  # with a slash it is a path from the dataset's folder
        ("sub-0[!3]/", False),
        ("sub-3\n# sub-03", False),
        ("sub-03_T1w.nii.gz/", False),
    ],
)
def test_patterns_of_bidsignore_are_those_of_git(tmp_path: Path, patterns: str, named: bool) -> None:
    (tmp_path / ".bidsignore").write_text(patterns, encoding="utf-8")
    assert names_of(tmp_path / ".bidsignore")("sub-03/anat/sub-03_T1w.nii.gz") is named


def test_who_is_left_without_by_a_choice_is_reported(bids: BuildOptions) -> None:
    (bids.folders.bids / f"sub-02/anat/sub-02{T1W}").rename(bids.folders.bids / f"sub-02/anat/sub-02_rec-x{T1W}")
    chosen = changed(bids, choice=replace(bids.choice, t1w_patterns=("sub-??_T1w*",)))
    assert build_datalist(chosen).notes == (
        "1 participant without an MRI has MRIs, which --session or --t1w-pattern leaves out (sub-02)",
    )


def test_a_dataset_without_a_t1w_image_says_what_images_it_has(bids: BuildOptions) -> None:
    for name in PARTICIPANTS:
        (bids.folders.bids / f"{name}/anat/{name}{T1W}").rename(bids.folders.bids / f"{name}/anat/{name}_UNIT1.nii.gz")
    assert message(bids) == (
        Like(
            f"--bids: no sub-*/anat/*_T1w.nii.gz in {bids.folders.bids}, expected at least one: "
            "14 images … folders …: 14 UNIT1"
        )
    )


def test_what_may_be_anything_is_not_reported_beside_what_is_known(options: BuildOptions) -> None:
    (options.folders.mri_dir[0] / f"sub-01/sub-01{T1W}").unlink()
    for name in ("mri/orig.mgz", "surf/lh.white", "surf/lh.pial"):
        touch(options.folders.mri_dir[0] / "sub-01" / name)
    (note,) = build_datalist(options).notes
    assert note.startswith("1 participant without an MRI has .mgz files")


def test_ids_in_the_names_of_folders_only_are_no_case_for_a_map(options: BuildOptions) -> None:
    for name in PARTICIPANTS:
        move(options.folders.eeg_dir[0] / f"{name}_EO_seg0.npy", options.folders.eeg_dir[0] / f"{name}/seg0.npy")
        touch(options.folders.eeg_dir[0] / f"{name}/seg1.npy")
    assert "rename the files so that each begins with the id of its participant, such as sub-01_seg0.npy" in message(
        options
    )
