"""What Windows and macOS cannot have, and what turns the direction of writing, is reported before it does harm."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monai_fusion.datalist import check_datalist
from monai_fusion.datalist.building.labels import label_rule
from monai_fusion.datalist.building.scanning import scan_folders
from monai_fusion.datalist.examination import examine_datalist
from monai_fusion.errors import InputError
from monai_fusion.report.page import page_environment
from tests.datalist.lines import Like

Document = dict[str, Any]
Save = Callable[[Any], Path]
TURNING = ["\u202e", "\u2066", "\u200f", "\u061c"]


def warnings_of(document: Document, save: Save) -> list[str]:
    examination = examine_datalist(save(document), require_files=False)
    assert examination.problems == ()
    return [str(warning) for warning in examination.warnings]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("mri/CON.nii.gz", "CON is a device there"),
        ("mri/aux.nii", "aux is a device there"),
        ("COM1/sub-01_T1w.nii.gz", "COM1 is a device there"),
        ("nul.old/sub-01_T1w.nii.gz", "nul is a device there"),
        ("sub-01./T1w.nii.gz", "a name cannot end in a dot or a space there"),
        ("sub-01 /T1w.nii.gz", "a name cannot end in a dot or a space there"),
        ("mri/sub-01_10:30_T1w.nii.gz", "a name cannot hold : there"),
        ("mri/sub-01<2>.nii.gz", "a name cannot hold < there"),
    ],
)
def test_a_file_that_windows_cannot_have_is_a_warning(path: str, reason: str, document: Document, save: Save) -> None:
    document["training"][0]["mri"] = path
    assert warnings_of(document, save) == [
        Like(f'line 8, sub-01 mri: "{path}" cannot … file … Windows: {reason}: rename … datalist … used there')
    ]


def test_of_many_such_files_the_first_is_named(document: Document, save: Save) -> None:
    for row in document["training"]:
        row["mri"] = f"aux/{row['participant_id']}_T1w.nii.gz"
    (warning,) = warnings_of(document, save)
    assert '"aux/sub-01_T1w.nii.gz" (and 2 more files) cannot be a file on Windows' in warning


@pytest.mark.parametrize("path", ["mri/CONTROL.nii.gz", "mri/sub-01_con.nii.gz", "mri/com10.nii", "nulls/a.b/x.nii"])
def test_names_that_only_look_so_are_no_warning(path: str, document: Document, save: Save) -> None:
    document["training"][0]["mri"] = path
    assert warnings_of(document, save) == []


def test_two_files_that_differ_in_case_only_are_a_warning(document: Document, save: Save) -> None:
    document["training"][0]["mri"] = "mri/X_T1w.nii.gz"
    document["training"][1]["mri"] = "mri/x_T1w.nii.gz"
    assert warnings_of(document, save) == [
        Like(
            'line 9, sub-02 mri: "mri/x_T1w.nii.gz" and "mri/X_T1w.nii.gz" are one file on Windows and macOS: '
            "rename … datalist … used there"
        )
    ]


@pytest.mark.parametrize("character", TURNING)
def test_an_id_or_class_that_turns_the_direction_of_writing_is_refused_with_its_reason(
    character: str, document: Document, save: Save
) -> None:
    reason = f"it holds \\u{ord(character):04x}, which turns the direction of writing: delete that character"
    document["training"][0]["participant_id"] = f"sub-{character}01"
    (problem,) = check_datalist(save(document))
    assert str(problem).endswith(reason)
    document["training"][0]["participant_id"] = "sub-01"
    document["classes"] = ["M", f"F{character}"]
    problems = [str(problem) for problem in check_datalist(save(document))]
    assert problems[0].startswith("line 5, classes")
    assert problems[0].endswith(reason)
    with pytest.raises(InputError, match="two or more different names"):
        label_rule(("M", f"F{character}"), (), ())


def test_a_file_named_so_gives_no_participant(tmp_path: Path) -> None:
    for name in ("eeg/sub-\u202e10_seg0.npy", "mri/sub-\u202e10_T1w.nii"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=re.escape(r'"sub-\u202e10_T1w.nii", expected a name such as')):
        scan_folders([tmp_path / "eeg"], [tmp_path / "mri"])


def test_a_page_writes_out_what_turns_its_direction_and_keeps_its_own_markup() -> None:
    page = page_environment().from_string("{{ id }} {{ '<b>'|safe }} {{ number }}")
    assert page.render(id="sub-\u202e10 <Müller>", number=3) == r"sub-\u202e10 &lt;Müller&gt; <b> 3"


def test_a_class_that_is_listed_twice_is_the_only_problem(document: Document, save: Save) -> None:
    document["classes"] = ["M", "M"]
    assert [str(problem) for problem in check_datalist(save(document))] == [
        Like('line 5, classes: "M" is listed 2 times … class …: write … class … delete it')
    ]


@pytest.mark.parametrize(
    ("character", "reason"),
    [
        ("\0", "it holds a NUL: write the path again"),
        ("\x1b", "it holds a control character: write the path again"),
        ("\t", "it holds a tab: in JSON a single backslash begins a special character, write / instead"),
        ("\b", "it holds a backspace: in JSON a single backslash begins a special character, write / instead"),
    ],
)
def test_a_control_character_in_a_path_is_called_by_its_name(
    character: str, reason: str, document: Document, save: Save
) -> None:
    document["training"][0]["mri"] = f"mri{character}x.nii"
    (problem,) = check_datalist(save(document))
    assert problem.advice == reason
    assert json.dumps(problem.seen).isascii()


@pytest.mark.parametrize(
    ("classes", "reason"),
    [
        (["M", "F\x1b[2J"], r"it holds \u001b, a control character: delete that character"),
        (["M", " F"], "one of them is empty, or has a space at an end: delete it"),
        (["M", ""], "one of them is empty, or has a space at an end: delete it"),
        (["M", 1], "each is text: write it in double quotes"),
        (["M"], 'expected a list of at least two class names, such as ["M", "F"]'),
    ],
)
def test_classes_are_refused_with_the_true_reason(
    classes: list[object], reason: str, document: Document, save: Save
) -> None:
    document["classes"] = classes
    assert str(check_datalist(save(document))[0]).endswith(reason)
