"""Run mypy and import-linter over the packages as they are installed; ``make lint`` and the pre-commit hook do.

``transforms/`` stands at the top of the repository and is imported as ``monai_fusion.transforms``. Python finds it
there (``monai_fusion/__init__.py``); tools that only read files do not. They get a copy in which it is a folder of the
package.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
COPY = ROOT / "build" / "as_installed"
# import-linter has a command, but no `python -m`.
CHECKS = (
    ("-m", "mypy", "monai_fusion"),
    ("-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"),
)


def main() -> int:
    """Copy the packages, run the checks there, and return 0 if both find nothing."""
    for folder in ("monai_fusion", "transforms"):
        shutil.rmtree(COPY / folder, ignore_errors=True)  # what was deleted in the checkout; mypy's cache stays
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "monai_fusion", COPY / "monai_fusion", ignore=ignored)
    shutil.copytree(ROOT / "transforms", COPY / "monai_fusion" / "transforms", ignore=ignored)
    shutil.copy2(ROOT / "setup.cfg", COPY)
    # Its own tools, with fixed arguments.
    return max(subprocess.run([sys.executable, *check], cwd=COPY, check=False).returncode for check in CHECKS)  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
