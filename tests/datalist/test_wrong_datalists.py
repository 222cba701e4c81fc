"""Each row is a mistake in a datalist, and what its message must contain."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monai_fusion.datalist import check_datalist, read_datalist
from monai_fusion.datalist.paths import FilesBelow, natural_key
from monai_fusion.errors import InputError
from tests.datalist.lines import Like, assert_lines
from tests.datalist.mistakes import (
    MISTAKES,
    Change,
    Document,
)


@pytest.mark.parametrize(("change", "messages"), MISTAKES)
def test_a_mistake_is_reported_with_its_place_field_and_value(
    change: Change,
    messages: list[str],
    document: Document,
    save: Callable[[Document], Path],
    tmp_path: Path,
) -> None:
    change(document)
    expected = [message.replace("{tmp}", tmp_path.as_posix()) for message in messages]
    seen = [str(problem).replace("\\", "/") for problem in check_datalist(save(document))]
    assert_lines(seen, [message.replace("\\", "/") for message in expected])  # separators differ by platform


def test_all_problems_are_reported_at_once_by_kind_and_line(
    document: Document, save: Callable[[Document], Path]
) -> None:
    document["clases"] = []
    document["training"][0]["label"] = 1
    document["training"][1]["mri"] = "mri/none.nii"
    document["test"][0]["label"] = "male"
    document["test"].append({**document["validation"][0]})
    path = save(document)
    path.write_text(path.read_text(encoding="utf-8").replace('gz"}\n  ],', 'gz"},\n  ],', 1), encoding="utf-8")
    with pytest.raises(InputError) as raised:
        read_datalist(path)
    assert str(raised.value).splitlines() == [
        f"{path}: 6 problems",
        "JSON:",
        '  line 10, column 106, sub-03: trailing comma before "]"',
        '    ... , "eeg": "eeg/sub-03_*.npy", "mri": "mri/sub-03_T1w.nii.gz"},',
        "                                                                    ^",
        "Fields:",
        Like("  line 8, sub-01 label: 1 (a number), expected … class … double quotes"),
        Like('  line 22, clases: … such field: did you mean "classes"?'),
        "Participants and splits:",
        Like(
            "  line 20, sub-04: in validation (line 13) and in test (line 20), expected one part only: "
            "delete all but … lines"
        ),
        "Labels:",
        '  line 17, sub-06 label: "male", expected "M" or "F": did you mean "M"?',
        "Files:",
        '  line 9, sub-02 mri: there is no file "mri/none.nii": did you mean "mri/sub-02_T1w.nii.gz"?',
    ]


def test_a_path_that_begins_at_the_root_of_the_disk_is_given_as_it_should_be(
    document: Document, save: Callable[[Document], Path], tmp_path: Path
) -> None:
    written = (tmp_path / "data/mri/sub-01_T1w.nii.gz").as_posix()
    document["training"][0]["mri"] = written
    assert [problem.advice for problem in check_datalist(save(document))] == [
        'write it relative to data_root: "mri/sub-01_T1w.nii.gz"'
    ]


def test_a_file_that_is_missing_or_a_folder_is_reported(tmp_path: Path) -> None:
    assert str(check_datalist(tmp_path / "none.json")[0]) == f"{tmp_path / 'none.json'}: there is no such file"
    assert "a folder" in str(check_datalist(tmp_path)[0]) or "cannot be read" in str(check_datalist(tmp_path)[0])


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


def test_half_a_sign_in_the_name_of_a_field_is_a_problem_like_others(
    document: Document, save: Callable[[str], Path]
) -> None:
    document["training"][0]["a\ud800"] = 1
    document |= {"b\udfff": 1, "clases": 2}
    text = json.dumps(document, indent=1)
    assert [str(problem).partition(", ")[2].partition(":")[0] for problem in check_datalist(save(text))] == [
        "sub-01 a\\ud800",
        "b\\udfff",
        "clases",
    ]


def test_values_that_no_table_of_results_could_hold_are_problems_before_a_run(
    document: Document, save: Callable[[str], Path]
) -> None:
    document["training"][0] |= {"site": "a\ud800", "age": 7, "more": {"list": ["\udfff"]}}
    text = json.dumps(document, indent=1).replace('"age": 7', '"age": 1e999')
    assert [str(problem).partition(", ")[2] for problem in check_datalist(save(text))] == [
        "sub-01 site: half a character in its value: delete the field, or write it again",
        "sub-01 age: a number that is too large for a computer: delete the field, or write it again",
        "sub-01 more: half a character in its value: delete the field, or write it again",
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a permission there")
def test_links_in_circles_do_not_multiply_the_folders_of_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.npy").touch()
    for name in ("up", "up_too"):
        (tmp_path / "a" / name).symlink_to("..")
    (tmp_path / "a" / "here").symlink_to(".")
    assert 0 < len(FilesBelow(tmp_path).matching("*/" * 60 + "*.npy")) < 5


def test_file_names_of_thousands_of_digits_are_sorted_like_others() -> None:
    long = "9" * 5000
    assert sorted([f"b{long}", "b10", "b010", "b9", f"b8{long}"], key=natural_key) == [
        *("b9", "b010", "b10"),
        *(f"b{long}", f"b8{long}"),
    ]


@pytest.mark.parametrize("path", ["d/" * 60 + "x.nii", "d/" * 3000 + "x.nii", "loop", "loop/x.nii", "x" * 5000])
@pytest.mark.parametrize("field", ["mri", "eeg", "data_root"])
def test_paths_by_way_of_a_link_to_its_own_folder_or_too_long_are_one_short_message(
    path: str, field: str, document: Document, save: Callable[[Document], Path], tmp_path: Path
) -> None:
    try:
        (tmp_path / "data/d").symlink_to(".", target_is_directory=True)
        (tmp_path / "data/loop").symlink_to("loop")
    except OSError:
        pytest.skip("links need a privilege on Windows")
    if field == "data_root":
        document["data_root"] = f"../data/{path}"
    else:
        document["training"][0][field] = path
    (problem,) = check_datalist(save(document))
    assert problem.field == field
    assert len(str(problem)) < 400


def test_a_way_that_ends_after_some_turns_through_a_link_to_its_own_folder_is_a_way(
    document: Document, save: Callable[[Document], Path], tmp_path: Path
) -> None:
    try:
        (tmp_path / "data/d").symlink_to(".", target_is_directory=True)
    except OSError:
        pytest.skip("links need a privilege on Windows")
    document["training"][0]["mri"] = "d/d/d/mri/sub-01_T1w.nii.gz"
    assert check_datalist(save(document)) == []


def test_single_quotes_throughout_are_reported_twenty_times_with_three_excerpts_and_the_number_of_all(
    document: Document, save: Callable[[str], Path]
) -> None:
    document["training"] += [
        {**document["training"][0], "participant_id": f"sub-{number}", "exclude": "x"} for number in range(20, 60)
    ]
    text = json.dumps(document).replace("}, {", "},\n{").replace('"', "'")
    with pytest.raises(InputError) as raised:
        read_datalist(save(text))
    message = str(raised.value)
    assert len(raised.value.problems) == text.count("\n") + 1
    assert len(message) < 3000
    assert message.count("\n    ") == 3 * 2
    assert message.count("double quotes") == 20
    assert message.endswith(f"  ... and {text.count(chr(10)) + 1 - 20} more like that of line 20")
