"""What a channel records, by what its file or its name says: an EOG between electrodes is no EEG."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Types as BIDS, EEGLAB and MNE write them.
_TYPES = {
    "eeg": "eeg", "seeg": "misc", "ecog": "misc", "dbs": "misc", "meg": "misc", "mag": "misc", "grad": "misc",
    "eog": "eog", "heog": "eog", "veog": "eog", "eyegaze": "misc", "pupil": "misc",
    "ecg": "ecg", "ekg": "ecg", "emg": "emg",
    "trig": "stim", "stim": "stim", "trigger": "stim",
    "misc": "misc", "ref": "misc", "resp": "misc", "gsr": "misc", "temp": "misc", "bio": "misc", "audio": "misc",
    "syslock": "misc", "adc": "misc", "dac": "misc", "ppg": "misc", "other": "misc", "fid": "misc",
}  # fmt: skip
# Names, the first that fits; an EDF label may begin with its type ("EOG Left", "ECG ECG1").
_NAMES = (
    (re.compile(r"EOG|^(?:[HV]EO[LRUD]?|LOC|ROC|EYE|IO[12]?|[LR]O[12])(?![A-Z])"), "eog"),
    (re.compile(r"ECG|EKG|CARDIO|HEART"), "ecg"),
    (re.compile(r"EMG|CHIN|^(?:L|R)?LEG|MASSETER"), "emg"),
    (re.compile(r"^STI(?:M|\s|\d|$)|STATUS|TRIG|MARKER|^EVENT|^DC\d|^DIGITAL|^PHOTO|^STIM"), "stim"),
    (
        re.compile(
            r"^RESP|^EXG\d|^GSR|^EDA|^PLETH?|^SPO2|^SAO2|^SP02|^TEMP|^PULSE|^PULS|^ERG\d|^ACC|^GYRO|^AUX|^BIP\d|"
            r"^FLOW|^NASAL|^THOR|^ABD|^SNORE|^AIRFLOW|^PR$|^OSAT|^ETCO2|^LIGHT|^BODY|^POSITION|^HR$|^SAMPLE|^COUNTER|"
            r"^TIME|^PACKET|^BATT|^ANNOTATIONS?$|^[XYZ]_DIR|"
            r"^PHOTIC|^MKR|^MARK\d*$|^TRG|^SYNC$|^IBI$|^BURSTS$|^SUPPR|^PPG|^OXY|^BEAT|^HRATE|^AUDIO|^MIC$|^(?:RAW_)?CQ|^INTERPOLATED$|"
            r"^EPOCH$|^LABEL$"
        ),
        "misc",
    ),
)  # fmt: skip


def kind_of(name: str, stated: str = "") -> str:
    """What a channel is: ``eeg``, ``eog``, ``ecg``, ``emg``, ``stim`` or ``misc``.

    A name that says EOG is believed before a type that says EEG: files of many makers type every channel as EEG.

    Args:
        name: The channel's name.
        stated: The type that its file, or a channels.tsv, states.
    """
    by_type = _TYPES.get(stated.strip().casefold(), "eeg" if not stated.strip() else "")
    if by_type not in ("eeg", ""):
        return by_type
    text = name.strip().upper().removeprefix("POL ").strip()
    text = text.removeprefix("EEG ").strip()
    return next((kind for pattern, kind in _NAMES if pattern.search(text)), "eeg")


def kinds_of(names: Sequence[str], stated: Sequence[str] = ()) -> tuple[str, ...]:
    """`kind_of` each channel."""
    types = stated or [""] * len(names)
    return tuple(kind_of(name, each) for name, each in zip(names, types, strict=True))
