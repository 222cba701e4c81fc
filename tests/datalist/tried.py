"""A cohort to spoil, commands to type, and how a participant follows what a message advises."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

PARTICIPANTS = [f"sub-{number:02d}" for number in range(1, 15)]
BUILD = "build --eeg-dir eeg --mri-dir mri --participants participants.csv --out list.json"
BIDS = "build --bids bids --out list.json"
Spoil = Callable[[], object]


def touch(name: str) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def move(old: str, new: str) -> None:
    Path(new).parent.mkdir(parents=True, exist_ok=True)
    Path(old).rename(new)


def edit(name: str, old: str, new: str, count: int = -1) -> None:
    text = Path(name).read_text(encoding="utf-8")
    assert old in text
    Path(name).write_text(text.replace(old, new, count), encoding="utf-8")


def write_cohort() -> None:
    """Fourteen participants, in two folders and as a BIDS dataset, and a right datalist of them."""
    for number, name in enumerate(PARTICIPANTS):
        for path in (f"eeg/{name}_EO_seg0.npy", f"eeg/{name}_EC_seg0.npy", f"mri/{name}_T1w.nii.gz"):
            touch(path)
        touch(f"bids/{name}/anat/{name}_T1w.nii.gz")
        touch(f"bids/derivatives/morlet/{name}_seg0.npy")
        for table, character in (("participants.csv", ","), ("bids/participants.tsv", "\t")):
            with Path(table).open("a", encoding="utf-8") as stream:
                row = (name, "MF"[number % 2], f"{20 + number}", f"f{number // 2}")
                stream.write("" if number else character.join(("participant_id", "gender", "age", "family")) + "\n")
                stream.write(character.join(row) + "\n")
    rows = [
        {"participant_id": name, "label": "MF"[number % 2], "eeg": f"eeg/{name}_*.npy", "mri": f"mri/{name}_T1w.nii.gz"}
        for number, name in enumerate(PARTICIPANTS)
    ]
    parts = {"training": rows[:6], "validation": rows[6:10], "test": rows[10:]}
    document = {"target": "gender", "classes": ["M", "F"], "data_root": ".", **parts}
    Path("right.json").write_text(json.dumps(document, indent=0), encoding="utf-8")


def each(folder: str, name_of: Callable[[str], str]) -> None:
    for path in sorted(Path(folder).iterdir()):
        path.rename(path.with_name(name_of(path.name)))


def options(command: str, added: str) -> str:
    """The command with an option that replaces an older one of its name."""
    name = added.split()[0]
    return re.sub(rf" {name}(?: (?!--)\S+)*", "", command) + f" {added}"


def without(command: str, names: Iterable[str | None]) -> str:
    """The command without these options."""
    for name in filter(None, names):
        command = re.sub(rf" {name}(?: (?!--)\S+)*", "", command)
    return command


def whole_path(command: str, name: str) -> str:
    field = "mri" if name.endswith(".nii.gz") else "eeg"
    text = Path("spoilt.json").read_text(encoding="utf-8")
    Path("spoilt.json").write_text(
        re.sub(rf'"{field}": ".*?"', f'"{field}": "{name}"', text, count=1), encoding="utf-8"
    )
    return command


def spoilt(old: str, new: str) -> None:
    Path("spoilt.json").write_bytes(Path("right.json").read_bytes())
    edit("spoilt.json", old, new, count=1)


Typed = str | Callable[[], object]
"""What is typed behind ``monai-fusion datalist``, or called."""
Follow = Callable[[str, str], Typed | None]
"""From what was typed, and the line with the advice, to what is typed next: None is the same again."""


@dataclass(frozen=True)
class Case:
    """A mistake that makes a message give a piece of advice, and what a user does who follows it.

    Attributes:
        typed: What is typed.
        spoil: What makes the mistake, in a folder with `write_cohort`.
        follow: What is done about it.
    """

    typed: Typed
    spoil: Callable[[], object]
    follow: Follow


def typing(*rules: str) -> Follow:
    """Adds options to the command, in place of older ones of the same name."""

    def follow(command: str, _: str) -> str:
        for rule in rules:
            command = options(command, rule)
        return command

    return follow


def leaving_out(*names: str) -> Follow:
    """Takes options away."""
    return lambda command, _: without(command, names)


def doing(change: Callable[[], object]) -> Follow:
    """Changes files, and types the same again."""

    def follow(_: str, __: str) -> None:
        change()

    return follow


def doing_then(change: Callable[[], object], command: Typed) -> Follow:
    """Changes files, and types another command."""

    def follow(_: str, __: str) -> Typed:
        change()
        return command

    return follow


def as_printed(pattern: str, act: Callable[..., Typed | None]) -> Follow:
    """Does something with what the message names: ``act`` gets the command, and the groups of the pattern."""

    def follow(command: str, line: str) -> Typed | None:
        found = re.search(pattern, line)
        assert found is not None, line
        return act(command, *found.groups())

    return follow


def nothing() -> None:
    """No mistake in any file."""
