"""Every piece of advice in the code is followed, and the message that comes next gives it no more.

A new piece without a case fails here: add the mistake that leads to it, and what a user does who follows it.
"""

import shlex
from pathlib import Path

import pytest

from monai_fusion import cli
from monai_fusion.errors import InputError
from tests.datalist import (
    advice_on_changes,
    advice_on_check,
    advice_on_contents,
    advice_on_folders,
    advice_on_json,
    advice_on_new_participants,
    advice_on_other_files,
    advice_on_splits,
    advice_on_tables,
)
from tests.datalist.advice_in_code import pattern_of, pieces
from tests.datalist.tried import Typed, write_cohort

_OF = (
    advice_on_json,
    advice_on_check,
    advice_on_folders,
    advice_on_splits,
    advice_on_tables,
    advice_on_contents,
    advice_on_new_participants,
    advice_on_other_files,
    advice_on_changes,
)
CASES = {piece: case for module in _OF for piece, case in module.CASES.items()}
NO_ADVICE = {piece: why for module in _OF for piece, why in getattr(module, "NO_ADVICE", {}).items()}

PIECES = pieces()


@pytest.mark.parametrize("piece", [piece for piece in PIECES if piece not in NO_ADVICE])
def test_a_piece_of_advice_that_is_followed_is_not_given_again(
    piece: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if piece not in CASES:
        pytest.fail(f"{PIECES[piece]}: no case follows this advice: {piece}")
    case = CASES[piece]
    monkeypatch.chdir(tmp_path)
    write_cohort()
    case.spoil()

    def printed(typed: Typed) -> list[str]:
        if not isinstance(typed, str):
            try:
                typed()
            except InputError as error:
                return str(error).splitlines()
            return []
        with pytest.raises(SystemExit) as ended:
            cli.main(["datalist", *shlex.split(typed)])
        assert ended.value.code in (None, 0, 2)
        captured = capsys.readouterr()
        return [*captured.out.splitlines(), *captured.err.splitlines()]

    first = printed(case.typed)
    advised = [line for line in first if pattern_of(piece).search(line)]
    assert advised, (piece, first)
    following = case.follow(case.typed if isinstance(case.typed, str) else "", advised[0])
    then = printed(case.typed if following is None else following)
    assert advised[0] not in then, then


def test_what_is_no_advice_and_every_case_are_of_a_text_in_the_code() -> None:
    assert set(NO_ADVICE) | set(CASES) <= set(PIECES)
    assert not set(NO_ADVICE) & set(CASES)
