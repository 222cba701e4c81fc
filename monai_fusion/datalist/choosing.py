"""Chooses among recordings that were found: the T1-weighted MRI, the session, the EEG condition. Never by guessing."""

from __future__ import annotations

import fnmatch
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from monai_fusion.errors import InputError, Problem
from monai_fusion.options.declared import Option
from monai_fusion.wording import a_few, did_you_mean, quoted

ANY_SESSION = "all"

_KINDS_NAMED = 8

_SESSION = re.compile(r"(?:^|_)ses-([^_.]+)")
_SESSION_FOLDER = re.compile(r"/ses-([^/]+)/")
_SEGMENT = re.compile(r"(?:seg|segment|run|desc-seg)-?\d+", re.IGNORECASE)
# What names of BIDS and of LEMON end with if they are no T1-weighted image of a head.
_NO_T1W = re.compile(
    r"_(T1map|T2map|T2star|T2starw|T2w|T1rho|R1map|R2map|R2starmap|PDmap|PDw|PD|PDT2|M0map|MTRmap|FLAIR|FLASH|FGATIR|"
    r"inplaneT[12]|angio|UNIT1|MP2RAGE|MPM|inv-?\d+(?:_(?!T1w$)[^_]+)?|defacemask|mask|brainmask|dseg|probseg|bold|sbref|cbv|"
    r"dwi|epi|fieldmap|magnitude\d?|phase|phasediff|phase\d|asl|m0scan)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of the files found are meant.

    Of sessions (``ses-`` left out) and of patterns for the MRI's name or path the first is preferred. Files of no
    session are always meant; the session ``all`` takes the EEG of every one. A condition is between two ``_`` of
    the name of an EEG file, alone or as ``task-EO``.
    """

    sessions: Annotated[
        tuple[str, ...],
        Option(
            "Session (ses-01) to take; of several, the first that a participant has.",
            flag="--session",
            metavar="01 02",
            section="EEG and MRI",
        ),
    ] = ()
    t1w_patterns: Annotated[
        tuple[str, ...],
        Option(
            'MRIs to take: "*acq-mp2rage*"; of several patterns, the first that a participant has: '
            '"*acq-mp2rage*" "*".',
            flag="--t1w-pattern",
            metavar="PATTERN",
            section="MRI",
        ),
    ] = ()
    eeg_condition: Annotated[
        str | None,
        Option("Only EEG files with this word in their name: sub-010002_EO_seg0.npy.", metavar="EO", section="EEG"),
    ] = None


def session_of(path: Path) -> str | None:
    """The session in a file's name, or else in that of a folder above it: ``01`` of ``ses-01``."""
    match = _SESSION.search(path.name) or _SESSION_FOLDER.search(path.as_posix())
    return match[1] if match else None


def t1_weighted(paths: Sequence[Path]) -> tuple[list[Path], dict[Path, str]]:
    """The MRIs whose name does not show that they are something else; and of the others, what they are.

    Raises:
        InputError: All of them are something else.
    """
    others = {path: match[1] for path in paths if (match := _NO_T1W.search(stem(path)))}
    if paths and len(others) == len(paths):
        wanted = "names such as sub-010002_T1w.nii.gz"
        seen = f"none is T1-weighted by its name: {kinds_of(others)}"
        raise InputError(Problem("MRIs", seen=seen, wanted=wanted))
    return [path for path in paths if path not in others], others


def kinds_of(images: Mapping[Path, str]) -> str:
    """``24 FLAIR, 24 T2w``; of many kinds the commonest, and how many images are of others."""
    counts = Counter(images.values())
    common = sorted(counts, key=lambda kind: (-counts[kind], kind))[:_KINDS_NAMED]
    shown = [f"{counts[kind]} {kind}" for kind in sorted(common)]
    left = len(counts) - len(common)
    others = [f"{len(images) - sum(counts[kind] for kind in common)} of {left} more kinds"] if left else []
    return ", ".join([*shown, *others])


def chosen(
    eeg: Mapping[str, list[Path]], mri: Mapping[str, list[Path]], choice: Choice, folder: Path
) -> tuple[dict[str, list[Path]], dict[str, list[Path]]]:
    """The EEG and MRIs of the sessions that are meant, and the MRIs that the patterns mean, by participant.

    Args:
        eeg: EEG files of the condition that is meant.
        mri: T1-weighted MRIs.
        choice: What is meant.
        folder: The folder that the MRIs are below.
    """
    of_either = {name: _matching(paths, choice.t1w_patterns, folder) for name, paths in mri.items()}
    mris = {name: paths for name, paths in of_either.items() if paths}
    if choice.sessions != (ANY_SESSION,):
        mris = _of_sessions(mris, choice.sessions, every_session_if_all=False)
    preferred = {
        name: next((found for each in choice.t1w_patterns if (found := _matching(paths, [each], folder))), paths)
        for name, paths in mris.items()
    }
    return _of_sessions(eeg, choice.sessions, every_session_if_all=True), preferred


def path_below(folder: Path, path: Path) -> Path:
    """The path below a folder; the path as it is if it is elsewhere, as on another drive."""
    return path.relative_to(folder) if path.is_relative_to(folder) else path


def refuse_patterns_without_match(paths: Sequence[Path], patterns: Sequence[str], folder: Path) -> None:
    """A pattern is matched with an MRI's name, and with its path below ``folder``.

    Raises:
        InputError: A pattern matches none.
    """
    there = f"the MRIs are {a_few((path_below(folder, path).as_posix() for path in paths), at_most=2)}"
    for pattern in patterns:
        if not _matching(paths, [pattern], folder):
            raise InputError(Problem("--t1w-pattern", quoted(pattern), "no MRI's name or path matches", advice=there))


def _matching(paths: Iterable[Path], patterns: Sequence[str], folder: Path) -> list[Path]:
    if not patterns:
        return list(paths)
    return [
        path
        for path in paths
        for texts in [(path.name, path_below(folder, path).as_posix())]
        if any(fnmatch.fnmatchcase(text, pattern) for pattern in patterns for text in texts)
    ]


def of_condition(paths: Sequence[Path], condition: str | None) -> list[Path]:
    """The EEG files of one condition.

    Raises:
        InputError: There is none.
    """
    if condition is None:
        return list(paths)
    wanted = condition.casefold()
    chosen = [path for path in paths if wanted in _words(path)]
    if not chosen:
        words = Counter(word for path in paths for word in condition_words(path))
        common = [word for word, _ in sorted(words.items(), key=lambda item: (-item[1], item[0]))[:6]]
        there = f"the names have {', '.join(map(quoted, common))}" if common else "the names have no condition"
        advice = f"{did_you_mean(condition, common)} {there}".strip()
        raise InputError(
            Problem("--eeg-condition", quoted(condition), "no EEG file has this word in its name", advice=advice)
        )
    return chosen


def condition_words(path: Path) -> list[str]:
    """The words of a name that may be its condition: not the id, and no segment's number."""
    return [word for word in stem(path).split("_")[1:] if not _SEGMENT.fullmatch(word)]


def _of_sessions(
    files: Mapping[str, list[Path]], sessions: Sequence[str], every_session_if_all: bool
) -> dict[str, list[Path]]:
    """Each participant's files of the first of ``sessions`` that there are any of, and those of no session."""
    if not sessions or (every_session_if_all and tuple(sessions) == (ANY_SESSION,)):
        return dict(files)
    order = [session.removeprefix("ses-") for session in sessions]
    chosen = {}
    for participant_id, paths in files.items():
        there = by_session(paths)
        first = next((session for session in order if session in there), None)
        kept = [path for path in paths if (session := session_of(path)) is None or session == first]
        if kept:
            chosen[participant_id] = kept
    return chosen


def by_session(paths: Iterable[Path]) -> dict[str | None, list[Path]]:
    """The files by the session that they name."""
    found: dict[str | None, list[Path]] = defaultdict(list)
    for path in paths:
        found[session_of(path)].append(path)
    return found


def _words(path: Path) -> set[str]:
    """The words of a name, and the values of those that are ``key-value``."""
    words = stem(path).casefold().split("_")[1:]
    return {*words, *(word.partition("-")[2] for word in words)}


def stem(path: Path) -> str:
    """The name without its ending, ``.nii.gz`` and ``.NII.GZ`` included."""
    return re.sub(r"\.gz$", "", path.name, flags=re.IGNORECASE).rpartition(".")[0]
