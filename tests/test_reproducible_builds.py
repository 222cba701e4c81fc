"""Two checkouts of one commit give the same archives, bit by bit, and these hold what is installed and nothing else."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EPOCH = "1700000000"
OUTSIDE = ("docs/", "site/", "tests/", "tools/", "mkdocs.yml", "data_manifests/", "examples/")


def tracked() -> list[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def checkout(folder: Path, mode: int, time: int) -> Path:
    """A copy of the files as another person has them: other rights, other times, and a site that was built."""
    for name in tracked():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
        (folder / name).chmod(mode)
        os.utime(folder / name, (time, time))
    (folder / "site").mkdir()
    (folder / "site/index.html").write_text("a page", encoding="utf-8")
    return folder


def build(source: Path, out: Path, umask: int) -> dict[str, str]:
    """The digest of each archive that ``python -m build`` makes: the source archive, and a wheel of that."""
    rights = {} if sys.platform == "win32" else {"umask": umask}
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(source)],
        capture_output=True, encoding="utf-8", check=False, env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH},
        **rights,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(out.iterdir())}


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str], dict[str, str]]]:
    folder = tmp_path_factory.mktemp("builds")
    first = build(checkout(folder / "one", 0o644, 1_600_000_000), folder / "out1", 0o022)
    second = build(checkout(folder / "two/deeper", 0o600, 1_650_000_000), folder / "out2", 0o077)
    yield folder / "out1", first, second
    shutil.rmtree(folder)


@pytest.mark.slow
def test_two_checkouts_give_the_same_archives(archives: tuple[Path, dict[str, str], dict[str, str]]) -> None:
    _, first, second = archives
    assert len(first) == 2 and first == second


@pytest.mark.slow
def test_the_archives_hold_the_package_and_not_what_stands_beside_it(
    archives: tuple[Path, dict[str, str], dict[str, str]],
) -> None:
    folder, names, _ = archives
    (wheel,) = [folder / name for name in names if name.endswith(".whl")]
    (source,) = [folder / name for name in names if name.endswith(".tar.gz")]
    with tarfile.open(source) as archive:
        members = archive.getmembers()
    assert {member.mtime for member in members} == {int(EPOCH)}
    assert {(member.uid, member.gid, member.uname, member.gname) for member in members} == {(0, 0, "", "")}
    inside = {member.name.partition("/")[2] for member in members}
    with zipfile.ZipFile(wheel) as packed:
        installed = set(packed.namelist())
    for name in inside | installed:
        assert not name.startswith(OUTSIDE), name
    assert {"LICENSE", "CITATION.cff", "CHANGELOG.md", "requirements-lock.txt"} <= inside
    assert "monai_fusion/bundles/brain_eeg_mri_classification/docs/data_license.txt" in installed


@pytest.mark.slow
def test_no_installed_package_misses_what_it_needs() -> None:
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout
