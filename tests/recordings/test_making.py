"""A recording's files on disk: what they are called and hold, what is done again, and what is never touched."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from monai_fusion.errors import InputError, Problem
from monai_fusion.recordings import compat, making
from monai_fusion.recordings.finding import Found
from monai_fusion.recordings.making import make_scalograms
from monai_fusion.recordings.naming import stem_of
from monai_fusion.recordings.options import (
    JobOptions,
    RecordingOptions,
    ScalogramOptions,
    SegmentOptions,
    SignalOptions,
    TransformOptions,
)  # fmt: skip
from monai_fusion.recordings.power import power_frequencies
from monai_fusion.recordings.recording import Cut, Span
from tests.recordings.raw import NAMES, brain_like, in_memory, in_pieces, picking, ready
from tests.recordings.test_compat import original


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def options(out, *, mode="compat", **groups):
    job = groups.pop("job", {})
    return ScalogramOptions(job=JobOptions(out=out, **job), transform=TransformOptions(mode=mode), **groups)


def sidecar(out, name="sub-07_EO"):
    return json.loads((out / f"{name}_scalogram.json").read_text(encoding="utf-8"))


def listing(out):
    return sorted(path.name for path in out.iterdir())


def states(out):
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in out.iterdir()}


def test_the_originals_files_are_reproduced_from_its_csv(tmp_path, out):
    values = brain_like(17, 5600) + 25
    made = make_scalograms(ready(in_memory(values, tmp_path / "in/sub-07_EO.csv")), options(out))
    assert (made.state, made.kept, made.dropped) == ("made", {"EO": 2}, {"incomplete": 1})
    assert listing(out) == ["sub-07_EO_scalogram.json", "sub-07_EO_seg0.npy", "sub-07_EO_seg1.npy"]
    for number in range(2):
        np.save(tmp_path / "old.npy", original(values[:, number * 2500 : (number + 1) * 2500]))
        old, new = np.load(tmp_path / "old.npy"), np.load(out / f"sub-07_EO_seg{number}.npy", allow_pickle=False)
        assert (new.shape, new.dtype, new.flags.c_contiguous) == ((224, 224, 17), np.float32, True)
        assert (np.abs(new - old).max(axis=(0, 1)) < 1e-5 * old.std(axis=(0, 1))).all()


def test_the_sidecar_says_how_the_files_were_made_and_what_became_of_every_stretch(tmp_path, out):
    recording = in_memory(brain_like(18, 7600), tmp_path / "in/sub-07_EO.csv", names=(*NAMES, "Fp1"), bad=["Fp1"])
    cut = in_pieces(recording)
    cut = dataclasses.replace(
        cut, segments=cut.segments[1:], dropped=(Span(0, 2500, "BAD_ cough of Mr Smith"), *cut.dropped)
    )
    made = make_scalograms(dataclasses.replace(ready(recording), cut=cut), options(out, mode="power"))
    found = sidecar(out)
    assert found["Sources"][0]["File"] == "sub-07_EO.csv"
    assert found["Electrodes"] == list(NAMES)
    assert (found["Mode"], found["Units"], found["Condition"], found["Finished"]) == ("power", "uV", "EO", True)
    assert (found["Kept"], found["Dropped"]) == (2, {"BAD_": 1, "incomplete": 1})
    assert found["Segments"] == [
        {"File": "sub-07_EO_seg0.npy", "StartS": 10.0, "StopS": 20.0, "MarginS": [5.0, 5.0]},
        {"File": "sub-07_EO_seg1.npy", "StartS": 20.0, "StopS": 30.0, "MarginS": [5.0, 0.4]},
    ]
    assert found["DroppedStretches"][1] == {"StartS": 30.0, "StopS": 30.4, "Reason": "incomplete"}
    np.testing.assert_allclose(found["RowFrequenciesHz"], power_frequencies(), atol=1e-4)
    assert found["Signal"]["HighPassHz"] == 0.5
    assert found["Signal"]["Reference"].startswith("average")
    assert found["BadChannels"] == ["Fp1"]
    assert found["GeneratedBy"]["Name"] == "monai-fusion scalogram"
    assert made.sidecars == (out / "sub-07_EO_scalogram.json",)
    text = (out / "sub-07_EO_scalogram.json").read_text(encoding="utf-8")
    assert "Smith" not in text and str(tmp_path) not in text


@pytest.mark.parametrize("mode", ["compat", "power"])
def test_a_burst_of_alpha_stands_at_its_row_and_time(tmp_path, out, mode):
    rng = np.random.default_rng(0)
    values = rng.standard_normal((17, 7500)) * 2
    burst = slice(2500 + 1000, 2500 + 1500)  # second 4 to 6 of the second segment
    values[5, burst] += 60 * np.sin(2 * np.pi * 10 * np.arange(500) / 250)
    make_scalograms(ready(in_memory(values, tmp_path / "in/sub-07_EO.csv")), options(out, mode=mode))
    plane = np.load(out / "sub-07_EO_seg1.npy")[..., 5]
    hertz = np.array(sidecar(out)["RowFrequenciesHz"])
    row, column = np.unravel_index(plane.argmax(), plane.shape)
    assert hertz[row] == pytest.approx(10, rel=0.06)
    assert 4 < (column + 0.5) * 10 / 224 < 6
    band = plane[np.abs(hertz - 10) < 0.7].max(axis=0)
    loud = (np.flatnonzero(band > 0.5 * band.max()) + 0.5) * 10 / 224
    assert (loud.min(), loud.max()) == (pytest.approx(4, abs=0.15), pytest.approx(6, abs=0.15))
    others = np.load(out / "sub-07_EO_seg1.npy")[..., :5]
    assert others.max() < 0.4 * plane.max()


@pytest.mark.parametrize("mode", ["compat", "power"])
def test_a_copy_at_2500_hz_gives_the_same_scalograms(tmp_path, out, mode):
    slow = in_memory(brain_like(17, 250 * 40), tmp_path / "in/sub-01_EO.csv")
    fast = in_memory(brain_like(17, 2500 * 40, 2500.0), tmp_path / "in/sub-02_EO.csv", 2500.0)
    for recording in (slow, fast):
        make_scalograms(ready(recording), options(out, mode=mode))
    for number in (1, 2):
        one, other = (np.load(out / f"sub-0{who}_EO_seg{number}.npy") for who in (1, 2))
        assert np.abs(one - other).max() < 1e-3 * one.std()


def test_what_is_finished_is_not_done_again(tmp_path, out, monkeypatch):
    recording = in_memory(brain_like(17, 5000), tmp_path / "in/sub-07_EO.csv")
    first = make_scalograms(ready(recording), options(out))
    before = states(out)
    again = make_scalograms(ready(recording), options(out))
    assert (again.state, again.kept, again.dropped) == ("finished", first.kept, first.dropped)
    assert states(out) == before


@pytest.mark.parametrize("change", ["option", "content", "code", "scalogram", "unfinished", "electrodes"])
def test_what_has_changed_is_done_again(tmp_path, out, monkeypatch, change):
    values = brain_like(17, 5000)
    recording = in_memory(values, tmp_path / "in/sub-07_EO.csv")
    make_scalograms(ready(recording), options(out))
    expected = np.load(out / "sub-07_EO_seg1.npy")
    opened, how = ready(recording), options(out)
    if change == "option":
        how = options(out, segments=SegmentOptions(reject=1e4))
    elif change == "content":
        opened = ready(in_memory(values * 2, tmp_path / "in/sub-07_EO.csv"))
    elif change == "code":
        monkeypatch.setattr(compat, "VERSION", compat.VERSION + 1)
    elif change == "scalogram":
        (out / "sub-07_EO_seg1.npy").write_bytes(b"short")
    elif change == "unfinished":
        document = sidecar(out) | {"Finished": False}
        (out / "sub-07_EO_scalogram.json").write_text(json.dumps(document), encoding="utf-8")
    else:
        opened = dataclasses.replace(opened, electrodes=picking(recording, NAMES[::-1]))
        expected = expected[..., ::-1]
    assert make_scalograms(opened, how).state == "made"
    found = np.load(out / "sub-07_EO_seg1.npy")
    np.testing.assert_allclose(found, 2 * expected if change == "content" else expected, rtol=2e-3, atol=0.1)
    assert make_scalograms(opened, how).state == "finished"


def test_segments_of_an_earlier_run_that_are_no_more_are_removed_and_nothing_else_is(tmp_path, out):
    values = brain_like(17, 12_500)
    make_scalograms(ready(in_memory(values, tmp_path / "in/sub-07_EO.csv")), options(out))
    (out / "sub-07_EO_seg9.npy").write_bytes(b"somebody else's")
    (out / "sub-08_EO_seg0.npy").write_bytes(b"somebody else's")
    made = make_scalograms(ready(in_memory(values[:, :5000], tmp_path / "in/sub-07_EO.csv")), options(out))
    assert made.notes == ("3 files of an earlier run of this recording removed",)
    names = ["sub-07_EO_scalogram.json", "sub-07_EO_seg0.npy", "sub-07_EO_seg1.npy"]
    assert listing(out) == [*names, "sub-07_EO_seg9.npy", "sub-08_EO_seg0.npy"]


def test_a_condition_that_is_no_more_is_removed(tmp_path, out):
    recording = in_memory(brain_like(17, 5000), tmp_path / "in/sub-07.csv")
    make_scalograms(ready(recording, condition="EC"), options(out))
    make_scalograms(ready(recording, condition="EO"), options(out))
    assert listing(out) == ["sub-07_EO_scalogram.json", "sub-07_EO_seg0.npy", "sub-07_EO_seg1.npy"]


def test_a_sidecar_that_lists_other_paths_removes_nothing_there(tmp_path, out):
    recording = in_memory(brain_like(17, 5000), tmp_path / "in/sub-07_EO.csv")
    make_scalograms(ready(recording), options(out))
    precious = tmp_path / "precious_seg0.npy"
    precious.write_bytes(b"x")
    document = sidecar(out)
    document["Files"] += ["../precious_seg0.npy", str(precious), "notes.txt", 7]
    (out / "sub-07_EO_scalogram.json").write_text(json.dumps(document | {"MadeWith": ""}), encoding="utf-8")
    (out / "notes.txt").write_text("mine", encoding="utf-8")
    make_scalograms(ready(recording), options(out))
    assert precious.exists() and (out / "notes.txt").exists()


def test_files_of_others_are_not_replaced_unless_that_is_wanted(tmp_path, out):
    recording = in_memory(brain_like(17, 5000), tmp_path / "in/sub-07_EO.csv")
    (out / "sub-07_EO_seg1.npy").write_bytes(b"from another script")
    with pytest.raises(InputError, match=r"holds sub-07_EO_seg1\.npy already.*--overwrite"):
        make_scalograms(ready(recording), options(out))
    assert listing(out) == ["sub-07_EO_seg1.npy"]
    assert make_scalograms(ready(recording), options(out, job={"overwrite": True})).state == "made"


def test_a_recording_that_breaks_off_leaves_nothing_half_done(tmp_path, out):
    values = brain_like(17, 12_500)
    recording = in_memory(values, tmp_path / "in/sub-07_EO.csv")
    small = dataclasses.replace(recording, read_samples=lambda channels, start, stop: damaged(channels, start, stop))
    calls = []

    def damaged(channels, start, stop):
        calls.append(start)
        if len(calls) > 1:  # the first is the survey's
            raise InputError(Problem("sub-07_EO.csv", seen="damaged"))
        return values[list(channels), start:stop]

    with pytest.raises(InputError, match="damaged"):
        make_scalograms(ready(small), options(out))
    assert listing(out) == []


def test_overwriting_another_recordings_files_leaves_none_of_them(tmp_path, out):
    make_scalograms(ready(in_memory(brain_like(17, 12_500), tmp_path / "a/sub-07_EO.csv")), options(out))
    other = in_memory(brain_like(17, 5000, seed=1), tmp_path / "b/sub-07_EO.csv")
    make_scalograms(ready(other), options(out, job={"overwrite": True}))
    assert listing(out) == ["sub-07_EO_scalogram.json", "sub-07_EO_seg0.npy", "sub-07_EO_seg1.npy"]


def test_a_slow_recording_is_told_that_its_upper_rows_are_empty(tmp_path, out):
    recording = in_memory(brain_like(17, 128 * 30, 128.0), tmp_path / "in/sub-07_EO.csv", 128.0)
    made = make_scalograms(ready(recording), options(out))
    assert made.notes == ("recorded at 128 Hz: rows above 64 Hz hold nothing",)
    assert make_scalograms(ready(recording), options(out, mode="power")).notes == ()


def test_two_recordings_whose_files_would_be_called_the_same_are_not_mixed(tmp_path, out):
    one = in_memory(brain_like(17, 5000), tmp_path / "siteA/sub-07_EO.csv")
    two = in_memory(brain_like(17, 5000, seed=1), tmp_path / "siteB/sub-07_EO.csv")
    taken = {}
    make_scalograms(ready(one), options(out), taken)
    with pytest.raises(InputError, match=r"the same files as .*siteA"):
        make_scalograms(ready(two), options(out), taken)
    with pytest.raises(InputError, match=r"made from another recording \(sub-07_EO.csv\)"):
        make_scalograms(ready(two), options(out))  # in another run
    moved = in_memory(brain_like(17, 5000), tmp_path / "moved/sub-07_EO.csv")
    assert make_scalograms(ready(moved), options(out)).state == "finished"  # the same bytes


@pytest.mark.parametrize(
    ("path", "parts", "stem"),
    [
        ("in/sub-07_EO.csv", (), "sub-07"),
        ("in/sub-07_ses-1_task-rest_run-2_eeg.vhdr", (), "sub-07_ses-1_run-2"),
        ("sub-07/ses-b/eeg/sub-07_task-rest_eeg.edf", ("task-rest",), "sub-07_ses-b_task-rest"),
    ],
)
def test_sessions_and_runs_have_names_of_their_own(path, parts, stem):
    assert stem_of(Found(Path(path), "sub-07", parts)) == stem


def test_segments_with_larger_amplitudes_are_dropped_if_wanted_and_counted(tmp_path, out):
    values = brain_like(17, 7500)
    values[3, 3000] += 400
    made = make_scalograms(
        ready(in_memory(values, tmp_path / "in/sub-07_EO.csv")), options(out, segments=SegmentOptions(reject=200.0))
    )
    assert (made.kept, made.dropped) == ({"EO": 2}, {"amplitude": 1})
    assert [each["StartS"] for each in sidecar(out)["Segments"]] == [0.0, 20.0]
    assert listing(out)[1:] == ["sub-07_EO_seg0.npy", "sub-07_EO_seg1.npy"]
    with pytest.raises(InputError, match=r"no segment is left \(3 x amplitude\)"):
        make_scalograms(
            ready(in_memory(values * 2, tmp_path / "in/sub-08_EO.csv")),
            options(out, segments=SegmentOptions(reject=1.0)),
        )
    assert not list(out.glob("sub-08*"))


def test_stretches_without_numbers_are_dropped(tmp_path, out):
    values = brain_like(17, 7500)
    values[3, 100:130] = np.nan
    made = make_scalograms(ready(in_memory(values, tmp_path / "in/sub-07_EO.csv")), options(out))
    assert (made.kept, made.dropped) == ({"EO": 2}, {"not a number": 1})


@pytest.mark.parametrize(
    ("factor", "scale", "proposed"), [(1e-6, 1.0, "V"), (1e-3, 1.0, "mV"), (1e6, 1e6, "uV"), (1e3, 1e3, "uV")]
)
def test_a_unit_that_cannot_be_is_refused_and_the_right_one_proposed(tmp_path, out, factor, scale, proposed):
    recording = in_memory(brain_like(17, 5000) * factor / scale, tmp_path / "in/sub-07_EO.csv")
    recording = dataclasses.replace(recording, scale=(scale,) * 17)
    with pytest.raises(InputError, match=rf"expected 0.5 to 500: give --unit {proposed} "):
        make_scalograms(ready(recording), options(out))
    assert listing(out) == []


def test_one_electrode_that_has_come_off_is_named(tmp_path, out):
    values = brain_like(17, 5000)
    values[4] *= 1000
    with pytest.raises(InputError, match=r"F8: a robust SD of .*mark these electrodes as bad"):
        make_scalograms(ready(in_memory(values, tmp_path / "in/sub-07_EO.csv")), options(out))
    values[4] = 3
    with pytest.raises(InputError, match="F8: no signal"):
        make_scalograms(ready(in_memory(values, tmp_path / "in/sub-07_EO.csv")), options(out))


def test_values_that_look_like_z_scores_are_noted_unless_the_unit_is_given(tmp_path, out):
    recording = in_memory(brain_like(17, 5000) / 10, tmp_path / "in/sub-07_EO.csv")
    assert "z-scores" in make_scalograms(ready(recording), options(out)).notes[0]
    given = options(out, recording=RecordingOptions(unit="uV"), signal=SignalOptions(demean="yes"))
    assert make_scalograms(ready(recording), given).notes == ()


@pytest.mark.parametrize(("line", "found"), [(50.0, 50.0), (60.0, 60.0), (None, None)])
def test_the_line_frequency_is_found_and_filtered_out(tmp_path, out, line, found):
    rng = np.random.default_rng(0)
    values = 8 * rng.standard_normal((17, 7500))
    if line:
        values += np.linspace(5, 9, 17)[:, None] * np.sin(2 * np.pi * line * np.arange(7500) / 250)
    make_scalograms(ready(in_memory(values, tmp_path / "in/sub-07_EO.csv")), options(out, mode="power"))
    assert sidecar(out)["Signal"]["LineHz"] == found
    assert sidecar(out)["Recording"]["LineFoundHz"] == found


def test_a_recording_without_any_segment_is_refused(tmp_path, out):
    recording = in_memory(brain_like(17, 2000), tmp_path / "in/sub-07_EO.csv")
    with pytest.raises(InputError, match=r"no segment is left \(1 x incomplete\)"):
        make_scalograms(ready(recording), options(out))
    nothing = dataclasses.replace(ready(recording), cut=Cut((), (), ()))
    with pytest.raises(InputError, match="Give --condition"):
        make_scalograms(nothing, options(out))


def test_a_run_that_was_stopped_goes_on(tmp_path, out, monkeypatch):
    opened = ready(in_memory(brain_like(17, 7500), tmp_path / "in/sub-07_EO.csv"))
    expected = make_scalograms(opened, options(out)) and states(out)
    for path in out.iterdir():
        path.unlink()
    write, written = making._write_array, []

    def stopped(path, image):
        if written:
            raise KeyboardInterrupt
        written.append(path)
        return write(path, image)

    monkeypatch.setattr(making, "_write_array", stopped)
    with pytest.raises(KeyboardInterrupt):
        make_scalograms(opened, options(out))
    assert sidecar(out)["Finished"] is False
    monkeypatch.undo()
    assert make_scalograms(opened, options(out)).state == "made"
    assert {name: content for name, (_, content) in states(out).items()} == {
        name: content for name, (_, content) in expected.items()
    }


@pytest.mark.parametrize(
    ("group", "values", "message"),
    [
        ("transform", {"mode": "powr"}, "did you mean power"),
        ("transform", {"rows": "z-score"}, "--mode power"),
        ("segments", {"seconds": 0.2}, "1 to 120"),
        ("segments", {"seconds": 10.0001}, "steps of 0.004"),
        ("segments", {"reject": -3.0}, "--reject"),
        ("segments", {"condition": "../x"}, "letters and digits"),
        ("segments", {"condition": "a" * 17}, "letters and digits"),
        ("signal", {"reference": "Cz"}, "average or as-recorded"),
        ("signal", {"high_pass": "500"}, "between 0 and 125"),
        ("signal", {"line": "maybe"}, "auto or off"),
        ("recording", {"sampling_rate": 0.0}, "--sampling-rate"),
        ("electrodes", {"interpolate": -1}, "--interpolate"),
    ],
)
def test_options_that_cannot_be_are_refused(out, group, values, message):
    from monai_fusion.recordings.options import ElectrodeOptions

    kinds = {
        "transform": TransformOptions, "segments": SegmentOptions, "signal": SignalOptions,
        "recording": RecordingOptions, "electrodes": ElectrodeOptions,
    }  # fmt: skip
    with pytest.raises(InputError, match=message):
        ScalogramOptions(job=JobOptions(out=out), **{group: kinds[group](**values)})
