"""Adds to setup.cfg what is computed: the page on PyPI, which is README.md without links that lead nowhere there."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent

_CODE = re.compile(r"(^```.*?^```$|`[^`\n]+`)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|mailto:)([^)\s]+)\)")


def source_address(config: Path) -> str | None:
    """The repository's address: ``Source`` of ``project_urls`` in setup.cfg; None as long as there is none."""
    parser = configparser.ConfigParser()
    parser.read(config, encoding="utf-8")
    lines = parser["metadata"].get("project_urls", "").splitlines()
    named = {name.strip().lower(): address.strip() for name, _, address in (line.partition("=") for line in lines)}
    return named.get("source", "").rstrip("/") or None


def page_for_pypi(readme: str, address: str | None) -> str:
    """README as PyPI can show it: relative links lead to the repository; without an address only their text is left."""

    def rewritten(link: re.Match[str]) -> str:
        picture, text, target = link.groups()
        if address is None:
            return "" if picture else text
        return f"{picture}[{text}]({address}/{'raw' if picture else 'blob'}/HEAD/{target})"

    parts = _CODE.split(readme)  # every second one is code
    return "".join(part if index % 2 else _LINK.sub(rewritten, part) for index, part in enumerate(parts))


if __name__ == "__main__":
    page = page_for_pypi((ROOT / "README.md").read_text(encoding="utf-8"), source_address(ROOT / "setup.cfg"))
    setup(long_description=page, long_description_content_type="text/markdown")
