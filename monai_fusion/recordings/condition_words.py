"""Which condition a marker or a file's name means: eyes open (EO), eyes closed (EC), or what the user calls it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_fusion.datalist.choosing import condition_words
from monai_fusion.errors import InputError, Problem
from monai_fusion.spelling import nfc

Codes = Mapping[str, Sequence[str]]

# LEMON's markers; sub-010078 and sub-010126 have S208 for eyes closed. Words are compared by their letters and digits.
DEFAULT_CODES: Codes = {
    "EO": ("200", "EO", "eyes open", "eye open", "open eyes", "rest EO", "RSEO", "Augen auf", "Augen offen"),
    "EC": (
        "210",
        "208",
        "EC",
        "eyes closed",
        "eye closed",
        "eyes close",
        "closed eyes",
        "rest EC",
        "RSEC",
        "Augen zu",
        "Augen geschlossen",
    ),
}
"""Markers of each condition: a number means the code of a trigger, however it is padded; else a text."""

_NAMES = {"EO": ("open",), "EC": ("closed",)}  # besides those of the codes, in a file's name
_ZERO = {"e0": "EO"}  # a zero for an O, as in LEMON's sub-010229_E0.set
_CODE = re.compile(
    r"^(?:S|STIM(?:ULUS)?|TRIG(?:GER)?|CODE|EVENT|MARKER|COND(?:ITION)?|DIN|D|M|E)?[\s:_#-]*0*(\d{1,9})(?:\.0+)?$",
    re.IGNORECASE,
)
_END = re.compile(r"(?:end|stop|off|finish(?:ed)?)$")
_ENDS = frozenset(
    ("end", "ends", "ended", "stop", "stops", "stopped", "off", "offset", "finish", "finished", "over", "ende")
)
_DENIES = frozenset(("no", "not", "non", "without", "nicht", "kein", "keine", "ohne"))
_WITHIN_FROM = 6  # letters of a text that may stand inside a longer one: "eyesopen" in "Rest eyes open, block 2"
_NAMED_FROM = 4  # letters of one that may name a second condition in the same word: "open" in "openclosed"
_FEW_WORDS = 3  # "EO start", "block EO 2"; a longer text may say anything
_CONDITION = re.compile(r"[A-Za-z0-9]{1,16}")


def checked_codes(codes: Codes | None) -> Codes:
    """The user's markers of each condition, or LEMON's and plain words.

    Raises:
        InputError: A condition is no short word, has no markers, or one marker is of two conditions.
    """
    if codes is None:
        return DEFAULT_CODES
    owner: dict[str, str] = {}
    for condition, texts in codes.items():
        checked_condition(condition)
        if not texts:
            raise InputError(Problem("markers", condition, "none", "a code or text for each condition"))
        for text in texts:
            key = text.lstrip("0") if text.isdecimal() else _letters(text)
            if not key and text != "0":
                raise InputError(Problem("markers", condition, text, "a code or text"))
            if owner.setdefault(key, condition) != condition:
                raise InputError(Problem("markers", seen=f"{text} is of {owner[key]} and {condition}", wanted="of one"))
    return codes


def checked_condition(condition: str) -> str:
    """A condition's name, which becomes a part of file names.

    Raises:
        InputError: It is no short word of letters and digits.
    """
    if not _CONDITION.fullmatch(condition):
        wanted = "up to 16 letters and digits, such as EO"
        raise InputError(Problem("--condition", seen=condition, wanted=wanted))
    return condition


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a marker means.

    Attributes:
        condition: The condition that it is of.
        by: The code or text of that condition which it matches.
        ends: It ends the condition instead of beginning it.
    """

    condition: str
    by: str
    ends: bool = False


def meaning_of(text: str, codes: Codes) -> Meaning | None:
    """What a marker's text means; None if nothing.

    ``Stimulus/S200``, ``S 200``, ``200`` and ``s0200`` are the code 200; ``Response/R200`` is not. A longer text that
    names several conditions (``EC to EO``), or denies one (``not EO``), means none.
    """
    found = _meaning(text, codes)
    others = [_meaning(each, codes) for each in text.split("/")[:-1]]
    if found is not None and any(other is not None and other.condition != found.condition for other in others):
        return None
    return found


def _meaning(text: str, codes: Codes) -> Meaning | None:
    last = text.rpartition("/")[2].strip()
    code = None if text.casefold().startswith("response/") else _CODE.match(last)
    whole, part = _letters(text), _letters(last)
    words = _words(last)
    every = set(_words(text))
    ends = not every.isdisjoint(_ENDS)
    found: dict[str, Meaning] = {}
    for condition, wanted in codes.items():
        for each in wanted:
            letters = _letters(each)
            if each.isdecimal():
                if code is not None and int(code[1]) == int(each):
                    return Meaning(condition, each)
            elif letters in (whole, part):
                return Meaning(condition, each)
            elif letters in words and len(words) <= _FEW_WORDS:
                found.setdefault(condition, Meaning(condition, each, ends or _END.search(words[-1]) is not None))
            elif len(letters) >= _WITHIN_FROM and letters in whole:
                is_end = ends or _END.search(whole.partition(letters)[2]) is not None
                found.setdefault(condition, Meaning(condition, each, is_end))
    return next(iter(found.values())) if len(found) == 1 and every.isdisjoint(_DENIES) else None


def is_bare_end(text: str) -> bool:
    """Whether a marker ends whatever there is: ``end``, ``Comment/stop``, ``end of block``."""
    words = _words(text.rpartition("/")[2])
    return 0 < len(words) <= _FEW_WORDS and (words[0] in _ENDS or words[-1] in _ENDS)


def condition_of_name(path: Path, codes: Codes) -> tuple[str | None, str]:
    """The condition that a file's name says, and a note where it is doubtful.

    It is a word between two ``_``, or the value of one: ``sub-01_EO.set``, ``sub-01_task-eyesclosed_eeg.edf``.
    """
    found: dict[str, str] = {}
    note = ""
    for word in condition_words(path):
        key, _, rest = word.partition("-")
        value = _letters(rest or word)
        within: dict[str, str] = {}  # a text of each condition that is a part of the value, the longest
        for condition, wanted in codes.items():
            texts = {
                _letters(each) for each in (condition, *wanted, *_NAMES.get(condition, ())) if not each.isdecimal()
            }
            if value in texts or _letters(key) in texts:
                found[condition] = word
            elif parts := [text for text in texts if len(text) >= _NAMED_FROM and text in value]:
                within[condition] = max(parts, key=len)
        if any(len(text) >= _WITHIN_FROM for text in within.values()):  # "openclosed" says both
            longest = max(within.values(), key=len)
            found |= {condition: word for condition, text in within.items() if text == longest or text not in longest}
        if value in _ZERO and _ZERO[value] in codes and not found:
            found[_ZERO[value]] = word
            note = f'the name says "{word}", with a zero: taken as {_ZERO[value]}'
    if len(found) == 1:
        return next(iter(found)), note
    return None, f"the name says {' and '.join(found)}: it does not tell the condition" if found else ""


def _letters(text: str) -> str:
    """Letters and digits of any script, in one spelling."""
    return re.sub(r"[\W_]", "", nfc(text).casefold())


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[\W_]+", nfc(text).casefold()) if word]
