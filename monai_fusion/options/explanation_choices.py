"""What an explanation is asked for: methods, participants, a class; checked before a run starts, and again in it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from monai_fusion.errors import InputError, Problem
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
"""What is computed unless other methods are asked for: what a CPU computes in a minute for each participant."""
_SHOWN = 5


def chosen_methods(asked: object, modalities: str) -> tuple[str, ...]:
    """Return the methods that are asked for, in the order of :data:`METHODS`.

    Args:
        asked: Names, as a list or a text with commas, or ``all``; None for those of :data:`DEFAULT_METHODS` that suit.
        modalities: The recordings that the model uses: ``both``, ``eeg`` or ``mri``.

    Raises:
        InputError: A name is none, or does not suit the model; or there is none.
    """
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


def chosen_participants(
    asked: object, part: Collection[str], section: str, parts_of_others: Callable[[], Mapping[str, str]]
) -> tuple[str, ...] | None:
    """Return the ids that are asked for, each once; None for all of the part.

    Args:
        asked: Ids, as a list or a text with commas; None for all.
        part: The ids of the explained part.
        section: The name of that part.
        parts_of_others: Returns the part of each participant of the datalist, for a message.

    Raises:
        InputError: One is not in the part; or there is none.
    """
    if asked is None:
        return None
    wanted = _words(asked)
    strays = [name for name in wanted if name not in part]
    others = parts_of_others() if strays else {}
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


def chosen_class(asked: object, classes: Sequence[str]) -> int:
    """Return the index of the explained class; None asks for the second of two.

    Raises:
        InputError: It is no class, or not given although there are more than two.
    """
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
