"""requirements-lock.txt and environment.yml install what setup.cfg asks for."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
CONFIG = configparser.ConfigParser(inline_comment_prefixes=("#",))
CONFIG.read(ROOT / "setup.cfg", encoding="utf-8")
SYSTEMS = {
    "linux": {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64"},
    "windows": {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt", "platform_machine": "AMD64"},
    "macos": {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix", "platform_machine": "arm64"},
}
PYTHONS = re.findall(r"Python :: (3\.\d+)$", CONFIG["metadata"]["classifiers"], re.MULTILINE)


def locked() -> list[Requirement]:
    lines = (ROOT / "requirements-lock.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if not line.startswith("#")]


def versions(system: str, python: str) -> dict[str, str]:
    """The version of each package that the lock installs on a system."""
    there = {**SYSTEMS[system], "python_version": python, "python_full_version": f"{python}.0"}
    found: dict[str, str] = {}
    for each in locked():
        if each.marker is None or each.marker.evaluate(there):
            (pin,) = each.specifier
            assert pin.operator == "==" and each.name not in found, f"{each}: one exact version for each package"
            found[each.name] = pin.version
    return found


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("system", SYSTEMS)
def test_every_direct_dependency_is_in_the_lock_within_its_bounds(system: str, python: str) -> None:
    found = versions(system, python)
    wanted = [Requirement(line) for line in CONFIG["options"]["install_requires"].split("\n") if line]
    assert len(wanted) > 20 and {"3.11", "3.13"} <= set(PYTHONS)
    for each in wanted:
        version = found.get(canonicalize_name(each.name))
        assert version is not None, f"{each.name}: `make lock`"
        assert each.specifier.contains(version), f"{each}: {version} in the lock"


def test_cuda_is_locked_on_linux_only() -> None:
    cuda = {"triton", "nvidia-cudnn-cu13"}
    assert cuda <= set(versions("linux", "3.12"))
    assert not any(
        name.startswith(("nvidia", "triton")) for name in {*versions("windows", "3.12"), *versions("macos", "3.12")}
    )


def test_the_lock_can_be_used_as_a_constraint_and_names_no_place() -> None:
    """pip refuses extras and addresses in constraints, and hashes would shut out PyTorch's wheels without CUDA."""
    for each in locked():
        assert each.url is None and not each.extras
    text = (ROOT / "requirements-lock.txt").read_text(encoding="utf-8")
    assert not re.search(r"--|://|\\", text.partition("\n")[2])


def test_conda_installs_the_package_by_pip_with_the_lock() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    (python,) = [each for each in environment["dependencies"] if str(each).startswith("python=")]
    version = python.partition("=")[2]
    assert version in PYTHONS and SpecifierSet(CONFIG["options"]["python_requires"]).contains(version)
    (by_pip,) = [each["pip"] for each in environment["dependencies"] if isinstance(each, dict)]
    assert by_pip == ["--constraint requirements-lock.txt", "."]
