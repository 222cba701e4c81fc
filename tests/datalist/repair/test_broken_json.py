"""Text that is not JSON: where the check shows it, the message, and what it still reads."""

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
from tests.datalist.lines import assert_lines
from tests.datalist.repair.broken_texts import BROKEN_TEXT, NO_DATALIST

Document = dict[str, Any]


@pytest.mark.parametrize(("spoil", "message", "character"), BROKEN_TEXT)
def test_broken_json_is_shown_where_it_breaks_with_the_likely_cause(
    spoil: Callable[[str], str], message: str, character: str, document: Document, save: Callable[[str], Path]
) -> None:
    path = save(document)
    found = check_datalist(save(spoil(path.read_text(encoding="utf-8"))))[0]
    assert isinstance(found, Finding)
    assert_lines([found], [message])
    if character:
        line, caret = found.excerpt.splitlines()
        assert caret.strip() == "^"
        assert line[caret.index("^")] == character


@pytest.mark.parametrize(("spoil", "message"), NO_DATALIST)
def test_a_file_that_is_no_datalist_or_not_only_one_is_reported(
    spoil: Callable[[str], str | bytes], message: str, document: Document, save: Callable[[Any], Path]
) -> None:
    path = save(document)
    assert_lines(check_datalist(save(spoil(path.read_text(encoding="utf-8")))), [message])


def test_every_fault_of_a_file_is_reported_and_what_is_between_them_is_checked_too(
    document: Document, save: Callable[[Any], Path]
) -> None:
    document["training"][1]["label"] = "female"
    text = save(document).read_text(encoding="utf-8")
    text = text.replace('"name"', "'name'").replace("}\n  ],", "},\n  ],").replace("mri/sub-08", r"mri\sub-08")
    text = text.replace('  "target"', '  // what is classified\n  "target"')
    reported = [(found.group, found.line) for found in check_datalist(save(text)) if isinstance(found, Finding)]
    assert reported == [("json", 3), ("json", 4), ("json", 11), ("json", 15), ("json", 20), ("labels", 10)]


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


# Signs that users, editors and damaged disks put into files.
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
