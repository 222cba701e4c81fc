"""The bundle run behind ``monai-fusion train``, ``evaluate`` or ``predict``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_fusion.errors import InputError, Problem
from monai_fusion.options.command_line import CommandLine, read_options
from monai_fusion.options.configs import load_configs
from monai_fusion.options.knob_values import AUTO_NUMBERS, AUTO_SWITCHES, NOTHING, TEXT_KNOBS, as_word
from monai_fusion.options.overrides import check_overrides
from monai_fusion.wording import did_you_mean, nearest, quoted

# What `CommandLine.parse` knows a bundle run by.
_ENTRY = str(Path("monai") / "bundle" / "__main__.py")


@dataclass(frozen=True)
class BundleRun:
    """A bundle run, checked as far as that goes without MONAI.

    Attributes:
        words: The words after ``python -m monai.bundle``.
        knobs: The value of each knob that the command line or a config gives, as written; expressions are texts.
    """

    words: tuple[str, ...]
    knobs: dict[str, Any]


_FIRST = {
    "datalist": "the datalist comes first",
    "model_dir": "the model comes first, and --datalist names a datalist",
}


def plan_run(
    configs: Sequence[Path], words: Sequence[str], own: Sequence[str] = (), first: str = "datalist"
) -> BundleRun:
    """Make a bundle run of config files and the words of a command; what is typed for a text is what the text will be.

    Args:
        configs: The shipped config files, each an overlay on those before it.
        words: The value of the knob ``first``, if it comes first, and options: knobs by name, ``--config_file`` for an
            overlay (repeatable), and the options of `python -m monai.bundle run` itself.
        own: Options that the command has besides: a misspelt word may mean one of them.
        first: The knob that the first word is for: ``datalist``, or ``model_dir``.

    Raises:
        InputError: An option that no config defines, of a wrong type or out of range, or a word of no option.
    """
    rest = list(words)
    leading = [rest.pop(0)] if rest and not rest[0].startswith("-") else []
    rest, overlays = _take_overlays(rest)
    # The name alone is enough for an overlay in the folder of the shipped config.
    shipped = configs[0].parent
    named = {shipped / path.name: path for path in overlays}
    overlays = [path if path.is_file() or path.name != str(path) else shipped / path.name for path in overlays]
    files = [*configs, *overlays]
    if missing := [path for path in files if not path.is_file()]:
        raise InputError(_absent(named.get(path, path), shipped) for path in missing)
    try:
        defaults = load_configs(files)
    except ValueError as error:
        raise InputError(Problem("--config_file", seen=str(error), wanted="a config of the bundle")) from None
    _, typed, strays = read_options([*((f"--{first}", *leading) if leading else ()), *rest])
    if strays:
        option, word = strays[0]
        advice = f"{_FIRST[first]}; put double quotes around a value with spaces in it"
        raise InputError(Problem(word, seen=f"a word that belongs to no option, after --{option}", advice=advice))
    _refuse_misspelt(typed, defaults, own)
    if empty := [name for name, word in typed.items() if word is not None and not word.strip()]:
        advice = "is a variable of the shell not set?"
        raise InputError(Problem(f"--{empty[0]}", seen="empty", wanted="a value", advice=advice))
    for name in ("args_file", "logging_file", "meta_file"):
        if (file := typed.get(name)) is not None and not Path(file).is_file():
            raise InputError(Problem(f"--{name}", seen=f"{file}: no such file"))
    if (tracking := typed.get("tracking")) not in (None, "mlflow") and not Path(str(tracking)).is_file():
        raise InputError(Problem("--tracking", seen=repr(tracking), wanted="mlflow, or a file of MONAI's settings"))
    one = str(files[0]) if len(files) == 1 and as_word(files[0]) == str(files[0]) and "," not in str(files[0]) else None
    spelt = ["run", "--config_file", one or as_word([str(path) for path in files])]
    for name, value in typed.items():
        spelt.append(f"--{name}")
        if value is not None:
            spelt.append(as_word(value) if _is_text(name, defaults) and value != NOTHING else value)
    command = CommandLine.parse([_ENTRY, *spelt])
    assert command is not None  # noqa: S101 # it was made to be one
    if problems := check_overrides(command, None):
        raise InputError(problems)
    texts = {
        name: None if word == NOTHING else word
        for name, word in typed.items()
        if word is not None and _is_text(name, defaults)
    }
    return BundleRun(tuple(spelt), {**defaults, **command.overrides, **texts})


def _absent(path: Path, shipped: Path) -> Problem:
    """An overlay that is neither where the user says nor among the shipped configs, if its name alone was given."""
    known = {each.stem: each.name for each in sorted(shipped.glob("*.yaml"))} if path.name == str(path) else {}
    advice = did_you_mean(path.stem, known, lambda stem: quoted(known[stem]))
    if known and not advice:
        advice = f"the bundle has {', '.join(known.values())}"
    return Problem("--config_file", seen=f"{path}: no such file", advice=advice)


def _refuse_misspelt(typed: Iterable[str], defaults: Iterable[str], own: Sequence[str]) -> None:
    """Name the option of the command that was meant; of a misspelt knob, `check_overrides` names the knob."""
    known = (*defaults, *own)
    for name in typed:
        near = None if name in known else nearest(name, known)
        if near in own:
            raise InputError(Problem(f"--{name}", seen="there is no such option", advice=f"did you mean --{near}?"))


def _take_overlays(words: Sequence[str]) -> tuple[list[str], list[Path]]:
    rest: list[str] = []
    overlays: list[Path] = []
    left = list(words)
    while left:
        word = left.pop(0)
        name, given, value = word.partition("=")
        if name.replace("-", "_") != "__config_file":
            rest.append(word)
        elif given or left:
            overlays.append(Path(value if given else left.pop(0)))
        else:
            raise InputError(Problem("--config_file", seen="no value follows it", wanted="an overlay's path"))
    return rest, overlays


def _is_text(name: str, defaults: dict[str, Any]) -> bool:
    if name in (*AUTO_SWITCHES, *AUTO_NUMBERS):
        return False
    default = defaults.get(name)
    return name in TEXT_KNOBS or (isinstance(default, str) and default[:1] not in ("$", "@", "%"))
