"""From a datalist and what is known of its participants to one HTML file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from monai_fusion import __version__
from monai_fusion.datalist.changes.row_texts import FileText
from monai_fusion.datalist.examination import Examination
from monai_fusion.datalist_page.embedding import digest_for_policy, json_for_html
from monai_fusion.datalist_page.rows import PageFinding, pieces_of
from monai_fusion.datalist_page.unusual import Unusual
from monai_fusion.errors import InputError, Problem
from monai_fusion.files import is_private, write_atomically
from monai_fusion.messages import visible
from monai_fusion.wording import counted

GENERATOR = "monai-fusion datalist page"
SCRIPTS = ("text.js", "state.js", "pictures.js", "table.js", "card.js", "dialogs.js", "main.js")
_COLOURS_END = "* { box-sizing"  # of report.css: before it stand the colours of all pages
_BEGINNING = 1_000  # bytes of a file that say whether it is such a page
_TEST_WARNING = (
    "Decide which participants are in test before you look at any result. If you change it afterwards, the result "
    "looks better than it is."
)


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a run predicted for a participant."""

    predicted: str
    probability: float
    wrong: bool


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What the page shows.

    Attributes:
        examination: The datalist.
        text: Its text in pieces.
        findings: Problems and warnings.
        unusual: By the number of the row.
        layout: Where pictures are, see `Looker.layout`.
        sheets: The pictures.
        predictions: By the number of the row.
        predictions_digest: SHA-256 of the run's ``predictions.csv``, hexadecimal; empty without a run.
        about: A line at the end of the page.
    """

    examination: Examination
    text: FileText
    findings: Sequence[PageFinding] = ()
    unusual: Mapping[int, Unusual] = field(default_factory=dict)
    layout: Mapping[str, Any] | None = None
    sheets: Sequence[str] = ()
    predictions: Mapping[int, Predicted] = field(default_factory=dict)
    predictions_digest: str = ""
    about: str = ""


def render_page(facts: PageFacts) -> str:
    """Return the page; the same facts give the same bytes."""
    environment = Environment(
        loader=PackageLoader("monai_fusion.datalist_page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script, style = script_text(), style_text()
    of_file = [each for each in facts.findings if not each.rows]
    problems = sum(not each.warning for each in of_file)
    title = visible(facts.examination.head.name or facts.examination.path.stem)
    return environment.get_template("page.html").render(
        title=title,
        generator=f"{GENERATOR} {__version__}",
        script=script,
        style=style,
        script_digest=digest_for_policy(script),
        style_digest=digest_for_policy(style),
        data=json_for_html(_data(facts, title)),
        sheets=facts.sheets,
        file_findings=of_file,
        file_problems=problems,
        file_summary=", ".join(
            counted(number, what)
            for number, what in ((problems, "problem"), (len(of_file) - problems, "warning"))
            if number
        ),
        test_warning=_TEST_WARNING,
        predictions_digest=facts.predictions_digest,
        about=facts.about,
    )


def _data(facts: PageFacts, title: str) -> dict[str, Any]:
    examination = facts.examination
    return {
        "file": examination.path.name,
        "stem": examination.path.stem,
        "title": title,
        "sha256": hashlib.sha256(examination.json.content).hexdigest(),
        "classes": examination.head.classes,
        "pieces": pieces_of(facts.text),
        "findings": [[int(each.warning), each.text, each.rows] for each in facts.findings if each.rows],
        "unusual": {
            number: {"score": round(each.score, 3), "reasons": each.reasons}
            for number, each in sorted(facts.unusual.items())
        },
        "predictions": {
            number: {"predicted": each.predicted, "probability": round(each.probability, 6), "wrong": each.wrong}
            for number, each in sorted(facts.predictions.items())
        },
        "pictures": facts.layout,
    }


def script_text() -> str:
    """Return the page's script: its files one after the other."""
    folder = files("monai_fusion.datalist_page") / "templates"
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in SCRIPTS)


def style_text() -> str:
    """Return the page's style sheet: the colours of all pages, and its own."""
    colours = (files("monai_fusion.report") / "templates" / "report.css").read_text(encoding="utf-8")
    own = (files("monai_fusion.datalist_page") / "templates" / "page.css").read_text(encoding="utf-8")
    before, _, _ = colours.partition(_COLOURS_END)
    return before + own


def refuse_other_files(out: Path, force: bool) -> None:
    """Refuse to replace what is no such page.

    Raises:
        InputError: There is another file.
    """
    if out.suffix.lower() not in (".html", ".htm"):
        raise InputError(Problem("--out", seen=str(out), wanted="a name that ends in .html"))
    if out.is_dir():
        raise InputError(Problem("--out", seen=f"{out} is a folder", wanted="a file to write"))
    if force or not out.exists():
        return
    with out.open("rb") as stream:
        if GENERATOR.encode() not in stream.read(_BEGINNING):
            advice = "choose another name, or give --force"
            raise InputError(Problem("--out", seen=f"{out} is another file", advice=advice))


def write_page(page: str, out: Path, datalist: Path) -> int:
    """Write the page; only those who may read the datalist may read it.

    Returns:
        Its size in bytes.

    Raises:
        InputError: It cannot be written.
    """
    content = page.encode("utf-8")
    try:
        write_atomically(out, content, private=is_private(datalist))
    except OSError as error:
        advice = "choose another place: --out FILE.html"
        raise InputError(
            Problem(str(out), seen=f"cannot be written ({error.strerror or error})", advice=advice)
        ) from None
    return len(content)
