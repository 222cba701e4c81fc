"""A cohort of 5,000 in Chromium: the page holds the rows in sight only. What that takes is printed (``pytest -s``)."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from monai_fusion.datalist.examination import Requirements, examine
from monai_fusion.datalist.json_text import read_json_file
from monai_fusion.datalist_page.looking import Looker
from monai_fusion.datalist_page.page import PageFacts, render_page
from monai_fusion.datalist_page.pictures import mri_pictures, segment_picture, side_for
from monai_fusion.datalist_page.rows import numbers_of_rows, records_of, text_of
from monai_fusion.datalist_page.unusual import Unusual
from tests.datalist_page.browser import Tab
from tests.datalist_page.cohort import as_text, head, scalogram

pytestmark = pytest.mark.slow

PEOPLE = 5_000
ROWS = "return document.querySelectorAll('[role=row]').length"
IN_SIGHT = 60
# Frames of the screen while it scrolls 40,000 pixels (700 participants) in 2 seconds.
SCROLL = """
const done = arguments[0];
const box = document.getElementById("scroll");
box.scrollTop = 0;
const times = [];
let unseen = 0, most = 0;
requestAnimationFrame(function step(now) {
  times.push(now);
  const rows = [...view.rendered.values()].map((row) => row.getBoundingClientRect());
  const seen = box.getBoundingClientRect();
  const middle = seen.top + seen.height / 2;
  if (!rows.some((row) => row.top <= middle && row.bottom >= middle)) unseen += 1;
  most = Math.max(most, rows.length);
  box.scrollTop = (now - times[0]) * 20;
  if (now - times[0] < 2000) requestAnimationFrame(step);
  else done([times.length / 2, Math.max(...times.slice(1).map((each, place) => each - times[place])), unseen, most]);
});
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with pictures of everybody: twenty recordings, again and again."""
    folder = tmp_path_factory.mktemp("many")
    rows = [
        {"participant_id": f"sub-{number:06d}", "label": "MF"[number % 2], "eeg": [f"eeg/{number}_EO.npy"]}
        | {"mri": f"mri/{number}.nii.gz", "age": 20 + number % 60, "site": "ABCDE"[number % 5]}
        for number in range(PEOPLE)
    ]
    parts = {"training": rows[:4000], "validation": rows[4000:4500], "test": rows[4500:]}
    datalist = folder / "many.json"
    datalist.write_text(as_text({"classes": ["M", "F"], "data_root": ".", **parts}))
    examination = examine(read_json_file(datalist), datalist, Requirements(files=False))
    text = text_of(examination)
    records = records_of(examination, numbers_of_rows(text))
    looker = Looker(records)
    assert looker.side == side_for(PEOPLE)
    slices = [mri_pictures(head(each), (8, 8, 8), looker.side) for each in range(20)]
    segments = [segment_picture(np.moveaxis(scalogram(each), -1, 0), looker.side) for each in range(20)]
    for number, record in records.items():
        looker._mri[record.mri] = slices[number % 20]
        looker._eeg[record.eeg[0]] = segments[number % 20]
    layout, sheets = looker.layout()
    unusual = {
        number: Unusual(number % 97 / 50, ("head volume: 0.4 litres",) * (number % 97 > 50)) for number in records
    }
    out = folder / "many.html"
    out.write_text(render_page(PageFacts(examination, text, (), unusual, layout, sheets)), encoding="utf-8")
    return out


def test_five_thousand_open_and_scroll_with_few_rows_at_a_time(tab: Tab, page: Path) -> None:
    assert page.stat().st_size < 60e6
    start = time.monotonic()
    tab.open(page)
    tab.run("forget()")
    assert tab.text("#shown") == "5000 participants"
    opened = time.monotonic() - start
    tab.driver.set_script_timeout(60)
    frames, longest, unseen, most = tab.driver.execute_async_script(SCROLL)
    assert most < IN_SIGHT and tab.run(ROWS) < IN_SIGHT
    heap = tab.run("return performance.memory.usedJSHeapSize") / 1e6
    size = page.stat().st_size / 1e6
    print(f"{size:.1f} MB, open in {opened:.1f} s, heap {heap:.0f} MB")
    print(f"{frames:.0f} frames/s, longest {longest:.0f} ms, {unseen} without a row in the middle")
    assert heap < 500
    assert tab.run("return grid.getAttribute('aria-rowcount')") == "5001"
    assert tab.complaints() == []


def test_five_thousand_are_searched_sorted_and_edited_at_once(tab: Tab, page: Path) -> None:
    tab.open(page)
    tab.run("forget()")
    for action in (
        "view.sort = 'field age'; refresh()",
        "byId('search').value = 'sub-0012'; refresh()",
        "act(() => makeChange(view.chosen, 'label', view.chosen.label === 'M' ? 'F' : 'M'), 'done')",
        "undo(); refresh()",
        "byId('search').value = ''; refresh()",
    ):
        took = tab.run(f"const start = performance.now(); {action}; return performance.now() - start")
        print(f"{action}: {took:.0f} ms")
        assert tab.run(ROWS) < IN_SIGHT
    assert tab.run("return editedText()") == page.with_suffix(".json").read_text()
    assert json.loads(tab.run("return changeLog()"))["changes"] == []
