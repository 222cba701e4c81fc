"""Units of a channel as files spell them, in microvolts."""

from __future__ import annotations

import re

from monai_fusion.errors import InputError, Problem
from monai_fusion.wording import one_of

UNITS = {"uV": 1.0, "mV": 1.0e3, "V": 1.0e6, "nV": 1.0e-3}
"""The units that a user may name, and the microvolts that one of each is."""

# The micro sign and the Greek letter, and what is left of either where a file was decoded wrongly or holds ASCII only.
_MICRO = re.compile(r"^(?:[uU\u00b5\u03bc\u039c\ufffd?.]|\u00c2\u00b5|\u00ce\u00bc|&micro;|micro)$")
_VOLT = re.compile(r"[vV](?:olts?)?$")
_PREFIXES = {"": "V", "m": "mV", "M": "mV", "milli": "mV", "n": "nV", "nano": "nV"}


def microvolts_in(unit: str) -> float | None:
    """The factor from a file's unit to microvolts; None for what is no voltage (``°C``, ``%``).

    Nothing means microvolts, in which EEG is written where a file does not say (the signal's size is checked later).
    """
    text = unit.strip().strip("\0")
    if not text or text.casefold() in ("n/a", "na", "unknown"):
        return UNITS["uV"]
    volt = _VOLT.search(text)
    if volt is None:
        return None
    prefix = text[: volt.start()].strip()
    if _MICRO.match(prefix):
        return UNITS["uV"]
    return UNITS.get(_PREFIXES.get(prefix, ""))


def is_stated(unit: str) -> bool:
    """Whether a file's unit says something that can be read without doubt."""
    text = unit.strip().strip("\0")
    return bool(text) and text[:1] not in ".?\ufffd" and text.casefold() not in ("n/a", "na", "unknown")


def named_unit(unit: str) -> float:
    """The factor of a unit that the user names.

    Raises:
        InputError: It is none of `UNITS`, however the micro sign is written.
    """
    factor = microvolts_in(unit) if unit.strip() else None
    if factor is None:
        raise InputError(Problem("--unit", seen=unit, wanted=one_of(list(UNITS))))
    return factor
