"""A run that ``monai-fusion`` starts imports nothing from the folder in which the user happens to be."""

import subprocess
import sys
from pathlib import Path

import pytest

from monai_fusion.child_processes import child_environment


@pytest.mark.parametrize("parent_imports_from_there", [False, True])
def test_a_child_imports_from_the_current_folder_only_if_its_parent_does(
    parent_imports_from_there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "queue.py").write_text("print('of the folder')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    if parent_imports_from_there:
        monkeypatch.syspath_prepend(str(tmp_path))
    command = [sys.executable, "-S", "-c", "import queue"]
    printed = subprocess.run(command, env=child_environment(), capture_output=True, text=True, check=True).stdout
    assert printed == ("of the folder\n" if parent_imports_from_there else "")
