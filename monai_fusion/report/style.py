"""The style of the report's figures, and their output as SVG inside a page or as files.

Figures use matplotlib's object interface, never pyplot, so no global state changes. The same figure gives the same
bytes: ids come from a fixed salt, and the files contain no date and no version.

Inside a page every colour is a variable of ``report.css``, so that a figure is as readable in dark mode as on paper.
"""

from __future__ import annotations

import io
import math
import re
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any
from xml.etree import ElementTree

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

# Okabe & Ito's palette, distinguishable with any colour vision (jfly.uni-koeln.de/color), darkest first; yellow is too
# light for thin lines on white, and sky blue and orange are darkened to a contrast of 3 to white.
CLASS_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#3A94CC", "#B98000", "#000000")
CLASS_MARKERS = ("o", "^", "s", "D", "v", "P", "X")
LINE_STYLES = ("-", "--", "-.", ":")
INK = "#1f2933"
MUTED = "#5f6c78"
WASH = "#f6f8f9"
PAPER = "#ffffff"
AXIS = "#7b8794"
GRID_LINES = "#e6eaee"
VARIABLES = {
    **{shade.lower(): f"--class-{place}" for place, shade in enumerate(CLASS_COLOURS)},
    **{INK: "--ink", MUTED: "--muted", WASH: "--wash", PAPER: "--paper", AXIS: "--axis", GRID_LINES: "--grid"},
}
"""The variable of ``report.css`` for each colour inside a page."""

WIDTH = 3.3  # inches: 317 CSS pixels, three side by side on a screen, one on a phone
WIDER = 4.8  # two side by side
ROW = 0.21  # inches, of a legend
_ABOVE_LEGEND = 0.06
DOTS = 300  # for each inch, in a PNG for a paper
_LETTERS, _HANDLE = 11.5, 7  # of a legend: letters for each inch, and the width of a handle in letters
_SVG = "http://www.w3.org/2000/svg"
_XLINK = "{http://www.w3.org/1999/xlink}href"
_DIGITS = re.compile(r"(\.\d\d)\d+")  # a hundredth of a point is finer than any screen
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b")
_NOT_IN_XML = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # control characters in a class name
_RC: dict[Any, Any] = {  # matplotlib's own type of the names is a union of 300 literals
    "svg.hashsalt": "monai-fusion",
    "svg.fonttype": "none",  # text stays text: readers can search it, and it takes the page's font
    "pdf.fonttype": 42,  # TrueType, which journals require: text stays editable
    "figure.dpi": 72.0,  # as in SVG and PDF: measured sizes are drawn sizes
    "font.family": "DejaVu Sans",  # comes with matplotlib: the layout is the same on every machine
    "text.parse_math": False,  # a class may be called $x$
    "font.size": 10.0,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelsize": 10.0,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": AXIS,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlepad": 9.0,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID_LINES,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": AXIS,
    "ytick.color": AXIS,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "lines.linewidth": 1.8,
    "legend.facecolor": PAPER,
    "legend.framealpha": 0.0,
    "legend.edgecolor": "none",
    "legend.fancybox": False,
    "legend.borderpad": 0.3,
    "legend.fontsize": 9.5,
    "legend.handlelength": 1.6,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


def colour(label: int) -> str:
    """The colour of a class."""
    return CLASS_COLOURS[label % len(CLASS_COLOURS)]


def marker(label: int) -> str:
    """The marker of a class, distinguishable without colour."""
    return CLASS_MARKERS[label % len(CLASS_MARKERS)]


def abbreviated(text: str, longest: int = 14) -> str:
    """A name short enough for an axis label: the middle is cut, because names often differ only at the end."""
    if len(text) <= longest:
        return text
    end = (longest - 1) // 2
    return text[: longest - 1 - end] + "…" + text[-end:]


@contextmanager
def drawing() -> Iterator[None]:
    """Make and save figures in the report's style; the caller's matplotlib settings are restored afterwards."""
    with mpl.rc_context(), warnings.catch_warnings():
        # Text stays text: the reader's browser has letters of class names that DejaVu Sans lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        mpl.rcdefaults()
        mpl.rcParams.update(_RC)
        yield


def new_figure(height: float = 3.2, width: float = WIDTH) -> tuple[Figure, Axes]:
    """A figure with one pair of axes; inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def legend_below(
    figure: Figure, axes: Axes, handles: Sequence[Any] | None = None, texts: Sequence[str] | None = None
) -> None:
    """Put the legend below the axes, where it hides no curve; the figure grows to fit it, and long texts are broken."""
    if handles is None or texts is None:
        handles, texts = axes.get_legend_handles_labels()
    width, height = figure.get_size_inches()
    room = int(_LETTERS * width) - _HANDLE
    longest = sorted((len(text) + _HANDLE for text in texts), reverse=True)
    columns = next(
        (n for n in ((2, 1) if len(texts) in (2, 4) else (3, 2, 1)) if sum(longest[:n]) <= _LETTERS * width), 1
    )
    texts = [textwrap.fill(text, room) for text in texts]
    rows = math.ceil(len(texts) / columns) if columns > 1 else sum(text.count("\n") + 1 for text in texts)
    below = ROW * rows + _ABOVE_LEGEND
    figure.set_size_inches(width, height + below)
    figure.legend(handles, texts, loc="lower center", ncols=columns, columnspacing=1.4, borderaxespad=0)
    # The axes use the space above it.
    share = below / (height + below)
    figure.set_layout_engine(ConstrainedLayoutEngine(rect=(0, share, 1, 1 - share)))


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure for a page or a file.

    Attributes:
        name: Unique in a page: the prefix of every id in it, and the name of its files.
        description: The figure's title for screen readers.
        figure: The figure itself.
        values: Its content for screen readers, as sentences.
    """

    name: str
    description: str
    figure: Figure
    values: tuple[str, ...] = ()

    def __html__(self) -> Markup:
        """The figure inside a page: jinja asks for this."""
        with drawing():
            return to_svg(self.figure, self.name, self.description, self.values)

    def save(self, stream: IO[bytes], file_format: str) -> None:
        """Write the figure on white for a paper: ``svg``, ``pdf`` or ``png`` (300 dots an inch)."""
        # matplotlib warns of metadata that a format does not know; a date would change the bytes.
        kept = {"svg": {"Date": None, "Title": self.description}, "pdf": {"CreationDate": None, "Creator": None}}
        with drawing():
            _lay_out(self.figure)
            self.figure.savefig(
                stream,
                format=file_format,
                dpi=DOTS if file_format == "png" else "figure",
                facecolor=PAPER,
                metadata=kept.get(file_format, {"Software": None}),
            )


def to_svg(figure: Figure, name: str, description: str, values: Sequence[str] = ()) -> Markup:
    """Write a figure as an SVG element for the inside of an HTML page.

    Args:
        figure: The figure.
        name: The prefix of every id in it, so that the ids of a page are unique.
        description: The figure's title for screen readers.
        values: Its content for screen readers.
    """
    stream = io.BytesIO()
    _lay_out(figure)
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = _NOT_IN_XML.sub(b"?", stream.getvalue())
    root = ElementTree.fromstring(text)  # noqa: S314 # matplotlib's own output
    for parent in root.iter():
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    for element in root.iter():
        _make_local(element, name)
    width, height = (float(root.attrib.pop(side).removesuffix("pt")) for side in ("width", "height"))
    root.attrib.pop("version", None)
    root.attrib.update(
        {
            "class": "plot",
            "role": "img",
            "aria-label": description,
            "width": f"{width * 96 / 72:.0f}",
            "height": f"{height * 96 / 72:.0f}",
            "stroke-linejoin": "round",  # as in matplotlib's style sheet, which would apply to the whole page
        }
    )
    if values:
        root.insert(0, ElementTree.Element(f"{{{_SVG}}}desc", {"id": f"{name}-values"}))
        root[0].text = _NOT_IN_XML.sub(b"?", " ".join(values).encode("utf-8")).decode("utf-8")
        root.attrib["aria-describedby"] = f"{name}-values"
    ElementTree.register_namespace("", _SVG)
    # The serialiser escapes: ids of participants are always text in it.
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704


def _lay_out(figure: Figure) -> None:
    """The first pass of two; saving is the second, in which axes of equal aspect find their place."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)


def _make_local(element: ElementTree.Element, name: str) -> None:
    """Prefix ids and references to them, leave the font to the page, and drop invisible parts."""
    if element.tag != f"{{{_SVG}}}text":
        element.text = None  # indentation, a tenth of the bytes
    element.tail = None
    for attribute, value in list(element.attrib.items()):
        if attribute == "id":
            element.attrib["id"] = f"{name}-{value}"
        elif attribute == _XLINK:
            del element.attrib[attribute]
            element.attrib["href"] = value.replace("#", f"#{name}-", 1)
        elif "url(#" in value:
            element.attrib[attribute] = value.replace("url(#", f"url(#{name}-")
        elif attribute in ("d", "x", "y", "points"):
            element.attrib[attribute] = _DIGITS.sub(r"\1", " ".join(value.split()))
        elif attribute == "style":
            own = _without_family(value) if element.tag == f"{{{_SVG}}}text" else value
            element.attrib["style"] = _COLOUR.sub(_as_variable, own)


def _as_variable(found: re.Match[str]) -> str:
    """``#1f2933`` -> ``var(--ink)``; a colour that has no variable stays."""
    name = VARIABLES.get(found[0].lower())
    return found[0] if name is None else f"var({name})"


def _without_family(style: str) -> str:
    """``font: 700 9px 'DejaVu Sans', ...; fill: red`` -> ``font-weight: 700; font-size: 9px; fill: red``."""
    found = re.search(r"font: *(?:(bold|\d+) +)?([\d.]+px) [^;]*", style)
    if found is None:
        return re.sub(r"font-family: *[^;]*;? *", "", style)
    weight = f"font-weight: {found[1]}; " if found[1] else ""
    return style.replace(found[0], f"{weight}font-size: {found[2]}")
