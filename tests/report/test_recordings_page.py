"""``summary.html``: the recordings whose scalograms lie in a folder."""

import json

from monai_fusion.recordings.making import make_scalograms
from monai_fusion.recordings.options import JobOptions, ScalogramOptions, SignalOptions
from monai_fusion.report.recordings_page import write_recordings_page
from tests.recordings.raw import brain_like, in_memory, ready


def page_of(tmp_path, failed=None, **second):
    out = tmp_path / "out"
    out.mkdir()
    for who, groups in ((1, {}), (2, second)):
        notes = ("one <script>alert(1)</script>",)
        recording = in_memory(brain_like(17, 5100, seed=who), tmp_path / f"in/sub-0{who}_EO.csv", notes=notes)
        make_scalograms(ready(recording), ScalogramOptions(job=JobOptions(out=out), **groups))
    return write_recordings_page(out, failed or {}).read_text(encoding="utf-8")


def test_it_lists_what_was_kept_and_dropped_and_how_all_were_made(tmp_path):
    page = page_of(tmp_path)
    assert "4 segments of 2 participants kept (4 EO). Dropped: 2 x incomplete." in page.replace("\n", "")
    assert "sub-01_EO" in page and "sub-02_EO.csv" in page
    assert "as recorded" in page
    assert "Look at these first" not in page


def test_texts_of_others_are_escaped_and_nothing_is_loaded_from_elsewhere(tmp_path):
    page = page_of(tmp_path, {"<img src=x>.csv": ["damaged <b>"]})
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page
    assert "<img src=x>" not in page and "&lt;img src=x&gt;.csv" in page
    assert "http://" not in page and "https://" not in page
    assert "sub-01_EO.csv and 1 recording more: one" in page


def test_a_damaged_json_is_named_and_the_others_are_shown(tmp_path):
    page_of(tmp_path)
    path = tmp_path / "out/sub-01_EO_scalogram.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    for change in ({"Dropped": 5}, {"ConditionStretches": None}, {"Recording": {}}, {"Sources": []}, {"Segments": [1]}):
        path.write_text(json.dumps(content | change), encoding="utf-8")
        page = write_recordings_page(tmp_path / "out", {}).read_text(encoding="utf-8")
        assert "sub-01_EO_scalogram.json</strong>: damaged" in page
        assert "2 segments of 1 participant kept" in page


def test_what_is_not_the_same_for_all_is_said_first(tmp_path):
    page = page_of(tmp_path, signal=SignalOptions(reference="average"))
    assert "Reference: not the same for all. Do not put these scalograms into one datalist." in page
