"""`check --fix` repairs what is safe, and touches nothing else in the file."""

import io
import json
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monai_fusion import cli
from monai_fusion.datalist import check_datalist
from monai_fusion.datalist.repair.fixing import plan_repair
from monai_fusion.errors import InputError
from tests.datalist.lines import Like

Document = dict[str, Any]
Save = Callable[[Any], Path]

# What is wrong, and the same text as it should be: each repaired alone and all together.
SAFE: list[tuple[str, str]] = [
    ('gz"},\n  ],', 'gz"}\n  ],'),
    ("'Größe'", '"Größe"'),
    ('"target": \u201cgender\u201d', '"target": "gender"'),
    (r'"data_root": "..\data\"', '"data_root": "../data/"'),
    (r'"mri": "mri\sub-01_T1w.nii.gz"', '"mri": "mri/sub-01_T1w.nii.gz"'),
    (r'"mri": "mri\\sub-02_T1w.nii.gz"', '"mri": "mri/sub-02_T1w.nii.gz"'),
    (
        r'["eeg\\sub-04_EO_seg2.npy", "eeg/sub-04_EO_seg10.npy"]',
        '["eeg/sub-04_EO_seg2.npy", "eeg/sub-04_EO_seg10.npy"]',
    ),
    ('"age": NaN', '"age": null'),
    ('"checked": True', '"checked": true'),
]


def right_text(document: Document, save: Save) -> str:
    """A right datalist in a layout of its own, with fields that the program does not know, in an unusual order."""
    document["name"] = "Größe"
    document["data_root"] = "../data/"
    document["training"][0].update(age=None, site="Köln", zebra={"b": 1, "a": [2]}, checked=True)
    document["validation"][0]["eeg"] = ["eeg/sub-04_EO_seg2.npy", "eeg/sub-04_EO_seg10.npy"]
    return save(document).read_text(encoding="utf-8").replace('  "test"', '\n  "test" ').replace('"label"', '"label" ')


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("which", [*range(len(SAFE)), None])
def test_only_the_mistake_changes(which: int | None, line_end: str, document: Document, save: Save) -> None:
    right = right_text(document, save).replace("\n", line_end)
    wrong = right
    for spoilt, meant in SAFE if which is None else [SAFE[which]]:
        spoilt, meant = spoilt.replace("\n", line_end), meant.replace("\n", line_end)
        assert meant in wrong
        wrong = wrong.replace(meant, spoilt, 1)
    path = save(wrong.encode())
    repair = plan_repair(path)
    assert repair.worth_writing
    assert path.read_bytes() == wrong.encode()
    backup = repair.write()
    assert path.read_bytes().decode() == right
    assert check_datalist(path) == []
    assert backup.read_bytes() == wrong.encode()
    assert sorted(p.name for p in path.parent.iterdir()) == [path.name, f"{path.name}.1.bak"]


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-32", "utf-32-be"])
def test_the_byte_order_mark_and_other_encodings_become_plain_utf8(codec: str, document: Document, save: Save) -> None:
    right = right_text(document, save)
    path = save(right.encode(codec))
    repair = plan_repair(path)
    assert [*repair.diff()] == [repair.recoding]
    repair.write()
    assert path.read_bytes() == right.encode()


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('  "target"', '  // sub-09 comes later\n  "target"'),  # the comment would be lost
        ('"label" : "M"', '"label" : "male"'),
        ('"label" : "M"', '"label" : M'),
        ("mri/sub-01_T1w", "MRI/sub-01_T1w"),
        ('"Größe"', '"Größe'),
        ('"Größe"', r'"C:\new\LEMON"'),  # \n may be meant as it stands
        ('gz"}\n  ],', 'gz"}\n  '),
    ],
)
def test_what_only_the_user_can_know_is_left_to_the_user(
    right: str, wrong: str, document: Document, save: Save
) -> None:
    text = right_text(document, save)
    assert right in text
    path = save(text.replace(right, wrong, 1).encode())
    assert not plan_repair(path).worth_writing
    assert check_datalist(path)


def test_text_that_is_not_utf8_is_not_guessed(document: Document, save: Save) -> None:
    content = right_text(document, save).replace("}\n  ]", "},\n  ]").encode("cp1252")
    assert not plan_repair(save(content)).worth_writing


def test_the_safe_part_is_repaired_beside_what_is_not(document: Document, save: Save) -> None:
    document["training"][0]["label"] = "male"
    text = save(document).read_text(encoding="utf-8")
    path = save(text.replace('gz"}\n  ],', 'gz"},\n  ],'))
    repair = plan_repair(path)
    assert [(number, old.strip()[-2:], new.strip()[-2:]) for number, old, new in repair.changes] == [
        (10, "},", '"}'),
        (14, "},", '"}'),
    ]
    repair.write()
    assert path.read_text(encoding="utf-8") == text
    assert [str(problem) for problem in check_datalist(path)] == [
        'line 8, sub-01 label: "male", expected "M" or "F": did you mean "M"?'
    ]


def test_a_file_that_changed_meanwhile_is_not_overwritten(document: Document, save: Save) -> None:
    path = save(save(document).read_bytes().replace(b"}\n  ]", b"},\n  ]"))
    repair = plan_repair(path)
    path.write_text("another text", encoding="utf-8")
    with pytest.raises(InputError, match="changed in the meantime"):
        repair.write()
    assert path.read_text(encoding="utf-8") == "another text"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_a_private_file_stays_private_and_a_link_a_link(document: Document, save: Save) -> None:
    path = save(save(document).read_bytes().replace(b"}\n  ]", b"},\n  ]"))
    path.chmod(0o600)
    link = path.with_name("link.json")
    link.symlink_to(path.name)
    plan_repair(link).write()
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(Path(f"{path}.1.bak").stat().st_mode) == 0o600
    assert check_datalist(path) == []


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    mutations=st.lists(
        st.tuples(
            st.floats(0, 1),
            st.integers(0, 3),
            st.sampled_from([*",;'\"\\{}[]: \n\t", "//", "\u201c", "\u00a0", "NaN", '\\"', "\\n", "None", ""]),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_a_repair_never_makes_a_file_worse_and_has_nothing_left_to_do(
    mutations: list[tuple[float, int, str]], document: Document, save: Save
) -> None:
    text = right_text(document, save)
    for where, deleted, inserted in mutations:
        at = int(where * len(text))
        text = text[:at] + inserted + text[at + deleted :]
    path = save(text.encode())
    repair = plan_repair(path)
    if not repair.worth_writing:
        return
    if repair.before.json.readable:
        assert repair.after.json.readable
        assert len(repair.after.problems) <= len(repair.before.problems)
    # A comma on a line of its own behind the document may go with its line; no other line may.
    assert len(text.rstrip(", \n").splitlines()) == len(repair.text.rstrip(", \n").splitlines())
    if repair.after.json.readable and not repair.after.json.faults:
        kept = json.loads(repair.text)
        assert plan_repair(save(repair.text.encode())).text == repair.text
        assert isinstance(kept, dict)


def answer(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


def test_the_change_is_shown_and_asked_for_before_it_is_made(
    document: Document, save: Save, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = save(document).read_text(encoding="utf-8")
    wrong = text.replace('"name": "Eight"', "'name': \"Eight\"").encode()
    path = save(wrong)
    for reply, written in (("n", wrong), ("", wrong), ("y", text.encode())):
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{reply}\n"))
        code, out, err = answer(capsys, "datalist", "check", path, "--fix")
        assert out.splitlines()[:3] == ["line 3", "- 'name': \"Eight\",", '+ "name": "Eight",']
        assert path.read_bytes() == written
        assert code == (0 if reply == "y" else 2)
        assert ("nothing was changed" in out) == (reply != "y")
        assert ("double quotes" in err) == (reply != "y")
    assert f"{path}: repaired (1 line)" in out
    assert f"{path}: no problems" in out


def test_nothing_to_repair_is_reported_and_yes_does_not_ask(
    document: Document, save: Save, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save(document)
    code, out, _ = answer(capsys, "datalist", "check", path, "--fix")
    assert (code, out.splitlines()[0]) == (0, Like(f"{path}: … nothing … repaired safely"))
    path = save(b"\xef\xbb\xbf" + path.read_bytes())
    code, out, _ = answer(capsys, "datalist", "check", path, "--fix", "--yes")
    assert code == 0
    assert "the byte order mark at the beginning of the file is deleted" in out
    assert not path.read_bytes().startswith(b"\xef")
    assert answer(capsys, "datalist", "check", path, "--fix", "--json")[0] == 2
