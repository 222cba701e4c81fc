"""Wrong input of a user and its message: one line a problem, no traceback, exit code 2."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from monai_fusion.causes import causes_of
from monai_fusion.messages import visible
from monai_fusion.wording import counted

SHOWN_AT_MOST = 20


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with what the user gave.

    Attributes:
        where: The participant, file or option it concerns, e.g. ``sub-010002`` or ``runs/first``.
        field: The field of it, e.g. ``eeg`` or ``label``; empty if ``where`` is enough.
        seen: The value that was found, quoted where it is text: ``shape (224, 224, 16)``.
        wanted: The value that is needed: ``(224, 224, 17)``.
        advice: What to do about it: ``one electrode is missing: write the scalogram again``.
    """

    where: str
    field: str = ""
    seen: str = ""
    wanted: str = ""
    advice: str = ""

    def __str__(self) -> str:
        """``sub-07 eeg: shape (224, 224, 16), expected (224, 224, 17): one electrode is missing``; always one line."""
        subject = " ".join(part for part in (self.where, self.field) if part)
        findings = ", expected ".join(part for part in (self.seen, self.wanted) if part)
        return visible(": ".join(part for part in (subject, findings, self.advice) if part))


class InputError(Exception):
    """The user's input is wrong: reported as text by every entry point, which then ends with exit code 2.

    Attributes:
        problems: All that was found, in the order in which a reader would look for it.
        heading: What was being read, e.g. the datalist's path; empty for a single problem that names it itself.
    """

    exit_code = 2

    def __init__(self, problems: Problem | Iterable[Problem], heading: str = "") -> None:
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        self.heading = heading
        super().__init__(self.problems, heading)  # as arguments, so that it pickles out of worker processes

    def __str__(self) -> str:
        """The message as a user reads it, without the leading ``error:``; notes (`noted`) are its last lines."""
        if len(self.problems) == 1 and not self.heading:
            return "\n".join([str(self.problems[0]), *self._noted])
        count = counted(len(self.problems), "problem")
        lines = [f"{visible(self.heading)}: {count}" if self.heading else count]
        lines += [f"  {problem}" for problem in self.problems[:SHOWN_AT_MOST]]
        if len(self.problems) > SHOWN_AT_MOST:
            lines.append(f"  ... and {len(self.problems) - SHOWN_AT_MOST} more")
        return "\n".join([*lines, *self._noted])

    @property
    def _noted(self) -> list[str]:
        return [f"note: {visible(note)}" for note in getattr(self, "__notes__", ())]


class RunFailed(Exception):  # noqa: N818 # it is what happened, not an error of the program
    """A run could not go on, for a reason that has a name: reported as text, without a traceback, exit code 1.

    Args:
        lines: What happened, then what stays and what to do; a line each.
    """

    exit_code = 1

    def __init__(self, *lines: str) -> None:
        self.lines = lines
        super().__init__(*lines)

    def __str__(self) -> str:
        """The message as a user reads it, without the leading ``error:``."""
        return visible("\n  ".join(self.lines), keep="\n")


@contextmanager
def noted(notes: Iterable[str]) -> Iterator[None]:
    """Adds notes to an `InputError` raised inside: they may be the reason for it."""
    try:
        yield
    except InputError as error:
        for note in notes:
            if note not in getattr(error, "__notes__", ()):
                error.add_note(note)
        raise


def input_error_behind(error: BaseException | None) -> InputError | None:
    """Return the first `InputError` along the causes of an exception, or None.

    MONAI wraps what a transform or a config's component raises into `RuntimeError`, with the original as its cause.
    """
    return next((cause for cause in causes_of(error) if isinstance(cause, InputError)), None)
