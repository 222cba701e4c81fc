"""``report.html`` as Debian's Chromium shows it, on a screen, on a phone and on paper."""

from pathlib import Path

import pytest

from monai_fusion.report import write_report
from tests.report.browser import CHROMIUM, chromium
from tests.report.conftest import make_evaluation

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium (apt-get install chromium)"),
]
WIDTH = "document.documentElement.scrollWidth"
# Elements that stick out of the window and are in no box of their own that scrolls.
STICKING_OUT = """[...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll')
    && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 200))"""
# Text of figures that leaves its figure, which a browser's font could make wider than matplotlib thought.
CUT_OFF = """[...document.querySelectorAll('svg.plot text')].filter(e => {
    const t = e.getBoundingClientRect(), s = e.closest('svg').getBoundingClientRect();
    return t.left < s.left - 2 || t.right > s.right + 2 || t.top < s.top - 2 || t.bottom > s.bottom + 2;
}).map(e => e.textContent)"""
SMALLEST_TEXT = """Math.min(...[...document.querySelectorAll('svg.plot text')].map(e => {
    const svg = e.closest('svg');
    return parseFloat(getComputedStyle(e).fontSize) * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
}))"""


@pytest.mark.parametrize("example", ["two_classes", "five_classes", "hostile", "unlabelled"])
def test_the_report_is_shown_without_a_complaint_on_screen_phone_and_paper(example: str, tmp_path: Path) -> None:
    page = write_report(make_evaluation(example, tmp_path))
    with chromium() as browser:
        for width in (1280, 400):
            browser.open(page, width)
            assert browser.complaints == []
            assert [url for url in browser.requests if not url.startswith("data:")] == [page.resolve().as_uri()]
            assert browser.evaluate(WIDTH) <= width
            assert browser.evaluate(STICKING_OUT) == []
            assert browser.evaluate(CUT_OFF) == []
            assert browser.evaluate(SMALLEST_TEXT) > 9  # CSS pixels
            assert browser.evaluate("document.querySelectorAll('script').length") == 0
        browser.call("Emulation.setEmulatedMedia", media="print")
        browser.open(page, 718)  # A4 less its margins, at 96 dpi
        assert browser.evaluate(WIDTH) <= 718 and browser.evaluate(STICKING_OUT) == []
        assert browser.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
        browser.print(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
