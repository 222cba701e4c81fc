"""Options that take several values after one flag, as you type them: ``--classes M F``."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from monai_fusion.cli.command_words import refuse_old_names, with_hyphens
from monai_fusion.cli.sections import SectionedCommand

_NEGATIVE_NUMBER = re.compile(r"-[0-9.]+")


class SeveralValuesCommand(SectionedCommand):
    """A command whose repeatable options take several values after one flag as well: ``--classes M F``.

    For commands without positional arguments: a value after the last one would look like such an argument.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeats the flag before each of its values, which is how typer reads several.

        Raises:
            InputError: An option has another name now.
        """
        refuse_old_names(args, {name for option in self.params for name in option.opts})
        flags = {flag for option in self.params if getattr(option, "multiple", False) for flag in option.opts}
        return super().parse_args(ctx, list(one_flag_a_value(args, flags)))


def datalist_first(args: list[str], takes_json: Collection[str]) -> list[str]:
    """The words with a datalist that comes last in front: it would be one more value of ``--stratify-by age site``.

    Args:
        args: The words after the command.
        takes_json: Options whose own value may be a JSON file.
    """
    comes_last = len(args) > 1 and args[0].startswith("-") and args[-1].endswith(".json") and args[-2] not in takes_json
    return [args[-1], *args[:-1]] if comes_last else args


def one_flag_a_value(args: Iterable[str], flags: Collection[str]) -> Iterator[str]:
    """``--classes M F`` as ``--classes=M --classes=F`` for each of ``flags``; all else as it is."""
    flag, lacks_value = "", False
    for argument in args:
        if flag and (not argument.startswith("-") or _NEGATIVE_NUMBER.fullmatch(argument)):
            yield f"{flag}={argument}"
            lacks_value = False
            continue
        if lacks_value:
            yield flag
        name, equals, _ = argument.partition("=")
        flag = name if with_hyphens(name) in flags else ""
        lacks_value = flag != "" and not equals
        if not lacks_value:
            yield argument
    if lacks_value:
        yield flag  # typer then reports the missing value
