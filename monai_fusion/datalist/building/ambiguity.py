"""Two recordings left for one participant: what to add to the command, tried out before it is advised.

A message gives an example only if it leaves the participant one MRI and takes no recordings from other participants.
"""

from __future__ import annotations

import glob
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from monai_fusion.datalist.choosing import ANY_SESSION, Choice, by_session, chosen, path_below, stem
from monai_fusion.errors import SHOWN_AT_MOST, Problem
from monai_fusion.spelling import loose_key
from monai_fusion.wording import a_few, quoted

_T1W = "T1w"
_OF_AN_ID = re.compile(r"(?:sub|sbj|subj|s|p|pat|patient|control|hc)?-?\d+", re.IGNORECASE)
_HAS_DIGIT = re.compile(r"\d")
_NOT_IN_A_SHELL = re.compile(r"[\"$`!\\%^]")


@dataclass(frozen=True)
class Ambiguity:
    """What a choice has left, and what it chose from.

    Attributes:
        eeg: EEG files by participant, of the condition that is meant.
        mri: T1-weighted MRIs by participant.
        choice: The choice that was made.
        folder: The folder that the MRIs are below.
    """

    eeg: Mapping[str, list[Path]]
    mri: Mapping[str, list[Path]]
    choice: Choice
    folder: Path

    def problems(self) -> Iterator[Problem]:
        """Participants with EEG of two sessions and no option for whether to take both, and with two MRIs."""
        eeg, mri = self._left
        for name, paths in sorted(eeg.items()) if not self.choice.sessions else ():
            found = _sessions(paths)
            if len(found) > 1:
                yield Problem(name, "eeg", f"sessions {', '.join(found)}", "one", self._about_sessions(found))
        several = [(name, paths) for name, paths in sorted(mri.items()) if len(paths) > 1]
        for name, paths in several[:SHOWN_AT_MOST]:
            yield self._several_mris(name, paths)
        for name, paths in several[SHOWN_AT_MOST:]:  # only counted in the message, and an example takes time
            yield Problem(name, "mri", f"{len(paths)} MRIs", "one")

    @cached_property
    def _left(self) -> tuple[dict[str, list[Path]], dict[str, list[Path]]]:
        return chosen(self.eeg, self.mri, self.choice, self.folder)

    @cached_property
    def _ids(self) -> tuple[str, int]:
        """What all ids begin with, and their length; 0 if they differ in it."""
        start = os.path.commonprefix(list(self.mri))  # noqa: RUF071 - letter by letter is what a pattern needs
        lengths = {len(each) for each in self.mri}
        return start, lengths.pop() if len(lengths) == 1 else 0

    @cached_property
    def _all_sessions(self) -> list[str]:
        return _sessions(itertools.chain(*self.eeg.values(), *self.mri.values()))

    def _about_sessions(self, found: Sequence[str]) -> str:
        others = [session for session in self._all_sessions if session not in found]
        rules = [f"prefer with --session {' '.join((*found, *others))}", f"or --session {ANY_SESSION}"]
        one = next((each for each in found if self._takes_nothing_away(replace(self.choice, sessions=(each,)))), None)
        return ", ".join([f"choose with --session {one}"] * (one is not None) + rules)

    def _several_mris(self, name: str, paths: Sequence[Path]) -> Problem:
        alike = len({path.name for path in paths}) < len(paths)
        names = a_few((path_below(self.folder, path).as_posix() if alike else path.name for path in paths), at_most=4)
        total = sum(map(len, self.mri.values()))
        if advice := about_the_id(name, self.mri[name], total):
            return Problem(name, "mri", f"{len(self.mri[name])} of {total} MRIs: {names}", "one", advice)
        if self._is_several_participants(name):
            return Problem(name, "mri", f"{len(paths)} MRIs: {names}", "one", begin_with_the_id(self.mri[name]))
        return Problem(name, "mri", f"{len(paths)} MRIs: {names}", "one", self._about_mris(name, paths))

    def _is_several_participants(self, name: str) -> bool:
        """Whether the MRIs of a supposed id are in folders of participants, as ``sub-01/T1w.nii.gz`` is."""
        if name in self.eeg:
            return False
        steps = zip(*(path_below(self.folder, path).parts[:-1] for path in self.mri[name]), strict=False)
        participants = {loose_key(each) for each in self.eeg}
        return any(len({loose_key(each) for each in folders} & participants) > 1 for folders in steps)

    def _about_mris(self, name: str, paths: Sequence[Path]) -> str:
        """A rule that leaves one of the MRIs: the simplest, and of these one that decides for most participants."""
        best = self._best_of(list(self._with_session(paths)), name, paths)
        if best is None or _likeness(self._outcome(best)[name]) < max(map(_likeness, paths)):
            best = self._best_of([*self._with_session(paths), *self._with_pattern(paths)], name, paths)
        if best is None:
            return "keep one of them in the folder, and move the others elsewhere"
        self._given.append(best)
        rules = [f"--session {' '.join(best.sessions)}"] if best.sessions != self.choice.sessions else []
        if best.t1w_patterns != self.choice.t1w_patterns:
            patterns = " ".join(f'"{pattern}"' for pattern in best.t1w_patterns)
            rules.append(f"a --t1w-pattern such as {patterns}")
        return f"choose with {' and '.join(rules)}"

    def _best_of(self, candidates: Sequence[Choice], name: str, paths: Sequence[Path]) -> Choice | None:
        """The best choice that leaves one MRI to the participant, as much of a T1w image as any by its name."""
        good = max(map(_likeness, paths))
        for each in candidates:
            if each in self._given and _likeness(self._outcome(each).get(name)) == good:
                return each
        works = [each for each in candidates if name in self._outcome(each)]
        return max(works, key=lambda each: (self._merit(each, name), -candidates.index(each)), default=None)

    def _with_session(self, paths: Sequence[Path]) -> Iterator[Choice]:
        """Choices of a session alone, where the MRIs are of several."""
        found = _sessions(paths)
        others = [session for session in self._all_sessions if session not in found]
        if len(found) > 1:
            for first in found:
                yield replace(self.choice, sessions=(first,))
            for first in found:
                yield replace(self.choice, sessions=(first, *(each for each in found if each != first), *others))

    def _with_pattern(self, paths: Sequence[Path]) -> Iterator[Choice]:
        """Choices of one pattern, then of one that is preferred to all else; with a session where it takes both."""
        sessions = [self.choice.sessions]
        if len(_sessions(paths)) > 1:
            sessions += [each.sessions for each in self._with_session(paths)]
        patterns = list(dict.fromkeys(_NOT_IN_A_SHELL.sub("?", pattern) for pattern in self._patterns(paths)))
        for session in sessions:
            for pattern in patterns:
                yield replace(self.choice, sessions=session, t1w_patterns=(pattern,))
        for session in sessions:
            for pattern in patterns:
                yield replace(self.choice, sessions=session, t1w_patterns=(pattern, "*"))

    def _patterns(self, paths: Sequence[Path]) -> Iterator[str]:
        """Patterns that may distinguish the files, those of files that are called T1w first."""
        start, length = self._ids
        for path in sorted(paths, key=lambda path: (not stem(path).endswith(_T1W), len(path.name))):
            name, _, rest = path.name.partition("_")
            words = stem(path).split("_")[1:]
            ending = path.name[len(stem(path)) :]
            for word in sorted(words, key=lambda word: not word.startswith(_T1W)):
                yield from (f"*_{word}*", f"*_{word}_*", f"*_{word}.*")
            yield f"*{ending}"
            for one, two in itertools.pairwise(words):
                yield f"*_{one}_{two}*"
            yield f"*_{rest}"
            if length == len(name):
                yield f"{start}{'?' * (len(name) - len(start))}_{'_'.join(words)}.*"
            folders = [step.replace(name, "*") for step in path_below(self.folder, path).parts[:-1]]
            for index, step in enumerate(folders):
                if step != "*":
                    yield f"*/{step}/*" if index else f"{step}/*"
            yield glob.escape(path_below(self.folder, path).as_posix())

    def _outcome(self, choice: Choice) -> Mapping[str, Path]:
        """The MRI of each participant who has one with this choice; none if it takes recordings from a participant."""
        key = choice.sessions, choice.t1w_patterns
        if key not in self._outcomes:
            eeg, mri = chosen(self.eeg, self.mri, choice, self.folder)
            nobody_lost = eeg.keys() >= self._left[0].keys() and mri.keys() >= self._left[1].keys()
            ones = {name: paths[0] for name, paths in mri.items() if len(paths) == 1 and nobody_lost}
            self._outcomes[key] = ones if nobody_lost else None
        return self._outcomes[key] or {}

    def _takes_nothing_away(self, choice: Choice) -> bool:
        self._outcome(choice)
        return self._outcomes[choice.sessions, choice.t1w_patterns] is not None

    def _merit(self, choice: Choice, name: str) -> tuple[int, bool, bool, bool, int]:
        """The greater, the better the example: a T1w image, no pattern, one and not two, T1w in it, helps most."""
        patterns, found = choice.t1w_patterns, self._outcome(choice)
        names_t1w = bool(patterns) and _T1W in patterns[0] and "/" not in patterns[0]
        plain = patterns == self.choice.t1w_patterns
        return _likeness(found[name]), plain, len(patterns) == 1, names_t1w, len(found)

    @cached_property
    def _given(self) -> list[Choice]:
        """The examples given: one that also decides for another participant is used again."""
        return []

    @cached_property
    def _outcomes(self) -> dict[tuple[tuple[str, ...], tuple[str, ...]], dict[str, Path] | None]:
        return {}


def about_the_id(participant_id: str, paths: Sequence[Path], total: int) -> str:
    """The advice on something that is no id: it has most of the files, as ``ADNI`` of ``ADNI_002_S_0413_MPR.nii``.

    Args:
        participant_id: The id.
        paths: Its files.
        total: How many files all ids have.
    """
    words = [stem(path).split("_") for path in paths]
    numbers = {each[1] for each in words if len(each) > 1 and _OF_AN_ID.fullmatch(each[1])}
    most = len(paths) > 2 and 2 * len(paths) > total
    no_number = not any(character.isdigit() for character in participant_id) and len(numbers) > 1
    what = f"{quoted(participant_id)} is taken for one participant, as an id is a file's name up to its first _"
    apart_by = _folders_apart(paths)
    if most and len({path.name for path in paths}) == 1 and apart_by and all(map(_HAS_DIGIT.search, apart_by)):
        return f"{what}: {begin_with_the_id(paths)}"
    if not (most and numbers) and not no_number:
        return ""
    beginnings = (["_".join(each[:count]) for each in words] for count in range(2, max(map(len, words))))
    apart = next((each[0] for each in beginnings if len(set(each)) == len(paths)), None)
    example = "" if apart is None else f", such as {apart.replace('_', '-')}{paths[0].name[len(apart) :]}"
    return f"{what}: rename the files so that no id holds a _{example}"


def begin_with_the_id(paths: Sequence[Path]) -> str:
    """The advice if ids are in the names of folders, and not in those of the files."""
    apart = next(iter(_folders_apart(paths)), None)
    example = "" if apart is None else f", such as {apart.replace('_', '-')}_{paths[0].name}"
    return f"rename the files so that each begins with the id of its participant{example}"


def _folders_apart(paths: Sequence[Path]) -> tuple[str, ...]:
    """The names of the outermost folders that distinguish all files; none if no folder does."""
    steps = zip(*(path.parts[:-1] for path in paths), strict=False)
    return next((each for each in steps if len(set(each)) == len(paths) > 1), ())


def _sessions(paths: Iterable[Path]) -> list[str]:
    return sorted(session for session in by_session(paths) if session is not None)


def _likeness(path: Path | None) -> int:
    """How much a name looks like a T1w image's: it ends so, contains it, or does not; no file is less than that."""
    if path is None:
        return -1
    name = stem(path)
    return 2 if name.endswith(f"_{_T1W}") else int(_T1W.lower() in name.lower())
