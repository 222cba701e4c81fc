"""``monai-fusion scalogram``: from files to files, several at a time, whatever one of them does."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from monai_fusion.recordings import job
from tests.commands import call, hear_signals
from tests.recordings.raw import NAMES, brain_like

ROOT = __file__.rpartition("tests")[0]


def write_csv(path, seconds=25, seed=0, names=NAMES):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = brain_like(len(names), 250 * seconds, seed=seed)
    np.savetxt(path, values.T, fmt="%.5f", delimiter=",", header=",".join(names), comments="")
    return values


@pytest.fixture
def raw(tmp_path):
    for number in range(3):
        write_csv(tmp_path / f"raw/sub-0{number}_EO.csv", seed=number)
    return tmp_path / "raw"


def run(capsys, raw, out, *more):
    return call(capsys, "scalogram", raw, "--sampling-rate", "250", "--out", out, "--workers", "1", *more)


def names(out, ending):
    return sorted(path.name for path in out.glob(f"*{ending}"))


def test_a_folder_of_tables_becomes_scalograms_in_one_process_or_in_two(capsys, raw, tmp_path):
    code, said, _ = run(capsys, raw, tmp_path / "one")
    assert (code, said.splitlines()[0]) == (0, f"{tmp_path / 'one'}: 6 scalograms of 3 recordings written")
    assert "  dropped: 3 x incomplete" in said
    assert call(capsys, "scalogram", raw, "--sampling-rate", "250", "--out", tmp_path / "two", "--workers", "2")[0] == 0
    assert names(tmp_path / "one", ".npy") == [f"sub-0{who}_EO_seg{k}.npy" for who in range(3) for k in range(2)]
    for path in (tmp_path / "one").glob("sub*"):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_the_summary_page_names_no_folder_also_where_a_recording_failed(capsys, raw, tmp_path):
    out = tmp_path / "Surname" / "out"
    assert run(capsys, raw, out, "--summary")[0] == 0
    write_csv(tmp_path / "Surname" / "raw" / "sub-00_EO.csv", seed=9)
    code, _, told = run(capsys, tmp_path / "Surname" / "raw", out, "--summary")
    assert code == 1 and "made from another recording" in told
    page = (out / "summary.html").read_text(encoding="utf-8")
    assert "made from another recording" in page and "Surname" not in page


def test_a_name_that_cannot_be_used_stops_no_other_recording(capsys, raw, tmp_path):
    write_csv(raw / "_EO.csv")
    write_csv(raw / "siteA" / "sub-07_EO.csv")
    write_csv(raw / "siteB" / "sub-07_EO.csv")
    code, said, told = run(capsys, raw, tmp_path / "out")
    assert code == 1 and "6 scalograms of 3 recordings written" in said
    assert "3 recordings failed" in told and told.count("siteA") == 1 and "_EO.csv" in told
    assert names(tmp_path / "out", ".npy") == [f"sub-0{who}_EO_seg{k}.npy" for who in range(3) for k in range(2)]
    code, _, told = run(capsys, raw, tmp_path / "none", "--on-error", "stop")
    assert code == 2 and "rename it" in told and not (tmp_path / "none").exists()


def test_a_second_run_does_nothing_again(capsys, raw, tmp_path):
    run(capsys, raw, tmp_path / "out")
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("sub*")}
    code, said, _ = run(capsys, raw, tmp_path / "out")
    assert code == 0
    assert "3 recordings finished before, with the same options" in said
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("sub*")} == before


def test_a_recording_that_gets_another_name_beside_others_is_there_once(capsys, tmp_path):
    write_csv(tmp_path / "raw/sub-01_task-rest_eeg.csv")
    write_csv(tmp_path / "raw/sub-01_task-count_eeg.csv", seed=1)
    assert run(capsys, tmp_path / "raw", tmp_path / "out", "--condition", "EO", "--task", "rest")[0] == 0
    assert names(tmp_path / "out", ".npy") == ["sub-01_EO_seg0.npy", "sub-01_EO_seg1.npy"]
    code, _, error = run(capsys, tmp_path / "raw", tmp_path / "out", "--condition", "EO")
    assert code == 0
    assert "2 files of an earlier run of this recording removed" in error
    assert names(tmp_path / "out", ".json") == [
        "sub-01_task-count_EO_scalogram.json",
        "sub-01_task-rest_EO_scalogram.json",
    ]
    assert len(names(tmp_path / "out", ".npy")) == 4


@pytest.mark.parametrize("change", [{"Dropped": 5}, {"Kept": None}, {"Condition": 7}, {"Segments": None}])
def test_a_recording_whose_json_was_damaged_is_made_again(capsys, raw, tmp_path, change):
    run(capsys, raw / "sub-00_EO.csv", tmp_path / "out")
    path = tmp_path / "out/sub-00_EO_scalogram.json"
    whole = path.read_text(encoding="utf-8")
    path.write_text(json.dumps(json.loads(whole) | change), encoding="utf-8")
    assert run(capsys, raw / "sub-00_EO.csv", tmp_path / "out")[0] == 0
    assert path.read_text(encoding="utf-8") == whole


def test_one_recording_that_fails_stops_no_other_and_is_named_at_the_end(capsys, raw, tmp_path):
    (raw / "sub-01_EO.csv").write_text("Fz,Cz\n1,2\nx,3\n", encoding="utf-8")
    code, said, error = run(capsys, raw, tmp_path / "out")
    assert code == 1
    assert "4 scalograms of 2 recordings written" in said
    assert "error: 1 recording failed:" in error
    assert "sub-01_EO.csv" in error.splitlines()[-1]
    assert "Traceback" not in error
    assert not names(tmp_path / "out", "sub-01*")


def test_with_on_error_stop_the_others_are_left(capsys, raw, tmp_path):
    (raw / "sub-00_EO.csv").write_text("Fz,Cz\n1,2\nx,3\n", encoding="utf-8")
    code, _, error = run(capsys, raw, tmp_path / "out", "--on-error", "stop")
    assert code == 1
    assert "2 recordings not looked at (--on-error stop)" in error
    assert not names(tmp_path / "out", ".npy")


def test_a_fault_of_the_program_in_one_recording_stops_no_other(capsys, raw, tmp_path, monkeypatch):
    from monai_fusion.recordings import working

    make = working.make_scalograms

    def faulty(opened, *rest):
        if opened.stem == "sub-01":
            raise ZeroDivisionError
        return make(opened, *rest)

    monkeypatch.setattr(working, "make_scalograms", faulty)
    code, said, error = run(capsys, raw, tmp_path / "out")
    assert code == 1
    assert "4 scalograms of 2" in said
    assert "ZeroDivisionError in" in error and "please report it" in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--mode", "powr"], "did you mean power"),
        (["--on-error", "ignore"], "continue or stop"),
        (["--electrodes", "lemon18"], "--electrodes"),
        (["--unit", "kV"], "--unit"),
        (["--markers", "EO"], "CONDITION=MARKER"),
        (["--channel-map", "no.csv"], "--channel-map"),
        (["--workers", "0"], "--workers"),
    ],
)
def test_wrong_options_end_with_2_before_anything_is_written(capsys, raw, tmp_path, words, message):
    code, _, error = run(capsys, raw, tmp_path / "out", *words)
    assert code == 2
    assert message in error
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_into_a_dataset_or_among_the_recordings(capsys, raw, tmp_path):
    (tmp_path / "study/sub-01/eeg").mkdir(parents=True)
    (tmp_path / "study/dataset_description.json").write_text("{}", encoding="utf-8")
    for place in ("study", "study/sub-01/eeg", "study/scalograms"):
        code, _, error = run(capsys, raw, tmp_path / place)
        assert (code, "inside the dataset study" in error) == (2, True)
    assert not (tmp_path / "study/scalograms").exists()
    assert run(capsys, raw, tmp_path / "study/derivatives/scalograms")[0] == 0
    code, _, error = run(capsys, raw, raw)
    assert (code, "the folder of the recordings" in error) == (2, True)
    assert run(capsys, raw / "sub-00_EO.csv", raw)[0] == 2


def test_names_of_any_language_are_taken(capsys, tmp_path):
    write_csv(tmp_path / "Grüße 测试/sub-测试_EO.csv")
    assert run(capsys, tmp_path / "Grüße 测试", tmp_path / "aus gang")[0] == 0
    assert names(tmp_path / "aus gang", ".npy") == ["sub-测试_EO_seg0.npy", "sub-测试_EO_seg1.npy"]


def test_channels_can_be_named_by_a_table(capsys, tmp_path):
    write_csv(tmp_path / "raw/sub-1_EO.csv", names=[f"EEG{number}" for number in range(17)])
    assert run(capsys, tmp_path / "raw", tmp_path / "out")[0] == 1
    lines = ["channel\telectrode", *(f"EEG{number}\t{name}" for number, name in enumerate(NAMES))]
    (tmp_path / "map.tsv").write_text("\n".join(lines), encoding="utf-8")
    assert run(capsys, tmp_path / "raw", tmp_path / "out", "--channel-map", tmp_path / "map.tsv")[0] == 0
    (tmp_path / "map.tsv").write_text("EEG0\n", encoding="utf-8")
    assert "two columns" in run(capsys, tmp_path / "raw", tmp_path / "out", "--channel-map", tmp_path / "map.tsv")[2]


def test_all_electrodes_of_a_table_are_taken_in_its_order(capsys, tmp_path):
    order = [*NAMES[::-1], "Oz"]
    write_csv(tmp_path / "raw/sub-1_EO.csv", names=order)
    assert run(capsys, tmp_path / "raw", tmp_path / "out", "--electrodes", "all")[0] == 0
    assert np.load(tmp_path / "out/sub-1_EO_seg0.npy").shape == (224, 224, 18)
    text = (tmp_path / "out/sub-1_EO_scalogram.json").read_text(encoding="utf-8")
    assert json.loads(text)["Electrodes"] == order


def test_the_result_as_json_says_what_became_of_each_recording(capsys, raw, tmp_path):
    (raw / "sub-02_EO.csv").write_text("Fz,Cz\n1,2\nx,3\n", encoding="utf-8")
    code, said, _ = run(capsys, raw, tmp_path / "out", "--json")
    found = json.loads(said)["recordings"]
    assert code == 1
    assert [each["state"] for each in found] == ["made", "made", "failed"]
    assert found[0]["kept"] == {"EO": 2}
    assert found[0]["sidecars"] == [str(tmp_path / "out/sub-00_EO_scalogram.json")]
    assert "sub-02_EO.csv" in found[2]["problems"][0]


def test_a_preview_is_a_picture_that_shows_kept_and_dropped(capsys, raw, tmp_path):
    from matplotlib.image import imread

    code, _, _ = run(capsys, raw / "sub-00_EO.csv", tmp_path / "out", "--preview")
    assert code == 0
    picture = imread(tmp_path / "out/sub-00_preview.png")
    assert picture.shape[0] > 300 and picture.shape[1] > 1000
    colours = {tuple(np.round(pixel[:3] * 255).astype(int).tolist()) for pixel in picture.reshape(-1, picture.shape[2])}
    assert {(0, 0x72, 0xB2), (0xD5, 0x5E, 0)} <= colours  # kept, dropped
    assert len(colours) > 200  # scalograms
    (tmp_path / "out/sub-00_preview.png").unlink()
    assert run(capsys, raw / "sub-00_EO.csv", tmp_path / "out", "--preview")[0] == 0
    assert (tmp_path / "out/sub-00_preview.png").is_file()  # made of what was finished before


def test_a_full_disk_ends_the_run_with_a_sentence(capsys, raw, tmp_path, monkeypatch):
    from monai_fusion.recordings import making

    def full(path, image):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(making, "_write_array", full)
    code, _, error = run(capsys, raw, tmp_path / "out")
    assert code == 1
    assert error.startswith(f"error: {tmp_path / 'out'}: No space left on device")


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to one process")
def test_ctrl_c_ends_it_with_one_sentence_and_the_next_run_goes_on(raw, tmp_path, capsys):
    for number in range(3, 9):
        write_csv(raw / f"sub-0{number}_EO.csv", seconds=120, seed=number)
    words = ["-m", "monai_fusion", "scalogram", str(raw), "--sampling-rate", "250", "--out", str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": ROOT}
    process = subprocess.Popen(
        [sys.executable, *words, "--workers", "2"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_signals,
    )
    deadline = time.monotonic() + 60
    while not names(tmp_path / "out", ".npy") and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode not in (0, 1)
    assert "Traceback" not in error
    assert "interrupted: finished work is kept" in error
    assert not list((tmp_path / "out").glob(".*.part"))
    assert run(capsys, raw, tmp_path / "out")[0] == 0
    assert len(names(tmp_path / "out", ".npy")) == 3 * 2 + 6 * 12


def test_the_progress_bar_counts_recordings(raw, tmp_path, capsys, monkeypatch):
    totals = []

    class Bar(job.tqdm):
        def __init__(self, *given, **named):
            totals.append((named["total"], named["unit"]))
            super().__init__(*given, **named)

    monkeypatch.setattr(job, "tqdm", Bar)
    run(capsys, raw, tmp_path / "out")
    assert totals == [(3, "recording")]


@pytest.mark.skipif(find_spec("pylossless") is None, reason="needs pylossless, which ships two real recordings")
def test_real_recordings_go_from_the_dataset_to_files(capsys, tmp_path):
    import pylossless

    dataset = Path(pylossless.__file__).parent / "assets/test_data"
    how = ("--task", "faceO", "--condition", "rest", "--electrodes", "biosemi128-1020", "--mode", "power")
    words = ("scalogram", dataset, "--out", tmp_path / "out", "--workers", "1", "--seconds", "60", "--json", *how)
    code, said, _ = call(capsys, *words)
    assert code == 0
    found = json.loads(said)["recordings"]
    assert [each["state"] for each in found] == ["made", "made"]
    first = json.loads((tmp_path / "out/sub-s01_rest_scalogram.json").read_text(encoding="utf-8"))
    mean = np.mean([np.load(tmp_path / "out" / name) for name in first["Files"]], axis=(0, 2))
    hertz = np.array(first["RowFrequenciesHz"])
    alpha, beside = (hertz > 9) & (hertz < 12), (hertz > 4) & (hertz < 7)
    parietal = first["Electrodes"].index("Pz")
    assert mean[alpha, parietal].mean() > 1.3 * mean[beside, parietal].mean()  # people have alpha there
