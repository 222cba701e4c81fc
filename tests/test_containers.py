"""What the recipes for containers refer to is there, and what they copy is enough to build the package."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from itertools import pairwise
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from monai_fusion import cli
from tests.documentation.pages import ROOT, commands

CONFIG = configparser.ConfigParser(inline_comment_prefixes=("#",))
CONFIG.read(ROOT / "setup.cfg", encoding="utf-8")
PAGE = "docs/containers.md"


def dockerfile() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, in their order, with what stands behind each."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = [line.split(maxsplit=1) for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [(name, " ".join(rest.split())) for name, rest in lines]


def given(instruction: str) -> list[str]:
    return [rest for name, rest in dockerfile() if name == instruction]


def copied_by_docker() -> set[str]:
    return {word for rest in given("COPY") for word in shlex.split(rest)[:-1]}


def apptainer() -> dict[str, str]:
    """The sections of the definition; the header is named by the empty text."""
    text = re.sub(r"^ *#.*\n", "", (ROOT / "apptainer.def").read_text(encoding="utf-8"), flags=re.MULTILINE)
    header, *rest = re.split(r"^%(\w+)\n", text, flags=re.MULTILINE)
    return {"": header, **dict(zip(rest[::2], rest[1::2], strict=True))}


def copied_by_apptainer() -> set[str]:
    return {line.split()[0] for line in apptainer()["files"].splitlines() if line.strip()}


def test_both_recipes_copy_the_same_and_the_package_can_be_built_of_it(tmp_path: Path) -> None:
    assert copied_by_docker() == copied_by_apptainer()
    source = tmp_path / "source"
    source.mkdir()
    for name in copied_by_docker():
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(source)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.endswith("configs/train.yaml") for name in names)
    assert "monai_fusion/transforms/__init__.py" in names


def test_the_builder_is_sent_what_is_copied_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == copied_by_docker()


def test_apptainer_copies_each_file_to_its_name_in_the_folder_that_is_installed() -> None:
    for line in apptainer()["files"].splitlines():
        source, *target = line.split() or [""]
        assert target == ([f"/opt/source/{source}"] if source else [])
    assert "cd /opt/source\n" in apptainer()["post"]


def test_python_is_one_that_the_package_and_the_lock_support() -> None:
    (default,) = [rest.partition("=")[2] for rest in given("ARG") if rest.startswith("PYTHON=")]
    assert given("FROM") == ["python:${PYTHON}-slim"]
    assert f"From: python:{default}-slim\n" in apptainer()[""] and "Bootstrap: docker\n" in apptainer()[""]
    assert SpecifierSet(CONFIG["options"]["python_requires"]).contains(default)
    assert f"Programming Language :: Python :: {default}" in CONFIG["metadata"]["classifiers"]


def test_both_install_with_the_lock_and_start_the_program_that_is_installed() -> None:
    for run in (" ".join(given("RUN")), apptainer()["post"]):
        assert "pip install" in run and "--constraint requirements-lock.txt" in run
    (entry,) = map(json.loads, given("ENTRYPOINT"))
    assert [f"{name} = monai_fusion.cli:main" for name in entry] == [
        CONFIG["options.entry_points"]["console_scripts"].strip()
    ]
    assert apptainer()["runscript"].split() == ["exec", *entry, '"$@"']


def test_docker_runs_it_as_a_user_without_rights_who_may_write_where_results_and_weights_go() -> None:
    names = [name for name, _ in dockerfile()]
    assert given("USER") == ["1000"] and "RUN" not in names[names.index("USER") :]
    folders = json.loads(given("VOLUME")[0])
    for folder in [*folders, "/home/monai"]:
        assert re.search(rf"install --directory --mode 1777 [^&]*{folder}(?!\S)", " ".join(given("RUN"))), folder
    (settings,) = given("ENV")
    homes = dict(each.split("=") for each in settings.split())
    assert homes["TORCH_HOME"].startswith("/weights/") and homes["HF_HOME"].startswith("/weights/")


def test_the_page_mounts_folders_that_the_image_has_and_runs_commands_that_exist(
    capsys: pytest.CaptureFixture[str],
) -> None:
    folders = json.loads(given("VOLUME")[0])
    typed = [command.words for command in commands(PAGE)]
    assert len(typed) >= 5
    for words in typed:
        for before, mounted in pairwise(words):
            if before == "--volume":
                assert mounted.split(":")[1] in folders
        image = next((at for at, word in enumerate(words) if word in ("monai-fusion", "monai-fusion.sif")), 0)
        if "run" in words[:2]:
            with pytest.raises(SystemExit) as ended:
                cli.main([words[image + 1], "--help"])
            assert ended.value.code == 0
    capsys.readouterr()
