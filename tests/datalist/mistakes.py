"""Mistakes in a datalist, and the message of each: ``…`` is any words (`tests.datalist.lines`)."""

import json
from collections.abc import Callable
from typing import Any

Document = dict[str, Any]
Change = Callable[[Document], object]

ID_WANTED = "expected … double … without / and \\, control characters … ends"
CLASSES_WANTED = 'expected … least … class … ["M", "F"]'
REASON_WANTED = "expected … reason … double … (or no such field)"


def head(**fields: object) -> Change:
    return lambda document: document.update(fields)


def first(**fields: object) -> Change:
    """Other fields of sub-01, the first row of training."""
    return lambda document: document["training"][0].update(fields)


def renamed(old: str, new: str) -> Change:
    return lambda document: document["training"][0].update({new: document["training"][0].pop(old)})


MISTAKES: list[tuple[Change, list[str]]] = [
    # the head
    (head(clases=["M", "F"]), ['line 21, clases: … such field: did you mean "classes"?']),
    (
        head(zebra=1),
        [
            "line 21, zebra: … such field: the fields are "
            "$schema, name, target, classes, data_root, group_by, training, validation, test"
        ],
    ),
    (lambda d: d.pop("classes"), ['datalist classes: missing … class … ["M", "F"]']),
    (
        lambda d: (d.pop("classes"), d["training"][0].update(mri="x.nii")),
        [
            'datalist classes: missing … class … ["M", "F"]',
            'line 7, sub-01 mri: there is no file "x.nii"',
        ],
    ),
    (head(classes=[]), [f"line 5, classes: [] (empty), {CLASSES_WANTED}"]),
    (head(classes=["M"]), [f'line 5, classes: ["M"], {CLASSES_WANTED}']),
    (head(classes="M"), [f'line 5, classes: "M", {CLASSES_WANTED}']),
    (head(classes=[0, 1]), [f"line 5, classes: [0, 1], {CLASSES_WANTED}: each is text: write it in double quotes"]),
    (
        head(classes=["M", ""]),
        [f'line 5, classes: ["M", ""], {CLASSES_WANTED}: … empty … space …: delete it'],
    ),
    (
        head(classes=["M", "F", "M"]),
        ['line 5, classes: "M" is listed 2 times … class …: write … class … delete it'],
    ),
    (head(name=5), ["line 3, name: 5 (a number), expected text in double quotes"]),
    (head(data_root="../nowhere"), ['line 6, data_root: "../nowhere": there is no folder {tmp}/nowhere']),
    (
        head(training={"a": 1}),
        ["line 7, training: an object { ... }, expected … list …: [{...}, {...}]"],
    ),
    (
        head(training=[], validation=[], test=[]),
        ["datalist: no participant in training, validation … least one"],
    ),
    (head(test=["mri/a.nii"]), ['line 16: "mri/a.nii", expected a participant: {"participant_id": ..., ...}']),
    # participant_id
    (first(participant_id=10002), [f"line 8, participant_id: 10002 (a number), {ID_WANTED}"]),
    (first(participant_id=""), [f'line 8, participant_id: "" (empty), {ID_WANTED}']),
    (first(participant_id="a/b"), [f'line 8, participant_id: "a/b", {ID_WANTED}']),
    (first(participant_id="a\\b"), [f'line 8, participant_id: "a\\\\b", {ID_WANTED}']),
    (
        first(participant_id="a\tb"),
        [f'line 8, participant_id: "a\\tb", {ID_WANTED}: it holds \\t, a control character: delete that character'],
    ),
    (first(participant_id="line 8, sub-01 "), [f'line 8, participant_id: "line 8, sub-01 ", {ID_WANTED}']),
    (lambda d: d["training"][0].pop("participant_id"), [f"line 8, participant_id: missing, {ID_WANTED}"]),
    # field names
    (
        renamed("participant_id", "particpant_id"),
        ['line 8, particpant_id: … such field: did you mean "participant_id"?'],
    ),
    *(
        (
            renamed(field, written),
            [
                f'line 8, sub-01 {written}: … such field: did you mean "{field}"? '
                f'(If not, add "{field}": null; "{written}" is then kept.)'
            ],
        )
        for field, written in (("label", "lable"), ("eeg", "EEG"), ("eeg", "egg"), ("mri", "mir"))
    ),
    (
        first(exclud="moved"),
        [
            'line 8, sub-01 exclud: … such field: did you mean "exclude"? '
            '(If not, add "exclude": null; "exclud" is then kept.)'
        ],
    ),
    # label
    (first(label="male"), ['line 8, sub-01 label: "male", expected "M" or "F": did you mean "M"?']),
    (first(label="f"), ['line 8, sub-01 label: "f", expected "M" or "F": did you mean "F"?']),
    (first(label=" F"), ['line 8, sub-01 label: " F", expected "M" or "F": did you mean "F"?']),
    (first(label="unknown"), ['line 8, sub-01 label: "unknown", expected "M" or "F"']),
    (first(label=""), ['line 8, sub-01 label: "" (empty), expected "M" or "F"']),
    (first(label="  "), ['line 8, sub-01 label: "  " (empty), expected "M" or "F"']),
    (first(label=None), ['line 8, sub-01 label: null, expected "M" or "F"']),
    (lambda d: d["training"][0].pop("label"), ['line 8, sub-01 label: missing, expected "M" or "F"']),
    (first(label=1), ["line 8, sub-01 label: 1 (a number), expected … class … double quotes"]),
    (lambda d: d["training"].pop(1), ['line 7, training: no participant of class "F", expected at least one']),
    # rows
    (
        lambda d: d["test"].append({**d["training"][0]}),
        ["line 20, sub-01: in training (line 8) and in test (line 20), expected one part only: delete all but … lines"],
    ),
    (
        lambda d: d["training"].append({**d["training"][0]}),
        ["line 11, sub-01: 2 times in training (lines 8 and 11), expected once: delete all … lines"],
    ),
    (first(eeg=[], mri=None), ["line 8, sub-01: neither … least … them"]),
    (first(exclude=True), [f"line 8, sub-01 exclude: true, {REASON_WANTED}"]),
    (first(exclude=""), [f'line 8, sub-01 exclude: "" (empty), {REASON_WANTED}']),
    # files
    (first(eeg="eeg/sub-01_EO_seg3.npy"), ['line 8, sub-01 eeg: there is no file "eeg/sub-01_EO_seg3.npy"']),
    (first(eeg=["eeg/sub-01_EO_seg2.npy", "eeg/x.npy"]), ['line 8, sub-01 eeg: there is no file "eeg/x.npy"']),
    (
        first(eeg="eeg"),
        ['line 8, sub-01 eeg: there is no file "eeg": this is a folder: write … files … "eeg/sub-01_*.npy"'],
    ),
    (
        first(mri="mri"),
        ['line 8, sub-01 mri: there is no file "mri": this is a folder: write … file … "mri/sub-01_T1w.nii.gz"'],
    ),
    (
        first(eeg="eeg/sub-99_*.npy"),
        ['line 8, sub-01 eeg: no file matches "eeg/sub-99_*.npy": did you mean "eeg/sub-01_*.npy"?'],
    ),
    (
        first(eeg="EEG/sub-01_EO_seg2.npy"),
        [
            'line 8, sub-01 eeg: there is no file "EEG/sub-01_EO_seg2.npy": '
            'did you mean "eeg/sub-01_EO_seg2.npy"? (upper … lower …)'
        ],
    ),
    (
        first(eeg="eggs/sub-01_*.npy"),
        ['line 8, sub-01 eeg: no file matches "eggs/sub-01_*.npy": there is no folder {tmp}/data/eggs'],
    ),
    (
        first(eeg=[1]),
        ['line 8, sub-01 eeg: [1], expected … paths … pattern … "eeg/sub-010002_*.npy"'],
    ),
    (
        first(eeg=""),
        ['line 8, sub-01 eeg: "", expected a path below data_root: write … path …'],
    ),
    (
        first(eeg="eeg/sub-0[12]_*.npy"),
        [
            'line 9, sub-02 eeg: "eeg/sub-02_EO_seg10.npy" is also a file of sub-01 (line 8): '
            "correct … path … pattern … them"
        ],
    ),
    (
        first(eeg="**/sub-01_*.npy"),
        [
            'line 8, sub-01 eeg: "**/sub-01_*.npy", expected a path below data_root: '
            "** is not understood here: write … folders … * for one of them"
        ],
    ),
    (
        first(mri="mri/sub-01.nii.gz"),
        ['line 8, sub-01 mri: there is no file "mri/sub-01.nii.gz": did you mean "mri/sub-01_T1w.nii.gz"?'],
    ),
    (
        first(mri=["mri/sub-01_T1w.nii.gz"]),
        ['line 8, sub-01 mri: ["mri/sub-01_T1w.nii.gz"], expected … double quotes …'],
    ),
    (first(mri="mri/sub-01_*.nii.gz"), ['line 8, sub-01 mri: "mri/sub-01_*.nii.gz", expected … path … pattern']),
    (
        first(mri="mri/sub-02_T1w.nii.gz"),
        [
            'line 9, sub-02 mri: "mri/sub-02_T1w.nii.gz" is also a file of sub-01 (line 8): '
            "correct … path … pattern … them"
        ],
    ),
    (
        first(mri="mri/../../other/x.nii.gz"),
        [
            'line 8, sub-01 mri: "mri/../../other/x.nii.gz", expected a path below data_root: '
            "it leaves data_root: set data_root … folder … holds … files"
        ],
    ),
    *(
        (
            first(mri=path),
            [
                f"line 8, sub-01 mri: {json.dumps(path)}, expected a path below data_root: "
                "write it relative to data_root"
            ],
        )
        for path in ("/data/x.nii.gz", "C:\\LEMON\\x.nii.gz", "C:x.nii.gz", "\\\\server\\LEMON\\x.nii.gz")
    ),
    (
        first(mri="mri\tx.nii.gz"),
        [
            'line 8, sub-01 mri: "mri\\tx.nii.gz", expected a path below data_root: it holds a tab: '
            "in JSON … backslash … character … / instead"
        ],
    ),
    (first(mri="."), ['line 8, sub-01 mri: ".", expected a path below data_root: … names … folder …']),
    # what is near to it
    (
        first(mri="mri/sub-1_T1w.nii.gz"),
        ['line 8, sub-01 mri: there is no file "mri/sub-1_T1w.nii.gz": did you mean "mri/sub-01_T1w.nii.gz"?'],
    ),
    (
        first(mri="mri/sub-01_T1w.nii"),
        ['line 8, sub-01 mri: there is no file "mri/sub-01_T1w.nii": did you mean "mri/sub-01_T1w.nii.gz"?'],
    ),
    (
        first(mri="mri/sub01-T1w.nii.gz"),
        ['line 8, sub-01 mri: there is no file "mri/sub01-T1w.nii.gz": did you mean "mri/sub-01_T1w.nii.gz"?'],
    ),
    (
        first(mri="mri/sub-99_T1w.nii.gz"),
        ['line 8, sub-01 mri: there is no file "mri/sub-99_T1w.nii.gz": did you mean "mri/sub-01_T1w.nii.gz"?'],
    ),
    (
        first(mri="MRI/Sub-01_t1w.nii.gz"),
        [
            'line 8, sub-01 mri: there is no file "MRI/Sub-01_t1w.nii.gz": '
            'did you mean "mri/sub-01_T1w.nii.gz"? (upper … lower …)'
        ],
    ),
    (
        first(eeg="EEG/sub-01_*.npy"),
        [
            'line 8, sub-01 eeg: no file matches "EEG/sub-01_*.npy": '
            'there is no folder {tmp}/data/EEG: did you mean "eeg"?'
        ],
    ),
    (
        first(eeg="eeg/sub-01_E0_*.npy"),
        ['line 8, sub-01 eeg: no file matches "eeg/sub-01_E0_*.npy": did you mean "eeg/sub-01_*.npy"?'],
    ),
    (
        first(eeg="eeg/sub-02_E0_*.npy", participant_id="sub-1"),
        ['line 8, sub-1 eeg: no file matches "eeg/sub-02_E0_*.npy"'],
    ),
    (
        first(eeg=["eeg/sub-01_EO_seg2.npy", "../x.npy"]),
        [
            'line 8, sub-01 eeg: "../x.npy", expected a path below data_root: '
            "it leaves data_root: set data_root … folder … holds … files"
        ],
    ),
    # splits
    (
        first(participant_id="SUB-02"),
        ["line 9, sub-02: differs from SUB-02 (line 8) … upper … lower …: if … one … keep … line"],
    ),
    (
        lambda d: d["training"].extend([{**d["training"][0]}, {**d["training"][0]}]),
        ["line 12, sub-01: 3 times in training (lines 8 and 11 and 12), expected once: delete all but … lines"],
    ),
    # fields
    (first(fold="1"), ['line 8, sub-01 fold: "1", expected a whole number from 0, or no such field']),
    (first(fold=-1), ["line 8, sub-01 fold: -1 (a number), expected a whole number from 0, or no such field"]),
    (first(exclude=None, label="Male "), ['line 8, sub-01 label: "Male ", expected "M" or "F": did you mean "M"?']),
    (head(target=None), ["line 4, target: null … double quotes"]),
    (head(data_root=7), ["line 6, data_root: 7 (a number), expected … folder … double quotes"]),
    (head(trainig=[]), ['line 21, trainig: … such field: did you mean "training"?']),
]
