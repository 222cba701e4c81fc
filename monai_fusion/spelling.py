"""When two names are one: composed and decomposed letters are equal, all else that looks alike is only near.

A letter such as ö is one character (NFC) in what most programs write, and two (NFD) in names of files that were on a
Mac. Names stay as the user wrote them: they are only compared in NFC.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from monai_fusion.messages import is_unseen

_DASHES = re.compile(r"[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]")
_FORMULA = re.compile(r'="(.*)"')
_PREFIX = re.compile(r"sub[-_ ]?", re.IGNORECASE)
_QUOTES = "'\"\u2018\u2019\u201c\u201d`\u00b4"
_WHOLE_NUMBER = re.compile(r"(.*?[0-9])[.,]0+")


def nfc(text: str) -> str:
    """The text with composed letters: what names are compared by."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def cleaned(text: str) -> str:
    """A name without what spreadsheets and copying add to it.

    That is: invisible characters, other widths and dashes, ``="..."``, quotes, ``.0`` behind a number.
    """
    text = as_seen(text)
    if formula := _FORMULA.fullmatch(text):
        text = formula[1].strip()
    text = text.strip(_QUOTES)
    whole = _WHOLE_NUMBER.fullmatch(text)
    return whole[1] if whole else text


def as_seen(text: str) -> str:
    """What the eye sees of a text: plain spaces, dashes and letters, without invisible characters."""
    if text.isascii() and text.isprintable():
        return text.strip()
    text = _DASHES.sub("-", unicodedata.normalize("NFKC", text))
    return "".join(
        " " if character.isspace() else character
        for character in text
        if character.isspace() or not is_unseen(character)
    ).strip()


def named_alike(name: str, names: Iterable[str]) -> list[str]:
    """Those of ``names`` that look like ``name``, quotes around them left out: only unseen characters differ."""
    wanted = as_seen(name)
    return [each for each in names if as_seen(as_seen(each).strip(_QUOTES)) == wanted]


def lookalike(text: str) -> str:
    """What names have in common that look the same, or that differ in upper and lower case only."""
    seen = "".join(character for character in _DASHES.sub("-", nfc(text)) if not is_unseen(character))
    return nfc(seen.casefold())


def equal_in_nfc(name: str, names: Iterable[str]) -> str | None:
    """The one of ``names`` that is ``name``: written exactly so, or else equal in NFC."""
    every = tuple(names)
    if name in every:
        return name
    wanted = nfc(name)
    return next((each for each in every if nfc(each) == wanted), None)


def by_nfc(names: Iterable[str]) -> dict[str, list[str]]:
    """All spellings of each name, by its NFC."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in names:
        found[nfc(name)].append(name)
    return dict(found)


def written_twice(names: Collection[str]) -> dict[str, list[str]]:
    """The names that a collection has in two spellings which are equal in NFC."""
    if all(name.isascii() for name in names):
        return {}
    return {name: spellings for name, spellings in by_nfc(dict.fromkeys(names)).items() if len(spellings) > 1}


def spelled_out(name: str) -> str:
    r"""A name with its combining characters written as in JSON, to show its spelling: ``Jo\u0308rg``."""
    return "".join(
        f"\\u{ord(character):04x}" if unicodedata.combining(character) and ord(character) < 0x10000 else character
        for character in name
    )


def field_of(fields: Mapping[str, object], name: str) -> str | None:
    """The key of a mapping that is ``name``, exactly, in NFC, or but for invisible characters."""
    if name in fields:
        return name
    alike = named_alike(name, fields)
    return equal_in_nfc(name, fields) or (alike[0] if len(alike) == 1 else None)


def loose_key(participant_id: str) -> str:
    """What ``10002``, ``010002``, ``sub-010002``, ``SUB-010002``, ``10002.0`` and ``="010002"`` have in common."""
    return nfc(_PREFIX.sub("", cleaned(participant_id), count=1).casefold()).lstrip("0") or "0"
