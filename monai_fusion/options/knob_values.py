"""How a text travels from the command line into a knob, and where it would arrive as something else.

`fire` reads each word as a Python literal if it can (``#`` begins a comment, ``a,b`` is a tuple, ``(a)`` is ``a``),
then MONAI reads a leading ``$``, ``@`` or ``%`` as its own syntax and ``#`` as ``::``. A path that is read so names
another folder than the one that was typed. Here such a word is refused, with a spelling that arrives.
"""

from __future__ import annotations

import ast
import os
import re
from pathlib import PurePath
from typing import Any

from fire.parser import DefaultParseValue

from monai_fusion.errors import Problem

# Knobs that are a path or a free text, whatever their default is. Theirs alone refuse MONAI's expressions on the
# command line: a user who types a folder `@home` does not mean a reference.
_PATHS = ("datalist", "output_dir", "model_dir", "cache_dir", "eeg_weights", "mri_weights", "bundle_root")
TEXT_KNOBS = frozenset({*_PATHS, "tracking_uri", "experiment_name", "run_name", "device"})
AUTO = "auto"
AUTO_SWITCHES = ("cuda_graphs", "device_data")
"""Knobs that are true or false, or `AUTO`: their default is a text, and their values are not."""
AUTO_NUMBERS = ("num_workers", "eval_batch_size", "segment_batch_size")
"""Knobs that are a number, or `AUTO`."""
NOTHING = "$None"
"""MONAI's way to set nothing."""
NEEDED_KNOBS = ("datalist", "output_dir", "model_dir", "device")
"""Knobs that cannot be nothing."""
# What a shell, `fire` or MONAI gives a meaning to, within a literal in double quotes.
_ESCAPED = frozenset("#@$%\"'`\\!")
# What double quotes do not keep a shell from reading; a literal in them has these escaped.
_IN_DOUBLE_QUOTES = frozenset('"`!\\')
_REFERENCE = re.compile(r"@[#:]*(\w*(#|::))*\w*")
_LITERAL = re.compile(r"\$\s*(['\"])")


def as_word(value: Any) -> str:
    r"""Spell a value so that a bundle run's knob gets exactly this value.

    Args:
        value: Plain data: None, a number, a text, a path, or lists and dictionaries of these.

    Returns:
        One word of a command line. Texts are their own word where that arrives; else a Python literal; else, if MONAI
        would read that as well, an expression that is a literal: ``$'run\x232'``.
    """
    if isinstance(value, PurePath):
        value = str(value)
    if not isinstance(value, str):
        return repr(value)
    return next(word for word in (value, repr(value), _as_expression(value)) if _arrives(word, value))


def without_expression(value: str) -> str:
    """Return the text of an expression if it is nothing but a literal, as `as_word` writes it.

    Any other text is returned as it is; nothing is evaluated.
    """
    if not _LITERAL.match(value):
        return value
    try:
        text = ast.literal_eval(value[1:].strip())
    except (ValueError, SyntaxError):
        return value
    return text if isinstance(text, str) else value


def expand_home(path: str | os.PathLike[str] | None) -> str | os.PathLike[str] | None:
    """Put the home folder in the place of a leading ``~``, which a shell leaves behind ``=`` and in configs."""
    return path if path is None else os.path.expanduser(path)  # noqa: PTH111 # '$None' and MONAI want text back


def check_text(name: str, typed: str | None, value: Any) -> Problem | None:
    """Compare the word typed for a knob that is a text with what the knob would get.

    Args:
        name: The knob.
        typed: The word on the command line; None if nothing follows the option.
        value: What `fire` makes of it.

    Returns:
        What is wrong, with a spelling that arrives; None if the knob gets what was typed.
    """
    option = f"--{name}"
    if typed is None:
        return Problem(option, seen="no value follows it", wanted="text") if isinstance(value, bool) else None
    if value == NOTHING:
        return Problem(option, seen=f"{NOTHING}, which is nothing", wanted="text") if name in NEEDED_KNOBS else None
    if not typed.strip() or (isinstance(value, str) and not without_expression(value).strip()):
        return Problem(option, seen="empty", wanted="text", advice="is a variable of the shell not set?")
    if _is_literal_expression(typed):
        return None
    if not isinstance(value, str) or (value != typed and not _is_quoted(typed, value)):
        seen = f"{typed} is read as {_shown(value, typed)}"
        return Problem(option, seen=seen, wanted="text", advice=_advice(name, typed))
    if value[:1] in ("$", "%") or _is_reference(value):
        seen = f"MONAI reads {value} as {_SYNTAX[value[0]]}"
        advice = "did the shell not replace a variable? For exactly this text: "
        return Problem(option, seen=seen, wanted="text", advice=advice + _advice(name, value))
    if "#" in value:
        seen = f"{value} would become {value.replace('#', '::')}"
        return Problem(option, seen=seen, wanted="text without #", advice=_advice(name, value))
    return None


_SYNTAX = {"$": "a Python expression", "@": "a reference into the config", "%": "a reference to a config file"}


def _advice(name: str, text: str) -> str:
    word = as_word(text)
    return f'write --{name} "{word if not _IN_DOUBLE_QUOTES & set(word) else _as_expression(text)}"'


def _shown(value: Any, typed: str) -> str:
    """What a word was read as; letters that only look like the typed ones by their numbers."""
    if isinstance(value, str):
        return repr(value) if typed.isascii() else ascii(value)
    if isinstance(value, bool | None):
        return repr(value)
    return f"the number {value!r}" if isinstance(value, int | float) else f"a collection, {value!r}"


def _is_quoted(typed: str, value: str) -> bool:
    """Whether a word is a quoted literal of the text."""
    inner = re.fullmatch(r"""r?(['"])(.*)\1""", typed.strip(), re.DOTALL)
    return inner is not None and (value == inner[2] or (repr(value) == typed.strip() and value.isprintable()))


def _is_reference(text: str) -> bool:
    """Whether a whole text is a reference, as `monai.bundle.ReferenceResolver` finds them."""
    return _REFERENCE.fullmatch(text) is not None


def _arrives(word: str, text: str) -> bool:
    """Whether a knob gets a text if a word is typed."""
    if not word or re.match(r"--|-[a-zA-Z]", word) or word in ("null", "None"):
        return False
    read = DefaultParseValue(word)
    if not isinstance(read, str):
        return False
    if read[:1] in ("$", "%") or _is_reference(read):
        return _is_literal_expression(read) and without_expression(read) == text
    return read == text and "#" not in read


def _is_literal_expression(word: str) -> bool:
    """Whether MONAI evaluates a word to the text that `without_expression` finds in it."""
    return without_expression(word) != word and not {"#", "@"} & set(word)


def _as_expression(text: str) -> str:
    characters = [
        f"\\x{ord(character):02x}" if character in _ESCAPED or ord(character) < 32 else character for character in text
    ]
    return f"$'{''.join(characters)}'"
