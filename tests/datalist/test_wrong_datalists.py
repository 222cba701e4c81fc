"""Each row is a mistake that someone may make, and the exact text that they then read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monai_fusion.datalist import check_datalist, read_datalist
from monai_fusion.errors import InputError

Document = dict[str, Any]
Change = Callable[[Document], object]

ID_WANTED = "expected text in double quotes, without / and \\, control characters, or spaces at its ends"
CLASSES_WANTED = 'expected a list of at least two class names, such as ["M", "F"]'
REASON_WANTED = "expected the reason in double quotes (or no such field)"


def head(**fields: object) -> Change:
    return lambda document: document.update(fields)


def first(**fields: object) -> Change:
    """Other fields of sub-01, the first row of training."""
    return lambda document: document["training"][0].update(fields)


def renamed(old: str, new: str) -> Change:
    return lambda document: document["training"][0].update({new: document["training"][0].pop(old)})


MISTAKES: list[tuple[Change, list[str]]] = [
    # the head
    (head(clases=["M", "F"]), ['datalist clases: there is no such field: did you mean "classes"?']),
    (
        head(zebra=1),
        [
            "datalist zebra: there is no such field: the fields are "
            "$schema, name, target, classes, data_root, training, validation, test"
        ],
    ),
    (lambda d: d.pop("classes"), ['datalist classes: missing, expected the class names, such as ["M", "F"]']),
    (
        lambda d: (d.pop("classes"), d["training"][0].update(mri="x.nii")),
        [
            'datalist classes: missing, expected the class names, such as ["M", "F"]',
            'sub-01 mri: there is no file "x.nii"',
        ],
    ),
    (head(classes=[]), [f"datalist classes: [] (empty), {CLASSES_WANTED}"]),
    (head(classes=["M"]), [f'datalist classes: ["M"], {CLASSES_WANTED}']),
    (head(classes="M"), [f'datalist classes: "M", {CLASSES_WANTED}']),
    (head(classes=[0, 1]), [f"datalist classes: [0, 1], {CLASSES_WANTED}"]),
    (head(classes=["M", ""]), [f'datalist classes: ["M", ""], {CLASSES_WANTED}']),
    (head(classes=["M", "F", "M"]), ['datalist classes: "M" stands there 2 times, expected once']),
    (head(name=5), ["datalist name: 5 (a number), expected text in double quotes"]),
    (head(data_root="../nowhere"), ['datalist data_root: "../nowhere": there is no folder {tmp}/nowhere']),
    (
        head(training={"a": 1}),
        ["datalist training: an object { ... }, expected a list of participants: [{...}, {...}]"],
    ),
    (
        head(training=[], validation=[], test=[]),
        ["datalist: no participant in training, validation or test, expected at least one"],
    ),
    (head(test=["mri/a.nii"]), ['test, row 1: "mri/a.nii", expected a participant: {"participant_id": ..., ...}']),
    # participant_id
    (first(participant_id=10002), [f"training, row 1 participant_id: 10002 (a number), {ID_WANTED}"]),
    (first(participant_id=""), [f'training, row 1 participant_id: "" (empty), {ID_WANTED}']),
    (first(participant_id="a/b"), [f'training, row 1 participant_id: "a/b", {ID_WANTED}']),
    (first(participant_id="a\\b"), [f'training, row 1 participant_id: "a\\\\b", {ID_WANTED}']),
    (first(participant_id="a\tb"), [f'training, row 1 participant_id: "a\\tb", {ID_WANTED}']),
    (first(participant_id="sub-01 "), [f'training, row 1 participant_id: "sub-01 ", {ID_WANTED}']),
    (lambda d: d["training"][0].pop("participant_id"), [f"training, row 1 participant_id: missing, {ID_WANTED}"]),
    # field names
    (
        renamed("participant_id", "particpant_id"),
        ['training, row 1 particpant_id: there is no such field: did you mean "participant_id"?'],
    ),
    *(
        (
            renamed(field, written),
            [
                f'sub-01 {written}: there is no such field: did you mean "{field}"? '
                f'(If not, add "{field}": null; "{written}" is then kept.)'
            ],
        )
        for field, written in (("label", "lable"), ("eeg", "EEG"), ("eeg", "egg"), ("mri", "mir"))
    ),
    (
        first(exclud="moved"),
        [
            'sub-01 exclud: there is no such field: did you mean "exclude"? '
            '(If not, add "exclude": null; "exclud" is then kept.)'
        ],
    ),
    # label
    (first(label="male"), ['sub-01 label: "male", expected "M" or "F": did you mean "M"?']),
    (first(label="f"), ['sub-01 label: "f", expected "M" or "F": did you mean "F"?']),
    (first(label=" F"), ['sub-01 label: " F", expected "M" or "F": did you mean "F"?']),
    (first(label="unknown"), ['sub-01 label: "unknown", expected "M" or "F"']),
    (first(label=""), ['sub-01 label: "" (empty), expected "M" or "F"']),
    (first(label="  "), ['sub-01 label: "  " (empty), expected "M" or "F"']),
    (first(label=None), ['sub-01 label: null, expected "M" or "F"']),
    (lambda d: d["training"][0].pop("label"), ['sub-01 label: missing, expected "M" or "F"']),
    (first(label=1), ["sub-01 label: 1 (a number), expected a class name in double quotes"]),
    (lambda d: d["training"].pop(1), ['datalist training: no participant of class "F", expected at least one']),
    # rows
    (
        lambda d: d["test"].append({**d["training"][0]}),
        ["sub-01: in training (row 1) and in test (row 4), expected one section only: delete all but one row"],
    ),
    (
        lambda d: d["training"].append({**d["training"][0]}),
        ["sub-01: in training 2 times (rows 1 and 4), expected one row"],
    ),
    (first(eeg=[], mri=None), ["sub-01: neither eeg nor mri, expected at least one of them"]),
    (first(exclude=True), [f"sub-01 exclude: true, {REASON_WANTED}"]),
    (first(exclude=""), [f'sub-01 exclude: "" (empty), {REASON_WANTED}']),
    # files
    (first(eeg="eeg/sub-01_EO_seg3.npy"), ['sub-01 eeg: there is no file "eeg/sub-01_EO_seg3.npy"']),
    (first(eeg=["eeg/sub-01_EO_seg2.npy", "eeg/x.npy"]), ['sub-01 eeg: there is no file "eeg/x.npy"']),
    (first(eeg="eeg"), ['sub-01 eeg: there is no file "eeg"']),
    (first(eeg="eeg/sub-99_*.npy"), ['sub-01 eeg: no file matches "eeg/sub-99_*.npy"']),
    (
        first(eeg="EEG/sub-01_EO_seg2.npy"),
        [
            'sub-01 eeg: there is no file "EEG/sub-01_EO_seg2.npy": '
            'did you mean "eeg/sub-01_EO_seg2.npy"? (upper and lower case count)'
        ],
    ),
    (
        first(eeg="eggs/sub-01_*.npy"),
        ['sub-01 eeg: no file matches "eggs/sub-01_*.npy": there is no folder {tmp}/data/eggs'],
    ),
    (
        first(eeg=[1]),
        ['sub-01 eeg: [1], expected a path, a list of paths, or a pattern such as "eeg/sub-010002_*.npy"'],
    ),
    (
        first(eeg=""),
        ['sub-01 eeg: "", expected a path below data_root: write the path, or null if there is no file'],
    ),
    (
        first(eeg="eeg/sub-0[12]_*.npy"),
        [
            'sub-02 eeg: "eeg/sub-02_EO_seg10.npy" is also a file of sub-01: '
            "correct the path, or the pattern that is too wide, of one of them"
        ],
    ),
    (
        first(eeg="**/sub-01_*.npy"),
        [
            'sub-01 eeg: "**/sub-01_*.npy", expected a path below data_root: '
            "** is not understood here: write the folders out, or use * for one of them"
        ],
    ),
    (first(mri="mri/sub-01.nii.gz"), ['sub-01 mri: there is no file "mri/sub-01.nii.gz"']),
    (
        first(mri=["mri/sub-01_T1w.nii.gz"]),
        ['sub-01 mri: ["mri/sub-01_T1w.nii.gz"], expected one path in double quotes, or null'],
    ),
    (first(mri="mri/sub-01_*.nii.gz"), ['sub-01 mri: "mri/sub-01_*.nii.gz", expected one path, not a pattern']),
    (
        first(mri="mri/sub-02_T1w.nii.gz"),
        [
            'sub-02 mri: "mri/sub-02_T1w.nii.gz" is also a file of sub-01: '
            "correct the path, or the pattern that is too wide, of one of them"
        ],
    ),
    (
        first(mri="mri/../../other/x.nii.gz"),
        [
            'sub-01 mri: "mri/../../other/x.nii.gz", expected a path below data_root: '
            "it leaves data_root: set data_root to a folder that holds all the files"
        ],
    ),
    *(
        (
            first(mri=path),
            [f"sub-01 mri: {json.dumps(path)}, expected a path below data_root: write it relative to data_root"],
        )
        for path in ("/data/x.nii.gz", "C:\\LEMON\\x.nii.gz", "C:x.nii.gz", "\\\\server\\LEMON\\x.nii.gz")
    ),
    (
        first(mri="mri\tx.nii.gz"),
        [
            'sub-01 mri: "mri\\tx.nii.gz", expected a path below data_root: it holds a tab or line break: '
            "in JSON a single backslash begins a special sign, write / instead"
        ],
    ),
    (first(mri="."), ['sub-01 mri: ".", expected a path below data_root: it names a folder, not a file']),
]


@pytest.mark.parametrize(("change", "messages"), MISTAKES)
def test_a_mistake_is_named_in_so_many_words(
    change: Change,
    messages: list[str],
    document: Document,
    save: Callable[[Document], Path],
    tmp_path: Path,
) -> None:
    change(document)
    expected = [message.replace("{tmp}", tmp_path.as_posix()) for message in messages]
    seen = [str(problem).replace("\\", "/") for problem in check_datalist(save(document))]
    assert seen == [message.replace("\\", "/") for message in expected]  # the folders' separators differ by platform


BROKEN_TEXT: list[tuple[Callable[[str], str], str]] = [
    (lambda t: t.replace("}\n ],", "},\n ],", 1), 'line 28, column 4: near },: there is a comma too many before "]"'),
    (
        lambda t: t.replace('T1w.nii.gz"\n', 'T1w.nii.gz",\n', 1),
        'line 15, column 34: near "mri": "mri/sub-01_T1w.nii.gz",: there is a comma too many before "}"',
    ),
    (lambda t: t.replace("},\n", "}\n", 1), "line 16, column 4: near }: a comma is missing here"),
    (
        lambda t: t.replace('"name"', "'name'"),
        "line 3, column 2: near 'name': \"Eight\",: names and text stand between double quotes: \" instead of '",
    ),
    (
        lambda t: t.replace("mri/sub-01", r"mri\sub-01"),
        r'line 15, column 15: near "mri": "mri\sub-01_T1w.nii.gz": '
        r"a backslash must be written twice (\\), or better as / (also on Windows)",
    ),
    (
        lambda t: t.replace(' "name"', ' // the name\n "name"'),
        "line 3, column 2: near // the name: JSON has no comments: delete it (to leave a participant out, use exclude)",
    ),
    (
        lambda t: t[:-10],
        'line 61, column 11: near "mri": "mri/sub-08_T1w.nii.gz: a closing double quote (") is missing',
    ),
    (
        lambda t: t[:-4],
        "line 62, column 3: near }: the file ends too early: a closing bracket (] or }) or quote is missing",
    ),
    (
        lambda t: t.replace('"Eight"', '"Eight'),
        'line 3, column 17: near "name": "Eight,: a closing double quote (") is missing',
    ),
    (
        lambda t: t.replace('"name":', '"name"'),
        'line 3, column 9: near "name" "Eight",: a colon (:) is missing between the field\'s name and its value',
    ),
    (lambda t: t.replace('"Eight"', "NaN"), "datalist: NaN is not JSON: write null where there is no value"),
    (lambda t: t.replace('"Eight"', "True"), 'line 3, column 10: near "name": True,: JSON writes true, false and null'),
    (lambda t: f"{t}x", "line 64, column 2: near }x: there is text after the end of the datalist"),
    (lambda t: " \n", "line 1, column 1: the file is empty"),
    (lambda t: "null", "datalist: null, expected an object: { ... }"),
    (lambda t: "[]", "datalist: [] (empty), expected an object: { ... }"),
    (lambda t: "[" * 100_000, "datalist: lists or objects nested hundreds deep, expected a datalist"),
    (
        lambda t: t.removesuffix("}") + ', "test": []}',
        "datalist test: written 2 times, expected once: the last would hide the others: delete or merge them",
    ),
    (
        lambda t: t.replace('"label": "M"', '"label": "M", "label": "M"', 1),
        "sub-01 label: written 2 times, expected once: the last would hide the others: delete or merge them",
    ),
]


@pytest.mark.parametrize(("spoil", "message"), BROKEN_TEXT)
def test_broken_json_is_shown_where_it_breaks_with_the_likely_cause(
    spoil: Callable[[str], str], message: str, document: Document, save: Callable[[str], Path]
) -> None:
    text = spoil(json.dumps(document, indent=1))
    assert [str(problem) for problem in check_datalist(save(text))][:1] == [message]


def test_all_problems_are_said_at_once_in_the_order_of_the_file(
    document: Document, save: Callable[[Document], Path]
) -> None:
    document["clases"] = []
    document["training"][0]["label"] = 1
    document["training"][1]["mri"] = "mri/none.nii"
    document["test"][0]["label"] = "male"
    document["test"].append({**document["validation"][0]})
    path = save(document)
    with pytest.raises(InputError) as raised:
        read_datalist(path)
    assert str(raised.value).splitlines() == [
        f"{path}: 5 problems",
        '  datalist clases: there is no such field: did you mean "classes"?',
        "  sub-01 label: 1 (a number), expected a class name in double quotes",
        "  sub-04: in validation (row 1) and in test (row 4), expected one section only: delete all but one row",
        '  sub-06 label: "male", expected "M" or "F": did you mean "M"?',
        '  sub-02 mri: there is no file "mri/none.nii"',
    ]


def test_a_file_that_is_missing_a_folder_or_not_utf8_is_said_to_be_so(
    tmp_path: Path, document: Document, save: Callable[[bytes], Path]
) -> None:
    assert str(check_datalist(tmp_path / "none.json")[0]) == f"{tmp_path / 'none.json'}: there is no such file"
    assert "a folder" in str(check_datalist(tmp_path)[0]) or "cannot be read" in str(check_datalist(tmp_path)[0])
    document["name"] = "Müller"
    latin = json.dumps(document, indent=1, ensure_ascii=False).encode("cp1252")
    assert str(check_datalist(save(latin))[0]) == (
        "line 3: text that is not UTF-8: in the editor, save the file as UTF-8"
    )


leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
paths = st.sampled_from(
    ["a\0b", "eeg/sub-01_*.npy", "eeg", "[", "**", "..", "*/../*", "\0", "a:b", "//", "\\", "\ud800"]
)
row = st.dictionaries(
    st.sampled_from(["participant_id", "label", "eeg", "mri", "exclude", "lable", "age", ""]), paths | values
)
anything = values | st.dictionaries(
    st.sampled_from(["$schema", "schema_reference", "name", "classes", "data_root", "training", "test", "x"]),
    paths | values | st.lists(row | values, max_size=3) | st.just(["M", "F"]),
)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=anything, require_labels=st.booleans(), require_files=st.booleans())
def test_no_content_whatever_ends_in_a_traceback(
    content: object, require_labels: bool, require_files: bool, document: Document, save: Callable[[str], Path]
) -> None:
    path = save(json.dumps(content))
    problems = check_datalist(path, require_labels=require_labels, require_files=require_files)
    if problems:
        with pytest.raises(InputError):
            read_datalist(path, require_labels=require_labels, require_files=require_files)
    else:
        read_datalist(path, require_labels=require_labels, require_files=require_files)


def test_a_number_of_thousands_of_digits_is_no_fault_of_the_program(save: Callable[[str], Path]) -> None:
    assert str(check_datalist(save("1" * 10_000))[0]) == (
        "datalist: a number of thousands of digits, expected a datalist"
    )
