"""The documentation's site: built without a warning, complete, and readable without a network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml
from markdown_it import MarkdownIt

from tests.documentation.pages import BUNDLE_PAGE, ROOT, pages, text_of
from tests.report.browser import CHROMIUM, chromium
from tools.documentation_site.links import PAGES_OUTSIDE_DOCS, place_in_the_site

GENERATED = ("reference/commands.md", "reference/knobs.md", "reference/python.md")
WRITTEN = sorted({*pages(), *PAGES_OUTSIDE_DOCS})
# What a browser loads by itself; the target of an <a> is loaded only if a reader wants to.
LOADED = {"img": "src", "script": "src", "iframe": "src", "source": "src", "link": "href", "object": "data"}
# What the site must show as CommonMark, which repository hosts follow, has it.
SHAPES = ("li", "table", "tr", "pre", "h1", "h2", "h3", "blockquote")


@dataclass
class Html:
    """What a page of the site refers to, and the elements of its text."""

    loaded: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    shapes: Counter[str] = field(default_factory=Counter)
    paragraphs: list[str] = field(default_factory=list)


class Reader(HTMLParser):
    """Collects `Html`; elements only within <article>."""

    def __init__(self) -> None:
        super().__init__()
        self.found = Html()
        self._within = 0
        self._paragraph = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self._within += tag == "article"
        if wanted := given.get(LOADED.get(tag, "")):
            self.found.loaded.append(wanted)
        if tag == "a" and given.get("href"):
            self.found.links.append(str(given["href"]))
        if given.get("id"):
            self.found.ids.add(str(given["id"]))
        if self._within and tag in SHAPES:
            self.found.shapes[tag] += 1
        if self._within and tag == "p":
            self._paragraph = True
            self.found.paragraphs.append("")

    def handle_endtag(self, tag: str) -> None:
        self._within -= tag == "article"
        self._paragraph &= tag != "p"

    def handle_data(self, data: str) -> None:
        if self._paragraph:
            self.found.paragraphs[-1] += data


def read(path: Path) -> Html:
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader.found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documentation") / "site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)],
        cwd=ROOT, capture_output=True, encoding="utf-8", check=False, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def built(site: Path) -> dict[str, Html]:
    """The pages of the site by their path in it."""
    return {path.relative_to(site).as_posix(): read(path) for path in site.rglob("*.html")}


def navigation() -> list[str]:
    """The pages in the sections of mkdocs.yml."""
    text = re.sub(r"!!python\S*", "", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))

    def leaves(entry: Any) -> Iterator[str]:
        if isinstance(entry, str):
            yield entry
        else:
            for below in entry.values() if isinstance(entry, dict) else entry:
                yield from leaves(below)

    return list(leaves(yaml.safe_load(text)["nav"]))


def test_every_page_is_in_one_section() -> None:
    listed = navigation()
    every = {*map(place_in_the_site, WRITTEN), *GENERATED}
    assert sorted(every - set(listed)) == [], "a page is in no section: add it to nav in mkdocs.yml"
    assert sorted(set(listed) - every) == [], "nav in mkdocs.yml names a page that is not there"
    assert len(listed) == len(set(listed))


def test_every_page_begins_with_when_to_use_it(site: Path) -> None:
    of_the_project = {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "CODE_OF_CONDUCT.md", "SECURITY.md"}
    for page in set(WRITTEN) - of_the_project:
        _, paragraph, *_ = text_of(page).split("\n\n")
        start = "Use this bundle " if page == BUNDLE_PAGE else "Use this page "
        assert paragraph.startswith((f"{start}when ", f"{start}before ", f"{start}to ")), f"{page}: {paragraph[:80]}"
    for page in GENERATED:
        assert read(site / page.replace(".md", ".html")).paragraphs[0].startswith("Use this page when "), page


def test_nothing_is_loaded_from_another_host(site: Path, built: dict[str, Html]) -> None:
    assert len(built) > 30
    for page, found in built.items():
        assert [each for each in found.loaded if re.match(r"([a-z]+:)?//", each)] == [], page
        assert "assets/" in " ".join(found.loaded), page
    for sheet in site.rglob("*.css"):
        assert re.findall(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//[^)]*", sheet.read_text(encoding="utf-8")) == [], (
            sheet
        )


def test_every_link_of_the_site_leads_to_a_file_and_a_heading(site: Path, built: dict[str, Html]) -> None:
    for page, found in built.items():
        if page == "404.html":  # its links are those of a server's root
            continue
        for target in [*found.links, *found.loaded]:
            if re.match(r"[a-z]+:", target) or target in ("javascript:void(0)", ""):
                continue
            path, _, anchor = unquote(target).partition("#")
            leads_to = ((site / page).parent / path).resolve() if path else site / page
            assert leads_to.is_file(), f"{page}: {target}"
            place = leads_to.relative_to(site.resolve()).as_posix() if path else page
            if anchor and place in built:
                assert anchor in built[place].ids, f"{page}: {target}"


@pytest.mark.parametrize("page", WRITTEN)
def test_the_site_shows_lists_tables_and_code_as_a_repository_host_does(page: str, built: dict[str, Html]) -> None:
    """MkDocs' Markdown wants an empty line before a list, and four blanks before what belongs to an item."""
    parsed = MarkdownIt("commonmark").enable("table").render(text_of(page))
    reader = Reader()
    reader.feed(f"<article>{parsed}</article>")
    there = built[place_in_the_site(page).replace(".md", ".html")]
    assert there.shapes == reader.found.shapes
    assert [each for each in there.paragraphs if each.startswith(("|", "- ", "```"))] == []


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium (apt-get install chromium)")
def test_a_page_that_is_opened_as_a_file_finds_words_and_asks_no_host(site: Path) -> None:
    with chromium() as browser:
        browser.open(site / "index.html", width=1200)
        browser.call("Page.navigate", url=f"{(site / 'index.html').resolve().as_uri()}?q=Shapley")
        until = time.monotonic() + 60
        found: list[str] = []
        while not found and time.monotonic() < until:
            time.sleep(0.2)
            links = "[...document.querySelectorAll('a.md-search-result__link')].map(each => each.href)"
            found = browser.evaluate(links)
        assert any("explanations.html" in each for each in found), found
        assert browser.complaints == []
        assert [each for each in browser.requests if not each.startswith(("file:", "data:"))] == []
