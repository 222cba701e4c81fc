"""What is explained, and how: the knobs of explain.yaml, read and checked before any recording is prepared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from monai_fusion.datalist import Datalist, everyone_in
from monai_fusion.errors import InputError, Problem
from monai_fusion.explain.believing import BelievingSettings
from monai_fusion.wording import nearest, shortened

MODALITY = "modality"
"""The method that values the recordings themselves; all others explain one recording."""
EEG_METHODS = ("eeg_occlusion", "eeg_integrated_gradients", "eeg_reference_gradients")
MRI_METHODS = (
    "mri_gradcam",
    "mri_occlusion",
    "mri_integrated_gradients",
    "mri_smoothgrad_squared",
    "mri_reference_gradients",
)
METHODS = (MODALITY, *EEG_METHODS, *MRI_METHODS)
DEFAULT_METHODS = (MODALITY, "eeg_occlusion", "mri_gradcam")
"""What is computed unless other methods are asked for: what a CPU computes in seconds for each participant."""
_WITH_CAPTUM = tuple(name for name in METHODS if name != MODALITY)
_SHOWN = 5


@dataclass(frozen=True)
class ExplanationSettings:
    """What is explained.

    Attributes:
        methods: Names from :data:`METHODS`, in that order.
        participants: The ids to explain; None for all of the part.
        target: Index of the explained class.
        segments: How many EEG segments of a participant are explained, evenly spread over the recording.
        modality_reference: ``swapped`` or ``absent``: what stands for a recording that is taken away.
        options: Further arguments of the methods, by the method's name.
        checks: How much is spent on the question whether the maps can be believed.
    """

    methods: tuple[str, ...]
    participants: tuple[str, ...] | None
    target: int
    segments: int
    modality_reference: str
    options: Mapping[str, Mapping[str, Any]]
    checks: BelievingSettings = field(default_factory=BelievingSettings)


def read_settings(
    recipe: Mapping[str, Any],
    cohort: Datalist,
    section: str,
    methods: object = None,
    participants: object = None,
    explained_class: object = None,
    segments: object = 8,
    modality_reference: object = "swapped",
    options: Mapping[str, Mapping[str, Any]] | None = None,
    check_participants: object = 4,
) -> ExplanationSettings:
    """Read and check the knobs.

    Args:
        recipe: From `read_recipe`.
        cohort: The datalist.
        section: The explained part.
        methods: Names, as a list or a text with commas, or ``all``; None for :data:`DEFAULT_METHODS`.
        participants: Ids, as a list or a text with commas; None for all of the part.
        explained_class: A class name; None for the second of two classes.
        segments: See :class:`ExplanationSettings`.
        modality_reference: See :class:`ExplanationSettings`.
        options: See :class:`ExplanationSettings`.
        check_participants: Whose maps are checked by random weights and by deletion and insertion; 0 for none.

    Returns:
        The settings, with the methods that suit the model's recordings.

    Raises:
        InputError: An unknown method, participant or class, a number out of range, a model that has not learned what
            is asked, or a library that is not installed.
    """
    classes = [str(name) for name in recipe["classes"]]
    modalities = str(recipe.get("modalities", "both"))
    found = _methods(methods, modalities)
    if not isinstance(segments, int) or isinstance(segments, bool) or segments < 1:
        raise InputError(Problem("--explained_segments", seen=repr(segments), wanted="a whole number from 1"))
    if not isinstance(check_participants, int) or isinstance(check_participants, bool) or check_participants < 0:
        raise InputError(Problem("--check_participants", seen=repr(check_participants), wanted="a whole number from 0"))
    if modality_reference not in ("swapped", "absent"):
        raise InputError(Problem("--modality_reference", seen=repr(modality_reference), wanted="swapped or absent"))
    if modality_reference == "absent" and MODALITY in found and not recipe.get("absence"):
        seen, advice = "absent, which this model has not learned", "train with --modality_dropout 0.2, or use swapped"
        raise InputError(Problem("--modality_reference", seen=seen, advice=advice))
    if set(found) & set(_WITH_CAPTUM) and find_spec("captum") is None:
        advice = 'pip install "monai-fusion[explain]", or --methods "[modality]"'
        raise InputError(Problem("--methods", seen="captum is not installed", advice=advice))
    return ExplanationSettings(
        methods=found,
        participants=_participants(participants, cohort, section),
        target=_target(explained_class, classes),
        segments=segments,
        modality_reference=str(modality_reference),
        options=options or {},
        checks=BelievingSettings(check_participants, curve_participants=check_participants),
    )


def _methods(asked: object, modalities: str) -> tuple[str, ...]:
    suited = [
        name
        for name in METHODS
        if modalities == "both" or name.startswith(f"{modalities}_")  # one recording alone needs no value
    ]
    names = [*DEFAULT_METHODS] if asked is None else _words(asked)
    if asked is None or names == ["all"]:
        return tuple(name for name in suited if asked is not None or name in names)
    problems = []
    for name in names:
        if name not in METHODS:
            near = nearest(name, METHODS)
            advice = f"did you mean {near}?" if near else ""
            problems.append(Problem("--methods", seen=repr(name), wanted=", ".join(METHODS), advice=advice))
        elif name not in suited:
            problems.append(
                Problem(
                    "--methods", seen=name, wanted=f"for a model of the {modalities.upper()} alone: {', '.join(suited)}"
                )
            )
    if not names:
        problems.append(Problem("--methods", seen="none", wanted=f"all, or some of {', '.join(METHODS)}"))
    if problems:
        raise InputError(problems)
    return tuple(name for name in suited if name in names)


def _participants(asked: object, cohort: Datalist, section: str) -> tuple[str, ...] | None:
    if asked is None:
        return None
    wanted = _words(asked)
    part = {record.participant_id for record in cohort.records(section)}
    # The run has read one part: the others are read when they are needed for a message.
    strays = [name for name in wanted if name not in part]
    others = {record.participant_id: record.section for record in everyone_in(cohort)} if strays else {}
    problems = []
    for participant in dict.fromkeys(strays):
        if participant in others:
            seen, advice = f"is in the {others[participant]} part", f"add --section {others[participant]}"
        else:
            near = nearest(participant, tuple(part))
            seen, advice = f"not in the {section} part", f"did you mean {near}?" if near else "see the datalist"
        problems.append(Problem(f"--participants {shortened(participant, 60)}", seen=seen, advice=advice))
    if not wanted:
        problems.append(Problem("--participants", seen="none", wanted="ids of the datalist"))
    if problems:
        raise InputError(problems[:_SHOWN])
    return tuple(dict.fromkeys(wanted))


def _target(asked: object, classes: Sequence[str]) -> int:
    if asked is None:
        if len(classes) == 2:
            return 1
        wanted = f"one of {', '.join(classes)}"
        raise InputError(Problem("--explained_class", seen="not given, and there are more than two", wanted=wanted))
    if str(asked) not in classes:
        raise InputError(Problem("--explained_class", seen=repr(asked), wanted=f"one of {', '.join(classes)}"))
    return list(classes).index(str(asked))


def _words(value: object) -> list[str]:
    """A list of words from a list, or from a text with commas."""
    if isinstance(value, str):
        parts = [part.strip(" '\"") for part in value.strip("[]").split(",")]
        value = [part for part in parts if part]
    return [str(each) for each in value] if isinstance(value, Sequence) else [str(value)]
