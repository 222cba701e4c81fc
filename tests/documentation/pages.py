"""The commands on the pages of the documentation, in their order."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUNDLE_PAGE = "bundles/brain_eeg_mri_classification/docs/README.md"
PROGRAMS = (
    *("monai-fusion", "python", "python3", "py", "pip", "make", "torchrun", "tensorboard", "mlflow", "sbatch"),
    *("docker", "apptainer", "pre-commit"),
)

_BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_COMMENT = re.compile(r"\s+# .*$")
_IN_VENV = re.compile(r"^\.venv[\\/](Scripts|bin)[\\/]")
_PLACEHOLDER = re.compile(r"[A-Z]{3,}$|\.\.\.|[|<>]")


@dataclass(frozen=True)
class Command:
    """A command as a page has it: ``page`` from the repository's root, ``line`` from 1."""

    page: str
    line: int
    text: str

    @property
    def words(self) -> list[str]:
        """The words, without the folder of a virtual environment."""
        return shlex.split(_IN_VENV.sub("", self.text))


def pages() -> list[str]:
    """All pages, README first; a page that is new is among them."""
    named = ["README.md", "data_manifests/README.md", BUNDLE_PAGE, "CONTRIBUTING.md"]
    return [*named, *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))]


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str) -> Iterator[tuple[int, str, str]]:
    """The code blocks: the line of the first line in it, the language, the text."""
    text = text_of(page)
    for found in _BLOCK.finditer(text):
        yield text.count("\n", 0, found.start(2)) + 1, found[1].strip(), found[2]


def commands(page: str) -> list[Command]:
    """The commands in code blocks, and those in the text that name a file or an option, each where it stands."""
    found = [
        Command(page, line + number, _COMMENT.sub("", each).strip())
        for line, _, body in blocks(page)
        if not is_script(body)
        for number, each in enumerate(body.splitlines())
        if is_command(each)
    ]
    text = text_of(page)
    spans = [found.span() for found in _BLOCK.finditer(text)]
    for each in _INLINE.finditer(text):
        inside = any(start <= each.start() < end for start, end in spans)
        if not inside and is_whole(each[1]):
            found.append(Command(page, text.count("\n", 0, each.start()) + 1, each[1]))
    return sorted(found, key=lambda command: command.line)


def is_script(body: str) -> bool:
    """Whether a block is a shell script for a cluster, which is saved and not typed."""
    return body.startswith("#!")


def is_command(line: str) -> bool:
    words = _IN_VENV.sub("", line.strip()).split()
    return bool(words) and words[0] in PROGRAMS


def is_whole(text: str) -> bool:
    """Whether code in a sentence is a command that can be typed as it stands, and not the name of one."""
    words = text.split()
    if words[:1] != ["monai-fusion"] or any(_PLACEHOLDER.search(word) for word in words):
        return False
    return any("." in word or "/" in word for word in words[1:]) or "--help" in words
