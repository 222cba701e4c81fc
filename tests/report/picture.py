"""Make the picture of a report that README shows.

python -m tests.report.picture runs/demo/run/report.html docs/images/report.png
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image

from tests.report.browser import chromium

WIDTH, HEIGHT = 750, 1557
"""Of each of the two columns, in pixels."""

WINDOW = 940
"""Width of the window in CSS pixels: wide enough for three figures in a row, without the list of sections beside."""

SECOND = "numbers"
"""The section that the second column begins with."""


def picture_of(report: Path) -> Image.Image:
    """Show the top of the report, and beside it the page from `SECOND` on, in 256 colours."""
    with chromium() as browser, tempfile.TemporaryDirectory() as folder:
        browser.open(report, WINDOW)
        browser.dark(False)
        start = browser.evaluate(f"document.getElementById('{SECOND}').getBoundingClientRect().top + scrollY")
        whole = Image.new("RGB", (2 * WIDTH, HEIGHT), "white")
        for column, top in enumerate((0, start - 20)):
            path = Path(folder, f"{column}.png")
            scale = WIDTH / WINDOW
            browser.screenshot(path, scale, x=0, y=top, width=WINDOW, height=HEIGHT / scale)
            with Image.open(path) as taken:
                whole.paste(taken, (column * WIDTH, 0))
    return whole.quantize(256)


if __name__ == "__main__":
    picture_of(Path(sys.argv[1])).save(sys.argv[2], optimize=True)
