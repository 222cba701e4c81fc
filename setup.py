"""Adds to setup.cfg what is computed: the page on PyPI, which is README.md without links that lead nowhere there."""

from __future__ import annotations

import configparser
import gzip
import os
import re
import tarfile
from pathlib import Path

from setuptools import setup
from setuptools.command.sdist import sdist

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


class ReproducibleSdist(sdist):
    """A source archive that is the same, bit by bit, for the same files and the same ``SOURCE_DATE_EPOCH``.

    setuptools keeps the time and owner of each file and writes the time of the build; wheels heed the variable already.
    Without the variable, the archive is setuptools' own.
    """

    def make_archive(
        self,
        base_name: str,
        format: str,  # noqa: A002 -- setuptools' name
        root_dir: str | None = None,
        base_dir: str | None = None,
        **more: str | None,
    ) -> str:
        """Write ``BASE_NAME.tar.gz`` of the folder ``base_dir``, and return its path."""
        epoch = os.environ.get("SOURCE_DATE_EPOCH")
        if epoch is None or format != "gztar" or base_dir is None:
            return super().make_archive(base_name, format, root_dir, base_dir, **more)

        def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
            member.mtime = int(epoch)
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            return member

        path = Path(f"{base_name}.tar.gz")
        with (
            path.open("wb") as file,
            gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=int(epoch)) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            archive.add(base_dir, filter=plain)  # sorted by tarfile
        return str(path)


if __name__ == "__main__":
    if "SOURCE_DATE_EPOCH" in os.environ:
        os.umask(0o022)  # modes in a wheel are those of the files that the build writes
    page = page_for_pypi((ROOT / "README.md").read_text(encoding="utf-8"), source_address(ROOT / "setup.cfg"))
    setup(long_description=page, long_description_content_type="text/markdown", cmdclass={"sdist": ReproducibleSdist})
