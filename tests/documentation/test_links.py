"""Links between the pages work where the repository is read; the site's own links are tested in test_site."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from tests.documentation.pages import ROOT, pages, text_of
from tools.documentation_site.links import PAGES_OUTSIDE_DOCS, Link, copied_files, links_of, page_of_the_site

PAGES = sorted({*pages(), *PAGES_OUTSIDE_DOCS})


def anchors(page: str) -> Iterator[str]:
    """The anchors that repository hosts give to headings: the text in lower case, blanks as hyphens, no other signs."""
    seen: dict[str, int] = {}
    tokens = MarkdownIt("commonmark").enable("table").parse(text_of(page))
    for token, inline in pairwise(tokens):
        if token.type == "heading_open":
            text = "".join(part.content for part in inline.children or [] if part.type in ("text", "code_inline"))
            slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            yield f"{slug}-{seen[slug]}" if slug in seen else slug
            seen[slug] = seen.get(slug, 0) + 1


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_and_every_anchor_to_a_heading(page: str) -> None:
    for link in links_of(text_of(page), page):
        assert (ROOT / link.path).exists(), f"{page}: {link.target}: there is no such file"
        if link.anchor:
            assert link.anchor in anchors(link.path), f"{page}: {link.target}: no heading has this anchor"


def test_links_are_found_as_markdown_has_them() -> None:
    """The rewriting for the site sees each link that a reader of the page sees."""
    for page in PAGES:
        blocks = MarkdownIt("commonmark").enable("table").parse(text_of(page))
        parts = [part for block in blocks for part in block.children or []]
        seen = [str(part.attrs[kind]) for part in parts for kind in ("href", "src") if kind in part.attrs]
        relative = [each for each in seen if not re.match(r"[a-z]+:", each)]
        assert [link.target for link in links_of(text_of(page), page)] == relative, page


def test_the_site_gets_links_to_its_own_places() -> None:
    text = (
        "[a](../README.md#part) [b](../examples/x.py) ![c](images/p.png) [d](method.md) [e](#here) [f](https://g.org/h)"
    )
    there = "[a](overview.md#part) [b](files/examples/x.py) ![c](images/p.png) [d](method.md) [e](#here) [f](https://g.org/h)"
    assert page_of_the_site(text, "docs/any.md") == there
    assert page_of_the_site("[a](docs/method.md#x) [b](LICENSE)", "README.md") == "[a](method.md#x) [b](files/LICENSE)"
    assert page_of_the_site("[a](../docs/images/p.png)", "data_manifests/README.md") == "[a](images/p.png)"


def test_what_pages_link_to_is_copied_and_what_that_links_to_is_too(tmp_path: Path) -> None:
    for name, text in (
        ("example/README.md", "[a](client.py) [b](../docs/x.md)"),
        ("example/client.py", ""),
        ("x.py", ""),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    pages = {"docs/x.md": "[a](../example/README.md) [b](y.md) [c](../README.md) [d](../nothing.py)"}
    assert copied_files(tmp_path, pages) == ["example/README.md", "example/client.py"]


def test_code_holds_no_links() -> None:
    text = "`[a](b.md)` ``[c](`d`.md)``\n\n```\n[e](f.md)\n```\n[g](h.md#i)"
    assert list(links_of(text, "docs/any.md")) == [Link("h.md#i", "docs/h.md", "i")]
    assert page_of_the_site("`[a](../README.md)`", "docs/any.md") == "`[a](../README.md)`"
    assert page_of_the_site("[`a`](../README.md)", "docs/any.md") == "[`a`](overview.md)", "a link's text may be code"
