"""Folders and ids from which ``datalist build`` cannot build, and what a user does who reads why."""

import json
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from monai_fusion.datalist.saving.writing import write_schema
from tests.datalist.tried import (
    BIDS,
    BUILD,
    PARTICIPANTS,
    Case,
    as_printed,
    doing,
    doing_then,
    each,
    edit,
    leaving_out,
    move,
    nothing,
    options,
    touch,
    typing,
)

TABLE = "participants.csv"
choosing_as_printed = as_printed(
    r"choose with (?:(--session [\w ]+?))?(?: and )?(?:a (--t1w-pattern) such as (\".+\"))?(?:$|, )",
    lambda command, session, flag, pattern: options(
        options(command, session) if session else command, f"{flag} {pattern}" if flag else session
    ),
)
session_as_printed = as_printed(r"choose with (--session \w+)", options)


def twin() -> None:
    touch("mri/sub-01_T1w.nii")


def sessions() -> None:
    each("mri", lambda name: name.replace("_T1w", "_ses-01_T1w"))
    touch("mri/sub-01_ses-02_T1w.nii.gz")


def sessions_apart() -> None:
    each("mri", lambda name: name.replace("_T1w", "_ses-01_T1w"))
    each("eeg", lambda name: name.replace("_seg0", "_ses-02_seg0"))


def eeg_sessions() -> None:
    touch("eeg/sub-01_ses-01_seg0.npy")
    touch("eeg/sub-01_ses-02_seg0.npy")


def alike_in_a_shell() -> None:
    move("mri/sub-01_T1w.nii.gz", "mri/sub-01_T1w$x.nii")
    touch("mri/sub-01_T1w!x.nii")


def adni() -> None:
    each("mri", lambda name: f"ADNI_0{name[4:6]}_S_{name[4:6]}13_x.nii")


def ids_of_adni() -> None:
    for path in Path("mri").glob("ADNI_*"):
        path.rename(path.with_name(path.name.replace("_", "-", 3)))


def folders_of_participants() -> None:
    for name in PARTICIPANTS:
        move(f"mri/{name}_T1w.nii.gz", f"mri/{name}/T1w.nii.gz")


def begin_with_the_folder() -> None:
    for path in Path("mri").glob("*/T1w.nii.gz"):
        path.rename(path.with_name(f"{path.parent.name}_{path.name}"))


def other_format(ending: str, folder: str = "mri") -> Case:
    """Five participants whose recordings are of another format, and who convert them."""
    right = ".npy" if folder == "eeg" else ".nii.gz"

    def spoil() -> None:
        for name in PARTICIPANTS[:5]:
            for path in Path(folder).glob(f"{name}_*"):
                path.rename(str(path).replace(right, ending))

    def convert() -> None:
        for path in Path(folder).glob(f"*{ending}"):
            path.rename(str(path).replace(ending, right))

    return Case(BUILD, spoil, doing(convert))


def outside_anat() -> None:
    for name in PARTICIPANTS[:2]:
        move(f"bids/{name}/anat/{name}_T1w.nii.gz", f"bids/{name}/{name}_T1w.nii.gz")


def into_anat() -> None:
    for path in Path("bids").glob("sub-*/*_T1w.nii.gz"):
        move(str(path), f"{path.parent}/anat/{path.name}")


def contradicting_rows() -> None:
    edit(TABLE, "sub-02", "SUB-02")
    edit(TABLE, "sub-03,", "sub-2,")
    for folder in ("eeg", "mri"):
        for path in Path(folder).glob("sub-03_*"):
            path.unlink()


def second_id(name: str) -> Callable[[], None]:
    def make() -> None:
        touch(f"eeg/{name}_seg0.npy")
        touch(f"mri/{name}_T1w.nii.gz")

    return make


def without_files(name: str) -> Callable[[], None]:
    def remove() -> None:
        for folder in ("eeg", "mri"):
            for path in Path(folder).glob(f"{name}_*"):
                path.unlink()

    return remove


def renamed(old: str, new: str, folders: tuple[str, ...] = ("eeg", "mri")) -> Callable[[], None]:
    def rename() -> None:
        for folder in folders:
            for path in Path(folder).glob(f"{old}_*"):
                path.rename(path.with_name(path.name.replace(old, new)))

    return rename


def one_recording_then_two() -> None:
    older = json.loads(Path("right.json").read_text(encoding="utf-8"))
    older["training"][0]["mri"] = None
    Path("older.json").write_text(json.dumps(older), encoding="utf-8")


def by_hand() -> None:
    Path("older.json").write_bytes(Path("right.json").read_bytes())


def spellings_of_eeg() -> None:
    for form in ("NFC", "NFD"):
        touch(f"eeg/{unicodedata.normalize(form, 'sub-Jörg')}_seg0.npy")
    if sum("rg" in path.name for path in Path("eeg").iterdir()) == 1:
        pytest.skip("this file system knows one spelling only")


def one_spelling_of_eeg() -> None:
    (Path("eeg") / f"{unicodedata.normalize('NFD', 'sub-Jörg')}_seg0.npy").unlink()


def other_ids(pattern: str, where: str = "table") -> Callable[[], None]:
    def change() -> None:
        for number, name in enumerate(PARTICIPANTS, start=1):
            if where == "table":
                edit(TABLE, name, pattern.format(number))
            else:
                renamed(name, pattern.format(number), (where,))()

    return change


def map_of_ids(
    one: str, other: str, path: str = "map.csv", header: str = "one,other", more: str = ""
) -> Callable[[], None]:
    rows = [f"{one.format(number)},{other.format(number)}{more}" for number in range(1, 15)]
    return lambda: Path(path).write_text("\n".join([header, *rows]), encoding="utf-8") and None


def ids_of_lemon() -> None:
    other_ids("sub-0323{:02d}", "eeg")()
    other_ids("sub-0100{:02d}", "mri")()
    other_ids("sub-0100{:02d}")()


def no_text_for_a_name() -> None:
    try:
        Path(os.fsdecode(b"mri/sub-01_\xff_T1w.nii.gz")).touch()
    except (OSError, UnicodeError):
        pytest.skip("this file system has names of text only")
    Path("mri/sub-01_T1w.nii.gz").unlink()


def text_for_a_name() -> None:
    Path(os.fsdecode(b"mri/sub-01_\xff_T1w.nii.gz")).rename("mri/sub-01_T1w.nii.gz")


def no_permission() -> None:
    if os.name == "nt" or os.geteuid() == 0:
        pytest.skip("this user may read everything")
    Path("mri/locked").mkdir(mode=0)


def schema_beside() -> None:
    write_schema(Path("datalist.schema.json"))


EXTEND = f"{BUILD} --extend older.json"
SPELLINGS = "they differ only in how letters with accents are stored: if they are one participant, rename the files"
WITH_EEG = "{} ({}) is probably {}, who has an EEG and an MRI already: rename the files, or remove them"


def older() -> None:
    Path("older.json").write_bytes(Path("right.json").read_bytes())


def all_at_once(*steps: Callable[[], object]) -> Callable[[], None]:
    def do() -> None:
        for step in steps:
            step()

    return do


CASES = {
    "{}: rename the files so that no id holds a _{}": Case(BUILD, adni, doing(ids_of_adni)),
    "rename the files so that each begins with the id of its participant{}": Case(
        BUILD, folders_of_participants, doing(begin_with_the_folder)
    ),
    "choose with {}": Case(BUILD, twin, choosing_as_printed),
    "a --t1w-pattern such as {}": Case(BUILD, twin, choosing_as_printed),
    "--session {}": Case(BUILD, sessions, choosing_as_printed),
    "choose with --session {}": Case(BUILD, eeg_sessions, session_as_printed),
    "prefer with --session {}": Case(BUILD, eeg_sessions, as_printed(r"prefer with (--session [\w ]+)", options)),
    "or --session {}": Case(BUILD, eeg_sessions, as_printed(r"or (--session all)", options)),
    "keep one of them in the folder, and move the others elsewhere": Case(
        BUILD, alike_in_a_shell, doing(lambda: move("mri/sub-01_T1w!x.nii", "elsewhere/x.nii"))
    ),
    "convert them with mri_convert, or nib-convert IN OUT.nii.gz": other_format(".mgz"),
    "convert them with dcm2niix -z y": other_format(".dcm"),
    "unpack them": other_format(".nii.zip"),
    "make scalograms (.npy) of them with monai-fusion scalogram": other_format(".edf", "eeg"),
    "save each array with numpy.save": other_format(".npz", "eeg"),
    "convert them with mnc2nii, or nib-convert IN OUT.nii.gz": other_format(".mnc"),
    "convert them with 3dAFNItoNIFTI": other_format(".HEAD"),
    "convert them to .nii.gz, e.g. with 3D Slicer": other_format(".nrrd"),
    "download them again": other_format(".nii.gz.part"),
    "rename those that you want to use": other_format(".nii.gz.bak"),
    "which --session or --eeg-condition leaves out": Case(
        f"{BUILD} --eeg-condition EO",
        lambda: Path("eeg/sub-01_EO_seg0.npy").unlink(),
        leaving_out("--eeg-condition"),
    ),
    "which --session or --t1w-pattern leaves out": Case(
        f"{BUILD} --session 01",
        lambda: (sessions(), move("mri/sub-02_ses-01_T1w.nii.gz", "mri/sub-02_ses-02_T1w.nii.gz")),
        typing("--session 01 02"),
    ),
    "move them to sub-.../anat or sub-.../ses-.../anat, or give --mri-dir in place of --bids": Case(
        BIDS, outside_anat, doing(into_anat)
    ),
    "name their folder with --eeg-dir": Case(
        BIDS, lambda: touch("bids/derivatives/other/sub-01_seg0.npy"), typing("--eeg-dir bids/derivatives/morlet")
    ),
    "give the folder of the dataset itself": Case(f"{BIDS} --bids mri", nothing, typing("--bids bids")),
    "near {} {}: write {} in the row that is meant": Case(
        BUILD, contradicting_rows, doing(lambda: edit(TABLE, "SUB-02", "sub-02"))
    ),
    "if they are one participant, remove the files of {}": Case(
        BUILD, second_id("sub-001"), doing(without_files("sub-001"))
    ),
    "if they are one participant, keep the files of one id": Case(
        EXTEND,
        all_at_once(older, second_id("SUB-01"), lambda: edit(TABLE, "sub-14,", "SUB-01,x\nsub-14,", 0)),
        doing(without_files("SUB-01")),
    ),
    "{}, and now both: {}; the rows stay as they are, so add the other recording by hand": Case(
        f"{EXTEND} --allow-missing --method stratified",
        one_recording_then_two,
        doing_then(by_hand, f"{EXTEND} --allow-missing --method stratified --force"),
    ),
    "if they are one, {}, or rename the files": Case(
        f"{BUILD} --allow-missing", renamed("sub-05", "SUB-05", ("mri",)), typing("--loose-ids")
    ),
    "them, or a BIDS dataset with --bids": Case(
        "build --participants participants.csv --out list.json", nothing, typing("--eeg-dir eeg", "--mri-dir mri")
    ),
    "it, or a BIDS dataset with --bids": Case(BUILD.replace("--mri-dir mri ", ""), nothing, typing("--mri-dir mri")),
    "--bids has the MRIs already: leave out one of the two": Case(
        f"{BIDS} --mri-dir mri", nothing, leaving_out("--mri-dir")
    ),
    "they differ only in how letters with accents are stored: if they are one participant, rename the files": Case(
        BUILD, spellings_of_eeg, doing(one_spelling_of_eeg)
    ),
    "if a table has both ids of each participant in two columns, add --id-map TABLE": Case(
        BUILD,
        other_ids("P-x{:02d}y"),
        doing_then(map_of_ids("sub-{:02d}", "P-x{:02d}y"), f"{BUILD} --id-map map.csv"),
    ),
    "if {} are one participant, and so with {} of them, add --loose-ids": Case(
        BUILD, other_ids("{}"), typing("--loose-ids")
    ),
    "LEMON gives each participant two ids: add --id-map name_match.csv, {}": Case(
        BUILD,
        ids_of_lemon,
        doing_then(
            map_of_ids("sub-0323{:02d}", "sub-0100{:02d}", "name_match.csv", "INDI_ID,Initial_ID"),
            f"{BUILD} --id-map name_match.csv",
        ),
    ),
    "delete the others": Case(
        f"{BUILD} --id-map map.csv",
        map_of_ids("sub-{:02d}", "P{}", header="one,other,more", more=",x"),
        doing(map_of_ids("sub-{:02d}", "P{}")),
    ),
    "{}{}: correct the table": Case(
        BUILD,
        lambda: edit(TABLE, "sub-14,", "SUB-01,F,20,f\nsub-14,"),
        doing(lambda: edit(TABLE, "SUB-01,F,20,f\n", "")),
    ),
    WITH_EEG: Case(BUILD, lambda: touch("eeg/SUB-01_seg0.npy"), doing(without_files("SUB-01"))),
    "add --loose-ids": Case(BUILD, lambda: edit(TABLE, "sub-03", "sub-3"), typing("--loose-ids")),
    "if so, add --id-map TABLE with both ids in a row, or write them alike": Case(
        BUILD, lambda: edit(TABLE, "sub-03", "s\u00fcb-03"), doing(lambda: edit(TABLE, "s\u00fcb-03", "sub-03"))
    ),
    "leave it out": Case(f"{BUILD} --session 01", sessions_apart, leaving_out("--session")),
    "rename it": Case(BUILD, lambda: touch("mri/ _T1w.nii"), doing(lambda: Path("mri/ _T1w.nii").unlink())),
    "that cannot be read (ask for the permission)": Case(
        BUILD, no_permission, doing(lambda: Path("mri/locked").chmod(0o700))
    ),
    "make it, or choose another": Case(f"{BUILD} --out new/list.json", nothing, doing(lambda: Path("new").mkdir())),
    "rename that file": Case(BUILD, no_text_for_a_name, doing(text_for_a_name)),
    "{} {} one recording only: --allow-missing would keep those of them with a label": Case(
        BUILD, lambda: Path("mri/sub-01_T1w.nii.gz").unlink(), lambda *_: f"{BUILD} --allow-missing --force"
    ),
    "For completion in your editor: monai-fusion datalist schema --out {}": Case(
        BUILD, nothing, doing_then(schema_beside, f"{BUILD} --force")
    ),
    "the names have no condition": Case(
        f"{BUILD} --eeg-condition EO",
        lambda: each("eeg", lambda name: name.replace("_EO", "").replace("_EC_seg0", "_seg1")),
        leaving_out("--eeg-condition"),
    ),
    "did_you_mean in datalist/choosing.of_condition": Case(
        f"{BUILD} --eeg-condition EOO",
        nothing,
        as_printed(r'did you mean "(.+?)"', lambda c, n: options(c, f"--eeg-condition {n}")),
    ),
}
