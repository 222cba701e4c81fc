"""Text of the datalist that would run, or mislead, if the page took it for more than text; in Chromium."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.datalist_page.browser import Tab
from tests.datalist_page.cohort import Document, write_cohort

pytestmark = pytest.mark.slow

RUNS = "<img src=x onerror=alert(1)>"
HOSTILE = (
    f'"{RUNS}',
    "</script><script>alert(2)<!-- ",
    "<!--<script>",
    "{{ 7 * 7 }} ${alert(3)} '`",
    "javascript:alert(4)",
    "לשלום אבא",
    "&lt;b&gt; &amp; <b>bold<b>",
)


def spoilt(document: Document) -> None:
    document["name"] = f"A cohort </title>{RUNS}"
    document["classes"] = ["M", "F</option><script>alert(5)<script>"]
    for row in (row for part in ("training", "validation", "test") for row in document[part]):
        row["label"] = document["classes"]["MF".index(row["label"])]
    for row, text in zip(document["training"], HOSTILE, strict=False):
        row |= {"note": f"{text} \u202e\u2066\u2028\u0007 {RUNS}", "site": f"{text}\U0001f600", f"field {text}": text}
    document["training"][2]["exclude"] = f"reason \u200f {RUNS}"
    document["training"][3]["__proto__"] = {"constructor": RUNS}


def test_hostile_text_is_shown_and_nothing_runs(tab: Tab, tmp_path: Path, write_page: Callable[..., Path]) -> None:
    named = {number: text.replace("/", "\u2215").strip() for number, text in enumerate(HOSTILE)}
    datalist = write_cohort(tmp_path, 12, spoilt, named)
    tab.open(write_page(datalist))
    tab.run("forget()")
    ids = tab.run("return people.map((each) => each.id)")
    assert ids[: len(HOSTILE)] == list(named.values())
    for number in range(len(HOSTILE)):
        tab.run(f"choose(people[{number}])")
        assert tab.text("#card-title") == named[number]
        assert tab.run("return byId('note').value").endswith(RUNS)
    tab.run(f"choose(people[0]); makeChange(people[0], 'exclude', {json.dumps(RUNS)}); afterEdit({json.dumps(RUNS)})")
    tab.run("choose(people[2])")
    assert "reason \\u200f <img" in tab.text("#card .reason")
    tab.find("#changes").click()
    assert f"left out: {RUNS}" in tab.text("#change-list")
    tab.find("#changes-dialog [data-close=no]").click()
    tab.run("window.dispatchEvent(new Event('beforeprint'))")
    assert "\\u202e\\u2066\\u2028\\u0007" in tab.run("return byId('printed-rows').textContent")
    assert tab.run("return document.querySelectorAll('img, script:not([type])').length") == 1  # the page's own script
    assert tab.run("return document.title").startswith("● A cohort </title><img")
    assert tab.complaints() == []  # no alert, no error, nothing that the policy had to stop


def test_the_policy_stops_what_is_not_the_pages_own(tab: Tab, tmp_path: Path, write_page: Callable[..., Path]) -> None:
    tab.open(write_page(write_cohort(tmp_path)))
    tab.complaints()
    tab.run(
        "const script = document.createElement('script'); script.textContent = 'window.ran = 1';"
        "document.body.append(script); const image = new Image(); image.src = 'https://example.org/x.png';"
        "document.body.insertAdjacentHTML('beforeend', '<p id=styled style=\"color: red\" onclick=\"ran = 2\">x</p>');"
        "document.getElementById('styled').click();"
    )
    assert tab.run("return window.ran === undefined")
    assert tab.run("return getComputedStyle(byId('styled')).color") != "rgb(255, 0, 0)"
    assert len(tab.complaints()) >= 3
