"""One spelling for every electrode: ``FP1``, ``Fp1.``, ``EEG Fp1-REF`` and ``POL Fp1`` are ``Fp1``, and T3 is T7."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_ROWS = {
    "Fp": (1, 2), "AF": range(1, 11), "F": range(1, 11), "FT": range(7, 11), "FC": range(1, 7), "T": range(7, 11),
    "C": range(1, 7), "TP": range(7, 11), "CP": range(1, 7), "P": range(1, 11), "PO": range(1, 11), "O": (1, 2, 9, 10),
    "I": (1, 2), "M": (1, 2), "N": (1, 2),
}  # fmt: skip
_MIDLINE = ("Nz", "Fpz", "AFz", "Fz", "FCz", "Cz", "CPz", "Pz", "POz", "Oz", "Iz")
ELECTRODES_1010: tuple[str, ...] = (
    *(f"{row}{number}" for row, numbers in _ROWS.items() for number in numbers),
    *_MIDLINE,
)
"""The electrodes of the 10-10 system in their standard spelling; M1 and M2 are the mastoids."""

# The 10-20 system's older names. MNE's own aliases put T5 and T6 elsewhere (T9, T10); by the standard (Nuwer et al.
# 1998, Electroencephalogr Clin Neurophysiol 106: 259-261) T5 is P7 and T6 is P8.
_OLDER = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}
_STANDARD = {name.upper(): name for name in ELECTRODES_1010} | _OLDER
_PREFIX = re.compile(r"^(?:EEG|POL|CHAN(?:NEL)?)(?:[\s:_-]+|(?=[A-Z]+[Z\d]))")
_REFERENCE = re.compile(
    r"[-_/:]\s*(?:REF\d?|REFERENCE|LE|RE|LER|A1|A2|A1A2|A1\+A2|A12|AA|M1|M2|M1M2|M1\+M2|AVG|AVE|AVR|AV|AR|CAR|CAVG|"
    r"ORG|G\d|GND|VREF|[01]V?|MEAN|COM|CLE|LINKED)$"
)
_BRACKETS = re.compile(r"[(\[][^()\[\]]*[)\]]$")  # a unit or a reference: "Fp1 (uV)"
_COMMON = re.compile(r"^(?P<electrode>[^-]+)-(?P<reference>[^-]+)$")
_COMMON_FROM = 4  # channels that end alike, so that the ending is their reference and not the pair of a bipolar one


def known_electrode(label: str) -> bool:
    """Whether a channel's name is that of an electrode of the 10-10 system, in any spelling."""
    return electrode_key(label) in _STANDARD.values()


def standard_name(name: str) -> str:
    """The standard spelling of an electrode's name; as it is, but for blanks, where it is none of the 10-10 system."""
    return _STANDARD.get(_reduced(name), name.strip())


def electrode_key(label: str) -> str:
    """What the spellings of one electrode have in common: its standard name, or the name in capitals."""
    reduced = _reduced(label)
    if reduced in _STANDARD:
        return _STANDARD[reduced]
    without = _REFERENCE.sub("", _REFERENCE.sub("", reduced))  # MNE adds a number to names that are there twice
    return _STANDARD.get(without, without or reduced)


def electrode_keys(labels: Sequence[str]) -> list[str]:
    """`electrode_key` of every channel; a reference that most of them name, whatever it is, is left out as well.

    ``Fp1-Cz``, ``F3-Cz``, ``O1-Cz`` ... are electrodes with a common reference, ``Fp1-F7``, ``F7-T7`` ... are pairs.
    """
    reduced = [_reduced(label) for label in labels]
    endings = Counter(found["reference"] for text in reduced if (found := _COMMON.match(text)))
    ending, count = endings.most_common(1)[0] if endings else ("", 0)
    is_common = count >= _COMMON_FROM and 2 * count > sum(endings.values()) and 2 * count >= len(labels) / 2
    keys = []
    for label, text in zip(labels, reduced, strict=True):
        found = _COMMON.match(text)
        if is_common and found and found["reference"] == ending:
            keys.append(electrode_key(found["electrode"]))
        else:
            keys.append(electrode_key(label))
    return keys


def _reduced(label: str) -> str:
    text = label.strip().strip("\0'\"").upper()
    text = _BRACKETS.sub("", text).strip(". ")
    text = _PREFIX.sub("", text)
    text = re.sub(r" ?([-_/:]) ?", r"\1", " ".join(text.split())).strip(" ._")
    return text.replace(" ", "")
