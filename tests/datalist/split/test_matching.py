"""Pairs of two classes that agree in covariates: who is left out, and what is left of the differences."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from monai_fusion.datalist.split.matching import CALLIPER
from monai_fusion.datalist.split.resplitting import SplitResult, split_datalist
from monai_fusion.datalist.split.split_options import SplitFiles, SplitOptions
from monai_fusion.errors import InputError
from tests.support import write_datalist


def _cohort(folder: Path, number: int = 80) -> tuple[Path, dict[str, tuple[int, float]]]:
    """A datalist whose second class is 1.5 SD smaller; its recordings are not there."""
    random = np.random.default_rng(0)
    people = {f"sub-{n:03d}": (n % 2, float(random.normal(1500 - 150 * (n % 2), 100))) for n in range(number)}
    rows = [
        {
            "participant_id": name,
            "label": "MF"[label],
            "eeg": "a.npy",
            "mri": "b.nii",
            "tiv": round(tiv, 2),
            "age": "30",
        }
        for name, (label, tiv) in people.items()
    ]
    return write_datalist(folder / "list.json", {"training": rows}), people


def _split(path: Path, *match: str, **more: object) -> tuple[SplitResult, list[dict[str, object]]]:
    options = SplitOptions(method="stratified", match=match)
    result = split_datalist(path, SplitFiles(path.with_name("out.json")), options, **more)  # type: ignore[arg-type]
    content = json.loads(result.paths[0].read_text(encoding="utf-8"))
    return result, [row for section in ("training", "validation", "test") for row in content[section]]


def test_the_classes_that_remain_agree_and_the_others_have_a_reason(tmp_path: Path) -> None:
    path, people = _cohort(tmp_path)
    result, rows = _split(path, "tiv")
    kept = [str(row["participant_id"]) for row in rows if "exclude" not in row]
    groups = [np.array([people[name][1] for name in kept if people[name][0] == label]) for label in (0, 1)]
    assert len(groups[0]) == len(groups[1]) >= 15
    spread = np.sqrt((groups[0].var(ddof=1) + groups[1].var(ddof=1)) / 2)
    assert abs(groups[1].mean() - groups[0].mean()) / spread < 0.2
    assert {row["exclude"] for row in rows if "exclude" in row} == {"not matched by tiv"}
    assert len(rows) == 80
    assert result.notes[0].startswith(f"{len(groups[0])} pairs of the two classes")
    assert result.notes[1].startswith("tiv: standardised difference -1.")


def test_each_pair_is_within_the_calliper_in_every_covariate(tmp_path: Path) -> None:
    path, people = _cohort(tmp_path)
    measured = {"head_volume": {name: float(n % 7) for n, name in enumerate(people)}}
    _, rows = _split(path, "tiv,head_volume", measured=measured)
    kept = [str(row["participant_id"]) for row in rows if "exclude" not in row]
    sizes = [[people[name][1] for name in people if people[name][0] == label] for label in (0, 1)]
    reach = CALLIPER * np.sqrt((np.var(sizes[0], ddof=1) + np.var(sizes[1], ddof=1)) / 2)
    zeros, ones = ([name for name in kept if people[name][0] == label] for label in (0, 1))
    assert len(zeros) == len(ones) > 3
    for name in zeros:  # everyone who remains has somebody near
        assert any(
            abs(people[name][1] - people[other][1]) <= reach
            and measured["head_volume"][name] == measured["head_volume"][other]
            for other in ones
        )


def test_the_order_of_rows_changes_nobody(tmp_path: Path) -> None:
    path, _ = _cohort(tmp_path)
    first = {row["participant_id"] for row in _split(path, "tiv")[1] if "exclude" in row}
    content = json.loads(path.read_text(encoding="utf-8"))
    content["training"].reverse()
    path.write_text(json.dumps(content), encoding="utf-8")
    path.with_name("out.json").unlink()
    assert {row["participant_id"] for row in _split(path, "tiv")[1] if "exclude" in row} == first


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("tvi",), "did you mean"),
        (("head_volum",), 'did you mean "head_volume"'),
        (("note",), "no participant has this field"),
    ],
)
def test_a_covariate_that_nobody_has_is_refused(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    path, _ = _cohort(tmp_path)
    with pytest.raises(InputError, match=message):
        _split(path, *names)
    assert not path.with_name("out.json").exists()


def test_a_split_that_fails_for_lack_of_pairs_names_how_many_there_are(tmp_path: Path) -> None:
    rows = [
        {
            "participant_id": f"s{n}",
            "label": "MF"[n % 2],
            "eeg": "a.npy",
            "mri": "b.nii",
            "tiv": n // 2 * (1 - n % 2 * 2),
        }
        for n in range(12)
    ]
    path = write_datalist(tmp_path / "list.json", {"training": rows})
    with pytest.raises(InputError, match="would be tested: none left") as refused:
        _split(path, "tiv")
    assert str(refused.value.__notes__[-1]).startswith("--match: 1 pair of the two classes")


def test_classes_that_do_not_overlap_are_refused(tmp_path: Path) -> None:
    rows = [
        {"participant_id": f"s{n}", "label": "MF"[n % 2], "eeg": "a", "mri": "b.nii", "tiv": n + 1000 * (n % 2)}
        for n in range(20)
    ]
    path = write_datalist(tmp_path / "list.json", {"training": [{**row, "eeg": "a.npy"} for row in rows]})
    with pytest.raises(InputError, match="no two participants"):
        _split(path, "tiv")


def test_a_number_that_is_the_class_itself_leaves_no_pairs(tmp_path: Path) -> None:
    """Within the classes it has no spread, so nothing else than equal values agrees."""
    path, people = _cohort(tmp_path)
    measured = {"head_volume": {name: 20.0 + 60 * label for name, (label, _) in people.items()}}
    with pytest.raises(InputError, match="no two participants of different classes agree in head_volume"):
        _split(path, "head_volume", measured=measured)


def test_three_classes_are_refused(tmp_path: Path) -> None:
    rows = [
        {"participant_id": f"s{n}", "label": "ABC"[n % 3], "eeg": "a.npy", "mri": "b.nii", "tiv": n} for n in range(9)
    ]
    path = write_datalist(tmp_path / "list.json", {"training": rows}, classes=["A", "B", "C"])
    with pytest.raises(InputError, match="3 classes"):
        _split(path, "tiv")
