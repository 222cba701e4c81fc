"""What is explained, and how: the knobs of explain.yaml, read and checked before any recording is prepared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from monai_fusion.datalist import Datalist
from monai_fusion.datalist.examination import parts_of
from monai_fusion.errors import InputError, Problem
from monai_fusion.explain.believing import BelievingSettings
from monai_fusion.options.explanation_choices import MODALITY, chosen_class, chosen_methods, chosen_participants

_WITH_CAPTUM = ("eeg_integrated_gradients", "mri_integrated_gradients")


@dataclass(frozen=True)
class ExplanationSettings:
    """What is explained.

    Attributes:
        methods: Names from `explanation_choices.METHODS`, in that order.
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
        methods: Names, as a list or a text with commas, or ``all``; None for its default ones.
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
    found = chosen_methods(methods, modalities)
    if not isinstance(segments, int) or isinstance(segments, bool) or segments < 1:
        raise InputError(Problem("--explained_segments", seen=repr(segments), wanted="a whole number from 1"))
    if not isinstance(check_participants, int) or isinstance(check_participants, bool) or check_participants < 0:
        raise InputError(Problem("--check_participants", seen=repr(check_participants), wanted="a whole number from 0"))
    if modality_reference not in ("swapped", "absent"):
        raise InputError(Problem("--modality_reference", seen=repr(modality_reference), wanted="swapped or absent"))
    if modality_reference == "absent" and MODALITY in found and not recipe.get("absence"):
        seen, advice = "absent, which this model has not learned", "train with --modality_dropout 0.2, or use swapped"
        raise InputError(Problem("--modality_reference", seen=seen, advice=advice))
    if (lacking := [name for name in found if name in _WITH_CAPTUM]) and find_spec("captum") is None:
        seen = f"{lacking[0]} needs captum, which is not installed"
        advice = 'pip install "monai-fusion[explain]", or leave it out'
        raise InputError(Problem("--methods", seen=seen, advice=advice))
    part = [record.participant_id for record in cohort.records(section)]
    return ExplanationSettings(
        methods=found,
        participants=chosen_participants(participants, part, section, lambda: parts_of(cohort)),
        target=chosen_class(explained_class, classes),
        segments=segments,
        modality_reference=str(modality_reference),
        options=options or {},
        checks=BelievingSettings(check_participants, curve_participants=check_participants),
    )
