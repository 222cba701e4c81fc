"""Thousands of problems in one place cost no minutes and fill no screen."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monai_fusion.datalist import DatalistError, check_datalist, locating
from monai_fusion.wording import one_of


def test_many_names_are_shortened_and_few_are_not() -> None:
    assert one_of(["M", "F"]) == '"M" or "F"'
    assert one_of(list("abcdefgh")).endswith('"g" or "h"')
    assert one_of([str(number) for number in range(100)]) == '"0", "1", "2", "3", "4" or one of 95 more'


def test_unknown_fields_of_the_head_are_alike(document: dict[str, Any], save: Callable[[Any], Path]) -> None:
    path = save(json.dumps(document | {f"zebra{'abcdefghij'[n % 10]}x{n}": 1 for n in range(300)} | {"clases": []}))
    lines = str(DatalistError(check_datalist(path, ["training"]), heading="list")).splitlines()
    assert sum("there is no such field" in line for line in lines) == 21
    assert sum('did you mean "classes"?' in line for line in lines) == 1
    assert any("... and 280 more like that of line 1" in line for line in lines)


def test_each_list_of_paths_is_walked_once(
    document: dict[str, Any], save: Callable[[Any], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    document["training"][0]["eeg"] = ["x.npy"] * 300
    walked: list[int] = []
    elements = locating._elements

    def noting(text: str, start: int) -> Any:
        walked.append(start)
        return elements(text, start)

    monkeypatch.setattr(locating, "_elements", noting)
    assert len(check_datalist(save(json.dumps(document)), ["training"])) >= 300
    assert walked and max(walked.count(start) for start in walked) <= 3
