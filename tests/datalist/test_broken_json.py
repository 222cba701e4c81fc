"""Text that is not JSON: where that is shown, what is said, and what can be read all the same."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from monai_fusion.datalist import check_datalist
from monai_fusion.datalist.json_text import parse_bytes, parse_json
from monai_fusion.datalist.locating import Places
from monai_fusion.datalist.repair.json_faults import find_faults, mended
from monai_fusion.datalist.reporting import Finding

Document = dict[str, Any]


# The text of a right datalist (line 8 is sub-01), spoilt; what is said; and the sign above the caret.
BROKEN_TEXT: list[tuple[Callable[[str], str], str, str]] = [
    (
        lambda t: t.replace("}\n  ],", "},\n  ],", 1),
        'line 10, column 106, sub-03: there is a comma too many before "]"',
        ",",
    ),
    (lambda t: t.replace('gz"}', 'gz",}', 1), 'line 8, column 105, sub-01: there is a comma too many before "}"', ","),
    (lambda t: t.replace("],", "],,", 1), "line 5, column 25: there is a comma too many", ","),
    (lambda t: t.replace("[\n    {", "[\n    ,{", 1), "line 8, column 5, sub-01: there is a comma too many", ","),
    (lambda t: t + ",", "line 22, column 1: there is a comma too many at the end", ","),
    (lambda t: t.replace("},\n", "}\n", 1), "line 8, column 105, sub-01: a comma (,) is missing after this", "}"),
    (
        lambda t: t.replace('"M", "eeg', '"M" "eeg', 1),
        "line 8, column 45, sub-01: a comma (,) is missing after this",
        '"',
    ),
    (lambda t: t.replace('["M", "F"]', '["M" "F"]', 1), "line 5, column 17: a comma (,) is missing after this", '"'),
    (lambda t: t.replace('["M", "F"]', '["M"; "F"]', 1), "line 5, column 18: a comma (,) stands here in JSON", ";"),
    (
        lambda t: t.replace('"name"', "'name'"),
        "line 3, column 3: names and text stand between double quotes: \" instead of '",
        "'",
    ),
    (
        lambda t: t.replace('"Eight"', "'Eight's"),
        "line 3, column 11: names and text stand between double quotes: \" instead of '",
        "'",
    ),
    *(
        (
            lambda t, quotes=quotes: t.replace('"Eight"', f"{quotes[0]}Eight{quotes[1]}"),
            'line 3, column 11: this is not the plain double quote " (word processors and web pages curl it): write "',
            quotes[0],
        )
        for quotes in ("\u201c\u201d", "\u201e\u201c", "\u00ab\u00bb", '\u201c"')
    ),
    (
        lambda t: t.replace('"Eight"', '"Eight\u201d'),
        'line 3, column 17: this is not the plain double quote " (word processors and web pages curl it): write "',
        "\u201d",
    ),
    *(
        (
            lambda t, name=name: t.replace("mri/sub-01", rf"mri\{name}"),
            r"line 8, column 86, sub-01: a backslash must be written twice (\\), or better as / (also on Windows)",
            "\\",
        )
        for name in ("sub-01", "new", "unknown")
        if name != "new"  # that is JSON: see the next test
    ),
    (
        lambda t: t.replace('"../data"', r'"..\data\"'),
        r"line 6, column 24: a single \ before the closing quote hides it: write / (also on Windows)",
        "\\",
    ),
    (
        lambda t: t.replace('"Eight"', r'"C:\LEMON"'),
        r"line 3, column 14: a backslash must be written twice (\\), or better as / (also on Windows)",
        "\\",
    ),
    *(
        (
            lambda t, comment=comment: t.replace('  "name"', f'  {comment}"name"'),
            "line 3, column 3: JSON has no comments: delete it "
            '(to leave a participant out, write "exclude": "the reason" in the row)',
            comment[0],
        )
        for comment in ("// the name\n", "# the name\n", "/* the name */ ")
    ),
    (
        lambda t: t.replace('"Eight"', '"Eight'),
        'line 3, column 11: the text that begins here has no closing double quote (")',
        '"',
    ),
    (
        lambda t: t.replace('"sub-01"', '"sub-01', 1),
        'line 8, column 34: a double quote (") is missing, or there is one too many, or a comma is missing before this',
        "l",
    ),
    (
        lambda t: t.replace('"Eight"', '"The "eight""'),
        'line 3, column 17: a double quote (") is missing, or there is one too many, or a comma is missing before this',
        "e",
    ),
    (
        lambda t: t[:-4],
        'line 19, column 105, sub-08: the file ends too early: "]}" is missing (the "[" of line 16 is still open)',
        "}",
    ),
    (
        lambda t: t.replace("},\n", ",\n", 1),
        'line 8, column 105, sub-01: a closing bracket "}" is missing after this',
        ",",
    ),
    (
        lambda t: t.replace("},\n", "],\n", 1),
        'line 8, column 105, sub-01: "}" is missing before this "]" (the "{" of line 8 is still open)',
        "]",
    ),
    (
        lambda t: t.replace("  ],\n", "  ,\n", 1),
        'line 12, column 3: "]" is missing before this (the "[" of line 7 is still open)',
        '"',
    ),
    (lambda t: t.replace("    {", "    ", 1), 'line 8, column 5, sub-01: "{" is missing before this', '"'),
    (
        lambda t: t.replace('"training": [', '"training":'),
        'line 7: "[" is missing after "training":',
        ":",
    ),
    (
        lambda t: t.replace('"training": [', '"training" '),
        'line 7: "[" is missing after "training":',  # and so is a colon, which is told below
        '"',
    ),
    (
        lambda t: t.replace('"classes": ["M"', '"classes": "M"'),
        'line 5: "[" is missing after "classes":',
        ":",
    ),
    (
        lambda t: t.replace('"eeg": "eeg/sub-01_*.npy"', '"eeg": "a.npy", "b.npy", "c.npy"]', 1),
        'line 8, sub-01: "[" is missing after "eeg":',
        ":",
    ),
    (
        lambda t: t + "}",
        "line 22, column 1: there is a closing bracket too many, or an opening one is missing before it",
        "}",
    ),
    (
        lambda t: t.replace('"name":', '"name"'),
        "line 3, column 10: a colon (:) is missing between the field's name and its value",
        '"',
    ),
    (lambda t: t.replace('"name":', '"name" ='), "line 3, column 10: a colon (:) stands here in JSON", "="),
    (
        lambda t: t.replace('"name": "Eight"', '"name"'),
        "line 3, column 8: a colon (:) and a value are missing after this",
        '"',
    ),
    (
        lambda t: t.replace('"Eight"', ""),
        'line 3, column 11: a value is missing before "," (null stands for no value)',
        ",",
    ),
    (lambda t: t.replace('"name"', ""), "line 3, column 3: the name of the field is missing before the colon", ":"),
    (
        lambda t: t.replace('"name"', "name"),
        'line 3, column 3: a field\'s name stands between double quotes: "name"',
        "n",
    ),
    (
        lambda t: t.replace('"M", "eeg', 'M, "eeg', 1),
        'line 8, column 43, sub-01: text stands between double quotes: "M", with the quotes',
        "M",
    ),
    (
        lambda t: t.replace('"Eight"', "007"),
        'line 3, column 11: a number is not written so in JSON: "007", with the quotes',
        "0",
    ),
    (
        lambda t: t.replace('"Eight"', "NaN"),
        "line 3, column 11: NaN is not JSON: write null where there is no value",
        "N",
    ),
    (
        lambda t: t.replace('"Eight"', "-Infinity"),
        "line 3, column 11: -Infinity is not JSON: write null where there is no value",
        "-",
    ),
    (lambda t: t.replace('"Eight"', "True"), "line 3, column 11: JSON writes true, false and null", "T"),
    (lambda t: t.replace('"Eight"', "None"), "line 3, column 11: JSON writes true, false and null", "N"),
    (
        lambda t: t.replace('"Eight"', '"Ei\tght"'),
        r"line 3, column 14: a tab inside a text: delete it, or write it as \t",
        " ",
    ),
    (
        lambda t: t.replace('  "name"', '\u00a0 "name"'),
        "line 3, column 1: a space that is not the plain one (often copied from a web page): write a plain space",
        "",
    ),
    (lambda t: f"{t}x", "line 22, column 1: there is text after the end of the datalist", "x"),
    (lambda t: " \n", "line 1, column 1: the file is empty", ""),
    (
        lambda t: "[" * 100_000,
        "line 1, column 1: lists or objects are nested hundreds deep here: this is no datalist",
        "[",
    ),
    (lambda t: "1" * 10_000, "line 1, column 1: a number of thousands of digits: this is no datalist", "1"),
]


@pytest.mark.parametrize(("spoil", "message", "sign"), BROKEN_TEXT)
def test_broken_json_is_shown_where_it_breaks_with_the_likely_cause(
    spoil: Callable[[str], str], message: str, sign: str, document: Document, save: Callable[[str], Path]
) -> None:
    path = save(document)
    found = check_datalist(save(spoil(path.read_text(encoding="utf-8"))))[0]
    assert isinstance(found, Finding)
    assert str(found) == message
    if sign:
        line, caret = found.excerpt.splitlines()
        assert caret.strip() == "^"
        assert line[caret.index("^")] == sign


SAID: list[tuple[Callable[[str], str | bytes], str]] = [
    (lambda t: "null", "datalist: null, expected an object: { ... }"),
    (lambda t: "[]", "datalist: [] (empty), expected an object: { ... }"),
    (
        lambda t: t.replace("\n}", ',\n  "test": []}'),
        "line 21, test: written 2 times, expected once: the last would hide the others: delete or merge them",
    ),
    (
        lambda t: t.replace('"label": "M"', '"label": "M", "label": "M"', 1),
        "line 8, sub-01 label: written 2 times, expected once: the last would hide the others: delete or merge them",
    ),
    (
        lambda t: t.replace('"label": "M"', '"label": "M", "notes": {"a": 1, "a": 2}', 1),
        'datalist: a field "a" is written 2 times, expected once: the last would hide the others: delete or merge them',
    ),
    (
        lambda t: t.replace("mri/sub-01", r"mri\new"),
        r'line 8, sub-01 mri: "mri\new_T1w.nii.gz", expected a path below data_root: it holds a line break: '
        "in JSON a single backslash begins a special sign, write / instead",
    ),
    (
        lambda t: t.encode("utf-16"),
        'line 1: text in UTF-16 ("Unicode"), expected UTF-8: in the editor, save the file as UTF-8',
    ),
    (
        lambda t: t.encode("utf-16-le"),
        'line 1: text in UTF-16 ("Unicode"), expected UTF-8: in the editor, save the file as UTF-8',
    ),
    (lambda t: t.encode("utf-32"), "line 1: text in UTF-32, expected UTF-8: in the editor, save the file as UTF-8"),
    (
        lambda t: t.replace("Eight", "M\u00fcller").encode("cp1252"),
        "line 3, column 13: text that is not UTF-8: in the editor, save the file as UTF-8",
    ),
    (lambda t: b"\x01\x02\x00\x00", "this is not a text file, expected a datalist file (.json)"),
    (lambda t: b"{}\x01\x00\x00", "this is not a text file, expected a datalist file (.json)"),
]


@pytest.mark.parametrize(("spoil", "message"), SAID)
def test_a_file_that_is_no_datalist_or_not_only_one_is_said_to_be_so(
    spoil: Callable[[str], str | bytes], message: str, document: Document, save: Callable[[Any], Path]
) -> None:
    path = save(document)
    assert [str(problem) for problem in check_datalist(save(spoil(path.read_text(encoding="utf-8"))))] == [message]


def test_every_fault_of_a_file_is_told_and_what_stands_between_them_is_checked_too(
    document: Document, save: Callable[[Any], Path]
) -> None:
    document["training"][1]["label"] = "female"
    text = save(document).read_text(encoding="utf-8")
    text = text.replace('"name"', "'name'").replace("}\n  ],", "},\n  ],").replace("mri/sub-08", r"mri\sub-08")
    text = text.replace('  "target"', '  // what is classified\n  "target"')
    told = [(found.group, found.line) for found in check_datalist(save(text)) if isinstance(found, Finding)]
    assert told == [("json", 3), ("json", 4), ("json", 11), ("json", 15), ("json", 20), ("labels", 10)]


def test_a_fault_that_hides_what_was_meant_ends_the_reading_there() -> None:
    parsed = parse_json('{"classes": ["M", "F], "name": 1,, "training": [],}')
    assert not parsed.readable
    assert [found.column for found in parsed.findings] == [25]


def test_behind_a_deleted_bracket_of_a_part_the_rows_are_read_all_the_same(
    document: Document, save: Callable[[Any], Path]
) -> None:
    document["training"][1]["label"] = "female"
    document["validation"] = []
    text = save(document).read_text(encoding="utf-8")
    path = save(text.replace('"training": [', '"training":').replace('"validation": []', '"validation": ]'))
    assert [str(found) for found in check_datalist(path)] == [
        'line 7: "[" is missing after "training":',
        'line 12: "[" is missing after "validation":',
        'line 9, sub-02 label: "female", expected "M" or "F": did you mean "F"?',
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2,], // one\n "b": None,}', {"a": [1, 2], "b": None}),
        ("{'a': 'b', 'c': TRUE}", {"a": "b", "c": True}),
        ('{"mri": "a\\b\\sub-01.nii", "eeg": ["c\\s*.npy"]}', {"mri": "a/b/sub-01.nii", "eeg": ["c/s*.npy"]}),
        ('{"mri": "\\u00fc\\s"}', {"mri": "ü/s"}),
        ('{"note": "C:\\LEMON"}', {"note": "C:\\LEMON"}),
        ("{\u201ca\u201d: \u201eb c\u201c}", {"a": "b c"}),
        ('/* one\ntwo */ {"a": nan}\n,', {"a": None}),
        ('[{} {} [] 1 2 "x"]', [{}, {}, [], 1, 2, "x"]),
    ],
)
def test_what_was_meant_is_read_past_faults_that_leave_no_doubt(text: str, value: object) -> None:
    faults = find_faults(text)
    assert faults
    right = mended(text, faults)
    assert json.loads(right) == value
    assert right.count("\n") == text.count("\n")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)
@given(value=json_values, indent=st.none() | st.integers(0, 2), ascii_only=st.booleans())
def test_right_json_has_no_faults_whatever_its_layout(value: object, indent: int | None, ascii_only: bool) -> None:
    assert find_faults(json.dumps(value, indent=indent, ensure_ascii=ascii_only)) == []


rows = st.lists(
    st.fixed_dictionaries({"participant_id": st.text(max_size=5)}, optional={"label": json_values, "eeg": json_values}),
    max_size=6,
)


@settings(deadline=None)
@given(
    document=st.fixed_dictionaries({}, optional={"training": rows, "name": json_values, "test": rows}),
    indent=st.none() | st.integers(0, 2),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_lines_are_right_in_any_layout(document: Document, indent: int | None, line_end: str) -> None:
    marked = json.loads(json.dumps(document))
    number = 0
    for section in ("training", "test"):
        for row in marked.get(section, []):
            row["participant_id"] = f"mark{number}"
            number += 1
    text = json.dumps(marked, indent=indent).replace("\n", line_end)
    lines = text.split(line_end)
    places = Places(text)
    number = 0
    for section in ("training", "test"):
        for index in range(len(marked.get(section, []))):
            line = places.line((section, index, "participant_id"))
            assert line is not None
            assert f'"mark{number}"' in lines[line - 1]
            number += 1
    assert places.line(("training", 99)) is None
    assert places.line(("nothing",)) is None


# Signs that people, editors and damaged disks put into files.
_INSERTED = st.sampled_from(
    [
        *"{}[],:;\"'\\/#=\n\r\t\0 x0-",
        "//",
        "/*",
        "\u201c",
        "\u00a0",
        "\ufeff",
        "null",
        "NaN",
        "\\u12",
        '\\"',
        "é",
        "\ud800",
    ]
)
_MUTATION = st.tuples(st.floats(0, 1), st.integers(0, 12), _INSERTED | st.text(max_size=3))


@settings(deadline=None, max_examples=600, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutations=st.lists(_MUTATION, min_size=1, max_size=6))
@example(mutations=[(0.0, 12, "")])
def test_a_datalist_damaged_at_random_never_ends_in_a_traceback(
    mutations: list[tuple[float, int, str]], document: Document, save: Callable[[Any], Path]
) -> None:
    text = save(document).read_text(encoding="utf-8")
    for where, deleted, inserted in mutations:
        at = int(where * len(text))
        text = text[:at] + inserted + text[at + deleted :]
    content = text.encode("utf-8", errors="surrogatepass")
    path = save(content)
    for problem in check_datalist(path, require_files=False):
        assert isinstance(problem, Finding)
        assert str(problem)
        assert problem.line is None or 1 <= problem.line <= len(text) + 1
    parsed = parse_bytes(content)
    try:
        json.loads(content.decode("utf-8-sig"), parse_constant=lambda _: 1 / 0)
    except (ValueError, ZeroDivisionError, RecursionError):
        assert parsed.findings
    else:
        assert parsed.faults == ()


@settings(deadline=None, max_examples=200)
@given(content=st.binary(max_size=60))
def test_bytes_of_any_kind_never_end_in_a_traceback(content: bytes) -> None:
    parsed = parse_bytes(content)
    assert parsed.readable or parsed.findings
