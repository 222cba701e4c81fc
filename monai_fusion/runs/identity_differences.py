"""How the current training differs from a saved one, in words for the user who resumes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from monai_fusion.errors import Problem
from monai_fusion.runs.value_differences import value_differences
from monai_fusion.wording import cut

PARTICIPANTS = "participants"
COMPONENTS = "components"
FILES = "files"
_AS_SAVED = "as in the checkpoint"
_CHANGED = "the file's content has changed since the checkpoint was written"


def differences(saved: Mapping[str, Any], current: Mapping[str, Any]) -> list[Problem]:
    """Name how the current training differs from a saved one.

    Args:
        saved: The identity in a checkpoint, as `monai_fusion.runs.training_identity` makes it: values by name, and
            under ``participants`` a mapping of ids to their fields, under ``files`` content hashes by option, under
            ``components`` descriptions of objects, which mostly follow from the other values.
        current: The identity of the training that would continue.

    Returns:
        A problem for each difference: knobs, files, then participants; components only if no other difference explains
        theirs.
    """
    apart = {PARTICIPANTS, COMPONENTS, FILES}
    problems = [
        problem
        for name in sorted((saved.keys() | current.keys()) - apart)
        for problem in _of_values(name, saved.get(name), current.get(name))
    ]
    files, files_now = saved.get(FILES, {}), current.get(FILES, {})
    problems += [
        Problem(name, seen=_CHANGED if files.get(name) and files_now.get(name) else _given(files_now.get(name)))
        for name in sorted(files.keys() | files_now.keys())
        if files.get(name) != files_now.get(name)
    ]
    participants, participants_now = saved.get(PARTICIPANTS, {}), current.get(PARTICIPANTS, {})
    of_participants = list(_of_participants(participants, participants_now))
    if not of_participants and list(participants) != list(participants_now):
        of_participants.append(
            Problem(PARTICIPANTS, seen="the datalist lists them in another order than for the checkpoint")
        )
    problems += of_participants
    return problems or list(_of_values("", saved.get(COMPONENTS, {}), current.get(COMPONENTS, {})))


def _given(content: str | None) -> str:
    return "given, but not in the checkpoint's training" if content else "not given, but in the checkpoint's training"


def _of_participants(saved: Mapping[str, Any], current: Mapping[str, Any]) -> Iterator[Problem]:
    for participant, before in saved.items():
        if participant not in current:
            yield Problem(participant, seen="missing", wanted=f"in {before['section']} {_AS_SAVED}")
    for participant, now in current.items():
        if participant not in saved:
            yield Problem(participant, seen=f"in {now['section']}", wanted=f"absent {_AS_SAVED}")
        else:
            yield from _of_participant(participant, saved[participant], now)


def _of_participant(participant: str, saved: Mapping[str, Any], current: Mapping[str, Any]) -> Iterator[Problem]:
    for name in ("section", "label", "segments"):
        if saved[name] != current[name]:
            yield Problem(participant, name, str(current[name]), f"{saved[name]} {_AS_SAVED}")
    for recording in ("eeg", "mri"):
        if saved[recording] != current[recording] and (recording == "mri" or saved["segments"] == current["segments"]):
            both = saved[recording] is not None and current[recording] is not None
            yield Problem(participant, recording, _CHANGED if both else _given(current[recording]))


def _of_values(where: str, saved: Any, current: Any) -> Iterator[Problem]:
    for path, before, now in value_differences(saved, current):
        names = (name for name in path if name not in ("parameters", "class"))
        yield from _of_value(" ".join((where, *names)).strip(), before, now)


def _of_value(where: str, saved: Any, current: Any) -> Iterator[Problem]:
    if _are_transforms(saved) and _are_transforms(current):
        yield from _of_chains(where, saved, current)
    elif where.endswith(" code"):
        yield Problem(where.removesuffix(" code"), seen="its code has changed since the checkpoint was written")
    elif isinstance(saved, str) and isinstance(current, str) and ("\n" in saved or "\n" in current):
        yield _first_line(where, saved, current)
    else:
        yield Problem(where, seen=cut(repr(current)), wanted=f"{cut(repr(saved))} {_AS_SAVED}")


def _of_chains(where: str, saved: Sequence[Any], current: Sequence[Any]) -> Iterator[Problem]:
    names, names_now = ([_name_of(one) for one in chain] for chain in (saved, current))
    if names != names_now:
        yield Problem(where, seen=", ".join(names_now) or "nothing", wanted=f"{', '.join(names)} {_AS_SAVED}")
        return
    several = {name for name, count in Counter(names).items() if count > 1}
    for place, (name, before, now) in enumerate(zip(names, saved, current, strict=True)):
        number = f" {names[: place + 1].count(name)}" if name in several else ""
        yield from _of_values(f"{where} {name}{number}", before, now)


def _are_transforms(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, Mapping) and "class" in one for one in value)


def _name_of(transform: Mapping[str, Any]) -> str:
    return str(transform["class"]).rpartition(".")[2]


def _first_line(where: str, saved: str, current: str) -> Problem:
    lines, lines_now = saved.splitlines(), current.splitlines()
    pairs = ((old, new) for old, new in zip(lines, lines_now, strict=False) if old != new)
    old, new = next(pairs, (f"{len(lines)} lines", f"{len(lines_now)} lines"))
    return Problem(where, seen=cut(new.strip()), wanted=f"{cut(old.strip())} {_AS_SAVED}")
