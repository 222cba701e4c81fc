"""Chooses among recordings that were found: the T1-weighted MRI, the session, the EEG condition. Never by guessing."""

from __future__ import annotations

import fnmatch
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_fusion.datalist.wording import a_few, counted, did_you_mean, quoted
from monai_fusion.errors import InputError, Problem

ANY_SESSION = "all"

_SESSION = re.compile(r"(?:^|_)ses-([^_.]+)")
_SESSION_FOLDER = re.compile(r"/ses-([^/]+)/")
_SEGMENT = re.compile(r"(?:seg|segment|run|desc-seg)-?\d+", re.IGNORECASE)
# What names of BIDS and of LEMON end with if they are no T1-weighted image of a head.
_NO_T1W = re.compile(
    r"_(T1map|T2map|T2star|T2starw|T2w|T1rho|R1map|R2map|R2starmap|PDmap|PDw|PD|PDT2|M0map|MTRmap|FLAIR|FLASH|FGATIR|"
    r"inplaneT[12]|angio|UNIT1|MP2RAGE|MPM|inv-?\d+(?:_[^_]+)?|defacemask|mask|brainmask|dseg|probseg|bold|sbref|cbv|"
    r"dwi|epi|fieldmap|magnitude\d?|phase|phasediff|phase\d|asl|m0scan)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of the files found are meant.

    Attributes:
        sessions: Sessions, ``ses-`` left out, in the order in which they are preferred; files of no session are always
            meant. ``("all",)`` takes the EEG of every session.
        t1w_pattern: A pattern for the MRI's file name or path, such as ``*acq-mp2rage*_T1w.nii.gz``.
        eeg_condition: Only EEG files that say so between two ``_`` of their name: ``EO``, also as ``task-EO``.
    """

    sessions: tuple[str, ...] = ()
    t1w_pattern: str | None = None
    eeg_condition: str | None = None


def session_of(path: Path) -> str | None:
    """The session that a file's name, or else a folder above it, says: ``01`` of ``ses-01``."""
    match = _SESSION.search(path.name) or _SESSION_FOLDER.search(path.as_posix())
    return match[1] if match else None


def t1_weighted(paths: Sequence[Path]) -> tuple[list[Path], tuple[str, ...]]:
    """The MRIs whose name does not say that they are something else, and a note on the others.

    Raises:
        InputError: All of them are something else.
    """
    others = Counter(match[1] for path in paths if (match := _NO_T1W.search(_stem(path))))
    chosen = [path for path in paths if not _NO_T1W.search(_stem(path))]
    kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(others.items()))
    if paths and not chosen:
        wanted = "names such as sub-010002_T1w.nii.gz"
        raise InputError(Problem("MRIs", seen=f"none is T1-weighted by its name: {kinds}", wanted=wanted))
    total = sum(others.values())
    return chosen, (f"{counted(total, 'MRI')} not T1-weighted by the name left aside: {kinds}",) if others else ()


def matching_t1w(paths: Sequence[Path], pattern: str | None, folder: Path) -> list[Path]:
    """The MRIs whose name, or path below ``folder``, matches the pattern.

    Raises:
        InputError: There is none.
    """
    if pattern is None:
        return list(paths)

    def below(path: Path) -> str:
        return path.relative_to(folder).as_posix()

    chosen = [path for path in paths if any(fnmatch.fnmatchcase(text, pattern) for text in (path.name, below(path)))]
    if not chosen:
        advice = f"the MRIs are {a_few(map(below, paths), at_most=2)}"
        raise InputError(Problem("--t1w-pattern", quoted(pattern), "no MRI's name or path matches", advice=advice))
    return chosen


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
        there = f"the names hold {', '.join(map(quoted, common))}" if common else "the names say no condition"
        advice = f"{did_you_mean(condition, common)} {there}".strip()
        raise InputError(Problem("--eeg-condition", quoted(condition), "no EEG file is named so", advice=advice))
    return chosen


def condition_words(path: Path) -> list[str]:
    """The words of a name that may say its condition: not the id, and no segment's number."""
    return [word for word in _stem(path).split("_")[1:] if not _SEGMENT.fullmatch(word)]


def of_sessions(
    files: Mapping[str, list[Path]], sessions: Sequence[str], every_session_if_all: bool
) -> dict[str, list[Path]]:
    """Each participant's files of the first of ``sessions`` that there are any of, and those of no session."""
    if not sessions or (every_session_if_all and tuple(sessions) == (ANY_SESSION,)):
        return dict(files)
    order = [session.removeprefix("ses-") for session in sessions]
    chosen = {}
    for participant_id, paths in files.items():
        by_session = _by_session(paths)
        first = next((session for session in order if session in by_session), None)
        kept = [path for path in paths if (session := session_of(path)) is None or session == first]
        if kept:
            chosen[participant_id] = kept
    return chosen


def several_sessions(eeg: Mapping[str, list[Path]], sessions: Sequence[str]) -> Iterator[Problem]:
    """EEG of two days, while nobody said whether to take both."""
    for participant_id, paths in sorted(eeg.items()) if not sessions else ():
        found = sorted(session for session in _by_session(paths) if session is not None)
        if len(found) > 1:
            advice = f"choose with --session {found[0]}, prefer with --session {' '.join(found)}, or --session all"
            yield Problem(participant_id, "eeg", f"sessions {', '.join(found)}", "one", advice)


def several_mris(mri: Mapping[str, list[Path]], folder: Path) -> Iterator[Problem]:
    """Two MRIs that are both T1-weighted by their names."""
    for participant_id, paths in sorted(mri.items()):
        if len(paths) > 1:
            alike = len({path.name for path in paths}) < len(paths)
            names = a_few((path.relative_to(folder).as_posix() if alike else path.name for path in paths), at_most=4)
            found = sorted(session for session in _by_session(paths) if session is not None)
            rules = [f"--session {found[0]}"] if len(found) > 1 else []
            if any(len(each) > 1 for each in _by_session(paths).values()):
                rules.append(f'a --t1w-pattern such as "{_example_pattern(paths)}"')
            yield Problem(
                participant_id, "mri", f"{len(paths)} MRIs: {names}", "one", f"choose with {' and '.join(rules)}"
            )


def _example_pattern(paths: Sequence[Path]) -> str:
    """A pattern that means one of the files: by a word of its name that another has not."""
    names = [_stem(path).split("_")[1:] for path in paths]
    own = [word for words in names for word in words if any(word not in others for others in names)]
    return f"*_{own[0]}*" if own else paths[0].parent.name + "/*"


def _by_session(paths: Iterable[Path]) -> dict[str | None, list[Path]]:
    found: dict[str | None, list[Path]] = defaultdict(list)
    for path in paths:
        found[session_of(path)].append(path)
    return found


def _words(path: Path) -> set[str]:
    """The words of a name, and the values of those that are ``key-value``."""
    words = _stem(path).casefold().split("_")[1:]
    return {*words, *(word.partition("-")[2] for word in words)}


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").rpartition(".")[0]
