"""The predictions of an inference as text for the terminal; never a class without its probability."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from monai_fusion.metrics.predictions import Prediction
from monai_fusion.wording import counted

WHAT_IT_IS = "Predictions of research software, not a diagnosis: do not base any decision about a person on them."


def one_participant_lines(row: Prediction, classes: Sequence[str]) -> Iterator[str]:
    """Yield prediction, probabilities, set, spread and gate of one participant, what limits them, and what it is."""
    pairs = sorted(zip(row.probabilities, classes, strict=True), key=lambda pair: -pair[0])
    shown = ", ".join(f"{name} {share:.3f}" for share, name in pairs)
    decided = "" if row.threshold is None else f"; {classes[1]} is predicted above {row.threshold:.3f}"
    predicted = classes[row.predicted]
    yield f"{row.participant_id}: {predicted}, with a probability of {row.probabilities[row.predicted]:.3f}"
    yield f"  probabilities: {shown}{decided}"
    if row.prediction_set is not None:
        yield f"  prediction set: {set_words(row.prediction_set, classes)}"
    if row.segment_spread is not None:
        segments = counted(row.segments, "EEG segment")
        yield f"  spread: {row.segment_spread:.3f}, the standard deviation of that probability over {segments}"
    elif row.segments == 1:
        yield "  spread: not known, from one EEG segment"
    if row.recordings == "both":
        yield f"  gate: EEG {row.gate:.0%}, MRI {1 - row.gate:.0%}".replace("%", " %")
    else:
        yield f"  gate: {row.gate:.0f}, predicted from the {row.recordings.upper()} alone"
    if row.unlike_training:
        yield f"  unlike the training's recordings: {row.unlike_training}"
    if row.not_used:
        yield f"  not used: {row.not_used}"
    yield WHAT_IT_IS


def set_words(members: Sequence[int], classes: Sequence[str]) -> str:
    """``F``, or ``M or F (undecided)``; empty without a set."""
    if not members:
        return ""
    *first, last = [classes[index] for index in members]
    return f"{', '.join(first)} or {last} (undecided)" if first else last


def summary_line(predicted: Mapping[str, int], total: int, reused: int, failed: int, in_part: int) -> str:
    """``predicted 1997 of 2000 participants (900 M, 1097 F); 3 could not be predicted``."""
    named = ", ".join(f"{number} {name}" for name, number in predicted.items())
    earlier = f"; {reused} of them in an earlier run" if reused else ""
    without = f"; {in_part} of them without some of their EEG" if in_part else ""
    errors = f"; {failed} could not be predicted" if failed else ""
    counts = f" ({named})" if named else ""
    return f"predicted {sum(predicted.values())} of {counted(total, 'participant')}{counts}{earlier}{without}{errors}"
