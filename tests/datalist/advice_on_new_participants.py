"""Participants to predict, trained models, other columns and sheets: what is wrong, and what the user does about it."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl

from monai_fusion.cli.new_participants import NewParticipants, plan_new_participants, write_list
from monai_fusion.datalist import read_datalist
from monai_fusion.datalist.building.build_options import FolderOptions
from monai_fusion.datalist.building.inputs import find_recordings
from monai_fusion.datalist.choosing import Choice
from monai_fusion.options.front import plan_run
from monai_fusion.shipped_bundle import config_files
from tests.datalist.advice_on_check import document_with
from tests.datalist.advice_on_tables import NAME, SHEET, STRATIFIED, edited, lines, save, two_women, workbook
from tests.datalist.tried import (
    BUILD,
    Case,
    as_printed,
    doing,
    each,
    edit,
    leaving_out,
    nothing,
    options,
    touch,
    typing,
    without,
)

NEW = "build --unlabelled --eeg-dir eeg --mri-dir mri --out new.json"
DIAGNOSIS = f"{BUILD} --label-column diagnosis"
AGE = f"{BUILD} --label-column age"


def trained(**entries: Any) -> None:
    """The run folder ``run``, as far as a datalist looks at it."""
    Path("run").mkdir(exist_ok=True)
    Path("run/model.pt").touch()
    recipe = {"classes": ["M", "F"], "target": "gender", "preprocessing": {}, "modalities": "both", **entries}
    Path("run/recipe.json").write_text(json.dumps(recipe), encoding="utf-8")


def half_copied() -> None:
    trained()
    text = Path("run/recipe.json").read_text(encoding="utf-8")
    Path("run/recipe.json").write_text(text[:20], encoding="utf-8")


def predicting(*words: str, **whom: Any) -> Callable[[], object]:
    """``monai-fusion predict`` up to the list of new participants, which it writes; by default those of two folders."""
    participants = NewParticipants(**(whom or {"eeg_dir": Path("eeg"), "mri_dir": Path("mri")}))
    inference = config_files("predict")
    return lambda: write_list(plan_new_participants(participants, inference, ["run", *words]).planned)


def predicting_again(_: str, command: str) -> Callable[[], object]:
    """What is printed, as far as the run is known."""
    program, name, *words = shlex.split(command)
    assert (program, name) == ("monai-fusion", "predict")
    return lambda: plan_run(config_files("predict"), words, first="model_dir")


def edited_list() -> None:
    """A list that an earlier prediction wrote, and that a user has changed."""
    trained()
    predicting()()
    edit("run/inference/datalist.json", '"name": "inference"', '"name": "site B"')


def diagnoses(*values: str) -> Callable[[], None]:
    """A further column with these values in turn."""

    def write() -> None:
        header, *rows = lines()
        more = [f"{row},{values[number % len(values)]}" for number, row in enumerate(rows)]
        save([f"{header},diagnosis", *more])

    return write


def without_labels(document: dict[str, Any]) -> None:
    for part in ("training", "validation", "test"):
        for row in document[part]:
            row["label"] = None


def none_in_test(document: dict[str, Any]) -> None:
    document["training"] += document.pop("test")


def second_site() -> None:
    touch("other/sub-01_EO_seg0.npy")


def leave_one_out(command: str, _: str) -> str:
    return command.replace(" --eeg-dir other", "")


def sessions_of_eeg() -> None:
    each("eeg", lambda name: name.replace("_seg0", "_ses-02_seg0"))


def empty_first() -> None:
    book = openpyxl.Workbook()
    sheet = book.create_sheet("all participants")
    for line in lines():
        sheet.append(line.split(","))
    book.save("participants.xlsx")


def only_men() -> None:
    save([line.replace(",F,", ",M,") for line in lines()])


def two_unknown() -> None:
    edited("sub-01,M", "sub-01,male")()
    edited("sub-03,M", "sub-03,male")()


def two_corrected() -> None:
    edited(",male,", ",M,")()


def named_classes(command: str, printed: str) -> str:
    """The command with the options that a message prints, all of them."""
    return f"{command} {printed}"


CASES = {
    # ---- participants to predict
    "{}, or a BIDS dataset with --bids": Case("build --unlabelled --out new.json", nothing, typing("--bids bids")),
    "--allow-missing makes a list of participants without it": Case(
        without(NEW, ["--mri-dir"]), nothing, typing("--allow-missing")
    ),
    "together with --unlabelled": Case(f"{NEW} --label-column gender", nothing, leaving_out("--label-column")),
    "the columns are those of a table: give it with --participants": Case(
        f"{NEW} --columns age", nothing, typing("--participants participants.csv")
    ),
    "--eeg, --mri": Case(
        predicting(eeg=(Path("eeg/sub-01_EO_seg0.npy"),), mri=Path("mri/sub-02_T1w.nii.gz")),
        trained,
        lambda *_: predicting(eeg=(Path("eeg/sub-01_EO_seg0.npy"),), mri=Path("mri/sub-01_T1w.nii.gz")),
    ),
    "name the participant with --id": Case(
        predicting(eeg=(Path("eeg/sub-01_EO_seg0.npy"),), mri=Path("mri/sub-02_T1w.nii.gz")),
        trained,
        lambda *_: predicting(eeg=(Path("eeg/sub-01_EO_seg0.npy"),), mri=Path("mri/sub-02_T1w.nii.gz"), id="sub-01"),
    ),
    "participants to predict need none: monai-fusion predict, and datalist check --unlabelled": Case(
        "check spoilt.json", document_with(without_labels), typing("--unlabelled")
    ),
    "participants to predict need no labels: --unlabelled": Case(
        BUILD, edited("gender", "handedness"), typing("--unlabelled")
    ),
    "an evaluation needs every class; participants are predicted without labels: datalist build --unlabelled": Case(
        f"{BUILD} --method test", only_men, lambda command, _: f"{without(command, ['--method'])} --unlabelled"
    ),
    "leave it out, or name one that the files have": Case(
        f"{without(NEW, ['--mri-dir'])} --allow-missing --session 01", sessions_of_eeg, leaving_out("--session")
    ),
    '{} in "{}": give --section {}, or move them to "{}"': Case(
        lambda: read_datalist("spoilt.json", ["test"]),
        document_with(none_in_test),
        as_printed(r"give --section (\w+)", lambda _, part: lambda: read_datalist("spoilt.json", [part])),
    ),
    "--eeg or --mri with it": Case(
        predicting(id="sub-01"),
        trained,
        lambda *_: predicting(eeg=(Path("eeg/sub-01_EO_seg0.npy"),), mri=Path("mri/sub-01_T1w.nii.gz"), id="sub-01"),
    ),
    "--eeg-dir or --mri-dir with it": Case(
        predicting(participants=Path("participants.csv")),
        trained,
        lambda *_: predicting(eeg_dir=Path("eeg"), mri_dir=Path("mri"), participants=Path("participants.csv")),
    ),
    "give folders of many participants, or the files of one": Case(
        predicting(eeg_dir=Path("eeg"), mri_dir=Path("mri"), id="sub-01"), trained, lambda *_: predicting()
    ),
    "leave it out: all participants of the new list are in the part test": Case(
        predicting("--section", "training"), trained, lambda *_: predicting()
    ),
    "a folder to write to": Case(
        predicting("--output_dir", "right.json/new"), trained, lambda *_: predicting("--output_dir", "new")
    ),
    "predict that list ({}), or choose another --output_dir": Case(
        predicting(), edited_list, as_printed(r"predict that list \((.+?)\)", predicting_again)
    ),
    # ---- trained models
    "the classes of a cohort to train on are its own: give --classes": Case(
        f"{BUILD} --model run", trained, lambda command, _: options(without(command, ["--model"]), "--classes M F")
    ),
    "--unlabelled or --method test with it": Case(f"{BUILD} --model run", trained, typing("--method test")),
    "give the --output_dir of a training as {}": Case(
        f"{BUILD} --method test --model eeg",
        trained,
        as_printed(r"as (--model)", lambda command, option: options(command, f"{option} run")),
    ),
    "copy the run folder again": Case(f"{BUILD} --method test --model run", half_copied, doing(trained)),
    "to test all of them with a model that is trained already: --method test": Case(
        STRATIFIED, two_women, as_printed(r"(--method test)", options)
    ),
    "--method test tests all participants: leave it out": Case(
        f"{BUILD} --method test --test-fraction 0.3", nothing, leaving_out("--test-fraction")
    ),
    # ---- folders and recordings
    "which are meant? Leave out one --{}-dir, or rename those of another participant": Case(
        BUILD.replace("--eeg-dir eeg", "--eeg-dir eeg --eeg-dir other"), second_site, leave_one_out
    ),
    "--eeg-dir, --mri-dir": Case(
        lambda: find_recordings(FolderOptions(), Choice()),
        nothing,
        lambda *_: lambda: find_recordings(FolderOptions((Path("eeg"),), (Path("mri"),)), Choice()),
    ),
    "a folder, or a dataset with --bids": Case(
        lambda: find_recordings(FolderOptions(), Choice()),
        nothing,
        lambda *_: lambda: find_recordings(FolderOptions(bids=Path("bids")), Choice()),
    ),
    # ---- tables and labels
    "{}correct the table{}{}": Case(BUILD, two_unknown, doing(two_corrected)),
    ", or leave them out with --drop-unlabelled": Case(BUILD, two_unknown, typing("--drop-unlabelled")),
    "if these are the classes M and F: --label-map {}": Case(
        DIAGNOSIS, diagnoses("männlich", "weiblich", "w"), as_printed(r"(--label-map .+)", named_classes)
    ),
    "name the classes with --classes {}{}{}": Case(
        DIAGNOSIS, diagnoses("control", "patient"), as_printed(r"with (--classes [\w ]+)", named_classes)
    ),
    " --method stratified": Case(
        DIAGNOSIS,
        diagnoses("control", "MDD", "bipolar"),
        as_printed(r"with (--classes [\w ]+ --method stratified)", named_classes),
    ),
    "; several values in one class: --bin {} --bin {}": Case(
        DIAGNOSIS,
        diagnoses("control", "MDD", "bipolar I", "bipolar II"),
        as_printed(r"in one class: (--bin .+?)\)?$", named_classes),
    ),
    "name the column of labels with --label-column, or give --bin CLASS=VALUE,VALUE once for each class": Case(
        DIAGNOSIS, diagnoses(*"abcdefghijk"), typing("--label-column gender")
    ),
    "make classes of them with {}": Case(AGE, nothing, as_printed(r"with (--bin [^;]+)", named_classes)),
    "--bin {}": Case(
        f"{AGE} --classes junior senior",
        nothing,
        as_printed(
            r"with (--bin [^;]+)", lambda command, printed: named_classes(without(command, ["--classes"]), printed)
        ),
    ),
    "--bin NAME=FROM-TO, once for each class": Case(
        f"{AGE} --classes 'rather young' old",
        nothing,
        lambda *_: f"{AGE} --bin young=20-26 --bin old=27-33",
    ),
    # ---- workbooks
    "{} rows, {}: name it with --sheet": Case(SHEET, empty_first, as_printed(r"with (--sheet .+?)\)?$", named_classes)),
    "not {}: if the table is there, name its sheet with --sheet": Case(
        SHEET, workbook(first="read me"), typing("--sheet participants")
    ),
    "did_you_mean in datalist/building/spreadsheet._named": Case(
        f"{SHEET} --sheet particpants",
        workbook(first="read me"),
        as_printed(NAME, lambda command, name: options(command, f"--sheet {name}")),
    ),
}
NO_ADVICE = {
    " (not written with --dry-run)": "states what a dry run leaves out",
    "did you mean": "by it the table of predictions knows the suggestions, which have cases of their own",
}
