"""Where two recordings are left for one participant: what to add to the command, tried before it is said.

An example is given only if, applied, it leaves one MRI to the participant and takes nobody's recordings away.
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

from monai_fusion.datalist.choosing import ANY_SESSION, Choice, by_session, chosen, stem
from monai_fusion.datalist.wording import a_few, quoted
from monai_fusion.errors import Problem

_T1W = "T1w"
_OF_AN_ID = re.compile(r"(?:sub|sbj|subj|s|p|pat|patient|control|hc)?-?\d+", re.IGNORECASE)
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
        """Participants with EEG of two sessions while nobody said whether to take both, and with two MRIs."""
        eeg, mri = self._left
        for name, paths in sorted(eeg.items()) if not self.choice.sessions else ():
            found = _sessions(paths)
            if len(found) > 1:
                yield Problem(name, "eeg", f"sessions {', '.join(found)}", "one", self._about_sessions(found))
        for name, paths in sorted(mri.items()):
            if len(paths) > 1:
                yield self._several_mris(name, paths)

    @cached_property
    def _left(self) -> tuple[dict[str, list[Path]], dict[str, list[Path]]]:
        return chosen(self.eeg, self.mri, self.choice, self.folder)

    @cached_property
    def _all_sessions(self) -> list[str]:
        return _sessions(itertools.chain(*self.eeg.values(), *self.mri.values()))

    def _about_sessions(self, found: Sequence[str]) -> str:
        others = [session for session in self._all_sessions if session not in found]
        rules = [f"prefer with --session {' '.join((*found, *others))}", f"or --session {ANY_SESSION}"]
        one = next((each for each in found if self._outcome(replace(self.choice, sessions=(each,))) is not None), None)
        return ", ".join([f"choose with --session {one}"] * (one is not None) + rules)

    def _several_mris(self, name: str, paths: Sequence[Path]) -> Problem:
        alike = len({path.name for path in paths}) < len(paths)
        names = a_few((path.relative_to(self.folder).as_posix() if alike else path.name for path in paths), at_most=4)
        total = sum(map(len, self.mri.values()))
        if advice := about_the_id({name: [path.name for path in self.mri[name]]}, total):
            return Problem(name, "mri", f"{len(self.mri[name])} of {total} MRIs: {names}", "one", advice)
        return Problem(name, "mri", f"{len(paths)} MRIs: {names}", "one", self._about_mris(name, paths))

    def _about_mris(self, name: str, paths: Sequence[Path]) -> str:
        """A rule that leaves one of the MRIs: the plainest, and of these one that settles it for the most people."""
        candidates = [*self._with_session(paths), *self._with_pattern(paths)]
        said = [each for each in candidates if each in self._said and name in (self._outcome(each) or ())]
        works = {
            each: found for each in candidates if not said and name in (found := self._outcome(each) or frozenset())
        }
        if not said and not works:
            return "keep one of them in the folder, and move the others elsewhere"
        best = (
            said[0]
            if said
            else max(works, key=lambda each: (*self._ease(each), len(works[each]), -candidates.index(each)))
        )
        self._said.append(best)
        rules = [f"--session {' '.join(best.sessions)}"] if best.sessions != self.choice.sessions else []
        if best.t1w_patterns != self.choice.t1w_patterns:
            patterns = " ".join(f'"{pattern}"' for pattern in best.t1w_patterns)
            rules.append(f"a --t1w-pattern such as {patterns}")
        return f"choose with {' and '.join(rules)}"

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
        patterns = list(dict.fromkeys(self._patterns(paths)))
        for session in sessions:
            for pattern in patterns:
                yield replace(self.choice, sessions=session, t1w_patterns=(pattern,))
        for session in sessions:
            for pattern in patterns:
                yield replace(self.choice, sessions=session, t1w_patterns=(pattern, "*"))

    def _patterns(self, paths: Sequence[Path]) -> Iterator[str]:
        """Patterns that may tell the files apart, those of files that are called T1w first."""
        ids = sorted(self.mri)
        start = os.path.commonprefix(ids)  # noqa: RUF071 - letter by letter is what a pattern needs
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
            if all(len(each) == len(name) for each in ids):
                yield f"{start}{'?' * (len(name) - len(start))}_{'_'.join(words)}.*"
            folders = [step.replace(name, "*") for step in path.relative_to(self.folder).parts[:-1]]
            for index, step in enumerate(folders):
                if step != "*":
                    yield f"*/{step}/*" if index else f"{step}/*"
            yield glob.escape(path.relative_to(self.folder).as_posix())

    def _outcome(self, choice: Choice) -> frozenset[str] | None:
        """Who has one MRI with this choice; nothing if it takes somebody's recordings away, or cannot be typed."""
        key = choice.sessions, choice.t1w_patterns
        if key not in self._outcomes:
            self._outcomes[key] = None
            if not any(map(_NOT_IN_A_SHELL.search, choice.t1w_patterns)):
                eeg, mri = chosen(self.eeg, self.mri, choice, self.folder)
                before = self._left
                if eeg.keys() >= before[0].keys() and mri.keys() >= before[1].keys():
                    self._outcomes[key] = frozenset(name for name, paths in mri.items() if len(paths) == 1)
        return self._outcomes[key]

    def _ease(self, choice: Choice) -> tuple[bool, bool, bool]:
        """What is plainer is greater: no pattern, one pattern rather than two, one that says T1w."""
        patterns = choice.t1w_patterns
        return patterns == self.choice.t1w_patterns, len(patterns) == 1, bool(patterns) and _T1W in patterns[0]

    @cached_property
    def _said(self) -> list[Choice]:
        """The examples that were given: one that settles it for another participant as well is not varied."""
        return []

    @cached_property
    def _outcomes(self) -> dict[tuple[tuple[str, ...], tuple[str, ...]], frozenset[str] | None]:
        return {}


def about_the_id(names: Mapping[str, Sequence[str]], total: int) -> str:
    """What to say of an id that is none: it has most of the files, as ``ADNI`` of ``ADNI_002_S_0413_MPR.nii``.

    Args:
        names: The file names of the one id.
        total: How many files all ids have.
    """
    ((participant_id, files),) = names.items()
    words = [stem(Path(name)).split("_") for name in files]
    numbers = {each[1] for each in words if len(each) > 1 and _OF_AN_ID.fullmatch(each[1])}
    most = len(files) > 2 and 2 * len(files) > total and numbers
    no_number = not any(sign.isdigit() for sign in participant_id) and len(numbers) > 1
    if not (most or no_number):
        return ""
    beginnings = (["_".join(each[:count]) for each in words] for count in range(2, max(map(len, words))))
    apart = next((each[0] for each in beginnings if len(set(each)) == len(files)), None)
    example = "" if apart is None else f", such as {apart.replace('_', '-')}{files[0][len(apart) :]}"
    what = f"{quoted(participant_id)} is taken for one participant, as an id is a file's name up to its first _"
    return f"{what}: rename the files so that no id holds a _{example}"


def _sessions(paths: Iterable[Path]) -> list[str]:
    return sorted(session for session in by_session(paths) if session is not None)
