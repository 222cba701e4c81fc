"""What PyPI shows of the package: README with links that lead somewhere, and the classifiers."""

from __future__ import annotations

import email.message
import email.parser
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
ADDRESS = "https://example.org/lab/monai-fusion"


def metadata(folder: Path, address: str | None) -> email.message.Message:
    """The metadata of a wheel that is built of the checkout's files, as PyPI gets it."""
    source, out = folder / "source", folder / "out"
    source.mkdir()
    out.mkdir()
    for name in ("setup.cfg", "setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("monai_fusion", "transforms", "bundles"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    if address is not None:
        config = (source / "setup.cfg").read_text(encoding="utf-8")
        named = config.replace("[metadata]\n", f"[metadata]\nproject_urls =\n    Source = {address}\n", 1)
        (source / "setup.cfg").write_text(named, encoding="utf-8")
    code = "import sys; from setuptools import build_meta; build_meta.prepare_metadata_for_build_wheel(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", code, str(out)], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = out.glob("*.dist-info/METADATA")
    return email.parser.Parser().parsestr(found.read_text(encoding="utf-8"))


def links(page: str) -> Iterator[tuple[str, str]]:
    """The kind (``href``, ``src`` or, of tags that are written out, ``html``) and the target of every link."""
    for block in MarkdownIt("commonmark").enable("table").parse(page):
        for token in [block, *(block.children or [])]:
            yield from ((kind, str(token.attrs[kind])) for kind in ("href", "src") if kind in token.attrs)
            if token.type in ("html_block", "html_inline"):
                yield "html", token.content


def test_without_an_address_the_page_holds_no_relative_link_and_no_relative_picture(tmp_path: Path) -> None:
    found = metadata(tmp_path, None)
    page = found.get_payload()
    assert found["Description-Content-Type"] == "text/markdown" and "# monai-fusion" in page
    assert {kind for kind, _ in links(page)} == {"href"}
    assert [target for _, target in links(page) if not target.startswith("https://")] == []
    assert "shows, checks and shrinks it: docs/store.md." in page, "the text of a link stays"
    assert len(page.split()) > 0.95 * len((ROOT / "README.md").read_text(encoding="utf-8").split())


def test_with_an_address_every_link_leads_to_a_file_of_the_repository(tmp_path: Path) -> None:
    found = metadata(tmp_path, ADDRESS)
    assert found["Project-URL"] == f"Source, {ADDRESS}"
    of_the_readme = list(links((ROOT / "README.md").read_text(encoding="utf-8")))
    of_the_page = list(links(found.get_payload()))
    assert [kind for kind, _ in of_the_page] == [kind for kind, _ in of_the_readme]
    for (kind, before), (_, after) in zip(of_the_readme, of_the_page, strict=True):
        if before.startswith("https://"):
            assert after == before
        else:
            assert after == f"{ADDRESS}/{'raw' if kind == 'src' else 'blob'}/HEAD/{before}"
            assert (ROOT / before.partition("#")[0]).exists(), before


def test_pypi_shows_licence_systems_and_gpu(tmp_path: Path) -> None:
    found = metadata(tmp_path, None)
    assert found["License-Expression"] == "Apache-2.0" and found["License"] is None
    wanted = {"Environment :: GPU :: NVIDIA CUDA", "Operating System :: Microsoft :: Windows"}
    assert wanted | {"Operating System :: POSIX :: Linux"} <= set(found.get_all("Classifier", []))


def test_code_in_the_readme_is_no_link() -> None:
    code = "import runpy; page = runpy.run_path('setup.py', run_name='setup')['page_for_pypi']"
    text = "a [page](docs/a.md#part), `[b](c)`, ![x](y.png)\n```\n[d](e)\n```\n[f](https://g)"
    printed = f"{code}; print(repr(page({text!r}, None)))"
    done = subprocess.run([sys.executable, "-c", printed], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == repr("a page, `[b](c)`, \n```\n[d](e)\n```\n[f](https://g)")
