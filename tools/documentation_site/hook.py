"""What MkDocs calls while it builds the site (``hooks`` in mkdocs.yml): it adds pages to those of ``docs/``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # `mkdocs` starts without the folder it is called in; `python -m mkdocs` has it

from tools.documentation_site.api_reference import api_page  # noqa: E402
from tools.documentation_site.command_reference import commands_page, knobs_page  # noqa: E402
from tools.documentation_site.links import (  # noqa: E402
    DOCS,
    PAGES_OUTSIDE_DOCS,
    copied_files,
    page_of_the_site,
    place_in_the_site,
)

GENERATED: dict[str, Callable[[], str]] = {
    "reference/commands.md": commands_page,
    "reference/knobs.md": knobs_page,
    "reference/python.md": lambda: api_page(ROOT),
}
"""The pages of the site that are made when it is built."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie outside ``docs/``, those that are generated, and the files that pages link to."""
    pages = {path: (ROOT / path).read_text(encoding="utf-8") for path in PAGES_OUTSIDE_DOCS}
    for path, text in pages.items():
        files.append(File.generated(config, PAGES_OUTSIDE_DOCS[path], content=page_of_the_site(text, path)))
    for place, make in GENERATED.items():
        files.append(File.generated(config, place, content=make()))
    pages |= {f"{DOCS}/{file.src_uri}": file.content_string for file in files.documentation_pages() if file.src_dir}
    for path in copied_files(ROOT, pages):
        if path.endswith(".md"):  # a page that is in no section
            content = page_of_the_site((ROOT / path).read_text(encoding="utf-8"), path)
            files.append(File.generated(config, place_in_the_site(path), content=content))
        else:
            files.append(File.generated(config, place_in_the_site(path), abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Give the pages of ``docs/`` the links that the site needs; the others have them already."""
    return page_of_the_site(markdown, f"{DOCS}/{page.file.src_uri}") if page.file.src_dir else markdown
