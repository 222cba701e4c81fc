"""The page of a cohort in Chromium: editing, undoing, saving, and what comes of it on the command line."""

import base64
import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from monai_fusion.datalist.changes.applying import apply_changes
from monai_fusion.datalist.changes.change_log import ChangeLog, read_change_log
from tests.commands import call
from tests.datalist_page.browser import Tab
from tests.datalist_page.cohort import Document, write_cohort

pytestmark = pytest.mark.slow

WriteThePage = Callable[..., Path]


def opened(tab: Tab, page: Path) -> None:
    """The page, without what an earlier test has edited."""
    tab.open(page)
    tab.run("forget()")
    tab.open(page)
    tab.complaints()


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_edits_are_saved_and_every_other_line_keeps_its_bytes(
    tab: Tab, tmp_path: Path, write_page: WriteThePage, capsys: pytest.CaptureFixture[str]
) -> None:
    datalist = write_cohort(tmp_path)
    opened(tab, write_page(datalist))
    tab.choose("sub-00")
    tab.leave_out("  moved  during the scan ")
    tab.choose("sub-01")
    tab.select("#edit-label", "M")
    tab.choose("sub-02")
    tab.write_note('he said "no"\nthen left')
    tab.choose("sub-03")
    tab.select("#edit-part", "validation")
    tab.find("#changes").click()
    assert tab.text("#balance tr:first-child") == "training 8: 4 M (50 %), 4 F (50 %) 6: 4 M (67 %), 2 F (33 %)"
    assert not tab.find("#test-changed").is_displayed()
    tab.find("#who").send_keys("A. Reader")
    tab.find("#changes-dialog [data-close=no]").click()
    edited, log = tab.save_both()
    assert (edited.name, log.name) == ("cohort_edited.json", "cohort_changes.json")
    assert tab.complaints() == []

    before, after = json.loads(datalist.read_text()), json.loads(edited.read_text())
    assert after["training"][0] == {**before["training"][0], "exclude": "moved during the scan"}
    assert after["training"][1] == {**before["training"][1], "label": "M"}
    assert after["training"][2] == {**before["training"][2], "note": 'he said "no"\nthen left'}
    assert after["validation"][-1] == before["training"][3]
    kept = [line for line in lines(datalist) if not any(f"sub-0{number}" in line for number in range(4))]
    assert [line for line in lines(edited) if not any(f"sub-0{number}" in line for number in range(4))] != []
    assert {line.rstrip(",") for line in kept} <= {line.rstrip(",") for line in lines(edited)}

    changes = read_change_log(log)
    assert [(each.field, each.before, each.after, each.who) for each in changes.changes] == [
        ("exclude", None, "moved during the scan", "A. Reader"),
        ("label", "F", "M", "A. Reader"),
        ("note", None, 'he said "no"\nthen left', "A. Reader"),
        ("part", "training", "validation", "A. Reader"),
    ]
    assert apply_changes(datalist.read_text(), changes).text == edited.read_text()
    beside = datalist.with_name(edited.name)
    beside.write_bytes(edited.read_bytes())
    assert call(capsys, "datalist", "check", beside)[0] == 0
    code, out, _ = call(capsys, "datalist", "diff", datalist, beside)
    assert code == 0 and "sub-00: left out: moved during the scan" in out and "sub-01: label F -> M" in out
    assert call(capsys, "datalist", "apply", log, datalist, "--yes")[0] == 0
    assert datalist.read_bytes() == beside.read_bytes()


def test_undo_and_redo_go_back_and_forth_to_the_very_bytes(tab: Tab, tmp_path: Path, write_page: WriteThePage) -> None:
    datalist = write_cohort(tmp_path)
    opened(tab, write_page(datalist))
    texts = [tab.run("return editedText()")]
    assert texts[0] == datalist.read_text()
    tab.choose("sub-01")
    tab.select("#edit-label", "M")
    texts.append(tab.run("return editedText()"))
    tab.leave_out("twin of sub-02")
    texts.append(tab.run("return editedText()"))
    tab.find("#grid").click()
    assert tab.run("return document.title").startswith("● ")
    for text in (texts[1], texts[0]):
        tab.press_control("z")
        assert tab.run("return editedText()") == text
    assert not tab.find("#undo").is_enabled() and not tab.run("return document.title").startswith("●")
    for text in (texts[1], texts[2]):
        tab.press_control("y")
        assert tab.run("return editedText()") == text
    assert tab.text("#live").startswith("sub-01: done again: left out")


@pytest.mark.parametrize("layout", ["a participant a line", "indented", "one line", "CRLF, BOM and tabs"])
def test_the_script_writes_what_python_writes(tab: Tab, tmp_path: Path, write_page: WriteThePage, layout: str) -> None:
    def edit(document: Document) -> None:
        document["training"][0]["exclude"] = "first"
        document["training"][1] |= {"weight": 1.0, "note": "é \u2028 ü"}
        del document["validation"]

    datalist = write_cohort(tmp_path, 12, edit)
    document = json.loads(datalist.read_text(encoding="utf-8"))
    if layout == "indented":
        datalist.write_text(json.dumps(document, indent=2))
    elif layout == "one line":
        datalist.write_text(json.dumps(document, separators=(",", ":"), ensure_ascii=False), encoding="utf-8")
    elif layout.startswith("CRLF"):
        text = json.dumps(document, indent="\t").replace("\n", "\r\n")
        datalist.write_bytes(("\ufeff" + text).encode())
    original = datalist.read_bytes().decode()
    opened(tab, write_page(datalist, "--no-deep"))
    drawn = random.Random(5)
    for _ in range(60):
        number = drawn.randrange(10)
        after = {
            "label": drawn.choice(["M", "F"]),
            "exclude": drawn.choice([None, "too old", 'a "quote" \\ and </script>']),
            "part": drawn.choice(["training", "validation", "test"]),
            "note": drawn.choice([None, "später\nmehr", "\u202e\u0007 tab\t"]),
        }
        field = drawn.choice(list(after))
        made = f"makeChange(people[{number}], {json.dumps(field)}, {json.dumps(after[field])})"
        tab.run(made if drawn.random() < 0.85 else "undo()")
        text, log = tab.run("return [editedText(), changeLog()]")
        assert text == apply_changes(original, ChangeLog.model_validate_json(log)).text


def test_a_reason_is_required_and_a_change_of_the_test_part_is_warned_of(
    tab: Tab, tmp_path: Path, write_page: WriteThePage
) -> None:
    opened(tab, write_page(write_cohort(tmp_path)))
    tab.choose("sub-10")
    tab.find("#exclude").click()
    assert "before you look at any result" in tab.text("#reason-test")
    tab.find("#reason").send_keys("   ")
    tab.find("#reason-form button[type=submit]").click()
    assert tab.find("#reason-missing").is_displayed() and tab.run("return edits.done") == 0
    tab.find("#reason-form [data-close]").click()
    tab.select("#edit-part", "training")
    assert "before you look at any result" in tab.text("#test-dialog")
    tab.find("#test-dialog [data-close=no]").click()
    assert tab.run("return [edits.done, byId('edit-part').value]") == [0, "test"]
    tab.select("#edit-part", "training")
    tab.find("#test-dialog [data-close=done]").click()
    assert tab.run("return people.find((each) => each.id === 'sub-10').part") == "training"
    tab.find("#changes").click()
    assert tab.text("#test-changed").startswith("! Test part: 1 participant came into")
    assert "no M" in tab.text("#balance")


def test_a_reload_keeps_the_edits_until_they_are_cleared(tab: Tab, tmp_path: Path, write_page: WriteThePage) -> None:
    page = write_page(write_cohort(tmp_path))
    opened(tab, page)
    tab.choose("sub-01")
    tab.write_note("come back to this")
    tab.driver.refresh()
    assert tab.text("#restored").startswith("1 edit of an earlier visit restored")
    tab.choose("sub-01")
    assert tab.find("#note").get_property("value") == "come back to this"
    tab.find("#changes").click()
    tab.find("#clear").click()
    tab.find("#clear-dialog [data-close=done]").click()
    assert tab.run("return [joinedChanges().length, localStorage.getItem(KEPT_AS)]") == [0, None]
    tab.driver.refresh()
    assert not tab.find("#restored").is_displayed()


def test_the_keyboard_alone_is_enough(tab: Tab, tmp_path: Path, write_page: WriteThePage) -> None:
    from selenium.webdriver.common.keys import Keys

    opened(tab, write_page(write_cohort(tmp_path)))
    tab.select("#sort", "participant")
    tab.run("grid.focus()")
    tab.press(Keys.HOME, "j", "j", "k", Keys.ARROW_DOWN)
    assert tab.text("#card-title") == "sub-02"
    assert tab.run("return byId(grid.getAttribute('aria-activedescendant')).getAttribute('aria-rowindex')") == "4"
    tab.press("x")
    tab.press("asked to leave", Keys.ENTER)
    assert tab.run("return people[2].reason") == "asked to leave"
    assert tab.run("return document.activeElement.id") == "grid"
    tab.press("n")
    tab.press("wrote on Monday", Keys.ESCAPE)
    assert tab.run("return people[2].note") == "wrote on Monday"
    tab.press("x")
    assert tab.run("return people[2].reason") is None
    tab.press("/")
    tab.press("sub-07", Keys.ESCAPE)
    assert tab.text("#card-title") == "sub-07" and tab.text("#shown") == "1 of 12 participants"
    tab.press(Keys.ENTER)
    assert tab.run("return document.activeElement.id") == "card-title"
    tab.press("?")
    assert tab.find("#keys-dialog").is_displayed()
    tab.press(Keys.ESCAPE)
    assert not tab.find("#keys-dialog").is_displayed()
    tab.press_control("s")
    assert tab.find("#changes-dialog").is_displayed()


def test_filters_and_sorting_show_whom_they_name(tab: Tab, tmp_path: Path, write_page: WriteThePage) -> None:
    datalist = write_cohort(tmp_path)
    (tmp_path / "mri/sub-05_T1w.nii.gz").unlink()
    opened(tab, write_page(datalist))
    assert tab.text("#card-title") == "sub-05"  # the problem first
    assert "there is no file" in tab.text("#card .findings")
    shown = "return view.list.map((each) => each.id).join(' ')"
    tab.select("#sort", "participant")
    tab.select("#field-filter", "site: A")
    assert tab.run(shown) == "sub-00 sub-01 sub-02 sub-06 sub-07 sub-08"
    tab.select("#label-filter", "F")
    assert tab.run(shown) == "sub-01 sub-07"
    tab.select("#label-filter", "all")
    tab.select("#field-filter", "all")
    tab.select("#part-filter", "test")
    assert tab.run(shown) == "sub-10 sub-11"
    tab.select("#part-filter", "all")
    tab.select("#status-filter", "with problems")
    assert tab.run(shown) == "sub-05"


def test_the_printer_gets_a_plain_list_of_those_in_sight(tab: Tab, tmp_path: Path, write_page: WriteThePage) -> None:
    opened(tab, write_page(write_cohort(tmp_path, 90), "--no-deep"))
    tab.choose("sub-01")
    tab.select("#part-filter", "training")
    tab.leave_out("fell asleep")
    tab.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    tab.run("byId('search').value = ''; refresh(); window.dispatchEvent(new Event('beforeprint'))")
    assert not tab.find("#app").is_displayed()
    printed = tab.text(".printed")
    assert printed.startswith("Small cohort\n86 of 90 participants, as filtered and sorted on the screen.")
    assert "sub-01 training F left out: fell asleep; changed: left out: fell asleep" in printed
    assert "sub-85 " in printed and "sub-86" not in printed
    tab.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    content = base64.b64decode(tab.driver.print_page())
    assert len(re.findall(rb"/Type /Page\n", content)) >= 2
    assert tab.find("#app").is_displayed() and tab.run("return byId('printed-rows').children.length") == 0


def test_an_address_opens_a_card(tab: Tab, tmp_path: Path, write_page: WriteThePage) -> None:
    page = write_page(write_cohort(tmp_path, named={4: "Müller & Söhne #5"}), "--no-deep")
    opened(tab, page)
    tab.open(page, "#participant=" + quote("Müller & Söhne #5"))
    assert tab.text("#card-title") == "Müller & Söhne #5"
    tab.select("#part-filter", "test")
    tab.run("location.hash = '#participant=sub-07'")
    tab.driver.execute_async_script("setTimeout(arguments[0], 200)")
    assert tab.text("#card-title") == "sub-07" and tab.find("#part-filter").get_property("value") == ""
