"""Commands typed in this process or started in one of their own, and folders of files of which only names matter."""

import signal
from collections.abc import Iterable
from pathlib import Path

import pytest

from monai_fusion import cli


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """The command line's entry point: exit code, stdout, stderr."""
    with pytest.raises(SystemExit) as ended:
        cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


def write_placeholders(folder: Path, names: Iterable[str]) -> None:
    """Two EEG segments and an MRI for each participant, in ``eeg/`` and ``mri/``; the files hold nothing yet."""
    for kind in ("eeg", "mri"):
        (folder / kind).mkdir()
    for name in names:
        for segment in ("seg0", "seg1"):
            (folder / f"eeg/{name}_EO_{segment}.npy").write_bytes(b"\x93NUMPY")
        (folder / f"mri/{name}_T1w.nii.gz").write_bytes(b"\x1f\x8b")


def hear_signals() -> None:
    """For ``preexec_fn``: tests behind nohup ignore SIGHUP, those behind a shell's & SIGINT; so do all they start."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
