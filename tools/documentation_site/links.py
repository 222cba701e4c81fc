"""Links of the documentation, as the repository has them and as the site has them.

The pages are written for the repository: a link from ``docs/`` to ``../README.md`` or ``../apptainer.def`` works there.
The site has its own places for what lies outside ``docs/``: pages become pages of the site, and all other files are
copied into it, so that it needs no address of a repository.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

DOCS = "docs"
FILES = "files"
"""The folder of the site with copies of files that pages link to."""

BUNDLE_PAGE = "bundles/brain_eeg_mri_classification/docs/README.md"
PAGES_OUTSIDE_DOCS = {
    "README.md": "overview.md",
    "data_manifests/README.md": "editing_a_datalist.md",
    BUNDLE_PAGE: "bundle.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "CODE_OF_CONDUCT.md": "code_of_conduct.md",
    "SECURITY.md": "security.md",
}
"""Pages of the repository outside ``docs/``, and where the site has them."""

_CODE = re.compile(r"(^(?P<fence>`{3,}).*?^(?P=fence)\s*$|(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`))", re.M | re.S)
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\((?P<target>[^)\s]+)\)")
_ELSEWHERE = re.compile(r"[a-z][a-z+.-]*:", re.IGNORECASE)


@dataclass(frozen=True)
class Link:
    """A relative link.

    Attributes:
        target: As it is written.
        path: The file or folder from the repository's root, with forward slashes; the page itself for ``#part``.
        anchor: What follows ``#``; empty without one.
    """

    target: str
    path: str
    anchor: str


def links_of(text: str, page: str) -> Iterator[Link]:
    """Find the relative links of a page.

    Args:
        text: The page, Markdown.
        page: Its path from the repository's root.
    """
    for found in _found(text):
        yield _resolved(found["target"], page)


def page_of_the_site(text: str, page: str) -> str:
    """Return a page with its relative links as the site needs them.

    Args:
        text: The page, Markdown.
        page: Its path from the repository's root.
    """
    here = PurePosixPath(place_in_the_site(page)).parent

    parts, end = [], 0
    for found in _found(text):
        if not found["target"].startswith("#"):
            link = _resolved(found["target"], page)
            moved = PurePosixPath(os.path.relpath(place_in_the_site(link.path), here)).as_posix()
            parts += [text[end : found.start("target")], moved, f"#{link.anchor}" if link.anchor else ""]
            end = found.end("target")
    return "".join([*parts, text[end:]])


def place_in_the_site(path: str) -> str:
    """Return where the site has a file of the repository; both paths have forward slashes."""
    if path in PAGES_OUTSIDE_DOCS:
        return PAGES_OUTSIDE_DOCS[path]
    inside = PurePosixPath(path)
    return inside.relative_to(DOCS).as_posix() if inside.parts[0] == DOCS else f"{FILES}/{path}"


def copied_files(root: Path, pages: dict[str, str]) -> list[str]:
    """Return the files outside ``docs/`` that pages link to and that are no pages of their own, sorted.

    What a copied page (``.md``) links to is among them.

    Args:
        root: The repository.
        pages: The text of each page by its path from the repository's root.
    """
    copied: set[str] = set()
    waiting = dict(pages)
    while waiting:
        page, text = waiting.popitem()
        for link in links_of(text, page):
            is_new = link.path not in copied and place_in_the_site(link.path).startswith(f"{FILES}/")
            if is_new and (root / link.path).is_file():
                copied.add(link.path)
                if link.path.endswith(".md"):
                    waiting[link.path] = (root / link.path).read_text(encoding="utf-8")
    return sorted(copied)


def _resolved(target: str, page: str) -> Link:
    written, _, anchor = target.partition("#")
    folder = PurePosixPath(page).parent
    path = PurePosixPath(os.path.normpath(folder / written)).as_posix() if written else page
    return Link(target, path, anchor)


def _found(text: str) -> Iterator[re.Match[str]]:
    """The relative links of a page that are not within code; their text may hold code."""
    code = [span.span() for span in _CODE.finditer(text)]
    for link in _LINK.finditer(text):
        within = any(start <= place < end for start, end in code for place in (link.start(), link.start("target")))
        if not within and not _ELSEWHERE.match(link["target"]):
            yield link
