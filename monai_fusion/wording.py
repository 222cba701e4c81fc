"""How messages show values and names: quoted, listed, and a misspelt name with the one likely meant."""

from __future__ import annotations

import difflib
import functools
import json
from collections.abc import Callable, Iterable, Sequence

from monai_fusion.spelling import cleaned, nfc

QUOTED_AT_MOST = 60
NAMED_AT_MOST = 8
_NAMED_OF_MANY = 5


def quoted(value: object) -> str:
    """A value as in the JSON file, cut to a readable length: ``"male"``, ``10002``, ``null``."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    return cut(text)


def cut(text: str, at_most: int = QUOTED_AT_MOST) -> str:
    """The beginning of a text that is too long for a message."""
    return text if len(text) <= at_most else f"{text[: at_most - 4]} ..."


def shortened(text: str, at_most: int = 160) -> str:
    """A long path with its middle left out: beginning and end show where it is."""
    half = (at_most - 5) // 2
    return text if len(text) <= at_most else f"{text[:half]} ... {text[-half:]}"


def one_of(names: Sequence[str]) -> str:
    """``"M" or "F"``; ``"a", "b" or "c"``; of many names the first: ``"a", "b", "c", "d", "e" or one of 95 more``."""
    if len(names) > NAMED_AT_MOST:
        shown = ", ".join(quoted(name) for name in names[:_NAMED_OF_MANY])
        return f"{shown} or one of {len(names) - _NAMED_OF_MANY} more"
    *first, last = [quoted(name) for name in names]
    return f"{', '.join(first)} or {last}" if first else last


def listed(names: Sequence[str], last: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return f" {last} ".join(part for part in (", ".join(names[:-1]), names[-1]) if part) if names else ""


def a_few(names: Iterable[str], at_most: int = 3) -> str:
    """``sub-01, sub-02, sub-03 and 17 more``."""
    every = list(names)
    shown = ", ".join(every[:at_most])
    return f"{shown} and {len(every) - at_most} more" if len(every) > at_most else shown


def counted(number: int, noun: str, ending: str = "s") -> str:
    """``1 participant``, ``2 participants``; with the ending ``es`` ``2 batches``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}{ending}"


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate likely meant by ``word``: same but for case, a similar one, one that begins so, or ``None``."""
    folded = {nfc(candidate).casefold(): candidate for candidate in candidates}
    key = nfc(cleaned(word)).casefold()
    if not key:
        return None
    if key in folded:
        return folded[key]
    if similar := difflib.get_close_matches(key, folded, n=1, cutoff=0.6):
        return folded[similar[0]]
    beginnings = [name for name in folded if name.startswith(key) or key.startswith(name)]
    return folded[beginnings[0]] if len(beginnings) == 1 else None


def did_you_mean(word: str, candidates: Iterable[str], written: Callable[[str], str] = quoted) -> str:
    """``did you mean "label"?``, or nothing where no candidate is near.

    Args:
        word: The word in question.
        candidates: The words that may be meant.
        written: How the candidate is written in its place: ``repr`` in a config, ``--label`` on a command line.
    """
    meant = nearest(word, candidates)
    return f"did you mean {written(meant)}?" if meant is not None else ""


@functools.lru_cache(maxsize=1024)  # the rows of a datalist have the same fields
def misspelt(word: str, names: tuple[str, ...]) -> str | None:
    """The one of ``names`` that ``word`` is a misspelling of, judged more strictly than `nearest`.

    It decides whether a field that is allowed to be there is refused: ``lable`` and ``egg`` are, ``age`` and
    ``include`` are not.
    """
    key = word.casefold()
    for name in names:
        # Two of three letters in order make 0.67 of a short name; that would be far too little of a long one.
        similar_enough = 0.66 if len(name) <= 3 else 0.8
        if difflib.SequenceMatcher(None, key, name).ratio() >= similar_enough:
            return name
    return None
