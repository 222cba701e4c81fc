"""``comparison.html`` as Chromium shows and prints it."""

from collections.abc import Callable

import pytest

from monai_fusion.comparison.planning import Plan
from monai_fusion.comparison.results import compare_runs, read_runs, write_results
from tests.comparison.finished import finished
from tests.report.browser import CHROMIUM, chromium
from tests.report.test_report_in_a_browser import CUT_OFF, STICKING_OUT, WIDTH, headings_left_alone

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium (apt-get install chromium)"),
]


def test_the_page_is_shown_without_a_complaint_and_printed_on_few_pages(plan_of: Callable[..., Plan]) -> None:
    plan = plan_of(folds=4, variants=("all",))
    runs = read_runs(finished(plan))
    page = write_results(plan, runs, compare_runs(plan, runs, draws=100))[0]
    html = page.read_text(encoding="utf-8")
    with chromium() as browser:
        for width in (1280, 400):
            browser.open(page, width)
            assert browser.complaints == [] and browser.evaluate(WIDTH) <= width
            assert browser.evaluate(STICKING_OUT) == [] and browser.evaluate(CUT_OFF) == []
        assert browser.evaluate("document.querySelectorAll('th:not([scope]), table:not(:has(caption))').length") == 0
        assert browser.printed_pages() <= 6
        for above in range(0, 280, 40):  # millimetres
            page.write_text(html.replace("<main", f'<div style="height: {above}mm"></div><main'), encoding="utf-8")
            assert headings_left_alone(browser, page) == []
