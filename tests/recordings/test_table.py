"""Tables of samples (CSV, TSV) as programs of all countries write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from monai_fusion.errors import InputError
from monai_fusion.recordings.reading import open_recording, table
from tests.recordings.raw_files import HZ, NAMES, mne_raw, signal, write_csv

X = signal(8)


def _read(path: Path, hz: float | None = HZ) -> np.ndarray:
    recording = open_recording(path, sampling_hz=hz)
    return recording.microvolts(range(len(recording.channels)), 0, recording.samples)


def _rows(path: Path, header: str, rows: list[str]) -> Path:
    path.write_text("\n".join([header, *rows]), encoding="utf-8")
    return path


def test_the_sampling_rate_is_asked_for(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "sub-01_EO.csv", X)
    with pytest.raises(InputError, match=r"sampling rate: not known.*--sampling-rate 250"):
        open_recording(path)
    assert open_recording(path, sampling_hz=HZ).sampling_hz == HZ


@pytest.mark.parametrize(
    ("delimiter", "decimal"), [(",", "."), (";", ","), (";", "."), ("\t", ","), ("\t", "."), ("|", ".")]
)
def test_separators_and_decimal_signs_are_seen(delimiter: str, decimal: str, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "sub-01.csv", X, delimiter=delimiter, decimal=decimal)
    np.testing.assert_allclose(_read(path), X, rtol=1e-12)


@pytest.mark.parametrize("ending", ["\r\n", "\n", "\n\n\n", ""])
def test_line_ends_do_not_matter(ending: str, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "sub-01.csv", X)
    content = path.read_bytes()
    if ending == "\r\n":
        path.write_bytes(content.replace(b"\n", b"\r\n"))
    else:
        path.write_bytes(content.rstrip(b"\n") + ending.encode())
    np.testing.assert_allclose(_read(path), X, rtol=1e-12)


def test_excel_s_marks_and_quotation_marks_do_not_matter(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "sub-01.csv", X, delimiter=";", decimal=",")
    header, rest = path.read_text(encoding="utf-8").split("\n", 1)
    quoted = ";".join(f'"{name}"' for name in header.split(";"))
    path.write_text(f"\ufeffsep=;\n{quoted}\n{rest}", encoding="utf-8")
    np.testing.assert_allclose(_read(path), X, rtol=1e-12)


def test_a_long_table_is_read_in_pieces_and_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "_PIECE", 10_007)
    path = write_csv(tmp_path / "sub-01.csv", X)
    recording = open_recording(path, sampling_hz=HZ)
    np.testing.assert_allclose(recording.microvolts(range(17), 0, 2000), X, rtol=1e-12)
    np.testing.assert_allclose(recording.microvolts([5, 1], 777, 1234), X[[5, 1], 777:1234], rtol=1e-12)
    np.testing.assert_allclose(recording.microvolts([5, 1], 3, 9), X[[5, 1], 3:9], rtol=1e-12)


@pytest.mark.parametrize("cell", ["", "NaN", "nan", "n/a", "inf", "artefact", "1.2.3"])
@pytest.mark.parametrize("row", [0, 60, 1999])
def test_what_is_no_number_is_refused_with_its_line_and_column(
    cell: str, row: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "_PIECE", 50_000)
    path = write_csv(tmp_path / "sub-01.csv", X)
    lines = path.read_text(encoding="utf-8").splitlines()
    cells = lines[row + 1].split(",")
    cells[7] = cell
    lines[row + 1] = ",".join(cells)
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(InputError, match=rf"line {row + 2}, column Cz: NaN, nothing or no number"):
        open_recording(path, sampling_hz=HZ)


def test_a_line_with_too_few_or_too_many_cells_is_refused(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "sub-01.csv", X)
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines[:1000], ",".join(lines[1000].split(",")[:-2]), *lines[1001:]]), encoding="utf-8")
    with pytest.raises(InputError, match=r"line 1001"):
        open_recording(path, sampling_hz=HZ)
    for more in (",1", ",1,2"):
        path.write_text("\n".join([*lines[:1000], f"{lines[1000]}{more}", *lines[1001:]]), encoding="utf-8")
        with pytest.raises(InputError, match=r"line 1001: more cells than names"):
            open_recording(path, sampling_hz=HZ)


def test_numbers_in_the_first_line_are_no_header(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "sub-01.csv", X)
    path.write_text(path.read_text(encoding="utf-8").split("\n", 1)[1], encoding="utf-8")
    with pytest.raises(InputError, match=r"line 1: numbers in the first line.*guess"):
        open_recording(path, sampling_hz=HZ)


def test_decimal_commas_between_commas_are_refused(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "sub-01.csv", X, decimal=",")
    with pytest.raises(InputError, match=r"line 2: 34 cells, and 17 names.*decimal commas"):
        open_recording(path, sampling_hz=HZ)


@pytest.mark.parametrize(
    ("name", "step", "hz"),
    [
        ("time", 0.004, 250),
        ("Time (ms)", 4, 250),
        ("time", 4, 250),
        ("t", 1 / 512, 512),
        ("seconds", 0.002, 500),
        ("Time [s]", 0.001, 1000),
    ],
)
def test_a_column_of_times_tells_the_rate_and_is_no_electrode(
    name: str, step: float, hz: float, tmp_path: Path
) -> None:
    rows = [f"{number * step:.6f},{a:.4f},{b:.4f}" for number, (a, b) in enumerate(X[:2, :1000].T)]
    recording = open_recording(_rows(tmp_path / "sub-01.csv", f"{name},Fz,Cz", rows))
    assert recording.channels == ("Fz", "Cz")
    assert recording.sampling_hz == hz
    np.testing.assert_allclose(recording.microvolts([0, 1], 0, 1000), X[:2, :1000], atol=1e-4)


def test_times_that_are_rounded_to_milliseconds_tell_the_rate(tmp_path: Path) -> None:
    rows = [f"{number / 256:.3f},{a:.4f}" for number, a in enumerate(X[0])]
    assert open_recording(_rows(tmp_path / "sub-01.csv", "time,Cz", rows)).sampling_hz == 256


def test_a_gap_in_the_times_is_a_break(tmp_path: Path) -> None:
    times = np.arange(2000) * 0.004
    times[800:] += 3
    rows = [f"{time:.3f},{a:.4f}" for time, a in zip(times, X[0], strict=True)]
    recording = open_recording(_rows(tmp_path / "sub-01.csv", "time,Cz", rows))
    assert recording.breaks == (800,)
    assert recording.sampling_hz == HZ
    assert any("1 gap" in note for note in recording.notes)


def test_times_that_contradict_the_user_s_rate_are_refused(tmp_path: Path) -> None:
    rows = [f"{number * 0.004:.3f},{a:.4f}" for number, a in enumerate(X[0])]
    path = _rows(tmp_path / "sub-01.csv", "time,Cz", rows)
    with pytest.raises(InputError, match=r"column time: steps of 250 Hz, expected 500 Hz"):
        open_recording(path, sampling_hz=500)
    assert open_recording(path, sampling_hz=250).sampling_hz == 250


def test_times_that_do_not_rise_are_refused(tmp_path: Path) -> None:
    rows = [f"{0},{a:.4f}" for a in X[0]]
    with pytest.raises(InputError, match=r"column time: not a time in every row"):
        open_recording(_rows(tmp_path / "sub-01.csv", "time,Cz", rows))


def test_what_pandas_and_mne_write_is_read(tmp_path: Path) -> None:
    mne_raw(X).to_data_frame().to_csv(tmp_path / "sub-01.csv", index=False)
    np.testing.assert_allclose(_read(tmp_path / "sub-01.csv", None), X, atol=1e-6)
    pd.DataFrame(X.T, columns=NAMES).to_csv(tmp_path / "sub-02.csv")
    recording = open_recording(tmp_path / "sub-02.csv", sampling_hz=HZ)
    assert recording.channels == tuple(NAMES)
    assert any("counts the rows" in note for note in recording.notes)


def test_a_column_of_text_is_left_out_and_told(tmp_path: Path) -> None:
    rows = [f"EO,{a:.4f}" for a in X[0]]
    recording = open_recording(_rows(tmp_path / "sub-01.csv", "condition,Cz", rows), sampling_hz=HZ)
    assert recording.channels == ("Cz",)
    assert any('columns of text left out: "condition"' in note for note in recording.notes)


def test_units_in_the_header_are_taken(tmp_path: Path) -> None:
    rows = [f"{a},{b}" for a, b in X[:2].T]
    recording = open_recording(_rows(tmp_path / "sub-01.csv", "Fz (mV),Cz [µV]", rows), sampling_hz=HZ)
    assert recording.channels == ("Fz", "Cz")
    np.testing.assert_allclose(recording.microvolts([0, 1], 0, 2000), X[:2] * [[1e3], [1.0]], rtol=1e-12)


def test_without_units_a_note_says_that_microvolts_are_assumed(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "sub-01.csv", X)
    assert any("taken as microvolts" in note for note in open_recording(path, sampling_hz=HZ).notes)
    np.testing.assert_allclose(open_recording(path, sampling_hz=HZ, unit="V").microvolts([0], 0, 9), X[:1, :9] * 1e6)


def test_a_table_that_is_turned_on_its_side_is_refused(tmp_path: Path) -> None:
    pd.DataFrame(X, index=NAMES).to_csv(tmp_path / "sub-01.csv")
    with pytest.raises(InputError, match=r"a line for each electrode.*transposed"):
        open_recording(tmp_path / "sub-01.csv", sampling_hz=HZ)


def test_blanks_may_separate_and_comments_come_first(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "sub-01.txt", X, delimiter="   ")
    path.write_text("# made by a program\n%Rate 250\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    np.testing.assert_allclose(_read(path), X, rtol=1e-12)


def test_a_table_of_another_encoding_is_refused(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "sub-01.csv", X)
    path.write_bytes(path.read_text(encoding="utf-8").encode("utf-16"))
    with pytest.raises(InputError, match="UTF-16"):
        open_recording(path, sampling_hz=HZ)


@pytest.mark.parametrize("content", ["Fz,Cz\n", "Fz,Cz", "\n\n"])
def test_a_table_without_samples_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "sub-01.csv").write_text(content, encoding="utf-8")
    with pytest.raises(
        InputError, match=r"no line that could be a header|a header and no samples|no column of numbers"
    ):
        open_recording(tmp_path / "sub-01.csv", sampling_hz=HZ)
