"""Where eyes are open and where closed: LEMON's markers with all their oddities, BIDS events, names, the user."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from monai_fusion.errors import InputError
from monai_fusion.recordings.condition_words import DEFAULT_CODES, Meaning, condition_of_name, meaning_of
from monai_fusion.recordings.conditions import find_conditions
from monai_fusion.recordings.recording import Marker, Recording, Span

HZ = 250
INTERVAL = 2 * HZ
BLOCK = 30 * INTERVAL


def recording(
    markers: Sequence[tuple[int, str] | tuple[int, str, int]] = (),
    *,
    seconds: float = 1000,
    name: str = "sub-010002.vhdr",
    breaks: Sequence[int] = (),
    events: Sequence[tuple[int, str] | tuple[int, str, int]] = (),
    format_: str = "BrainVision",
) -> Recording:
    """A recording of which only markers, joins and the name count."""

    def made(rows: Sequence[tuple]) -> tuple[Marker, ...]:
        return tuple(Marker(row[0], row[2] if len(row) > 2 else 0, row[1]) for row in sorted(rows))

    return Recording(
        Path(name), (), format_, ("Cz",), ("eeg",), float(HZ), round(seconds * HZ), (1.0,), {}, made(markers),
        tuple(breaks), (), (), "", (), lambda channels, start, stop: None, made(events),  # type: ignore[arg-type,return-value]
    )  # fmt: skip


def block(code: str, start: int, count: int = 30) -> list[tuple[int, str]]:
    """LEMON's markers: one every two seconds."""
    return [(start + number * INTERVAL, f"Stimulus/{code}") for number in range(count)]


def _alternating(first: str, second: str, blocks: int, start: int = 1000) -> list[tuple[int, str]]:
    rows: list[tuple[int, str]] = []
    for number in range(blocks):
        begin = start + number * (BLOCK + 700)
        rows += [(begin - 300, "Stimulus/S  1"), *block((first, second)[number % 2], begin)]
    return rows


def _spans(found: Recording, **how: object) -> list[tuple[int, int, str]]:
    return [(span.start, span.stop, span.why) for span in find_conditions(found, **how).spans]  # type: ignore[arg-type]


def test_lemon_s_blocks_are_runs_of_equal_markers() -> None:
    found = find_conditions(recording(_alternating("S210", "S200", 16)))
    assert len(found.spans) == 16
    assert found.spans[0] == Span(1000, 1000 + BLOCK, "EC")
    assert found.spans[1] == Span(1000 + BLOCK + 700, 1000 + 2 * BLOCK + 700, "EO")
    assert found.source == "markers"
    assert found.notes == ('EO by 240 x "200", EC by 240 x "210"',)


def test_the_two_participants_with_another_code_for_eyes_closed_have_it() -> None:
    mixed = [*block("S208", 1000), *block("S200", 20_000), *block("S210", 40_000)]
    assert [why for _, _, why in _spans(recording(mixed))] == ["EC", "EO", "EC"]


def test_a_block_ends_where_its_markers_stop_and_begins_again_behind_a_gap() -> None:
    rows = [*block("S200", 1000, 10), *block("S200", 1000 + 10 * INTERVAL + 3000, 5)]
    assert _spans(recording(rows)) == [(1000, 6000, "EO"), (9000, 11500, "EO")]


def test_a_block_ends_at_the_recording_s_end_at_a_join_and_at_the_next_condition() -> None:
    assert _spans(recording(block("S200", 1000, 3), seconds=9)) == [(1000, 2250, "EO")]
    assert _spans(recording(block("S200", 1000, 3), breaks=[2200])) == [(1000, 2200, "EO")]
    assert _spans(recording([*block("S200", 1000, 3), *block("S210", 2300, 3)])) == [
        (1000, 2300, "EO"),
        (2300, 3800, "EC"),
    ]


def test_blocks_of_one_condition_before_a_restart_are_a_trial_run() -> None:
    trial = [*block("S210", 500, 10), *block("S210", 10_000, 10)]
    session = _alternating("S210", "S200", 16, start=40_000)
    found = find_conditions(recording([*trial, *session], seconds=2000, breaks=[30_000]))
    assert len(found.spans) == 16
    assert found.spans[0].start == 40_000
    assert [(span.start, span.why) for span in found.dropped] == [
        (500, "before the restart"),
        (10_000, "before the restart"),
    ]
    assert any("2 blocks before the recording was started again left out: EC only" in note for note in found.notes)


def test_a_new_segment_in_the_middle_of_a_session_is_no_restart() -> None:
    session = _alternating("S210", "S200", 16)
    for after in (1, 2, 7):
        at = session[31 * after][0] - 400
        found = find_conditions(recording(session, breaks=[at]))
        assert len(found.spans) == 16, after


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("Stimulus/S200", "EO"), ("Stimulus/S210", "EC"), ("S 200", "EO"), ("S  208", "EC"), ("200", "EO"),
        ("200.0", "EO"), ("s0210", "EC"), ("Stimulus A/S210", "EC"), ("Trigger 200", "EO"), ("eyes_open", "EO"),
        ("Eyes Closed", "EC"), ("Comment/eyes closed", "EC"), ("EO", "EO"), ("ec", "EC"), ("eyes-open", "EO"),
        ("Rest: eyes open (start)", "EO"), ("EO start", "EO"), ("block_EC_2", "EC"), ("Augen zu", "EC"),
        ("patient asked about EC again", None), ("Response/R200", None),
        ("Response/200", None), ("R210", None), ("S2000", None), ("S20", None),
        ("S" + "9" * 5000, None),
        ("Impedance < 200", None), ("boundary", None), ("Stimulus/S  1", None), ("geo", None), ("", None),
    ],
)  # fmt: skip
def test_a_marker_means_a_condition_by_its_number_or_words(text: str, condition: str | None) -> None:
    meaning = meaning_of(text, DEFAULT_CODES)
    assert (None if meaning is None else (meaning.condition, meaning.ends)) == (condition and (condition, False))


@pytest.mark.parametrize("text", ["Eyes open / eyes closed", "EC to EO", "EO->EC", "not eyes open", "no EC"])
def test_a_marker_that_names_both_conditions_or_denies_one_means_none(text: str) -> None:
    assert meaning_of(text, DEFAULT_CODES) is None


@pytest.mark.parametrize(
    "text",
    [
        "EO end",
        "eyes_open_stop",
        "Comment/eyes open off",
        "end EO",
        "end of EO",
        "stop eyes open",
        "eyes open: end of it",
    ],
)
def test_a_marker_may_end_a_condition(text: str) -> None:
    meaning = meaning_of(text, DEFAULT_CODES)
    assert isinstance(meaning, Meaning)
    assert (meaning.condition, meaning.ends) == ("EO", True)


def test_other_markers_can_be_named() -> None:
    rows = [*block("S  3", 1000, 10), *block("S  4", 10_000, 10), *block("S200", 20_000, 10)]
    codes = {"EO": ["2", "3"], "EC": ["004"], "task": ["S200"]}
    assert [why for _, _, why in _spans(recording(rows), codes=codes)] == ["EO", "EC", "task"]


def test_markers_of_any_script_can_be_named() -> None:
    codes = {"EO": ["\u7741\u773c"], "EC": ["\u95ed\u773c", "geschlossen", "zu\u0308"]}
    rows = [(1000, "\u7741\u773c", 5000), (7000, "Comment/\u95ed\u773c", 5000), (13_000, "z\u00fc", 5000)]
    assert [why for _, _, why in _spans(recording(rows), codes=codes)] == ["EO", "EC", "EC"]
    assert condition_of_name(Path("sub-01_\u95ed\u773c.edf"), codes)[0] == "EC"
    assert condition_of_name(Path("sub-01_\u043c.edf"), codes)[0] is None


@pytest.mark.parametrize(
    "codes", [{"EO": ["3"], "EC": ["03"]}, {"EO": []}, {"eyes open!": ["3"]}, {"EO": [" "]}, {"EO": ["\u00b2", "-"]}]
)
def test_markers_that_are_named_wrongly_are_refused(codes: dict) -> None:
    with pytest.raises(InputError):
        find_conditions(recording(block("S  3", 1000)), codes=codes)


def test_annotations_that_last_state_their_block() -> None:
    rows = [(1000, "eyes open", 5000), (6100, "eyes closed", 9000), (7000, "blink", 20)]
    assert _spans(recording(rows, format_="EDF")) == [(1000, 6000, "EO"), (6100, 15100, "EC")]
    touching = [(1000 + 500 * number, "EO", 500) for number in range(4)]
    assert _spans(recording(touching, format_="EDF")) == [(1000, 3000, "EO")]


def test_what_two_conditions_claim_is_left_out_and_counted() -> None:
    found = find_conditions(recording([(1000, "eyes open", 9000), (6000, "eyes closed", 2000)], format_="EDF"))
    spans = [(span.start, span.stop, span.why) for span in found.spans]
    assert spans == [(1000, 6000, "EO"), (8000, 10_000, "EO")]
    assert found.dropped == (Span(6000, 8000, "two conditions"),)
    assert any("1 stretch left out" in note for note in found.notes)
    rounded = [(1000, "eyes open", 5002), (6000, "eyes closed", 2000)]
    assert _spans(recording(rounded, format_="EDF")) == [(1000, 6000, "EO"), (6000, 8000, "EC")]


def test_single_markers_hold_up_to_the_next_and_a_note_says_so() -> None:
    found = find_conditions(
        recording([(1000, "eyes open"), (9000, "eyes closed"), (12_000, "eyes closed end")], seconds=80)
    )
    assert [(span.start, span.stop, span.why) for span in found.spans] == [(1000, 9000, "EO"), (9000, 12_000, "EC")]
    assert any("neither last nor repeat" in note for note in found.notes)


@pytest.mark.parametrize("end", ["end", "Comment/stop", "end of block", "recording stopped"])
def test_a_bare_end_ends_a_condition(end: str) -> None:
    rows = [(1000, "eyes open"), (9000, "eyes closed"), (12_000, end)]
    assert _spans(recording(rows, seconds=80)) == [(1000, 9000, "EO"), (9000, 12_000, "EC")]


def test_the_markers_of_each_condition_have_their_own_interval() -> None:
    every_second = [(20_000 + HZ * number, "Stimulus/S210") for number in range(20)]
    rows = [*block("S200", 1000, 10), *every_second]
    assert _spans(recording(rows)) == [(1000, 6000, "EO"), (20_000, 25_000, "EC")]


def test_very_many_markers_take_no_time_to_speak_of() -> None:
    rows = [(10 * number, ("eyes open", "eyes closed")[number % 2]) for number in range(60_000)]
    begun = time.process_time()
    assert len(_spans(recording(rows))) > 20_000
    assert time.process_time() - begun < 20


def test_events_of_bids_are_asked_when_the_markers_say_nothing() -> None:
    found = find_conditions(recording([(5, "Stimulus/S  1")], events=[(500, "eyes_open", 7500), (8000, "210", 5000)]))
    assert found.source == "events.tsv"
    assert [(span.start, span.stop, span.why) for span in found.spans] == [(500, 8000, "EO"), (8000, 13_000, "EC")]


@pytest.mark.parametrize(
    ("name", "condition"),
    [
        ("sub-010002_EO.set", "EO"), ("sub-010002_EC.set", "EC"), ("sub-01_ec.csv", "EC"), ("P1_EO.csv", "EO"),
        ("sub-01_task-eyesopen_eeg.edf", "EO"), ("sub-01_task-EyesClosed_run-1_eeg.vhdr", "EC"),
        ("sub-01_task-restEO_eeg.edf", "EO"), ("sub-01_ses-1_task-restingeyesclosed_eeg.set", "EC"),
        ("sub-01_acq-EC_eeg.fif.gz", "EC"), ("sub-010229_E0.set", "EO"), ("sub-01_open.csv", "EO"),
        ("sub-01_EO-EC_eeg.edf", None), ("sub-01_task-openclosed_eeg.edf", None), ("sub-01_task-EOEC_eeg.edf", None),
        ("sub-01_task-rest_eeg.edf", None), ("EO.csv", None), ("sub-01_EO_EC.csv", None), ("sub-VIDEO1_rest.edf", None),
    ],
)  # fmt: skip
def test_a_name_may_say_the_condition(name: str, condition: str | None) -> None:
    assert condition_of_name(Path(name), DEFAULT_CODES)[0] == condition


def test_a_zero_for_an_o_is_told() -> None:
    found = find_conditions(recording(name="sub-010229_E0.set", seconds=10))
    assert found.spans == (Span(0, 2500, "EO"),)
    assert found.notes == ('the name says "E0", with a zero: taken as EO',)


def test_a_whole_recording_is_of_the_condition_in_its_name() -> None:
    found = find_conditions(recording([(0, "Stimulus/S  1")], name="sub-01_EC.set", seconds=10))
    assert (found.spans, found.source) == ((Span(0, 2500, "EC"),), "name")


def test_a_cleaned_recording_whose_markers_agree_is_of_its_name_throughout() -> None:
    rows = block("S200", 100, 5)
    assert _spans(recording(rows, name="sub-01_EO.set", seconds=20, breaks=[900], format_="EEGLAB")) == [
        (0, 5000, "EO")
    ]
    assert _spans(recording(rows, name="sub-01_EO.set", seconds=20, format_="EEGLAB")) == [(100, 2600, "EO")]


def test_name_and_markers_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(InputError, match=r"sub-01_EC\.set condition: the name says EC, the markers say EO"):
        find_conditions(recording(block("S200", 100), name="sub-01_EC.set"))


def test_the_user_s_condition_is_for_what_does_not_say() -> None:
    found = find_conditions(recording(seconds=10), condition="EO")
    assert (found.spans, found.source) == ((Span(0, 2500, "EO"),), "option")
    marked = find_conditions(recording(block("S210", 100, 3)), condition="EO")
    assert [span.why for span in marked.spans] == ["EC"]
    assert any("--condition EO is not used" in note for note in marked.notes)
    named = find_conditions(recording(name="sub-01_EC.csv", seconds=10), condition="EO")
    assert [span.why for span in named.spans] == ["EC"]
    assert any("--condition EO is not used" in note for note in named.notes)
    with pytest.raises(InputError, match="--condition"):
        find_conditions(recording(), condition="eyes open")


def test_without_any_word_of_it_the_condition_is_asked_for_and_never_guessed() -> None:
    with pytest.raises(InputError, match=r'condition: not known.*"Stimulus/S  1" \(2 x\).*--condition EO'):
        find_conditions(recording([(5, "Stimulus/S  1"), (500, "Stimulus/S  1")]))
    with pytest.raises(InputError, match=r"markers: none"):
        find_conditions(recording())


def test_what_somebody_typed_during_the_recording_is_counted_and_not_repeated() -> None:
    with pytest.raises(InputError) as caught:
        find_conditions(recording([(5, "Comment/Max Mustermann coughs"), (9, "Stimulus/S  1"), (99, "blink")]))
    assert '"Stimulus/S  1" (1 x), "blink" (1 x) and 1 comment)' in str(caught.value)
    assert "Mustermann" not in str(caught.value)
