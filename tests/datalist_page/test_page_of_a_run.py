"""The page after an evaluation: predictions on the cards, and a report whose errors open there."""

from pathlib import Path

import pytest

from tests.commands import call
from tests.datalist_page.cohort import write_cohort
from tests.datalist_page.test_page_file import data_of

PREDICTIONS = """participant_id,label,predicted,probability_M,probability_F
sub-10,M,F,0.1,0.9
Müller & Söhne #5,F,F,0.3,0.7
sub-99,M,M,0.8,0.2
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of an evaluation, as far as a report needs it."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "predictions.csv").write_text(PREDICTIONS, encoding="utf-8")
    return folder


def test_the_cards_have_the_predictions_and_the_report_links_to_them(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    datalist = write_cohort(tmp_path / "cohort", named={11: "Müller & Söhne #5"})
    assert call(capsys, "report", run)[0] == 0
    assert "cohort.html" not in (run / "report.html").read_text(encoding="utf-8")
    code, out, err = call(capsys, "datalist", "page", datalist, "--no-deep", "--run", run)
    assert code == 0 and f"monai-fusion report {run}" in out
    assert "1 predicted participant" in err and "not in this datalist" in err
    assert data_of(run / "cohort.html")["predictions"] == {
        "10": {"predicted": "F", "probability": 0.9, "wrong": True},
        "11": {"predicted": "F", "probability": 0.7, "wrong": False},
    }
    assert call(capsys, "report", run)[0] == 0
    report = (run / "report.html").read_text(encoding="utf-8")
    assert '<a href="cohort.html#participant=sub-10">sub-10</a>' in report


def test_a_page_of_earlier_predictions_is_not_linked(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    datalist = write_cohort(tmp_path / "cohort")
    assert call(capsys, "datalist", "page", datalist, "--no-deep", "--run", run)[0] == 0
    (run / "predictions.csv").write_text(PREDICTIONS.replace("0.1,0.9", "0.2,0.8"), encoding="utf-8")
    assert call(capsys, "report", run)[0] == 0
    assert "cohort.html" not in (run / "report.html").read_text(encoding="utf-8")


def test_a_folder_without_predictions_is_refused_before_recordings_are_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    datalist = write_cohort(tmp_path / "cohort")
    code, _, err = call(capsys, "datalist", "page", datalist, "--run", tmp_path)
    assert code == 2 and f"no predictions.csv in {tmp_path}" in err
    assert not list(tmp_path.glob("*.html"))
