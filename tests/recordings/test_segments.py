"""Segments: equal lengths, none across anything that breaks the signal, and every dropped stretch with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monai_fusion.errors import InputError
from monai_fusion.recordings.recording import Recording, Segment, Span
from monai_fusion.recordings.segments import cut
from tests.recordings.test_conditions import recording


def _recording(
    samples: int, breaks: Sequence[int] = (), bad: Sequence[tuple[int, int, str]] = (), hz: float = 250
) -> Recording:
    found = replace(recording(), samples=samples, breaks=tuple(breaks), sampling_hz=hz)
    return replace(found, bad=tuple(Span(*each) for each in sorted(bad)))


def _ranges(found: Sequence[Segment]) -> list[tuple[int, int]]:
    return [(segment.start, segment.stop) for segment in found]


def _dropped(found: Sequence[Span]) -> list[tuple[int, int, str]]:
    return [(span.start, span.stop, span.why) for span in found]


def test_segments_follow_one_another_from_the_span_s_start_and_an_incomplete_one_is_dropped() -> None:
    found = cut(_recording(20_000), [Span(100, 8000, "EO")])
    assert _ranges(found.segments) == [(100, 2600), (2600, 5100), (5100, 7600)]
    assert _dropped(found.dropped) == [(7600, 8000, "incomplete")]
    assert found.segments[0] == Segment("EO", 100, 2600, 0, 20_000)
    assert found.conditions == (Span(100, 8000, "EO"),)


def test_no_segment_spans_a_join() -> None:
    found = cut(_recording(10_000, breaks=[4000, 4100]), [Span(0, 10_000, "EC")])
    assert _ranges(found.segments) == [(0, 2500), (4100, 6600), (6600, 9100)]
    assert _dropped(found.dropped) == [(2500, 4000, "boundary"), (4000, 4100, "boundary"), (9100, 10_000, "incomplete")]
    assert [(segment.margin_start, segment.margin_stop) for segment in found.segments] == [
        (0, 4000),
        (4100, 10_000),
        (4100, 10_000),
    ]


def test_a_segment_may_end_and_begin_exactly_at_a_join() -> None:
    found = cut(_recording(5000, breaks=[2500]), [Span(0, 5000, "EC")])
    assert _ranges(found.segments) == [(0, 2500), (2500, 5000)]
    assert found.dropped == ()


def test_no_segment_holds_a_bad_sample() -> None:
    found = cut(_recording(10_000, bad=[(3000, 3100, "BAD_blink"), (3050, 3200, "BAD_move")]), [Span(0, 9000, "EO")])
    assert _ranges(found.segments) == [(0, 2500), (3200, 5700), (5700, 8200)]
    assert _dropped(found.dropped) == [
        (2500, 3000, "BAD_blink"),
        (3000, 3200, "BAD_blink"),
        (8200, 9000, "incomplete"),
    ]
    assert found.segments[0].margin_stop == 3000
    assert found.segments[1].margin_start == 3200


def test_margins_reach_beyond_the_condition_and_not_beyond_a_break() -> None:
    found = cut(_recording(10_000, breaks=[500, 7000]), [Span(1000, 4000, "EO"), Span(4000, 7000, "EC")])
    assert found.segments == (Segment("EO", 1000, 3500, 500, 7000), Segment("EC", 4000, 6500, 500, 7000))


def test_the_length_is_in_seconds_at_any_rate() -> None:
    assert _ranges(cut(_recording(60_000, hz=2500), [Span(0, 60_000, "EO")]).segments) == [
        (0, 25_000),
        (25_000, 50_000),
    ]
    assert _ranges(cut(_recording(1100, hz=256.41), [Span(0, 1100, "EO")], seconds=2).segments) == [
        (0, 513),
        (513, 1026),
    ]


def test_a_recording_that_is_too_short_has_no_segment_and_the_reason_is_known() -> None:
    found = cut(_recording(2499), [Span(0, 2499, "EO")])
    assert found.segments == ()
    assert _dropped(found.dropped) == [(0, 2499, "incomplete")]
    assert cut(_recording(2500), []).segments == ()


@pytest.mark.parametrize("seconds", [0, -1, 0.004, float("nan")])
def test_a_length_of_no_samples_is_refused(seconds: float) -> None:
    with pytest.raises(InputError, match="--seconds"):
        cut(_recording(1000), [Span(0, 1000, "EO")], seconds)


_PLACES = st.integers(0, 3000)


@given(
    st.lists(_PLACES, max_size=6),
    st.lists(st.tuples(_PLACES, st.integers(1, 200)), max_size=5),
    st.lists(_PLACES, min_size=2, max_size=8, unique=True),
    st.integers(20, 400),
)
def test_every_sample_of_a_condition_is_kept_once_or_dropped(
    breaks: list[int], bad: list[tuple[int, int]], edges: list[int], length: int
) -> None:
    breaks = sorted({at for at in breaks if 0 < at < 3000})
    stretches = [(start, min(start + size, 3000), "BAD") for start, size in bad if start < 3000]
    spans = [Span(start, stop, "EO") for start, stop in zip(sorted(edges)[::2], sorted(edges)[1::2], strict=False)]
    found = cut(_recording(3000, breaks, stretches), spans, length / 250)
    covered = sorted([*_ranges(found.segments), *((span.start, span.stop) for span in found.dropped)])
    expected = sorted(sample for span in spans for sample in range(span.start, span.stop))
    assert sorted(sample for start, stop in covered for sample in range(start, stop)) == expected
    for segment in found.segments:
        assert segment.stop - segment.start == length
        assert segment.margin_start <= segment.start < segment.stop <= segment.margin_stop
        assert not any(segment.margin_start < at < segment.margin_stop for at in breaks)
        assert not any(start < segment.margin_stop and stop > segment.margin_start for start, stop, _ in stretches)
        assert any(span.start <= segment.start and segment.stop <= span.stop for span in spans)
