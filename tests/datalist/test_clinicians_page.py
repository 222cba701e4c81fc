"""Every message on the page for clinicians is what the program prints, and each example ends as the page shows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from monai_fusion import cli

MANIFESTS = Path(__file__).parents[2] / "data_manifests"
PAGE = (MANIFESTS / "README.md").read_text(encoding="utf-8")
EXAMPLE = (MANIFESTS / "example.json").read_text(encoding="utf-8")
NEW = (
    r'    {"participant_id": "sub-900010", "label": "F", "eeg": "eeg\sub-900010_*.npy", '
    r'"mri": "mri\sub-900010_t1w.nii.gz"},'
)

Edit = Callable[[list[str]], list[str]]


def line(number: int, old: str, new: str) -> Edit:
    """In one line, one text for another, once."""

    def edit(lines: list[str]) -> list[str]:
        assert old in lines[number - 1], lines[number - 1]
        return [*lines[: number - 1], lines[number - 1].replace(old, new, 1), *lines[number:]]

    return edit


def pasted(number: int, after: int) -> Edit:
    """A line is copied below another, the commas put right."""
    return lambda lines: [*lines[: after - 1], lines[after - 1] + ",", lines[number - 1].rstrip(","), *lines[after:]]


def inserted(after: int, new: str) -> Edit:
    return lambda lines: [*lines[:after], new, *lines[after:]]


# The page's table, in its order: a change to example.json, and the message that follows.
MESSAGES: list[tuple[Edit, str, str]] = [
    (
        line(8, "},", "}"),
        "line 8, column 133, sub-900001: a comma (,) is missing after this",
        "lines of participants are separated by commas: add it",
    ),
    (
        line(20, "}", "},"),
        'line 20, column 134, sub-900009: trailing comma before "]"',
        "the last participant of a part has no comma: delete it",
    ),
    (
        line(8, "eeg/", "eeg\\"),
        r"line 8, column 63, sub-900001: a backslash must be written twice (\\), or better as / (also on Windows)",
        "write `/` in paths, on Windows too",
    ),
    (
        line(3, '"name"', "“name”"),
        'line 3, column 3: this is not the plain double quote " (word processors and web pages curl it): write "',
        "edit in a text editor (Notepad, VS Code), not in Word",
    ),
    (
        line(3, "Example", 'Example"'),
        'line 3, column 21: a double quote (") is missing, or there is an extra one, or a comma is missing before this',
        "look at the quotes in this line: they come in pairs",
    ),
    (
        line(8, '"sub-900001"', '"sub-900001'),
        'line 8, column 38: a double quote (") is missing, or there is an extra one, or a comma is missing before this',
        "the same: here, the one after the id is missing",
    ),
    (
        line(8, "    {", "    // {"),
        "line 8, column 5, sub-900001: JSON has no comments: delete it "
        '(to leave a participant out, write "exclude": "the reason" in the row)',
        'see "Leave a participant out"',
    ),
    (
        line(21, "  ]", ""),
        'line 22, column 1: "]" is missing before this "}" (the "[" of line 17 is still open)',
        "a closing bracket was deleted with a line: write it again",
    ),
    (
        line(7, " [", ""),
        'line 7: "[" is missing after "training":',
        "an opening bracket was deleted: write it again",
    ),
    (
        line(9, "}", ', "exclude": "moved"}}'),
        'line 9, column 154, sub-900002: there is one "}" too many: delete it',
        "a field that you pasted brought its own bracket along: delete one of the two",
    ),
    (
        line(9, "}", ', "height": 1,71}'),
        "line 9, column 146, sub-900002: a decimal comma: write 1.71 (or text, in double quotes)",
        "numbers have a decimal point",
    ),
    (
        line(9, '"label"', '"lable"'),
        'line 9, sub-900002 lable: there is no such field: did you mean "label"? '
        '(If not, add "label": null; "lable" is then kept.)',
        "correct the field's name",
    ),
    (
        line(9, '"sub-900002"', "900002"),
        "line 9, participant_id: 900002 (a number), expected text in double quotes, without / and \\, "
        "control characters, or spaces at its ends",
        "ids need double quotes, digits too",
    ),
    (
        line(9, '"F"', '"female"'),
        'line 9, sub-900002 label: "female", expected "M" or "F": did you mean "F"?',
        "write the class exactly as in `classes`",
    ),
    (
        line(9, '"F"', "null"),
        'line 9, sub-900002 label: null, expected "M" or "F"',
        "write the class, or leave the participant out with `exclude`",
    ),
    (
        pasted(8, 20),
        "line 21, sub-900001: in training (line 8) and in test (line 21), expected one part only: "
        "delete all but one of these lines",
        "a line was copied instead of cut",
    ),
    (
        line(9, "sub-900002", "SUB-900001"),
        "line 9, SUB-900001: differs from sub-900001 (line 8) only in upper and lower case: "
        "if they are one participant, keep one line",
        "write every id in one way",
    ),
    (
        line(20, '"F"', '"M"'),
        'line 17, test: no participant of class "F", expected at least one',
        "a part lacks one of the classes: move a participant of that class there",
    ),
    (
        line(9, "eeg/sub-900002", "eeg/sub-99"),
        'line 9, sub-900002 eeg: no file matches "eeg/sub-99_*.npy": did you mean "eeg/sub-900002_*.npy"?',
        "the number in the pattern is wrong, or the files are not there",
    ),
    (
        line(9, "T1w", "t1w"),
        'line 9, sub-900002 mri: there is no file "mri/sub-900002_t1w.nii.gz": '
        'did you mean "mri/sub-900002_T1w.nii.gz"? (upper and lower case count)',
        "write the name as the file has it",
    ),
    (
        line(9, "mri/", "MRT/"),
        'line 9, sub-900002 mri: there is no file "MRT/sub-900002_T1w.nii.gz": there is no folder {root}/MRT: '
        'did you mean "mri"?',
        "write the folder's name as it is",
    ),
    (
        line(6, "../LEMON", "../../LEMON"),
        'line 6, data_root: "../../LEMON": there is no folder {above}/LEMON',
        "`..` is the folder above this file's; write where the recordings are, seen from here",
    ),
    (
        line(9, "mri/sub", "C:/LEMON/mri/sub"),
        'line 9, sub-900002 mri: "C:/LEMON/mri/sub-900002_T1w.nii.gz", expected a path below data_root: '
        "write it relative to data_root",
        'paths start at `data_root`: `"mri/..."`',
    ),
    (
        line(9, "mri/sub-900002", "mri/sub-900001"),
        'line 9, sub-900002 mri: "mri/sub-900001_T1w.nii.gz" is also a file of sub-900001 (line 8): '
        "correct the path, or the pattern that is too wide, of one of them",
        "one of the two lines names the other's file",
    ),
    (
        line(
            9,
            '"eeg": "eeg/sub-900002_*.npy", "mri": "mri/sub-900002_T1w.nii.gz"',
            '"eeg": "mri/sub-900002_T1w.nii.gz", "mri": "eeg/sub-900002_EO_seg0.npy"',
        ),
        "line 9, sub-900002 eeg: a NIfTI file, expected .npy: are eeg and mri swapped?",
        "the MRI is in the field `eeg`, the EEG in `mri`: exchange the two",
    ),
    (
        line(9, "eeg/sub-900002_*", "eeg/sub-90000[12]_*"),
        'line 9, sub-900002 eeg: "eeg/sub-900001_EO_seg0.npy" is named after another participant, sub-900001: '
        "is it the right file?",
        "a warning: the file's name begins with another id",
    ),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """cohort.json beside the folder LEMON, which holds the files (their first bytes) of sub-900001 to sub-900010."""
    for number in range(1, 11):
        for name in (f"eeg/sub-9000{number:02d}_EO_seg{{}}.npy", f"mri/sub-9000{number:02d}_T1w.nii.gz"):
            for segment in (0, 1):
                path = tmp_path / "LEMON" / name.format(segment)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"\x93NUMPY")
    (tmp_path / "lists").mkdir()
    monkeypatch.chdir(tmp_path / "lists")
    return tmp_path / "lists"


def check(capsys: pytest.CaptureFixture[str], lines: list[str], *options: str) -> tuple[int, str]:
    """What a participant sees, without the paths of the test's own folders."""
    Path("cohort.json").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        cli.main(["datalist", "check", "cohort.json", *options])
    captured = capsys.readouterr()
    printed = (captured.out + captured.err).replace(str(Path.cwd().parent / "LEMON"), "{root}")
    printed = printed.replace(str(Path.cwd().parent.parent), "{above}").replace("{root}\\", "{root}/")
    return int(ended.value.code or 0), printed.replace("{above}\\", "{above}/")


def example() -> list[str]:
    return EXAMPLE.splitlines()


@pytest.mark.parametrize(("edit", "message", "advice"), MESSAGES)
def test_each_message_of_the_page_is_that_of_the_mistake(
    edit: Edit, message: str, advice: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(capsys, example())[0] == 0
    _, printed = check(capsys, edit(example()))
    assert message in [reported.strip() for reported in printed.splitlines()]


def table() -> str:
    """The page's table, made from the messages above."""
    rows = [f"| {_code(message)} | {advice} |" for _, message, advice in MESSAGES]
    return "\n".join(["| the check says | what to do |", "| --- | --- |", *rows])


def _code(message: str) -> str:
    shown = message.replace("{root}", "C:/study/LEMON").replace("{above}", "C:").replace("|", "\\|")
    return f"`{shown}`"


def test_the_page_explains_these_messages() -> None:
    assert table() in PAGE


def outputs(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What the check prints in the page's three examples, by the name of the place."""
    printed = {}
    first = inserted(20, example()[8])(example())
    printed["1"] = check(capsys, first)[1]
    assert check(capsys, [*first[:8], *first[9:]], "--fix", "--yes")[0] == 0
    second = line(9, "},", "}")(line(9, '"F"', '"male"')(example()))
    printed["2"] = check(capsys, second)[1]
    assert check(capsys, line(9, '"F"', '"M"')(example()))[0] == 0
    third = inserted(8, NEW)(example())
    printed["3"] = check(capsys, third)[1]
    printed["3fix"] = check(capsys, third, "--fix", "--yes")[1]
    right = Path("cohort.json").read_text(encoding="utf-8").replace("_t1w", "_T1w").splitlines()
    assert check(capsys, right)[0] == 0
    return printed


def test_the_examples_of_the_page_are_what_the_program_prints(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert NEW in PAGE
    printed = outputs(capsys)
    blocks = re.findall(r"```text\n(.*?)\n```", PAGE, flags=re.DOTALL)
    assert blocks[:-1] == [printed[name].rstrip() for name in ("1", "2", "3")]
    assert blocks[-1] in printed["3fix"]


def test_rows_on_the_page_are_json() -> None:
    rows = [text.strip().rstrip(",") for text in PAGE.splitlines() if text.strip().startswith('{"participant_id"')]
    rows = [text for text in rows if "\\" not in text]
    assert len(rows) >= 8
    assert all("participant_id" in json.loads(text) for text in rows)
