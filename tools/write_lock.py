"""Write requirements-lock.txt from the environment that runs this; ``make lock`` does.

The versions are those of the environment in which the tests pass. uv adds what other systems and Python versions need
beside them. No hashes: with them, pip would take neither PyTorch's wheels without CUDA nor ``--constraint``.
"""

from __future__ import annotations

import configparser
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements-lock.txt"
HEADER = """\
# The versions that the tests ran with, for Linux, Windows and macOS: pip install --constraint requirements-lock.txt .
# Written by `make lock`; not to be edited.
"""


def main() -> int:
    """Write the lock, and return 0; it stays as it was if the versions do not go together."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    oldest = config["options"]["python_requires"].removeprefix(">=")
    frozen = [sys.executable, "-m", "pip", "freeze", "--exclude-editable"]
    with tempfile.TemporaryDirectory() as folder:
        installed, locked = Path(folder) / "installed.txt", Path(folder) / "locked.txt"
        # Both commands are this environment's own, with fixed arguments.
        versions = subprocess.run(frozen, check=True, capture_output=True, encoding="utf-8").stdout  # noqa: S603
        installed.write_text(versions, encoding="utf-8")
        compiling = [
            *(sys.executable, "-m", "uv", "pip", "compile", "setup.cfg", "--quiet", "--universal", "--no-header"),
            *("--no-annotate", "--python-version", oldest, "--constraint", installed, "--output-file", locked),
        ]
        done = subprocess.run(compiling, cwd=ROOT, check=False)  # noqa: S603
        if done.returncode == 0:
            LOCK.write_text(HEADER + locked.read_text(encoding="utf-8"), encoding="utf-8", newline="\n")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
