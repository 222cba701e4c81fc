"""The file that ``monai-fusion datalist page`` writes: what is in it, what is not, and who may read it."""

import base64
import hashlib
import json
import re
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from monai_fusion.datalist_page.embedding import digest_for_policy, json_for_html
from monai_fusion.datalist_page.page import script_text, style_text
from tests.commands import call
from tests.datalist_page.cohort import EEG_SHAPE, Document, head, scalogram, write_cohort, write_volume

WriteThePage = Callable[..., Path]


def data_of(page: Path) -> dict[str, object]:
    """The data that the page embeds."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text("utf-8"), re.DOTALL)
    assert found is not None
    data: dict[str, object] = json.loads(found[1])
    return data


def test_embedded_json_is_the_same_value_and_cannot_end_its_element() -> None:
    value = {"</script>": ["<!--", "&lt;", "\u2028\u2029", "\ud800 alone", 'é "quoted" \\']}
    text = json_for_html(value)
    assert not set("<>&\u2028\u2029\ud800") & set(text) and "é" in text
    assert json.loads(text) == value


def test_the_policy_names_the_digests_of_the_pages_script_and_style(tmp_path: Path, write_page: WriteThePage) -> None:
    html = write_page(write_cohort(tmp_path), "--no-deep").read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    script, style = (
        re.findall(r"<script>(.*?)</script>", html, re.DOTALL),
        re.findall("<style>(.*?)</style>", html, re.S),
    )
    assert len(script) == len(style) == 1
    for name, text in (("script-src", script[0]), ("style-src", style[0])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert policy is not None and f"{name} 'sha256-{digest}';" in policy[1]
    assert policy is not None and policy[1].startswith("default-src 'none';") and "unsafe" not in policy[1]
    assert digest_for_policy("alert(1)") == "'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='"


def test_the_script_takes_no_text_for_markup_and_runs_none() -> None:
    script = script_text()
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "fetch("):
        assert word not in script
    assert not re.search("</script|<!--", script + style_text(), re.IGNORECASE)
    assert re.search(r"^(//.*\n)*\"use strict\";", script)


class _Outside(HTMLParser):
    """Addresses of anything that is not in the file."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "action", "srcset", "style")]


def test_the_page_needs_no_other_file_and_no_network(tmp_path: Path, write_page: WriteThePage) -> None:
    html = write_page(write_cohort(tmp_path)).read_text(encoding="utf-8")
    outside = _Outside()
    outside.feed(html)
    assert set(outside.found) == {"data:,", "#grid"}
    assert "http" not in re.sub(r"<meta http-equiv", "", script_text() + style_text())


def test_equal_cohorts_give_equal_bytes(tmp_path: Path, write_page: WriteThePage) -> None:
    datalist = write_cohort(tmp_path)
    first = write_page(datalist).read_bytes()
    assert write_page(datalist, "--workers", 4).read_bytes() == first


def test_no_header_text_and_no_folder_is_in_the_page(tmp_path: Path, write_page: WriteThePage) -> None:
    import nibabel as nib

    folder = tmp_path / "Smith_John_1970"
    datalist = write_cohort(folder)
    volume = nib.Nifti1Image(head(0), np.diag([8.0, 8, 8, 1]))
    volume.header["descrip"] = b"DOE^JANE 19520101"
    volume.to_filename(folder / "mri/sub-00_T1w.nii.gz")
    html = write_page(datalist).read_text(encoding="utf-8")
    assert "DOE^JANE" not in html and "Smith_John" not in html and "mri/sub-00_T1w.nii.gz" in html


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_who_may_not_read_the_datalist_may_not_read_the_page(tmp_path: Path, write_page: WriteThePage) -> None:
    datalist = write_cohort(tmp_path)
    datalist.chmod(0o600)
    assert write_page(datalist, "--no-deep").stat().st_mode & 0o777 == 0o600


def test_pictures_are_there_unless_nobody_wants_them(
    tmp_path: Path, write_page: WriteThePage, capsys: pytest.CaptureFixture[str]
) -> None:
    datalist = write_cohort(tmp_path)
    pictures = data_of(write_page(datalist))["pictures"]
    assert isinstance(pictures, dict) and pictures["conditions"] == ["EC", "EO"]
    assert pictures["people"]["0"] == {"place": 0, "mri": True, "segments": [1, 1]} and len(pictures["people"]) == 12
    for option in ("--no-pictures", "--no-deep"):
        page = write_page(datalist, option)
        assert data_of(page)["pictures"] is None and "data:image" not in page.read_text(encoding="utf-8")
    _, out, _ = call(capsys, "datalist", "page", datalist, "--eeg-shape", EEG_SHAPE)
    assert "The page holds pictures of 12 participants" in out and "Defaced volumes are advised" in out


def test_problems_and_warnings_stand_at_the_person_they_belong_to(tmp_path: Path, write_page: WriteThePage) -> None:
    def edit(document: Document) -> None:
        document["training"][1]["label"] = "X"
        document["training"][2] = "no participant"
        document["training"][3]["exclude"] = "left"

    datalist = write_cohort(tmp_path, 12, edit)
    (tmp_path / "mri/sub-04_T1w.nii.gz").unlink()
    flat = scalogram(5)
    flat[:, :, 2] = 1
    np.save(tmp_path / "eeg/sub-05_EC_seg0.npy", flat)
    write_volume(tmp_path / "mri/sub-06_T1w.nii.gz", np.full((8, 8, 8), 5, np.float32))
    data = data_of(write_page(datalist))
    found = {rows[0]: (warning, text) for warning, text, rows in data["findings"]}  # type: ignore[attr-defined]
    assert found[1] == (0, 'label: "X", expected "M" or "F"')
    assert found[2][0] == 0 and "expected a participant" in found[2][1]
    assert found[4] == (0, 'mri: there is no file "mri/sub-04_T1w.nii.gz"')
    assert found[5][0] == 1 and "electrode 3 of 17 constant" in found[5][1]
    assert found[6][0] == 0 and found[6][1].startswith("mri mri/sub-06_T1w.nii.gz: ")
    assert 3 in map(int, data["pictures"]["people"])  # type: ignore[index] # who is left out is shown all the same


def test_who_is_unlike_the_cohort_is_named_with_the_reason(tmp_path: Path, write_page: WriteThePage) -> None:
    datalist = write_cohort(tmp_path, 24)
    write_volume(tmp_path / "mri/sub-03_T1w.nii.gz", head(3, 0.5))
    np.save(tmp_path / "eeg/sub-05_EC_seg0.npy", scalogram(50) * 1e6)
    np.save(tmp_path / "eeg/sub-05_EO_seg0.npy", scalogram(51) * 1e6)
    flat = scalogram(70)
    flat[:, :, 2] = 1
    np.save(tmp_path / "eeg/sub-07_EC_seg0.npy", flat)
    unusual = data_of(write_page(datalist))["unusual"]
    assert isinstance(unusual, dict)
    scores = {int(number): each["score"] for number, each in unusual.items()}
    assert {3, 5, 7} <= set(sorted(scores, key=lambda number: -scores[number])[:4])
    assert min(scores[number] for number in (3, 5, 7)) > 1 and np.median(list(scores.values())) < 1
    reasons = {number: " ".join(unusual[str(number)]["reasons"]) for number in (3, 5, 7)}
    assert "head volume" in reasons[3] and "in the cohort" in reasons[3] and "training" not in reasons[3]
    assert "EEG amplitude: " in reasons[5] and "times larger" in reasons[5]
    assert "flat electrodes" in reasons[7]


def test_what_is_no_datalist_is_refused_with_the_checks_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    datalist = write_cohort(tmp_path)
    datalist.write_text(datalist.read_text().replace('"label": "M", ', '"label": "M" ', 1))
    code, _, err = call(capsys, "datalist", "page", datalist)
    assert code == 2 and "a comma (,) is missing after this" in err
    datalist.write_text('{"classes": ["M", "F"], "training": []}')
    code, _, err = call(capsys, "datalist", "page", datalist)
    assert code == 2 and "participant" in err
    assert not datalist.with_suffix(".html").exists()


def test_only_a_page_is_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    datalist = write_cohort(tmp_path)
    for name, text in (("notes.html", "my notes"), ("cohort.json", None)):
        before = text or datalist.read_text()
        (tmp_path / name).write_text(before)
        code, _, err = call(capsys, "datalist", "page", datalist, "--no-deep", "--out", tmp_path / name)
        assert code == 2 and "--out" in err and (tmp_path / name).read_text() == before
    for _ in range(2):
        assert call(capsys, "datalist", "page", datalist, "--no-deep")[0] == 0
    assert call(capsys, "datalist", "page", datalist, "--no-deep", "--out", tmp_path / "notes.html", "--force")[0] == 0
