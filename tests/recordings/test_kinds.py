"""What is EEG and what is not: a channel between the eyes never becomes an electrode."""

from __future__ import annotations

import pytest

from monai_fusion.recordings.electrode_names import ELECTRODES_1010
from monai_fusion.recordings.reading.kinds import kind_of


@pytest.mark.parametrize(
    ("name", "stated", "kind"),
    [
        ("VEOG", "", "eog"), ("HEOG", "EEG", "eog"), ("EOG Left", "", "eog"), ("EEG VEOG-REF", "", "eog"),
        ("LOC", "", "eog"), ("ECG", "eeg", "ecg"), ("EKG1", "", "ecg"), ("POL EKG", "", "ecg"),
        ("EMG Chin", "", "emg"), ("Chin1-Chin2", "", "emg"), ("Status", "", "stim"), ("STI 014", "", "stim"),
        ("Trigger", "", "stim"), ("TRIG", "TRIG", "stim"), ("DC01", "", "stim"), ("EXG1", "", "misc"),
        ("Resp", "", "misc"), ("GSR1", "", "misc"), ("SpO2", "", "misc"), ("Temp", "", "misc"), ("X1", "EOG", "eog"),
        ("X1", "HEOG", "eog"), ("Cz", "MISC", "misc"), ("Cz", "eeg", "eeg"), ("Cz", "n/a", "eeg"), ("E12", "", "eeg"),
        ("A1", "", "eeg"), ("EEG 001", "", "eeg"), ("EEG Resp", "", "misc"), ("EEG Fp1-REF", "", "eeg"),
        ("Cz", "seeg", "misc"), ("HEOR", "", "eog"), ("VEOU", "", "eog"), ("EEG PHOTIC-REF", "", "misc"),
        ("Photic", "", "misc"), ("MKR+ MKR-", "", "misc"), ("IBI", "", "misc"), ("BURSTS", "", "misc"),
        ("SUPPR", "", "misc"), ("PPG", "", "misc"), ("CQ_AF3", "", "misc"), ("epoch", "", "misc"),
    ],
)  # fmt: skip
def test_names_and_stated_types_tell_the_kind(name: str, stated: str, kind: str) -> None:
    assert kind_of(name, stated) == kind


def test_every_electrode_of_the_10_10_system_is_eeg() -> None:
    for name in (*ELECTRODES_1010, "T3", "T4", "T5", "T6"):
        for written in (name, name.upper(), f"EEG {name}-REF", f"POL {name}", f"{name}."):
            assert kind_of(written) == "eeg", written
    for label in (f"{bundle}{number}" for bundle in "ABCDEFGH" for number in range(1, 33)):
        assert kind_of(label) == "eeg", label
