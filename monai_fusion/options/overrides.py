"""The closed world of a bundle's options: what no config defines is an error, with a suggestion.

`monai.bundle run` takes any ``--name value`` and adds it to the config: a misspelt ``--num_epoch 1`` trains 25 epochs
without a word. Here the command line is compared with the config files that it names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from multiprocessing import get_all_start_methods
from pathlib import Path
from typing import Any

from monai_fusion.errors import InputError, Problem
from monai_fusion.keys import PRECISIONS
from monai_fusion.options.command_line import RUN_OPTIONS, CommandLine
from monai_fusion.options.configs import load_configs
from monai_fusion.options.knob_values import AUTO, AUTO_NUMBERS, AUTO_SWITCHES, NEEDED_KNOBS, TEXT_KNOBS, check_text
from monai_fusion.wording import did_you_mean, misspelt

# What MONAI understands in any component besides the component's arguments.
_COMPONENT_KEYS = ("_disabled_", "_requires_", "_mode_", "_desc_")
_TRUE, _FALSE = ("true", "yes", "on"), ("false", "no", "off")
_LATEST = "latest"  # a further value of --resume
_MISSING = object()
# The sensible values of knobs for which torch's own message would be a traceback, or which no other code checks: a
# negative learning rate unlearns, and MONAI's transforms take a chance of 2 for 1.
_AT_LEAST = {"batch_size": 1, "segment_batch_size": 1, "val_interval": 1, "max_eval_segments": 1, "num_workers": 0}
_AT_LEAST |= {"accumulation_steps": 1, "early_stopping": 1, "seed": 0, "eval_batch_size": 1}
_NOT_NEGATIVE = ("weight_decay", "lambda_align")
_ABOVE_0 = ("head_lr", "encoder_lr", "clip_norm", "time_limit_minutes", "timeout_minutes")
_ONE_OF = {"keep_epoch": ("best", "last"), "precision": PRECISIONS, "start_method": tuple(get_all_start_methods())}
_ONE_OF |= {"modalities": ("both", "eeg", "mri"), "fusion": ("gated", "concat", "mean")}
_ONE_OF |= {"mri_input_norm": ("kinetics", "none"), "percentiles_over": ("all", "nonzero")}
_ONE_OF |= dict.fromkeys(("eeg_store_dtype", "mri_store_dtype"), ("float32", "float16", "uint16"))
_DEVICES = ("cpu", "cuda", "mps", "xpu", "hpu")
_OF_THREE = ("mri_size", "eeg_shape", "flip_prob")
_SHARES = ("label_smoothing", "spec_augment_prob", "spec_augment_fraction", "rotate_prob", "flip_prob")
_REFERENCE = re.compile(r"@(\w+)")  # of an entry at the top; what is relative (@##name) is MONAI's to resolve
_BASE_OF = dict.fromkeys(("evaluate.yaml", "explain.yaml"), "inference.yaml") | dict.fromkeys(
    ("demo.yaml", "original.yaml", "multi_gpu_train.yaml"), "train.yaml"
)
_SPACES = 'put double quotes around a value with spaces in it: --name "one value"'


def check_overrides(command: CommandLine, arguments_of: Callable[[str], Sequence[str]] | None) -> list[Problem]:
    """Compare the options with what the config files define.

    Args:
        command: The command line.
        arguments_of: Names the arguments of the class or function behind a ``_target_``; to know them it must be
            imported. None leaves options within a component (``train#trainer#max_epochs``) unchecked.

    Returns:
        One problem for each option that no config defines, or whose value is of another type than the config's own,
        is lost on the way (MONAI ignores ``None``), or would arrive as another text than the one that was typed; one
        for each word that belongs to no option; and one for each value of a config itself that is out of its range. A
        config that refers to entries which no file defines is the only problem, if it is one.
    """
    config = load_configs(command.config_files)
    if missing := _undefined(config):
        return [_no_base(command.config_files, missing)]
    found = {
        name: _check(name, value, config, command.typed, arguments_of) for name, value in command.overrides.items()
    }
    unknown = found.keys() - config.keys()
    found |= {name: _of_the_training(name) for name in unknown & _knobs_of_the_training(command.config_files, unknown)}
    problems = [problem for problem in found.values() if problem is not None]
    problems += [
        Problem(word, seen=f"a word that belongs to no option, after --{option}", advice=_SPACES)
        for option, word in command.strays
        if found.get(option) is None
    ]
    # What an overlay writes is typed as well.
    written = {name: value for name, value in config.items() if name not in command.overrides}
    texts = {name: text for name, text in written.items() if name in TEXT_KNOBS and _is_text(text)}
    further = [check_text(name, text, text) for name, text in texts.items()]
    further += [_out_of_range(name, value) for name, value in written.items()]
    further.append(_unlike_the_stages({**config, **command.overrides}))
    return problems + [problem for problem in further if problem is not None]


def check_values(config: Mapping[str, Any]) -> list[Problem]:
    """Check the config of a run that was started from Python, not by a command.

    Args:
        config: The config files merged, with all overrides, as data.

    Returns:
        One problem for each value out of its range, and for each entry that nothing refers to and that looks like a
        misspelt knob: MONAI adds an unknown ``batchsize=3`` to the config, and trains with the default.
    """
    if missing := _undefined(config):
        advice = (
            "evaluate.yaml is an overlay on inference.yaml, demo.yaml on train.yaml: config_file takes a list of both"
        )
        return [Problem("config_file", seen=f"refers to @{missing}, which no config file has", advice=advice)]
    used = {name for text in _texts(config) if text[:1] in ("$", "@") for name in _REFERENCE.findall(text)}
    problems = [
        Problem(name, seen="nothing in the config refers to it", advice=f"did you mean {meant}?")
        for name in config
        if name not in used and (meant := misspelt(name, tuple(used)))
    ]
    further = [_out_of_range(name, value) for name, value in config.items()]
    further.append(_unlike_the_stages(config))
    return problems + [problem for problem in further if problem is not None]


def _knobs_of_the_training(files: Sequence[str], unknown: Set[str]) -> Set[str]:
    """The knobs of the train.yaml in the folder of another config: an evaluation takes them from the model."""
    training = Path(files[0]).with_name("train.yaml") if files else Path()
    if not unknown or training.name in {Path(file).name for file in files} or not training.is_file():
        return set()
    return load_configs([training]).keys()


def _of_the_training(name: str) -> Problem:
    advice = "leave it out: it belongs to the training, and the model has its own value"
    return Problem(f"--{name}", seen=f"there is no {name!r} in the config", advice=advice)


def _undefined(config: Mapping[str, Any]) -> str | None:
    """The first entry that a config refers to and does not have."""
    for text in _texts(config):
        if text[:1] in ("$", "@"):
            for name in _REFERENCE.findall(text):
                if name not in config:
                    return str(name)
    return None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(inner)


def _no_base(files: Sequence[str], missing: str) -> Problem:
    last = Path(files[-1])
    base = last.with_name(_BASE_OF.get(last.name, ""))
    advice = "give the config that it overlays, too, or correct the name"
    if len(files) == 1 and base != last and base.is_file():
        advice = f"it is an overlay on {base.name}: --config_file \"['{base}','{last}']\""
    return Problem("--config_file", seen=f"{last.name} refers to @{missing}, which no config file has", advice=advice)


def as_bool(value: object, name: str = "option") -> bool:
    """Read a switch as it is typed: on the command line ``--pretrained false`` arrives as the text ``false``.

    Raises:
        InputError: It is neither true nor false.
    """
    if isinstance(value, bool):
        return value
    text = str(value).lower()
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise InputError(Problem(name, seen=repr(value), wanted="true or false"))


def as_auto(value: object, name: str) -> bool | None:
    """Read a switch that may also be ``auto``, which is returned as None.

    Raises:
        InputError: It is neither true, false nor auto.
    """
    if str(value).lower() == AUTO:
        return None
    try:
        return as_bool(value)
    except InputError:
        raise InputError(Problem(name, seen=repr(value), wanted="auto, true or false")) from None


def as_switch(value: Any) -> Any:
    """Return true or false for a text that `flag` reads as such; everything else unchanged."""
    return value.lower() in _TRUE if isinstance(value, str) and value.lower() in (*_TRUE, *_FALSE) else value


def as_resume(value: object) -> bool:
    """Read the switch ``resume``: true or ``latest``, or false.

    Raises:
        InputError: It is none of these.
    """
    return value == _LATEST or as_bool(value, "resume")


def _check(
    name: str,
    value: Any,
    config: Mapping[str, Any],
    typed: Mapping[str, str | None],
    arguments_of: Callable[[str], Sequence[str]] | None,
) -> Problem | None:
    keys = name.removeprefix("+").replace("::", "#").split("#")
    if keys[0] == "_meta_" or (len(keys) > 1 and arguments_of is None):
        return None
    place: Any = config
    for depth, key in enumerate(keys):
        below = _step(place, key)
        if below is _MISSING:
            known = [*_known_names(place, arguments_of), *(RUN_OPTIONS if depth == 0 else ())]
            if depth == len(keys) - 1 and depth > 0 and key in known:
                return None  # an argument of the component that the config leaves at its default
            prefix = "#".join(keys[:depth])
            return _unknown(name, key, prefix, known)
        place = below
    if value == "null" or (value is None and (place is not None or typed.get(name) is not None)):
        if name in NEEDED_KNOBS:
            return Problem(f"--{name}", seen=repr(value), wanted="text")
        return Problem(f"--{name}", seen=repr(value), advice="to set nothing at all write '$None', with the quotes")
    if (
        len(keys) == 1
        and typed.get(name, "") is None
        and not isinstance(place, bool | None)
        and not _is_expression(place)
    ):
        return Problem(f"--{name}", seen="no value follows it", wanted=f"one, such as {place!r}")
    if len(keys) == 1 and name in (*AUTO_SWITCHES, *AUTO_NUMBERS):
        return _out_of_range(name, value)
    if len(keys) == 1 and (name in TEXT_KNOBS or (_is_text(place) and not _is_expression(value))):
        word = typed.get(name, value)
        word = word if word is None or isinstance(word, str) else str(word)
        return check_text(name, word, value) or _out_of_range(name, value)
    return _wrong_type(name, place, value, is_knob=len(keys) == 1) or _out_of_range(name, value)


def _step(place: Any, key: str) -> Any:
    if isinstance(place, Mapping):
        return place.get(key, _MISSING)
    if isinstance(place, list) and key.isdecimal() and int(key) < len(place):
        return place[int(key)]
    return _MISSING


def _known_names(place: Any, arguments_of: Callable[[str], Sequence[str]] | None) -> list[str]:
    """The names that a place may have: the config's own and the arguments of the component there."""
    if not isinstance(place, Mapping):
        return []
    names = [str(key) for key in place if not str(key).startswith("_")]
    target = place.get("_target_")
    if isinstance(target, str) and arguments_of is not None:
        names += [name for name in (*arguments_of(target), *_COMPONENT_KEYS) if name not in names]
    return names


def _unknown(name: str, key: str, prefix: str, known: Sequence[str]) -> Problem:
    at = f"in {prefix}" if prefix else "in the config"
    meant = did_you_mean(key, known, lambda near: f"--{'#'.join(filter(None, (prefix, near)))}")
    return Problem(f"--{name}", seen=f"there is no {key!r} {at}", advice=meant or "see the config's first lines")


def _wrong_type(name: str, default: Any, value: Any, *, is_knob: bool) -> Problem | None:
    if _is_expression(default) or _is_expression(value):
        return None  # its value is not known yet
    if isinstance(default, bool) and is_knob:  # the configs read these with as_bool()
        fits, wanted = isinstance(value, bool) or str(value).lower() in (*_TRUE, *_FALSE), "true or false"
        if name == "resume":
            fits, wanted = fits or value == _LATEST, f"true, false or {_LATEST}"
    elif isinstance(default, bool):  # any text would count as true
        fits, wanted = isinstance(value, bool), "True or False"
    elif isinstance(default, int):
        fits, wanted = isinstance(value, int) and not isinstance(value, bool), "a whole number"
    elif isinstance(default, float):
        fits, wanted = isinstance(value, int | float) and not isinstance(value, bool), "a number"
    elif isinstance(default, list):
        fits, wanted = isinstance(value, list | tuple), f'a list such as "{default}"'
        if fits and name in _OF_THREE:
            numbers = [each for each in value if isinstance(each, int | float) and not isinstance(each, bool)]
            fits, wanted = len(numbers) == len(value) == 3, f'three numbers, such as "{default}"'
    elif isinstance(default, str):
        fits, wanted = not isinstance(value, int | float), "text"
    else:
        return None
    return None if fits else Problem(f"--{name}", seen=repr(value), wanted=wanted)


def _out_of_range(name: str, value: Any) -> Problem | None:
    """Also for knobs that are null by default, whose type the config does not show."""
    if value is None or _is_expression(value):
        return None
    if name in (*AUTO_SWITCHES, *AUTO_NUMBERS) and value == AUTO:
        return None
    numbers = value if isinstance(value, list | tuple) else [value]
    are_numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in numbers)
    advice = ""
    if name in _AT_LEAST:
        fits = isinstance(value, int) and are_numbers and value >= _AT_LEAST[name]
        wanted = f"a whole number, at least {_AT_LEAST[name]}" + (", or auto" if name in AUTO_NUMBERS else "")
    elif name in AUTO_SWITCHES:
        fits = isinstance(value, bool) or str(value).lower() in (*_TRUE, *_FALSE)
        wanted = "auto, true or false"
    elif name in _NOT_NEGATIVE:
        fits, wanted = are_numbers and all(number >= 0 for number in numbers), "a number, at least 0"
    elif name in _ABOVE_0:
        fits, wanted = are_numbers and all(number > 0 for number in numbers), "a number above 0"
    elif name in _SHARES:
        fits, wanted = are_numbers and all(0 <= number <= 1 for number in numbers), "between 0 and 1"
    elif name in _ONE_OF:
        fits, wanted = value in _ONE_OF[name], " or ".join(_ONE_OF[name])
        advice = did_you_mean(str(value), _ONE_OF[name], repr)
    elif name == "device":
        fits, wanted = str(value).partition(":")[0] in _DEVICES, "cpu, cuda or cuda:NUMBER"
    else:
        return None
    return None if fits else Problem(f"--{name}", seen=repr(value), wanted=wanted, advice=advice)


def _unlike_the_stages(knobs: Mapping[str, Any]) -> Problem | None:
    """Epochs must be given for each stage; what else the stages need, the training checks when it plans them."""
    epochs, blocks = knobs.get("num_epochs"), knobs.get("stage_blocks")
    if not (isinstance(epochs, list | tuple) and isinstance(blocks, list | tuple)):
        return None
    if not all(isinstance(each, int) and not isinstance(each, bool) and each >= 0 for each in epochs) or not any(
        epochs
    ):
        return Problem("--num_epochs", seen=repr(list(epochs)), wanted="whole numbers, not all 0")
    if len(epochs) == len(blocks):
        return None
    wanted = f"{len(blocks)} numbers, one per stage"
    return Problem("--num_epochs", seen=repr(list(epochs)), wanted=wanted, advice='e.g. "[15, 10]"')


def _is_text(default: Any) -> bool:
    return isinstance(default, str) and not _is_expression(default)


def _is_expression(value: Any) -> bool:
    return isinstance(value, str) and value[:1] in ("$", "@", "%")
