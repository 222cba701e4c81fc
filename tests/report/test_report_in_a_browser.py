"""``report.html`` as Debian's Chromium shows it, on a screen, on a phone and on paper."""

from pathlib import Path

import numpy as np
import pytest

from monai_fusion.evaluation.result_writer import ResultWriter
from monai_fusion.report import write_report
from tests.report.browser import CHROMIUM, Browser, chromium
from tests.report.conftest import EXAMPLES, make_evaluation
from tests.report.make_examples import people
from tests.report.picture import HEIGHT, picture_of
from tests.report.picture import WIDTH as COLUMN

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

# Puts a small heading into what each heading announces (its first figure, row, paragraph ...), and names both, so that
# the outline of the printed page says on which page either is.
MARK = """(() => {
    let number = 0;
    const first = e => e.querySelector('figure, tbody th, tbody td, li, summary') || e;
    for (const heading of document.querySelectorAll('h1, h2, h3, h4')) {
        let next = heading.nextElementSibling;
        while (next && (next.matches('.how, .about, h3, h4'))) next = next.nextElementSibling;
        if (!next || heading.closest('details')) continue;
        const mark = document.createElement('h6');
        mark.style = 'position: absolute; margin: 0; font-size: 2px';
        mark.textContent = `content${number}`;
        first(next).prepend(mark);
        heading.textContent = `heading${number}`;
        number += 1;
    }
    return number;
})()"""


def headings_left_alone(browser: Browser, page: Path) -> list[str]:
    """The headings of a printed page whose first figure, table row or paragraph is on another page."""
    browser.open(page, 1280)
    number = browser.evaluate(MARK)
    pages = browser.printed_headings()
    assert number >= 6 and len(pages) >= 2 * number
    return [f"heading {n}" for n in range(number) if pages[f"heading{n}"] != pages[f"content{n}"]]


@pytest.mark.parametrize("example", [path.name for path in sorted(EXAMPLES.iterdir())])
def test_no_heading_stays_alone_at_the_foot_of_a_printed_page(example: str, tmp_path: Path) -> None:
    page = write_report(make_evaluation(example, tmp_path))
    html = page.read_text(encoding="utf-8")
    with chromium() as browser:
        # Whatever stands above: everything is pushed down step by step, over the height of a page.
        for above in range(0, 280, 40):  # millimetres
            page.write_text(html.replace("<main", f'<div style="height: {above}mm"></div><main'), encoding="utf-8")
            assert headings_left_alone(browser, page) == []


def test_a_report_on_twelve_participants_prints_on_at_most_eight_pages(tmp_path: Path) -> None:
    folder = make_evaluation("hostile", tmp_path)
    rows = people([8, 4], fields=True)
    ResultWriter(folder, ["M", "F"])(rows)
    ids = np.array([row.participant_id for row in rows])
    pictures = np.zeros((12, 4, 12, 12), np.uint8)
    np.savez_compressed(folder / "thumbnails.npz", participant_id=ids, mri=pictures[:, :3], eeg=pictures[:, 3])
    values = np.random.default_rng(0).normal(size=(12, 8)).astype(np.float32)
    np.savez_compressed(folder / "embeddings.npz", participant_id=ids, fused=values, eeg=values, mri=values)
    with chromium() as browser:
        browser.open(write_report(folder), 1280)
        assert 3 <= browser.printed_pages() <= 8


def test_what_is_folded_is_printed_as_facts_and_the_running_of_the_training_not_at_all(tmp_path: Path) -> None:
    page = write_report(make_evaluation("two_classes", tmp_path))
    heights = "[...document.querySelectorAll('details')].map(e => e.getBoundingClientRect().height)"
    with chromium() as browser:
        browser.open(page, 1280)
        running, facts = browser.evaluate(heights)
        assert 0 < running < 60 and 0 < facts < 60  # CSS pixels: a line each
        browser.call("Emulation.setEmulatedMedia", media="print")
        browser.open(page, 718)
        running, facts = browser.evaluate(heights)
        assert running == 0 and 100 < facts < 500


def test_the_page_and_its_figures_are_dark_for_who_wants_that_and_light_on_paper(tmp_path: Path) -> None:
    page = write_report(make_evaluation("two_classes", tmp_path))
    colours = """[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color,
        getComputedStyle(document.querySelector('svg.plot text')).fill]"""
    with chromium() as browser:
        browser.open(page, 1280)
        light = browser.evaluate(colours)
        browser.dark()
        browser.open(page, 1280)
        dark = browser.evaluate(colours)
        assert light[0] == "rgb(255, 255, 255)" and dark[0] == "rgb(20, 24, 29)"
        assert light[2] != dark[2] and not set(light) & set(dark)
        scheme = [{"name": "prefers-color-scheme", "value": "dark"}]
        browser.call("Emulation.setEmulatedMedia", media="print", features=scheme)
        browser.open(page, 718)
        assert browser.evaluate(colours) == light


@pytest.mark.parametrize("example", ["two_classes", "unlabelled"])
def test_tables_figures_and_landmarks_can_be_read_without_eyes(example: str, tmp_path: Path) -> None:
    page = write_report(make_evaluation(example, tmp_path))
    wrong = {
        "tables without a caption": "[...document.querySelectorAll('table')].filter(e => !e.caption?.textContent)",
        "headers without a scope": "document.querySelectorAll('th:not([scope])')",
        "headers without a text": "[...document.querySelectorAll('th')].filter(e => !e.textContent.trim())",
        "figures without values": "[...document.querySelectorAll('svg.plot')].filter(e => !/\\d/.test("
        "document.getElementById(e.getAttribute('aria-describedby'))?.textContent))",
        "sections without a name": "[...document.querySelectorAll('section')].filter("
        "e => !document.getElementById(e.getAttribute('aria-labelledby')))",
    }
    with chromium() as browser:
        browser.open(page, 1280)
        for what, query in wrong.items():
            assert browser.evaluate(f"[...{query}].map(e => e.outerHTML.slice(0, 200))") == [], what
        browser.call("Input.dispatchKeyEvent", type="keyDown", key="Tab", code="Tab", windowsVirtualKeyCode=9)
        assert browser.evaluate("document.activeElement.textContent") == "Skip to the result"
        assert browser.evaluate("document.querySelector(document.activeElement.hash).tagName") == "MAIN"


@pytest.mark.parametrize("example", ["two_classes", "three_classes", "five_classes", "hostile", "unlabelled"])
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


def test_the_picture_of_readme_can_be_made_again(tmp_path: Path) -> None:
    picture = picture_of(write_report(make_evaluation("two_classes", tmp_path)))
    assert picture.size == (2 * COLUMN, HEIGHT) and picture.mode == "P"
    shades = np.asarray(picture.convert("L"))
    for column in (shades[:, :COLUMN], shades[:, COLUMN:]):
        assert (column < 128).any(axis=1).mean() > 0.2  # lines with text or marks
