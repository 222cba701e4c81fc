"""The hand-written package list, the wheel and the folders agree."""

import configparser
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]


BUNDLE = "brain_eeg_mri_classification"


def shipped_files() -> list[Path]:
    folder = ROOT / "bundles" / BUNDLE
    return [path for part in ("configs", "docs") for path in (folder / part).iterdir()] + [folder / "LICENSE"]


def packages_of_the_folders() -> set[str]:
    inside = {".".join(init.parent.relative_to(ROOT).parts) for init in (ROOT / "monai_fusion").rglob("__init__.py")}
    return inside | {"monai_fusion.transforms", "monai_fusion.bundles"}


def modules_of_the_folders() -> set[str]:
    inside = {path.relative_to(ROOT).as_posix() for path in (ROOT / "monai_fusion").rglob("*.py")}
    return inside | {f"monai_fusion/transforms/{path.name}" for path in (ROOT / "transforms").glob("*.py")}


def test_the_package_list_names_every_folder_and_no_other() -> None:
    config = configparser.ConfigParser(inline_comment_prefixes=("#",))
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    assert set(config["options"]["packages"].split()) == packages_of_the_folders()


def test_the_version_is_the_same_wherever_it_is_written() -> None:
    import monai_fusion

    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    assert config["metadata"]["version"] == monai_fusion.__version__
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == monai_fusion.__version__
    assert cited["license"] == config["metadata"]["license_expression"]


def test_the_wheel_holds_every_module(tmp_path: Path) -> None:
    source = tmp_path / "source"  # a copy: building in the checkout leaves build/, whose stale files end up in wheels
    source.mkdir()
    for name in ("setup.cfg", "setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("monai_fusion", "transforms", "bundles"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
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
    bundle = {f"monai_fusion/{path.relative_to(ROOT).as_posix()}" for path in shipped_files()}
    assert f"monai_fusion/bundles/{BUNDLE}/configs/train.yaml" in bundle and bundle <= names


def test_the_repository_holds_no_links() -> None:
    """Git for Windows and ZIP downloads make text files of them."""
    listed = subprocess.run(["git", "ls-files", "--stage"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    assert not [line for line in listed.stdout.splitlines() if line.startswith("120000")]


@pytest.mark.parametrize("installed", [False, True], ids=["checkout", "wheel-like"])
def test_transforms_are_found_without_a_link(tmp_path: Path, installed: bool) -> None:
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "monai_fusion", tmp_path / "monai_fusion", ignore=ignored)
    inside = tmp_path / "monai_fusion" / "transforms" if installed else tmp_path / "transforms"
    shutil.copytree(ROOT / "transforms", inside, ignore=ignored)
    code = (
        "import sys; sys.meta_path = [each for each in sys.meta_path if 'editable' not in repr(each).lower()];"
        "import monai_fusion.transforms.arrays as found; print(found.__file__)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).resolve() == (inside / "arrays.py").resolve()


def test_transforms_have_one_import_name_only() -> None:
    from monai_fusion.transforms import LoadVolumed

    assert LoadVolumed.__module__.startswith("monai_fusion.transforms.")
    with pytest.raises(ImportError, match=r"import monai_fusion\.transforms instead"):
        __import__("transforms")


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, monai_fusion; print([m for m in ('torch', 'monai', 'numpy', 'pydantic') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_copy_of_the_bundle_is_the_shipped_one_and_replaces_nothing(tmp_path: Path) -> None:
    from monai_fusion.errors import InputError
    from monai_fusion.shipped_bundle import copy_bundle, shipped_bundle

    assert shipped_bundle() == ROOT / "bundles" / BUNDLE
    written = copy_bundle(tmp_path / "mine")
    assert len(written) == len(shipped_files())
    for path in written:
        assert path.read_bytes() == (shipped_bundle() / path.relative_to(tmp_path / "mine")).read_bytes()
    train = tmp_path / "mine" / "configs" / "train.yaml"
    train.write_text("mine")
    with pytest.raises(InputError, match="already exists: choose another --out"):
        copy_bundle(tmp_path / "mine")
    assert train.read_text() == "mine"
