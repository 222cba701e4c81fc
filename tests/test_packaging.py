"""The hand-written package list, the wheel and the folders say the same."""

import configparser
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def packages_of_the_folders() -> set[str]:
    inside = {
        ".".join(init.parent.relative_to(ROOT).parts)
        for init in (ROOT / "monai_fusion").rglob("__init__.py")
        if "transforms" not in init.relative_to(ROOT).parts  # the symlink to transforms/
    }
    return inside | {"monai_fusion.transforms"}


def modules_of_the_folders() -> set[str]:
    inside = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "monai_fusion").rglob("*.py")
        if "transforms" not in path.relative_to(ROOT).parts
    }
    return inside | {f"monai_fusion/transforms/{path.name}" for path in (ROOT / "transforms").glob("*.py")}


def test_the_package_list_names_every_folder_and_no_other() -> None:
    config = configparser.ConfigParser(inline_comment_prefixes=("#",))
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    assert set(config["options"]["packages"].split()) == packages_of_the_folders()


def test_the_version_is_written_once_and_the_same_twice() -> None:
    import monai_fusion

    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    assert config["metadata"]["version"] == monai_fusion.__version__


def test_the_wheel_holds_every_module(tmp_path: Path) -> None:
    source = tmp_path / "source"  # a copy: building in the checkout leaves build/, whose stale files end up in wheels
    source.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("monai_fusion", "transforms"):
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(source)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in names if name.endswith(".py")} == modules_of_the_folders()
    assert "monai_fusion/py.typed" in names
    templates = {
        path.relative_to(ROOT).as_posix() for path in (ROOT / "monai_fusion" / "report" / "templates").iterdir()
    }
    assert templates and templates <= names


def test_transforms_have_one_import_name_only() -> None:
    from monai_fusion.transforms import LoadVolumed

    assert LoadVolumed.__module__.startswith("monai_fusion.transforms.")
    with pytest.raises(ImportError, match=r"import monai_fusion\.transforms instead"):
        __import__("transforms")


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, monai_fusion; print([m for m in ('torch', 'monai', 'numpy', 'pydantic') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
