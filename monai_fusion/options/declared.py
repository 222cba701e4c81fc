"""Options that are declared where they are used: a field of a dataclass has its type, default and help in one place.

The command line (`monai_fusion.cli.declared_options`) makes an option of every field that has an `Option`, and fills
the dataclass with what was typed::

    @dataclass(frozen=True)
    class IdOptions:
        loose_ids: Annotated[bool, Option("Take 10002 and sub-010002 for one participant.")] = False
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Option:
    """What the command line needs to know about a field of a dataclass.

    Attributes:
        help: What it is for, in one or two sentences.
        flag: The option's name, dashes included, if it is not the field's.
        metavar: The placeholder of the value in the help; empty for the name of its type.
        shown_default: The default in words, where the field's own default means "not given".
        section: The heading in the help, if it is not that of the field's group.
    """

    help: str
    flag: str = ""
    metavar: str = ""
    shown_default: str = ""
    section: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Says of a field, or of a command's parameter, that it is a dataclass of options.

    Attributes:
        section: Their heading in the help.
        leave_out: Fields that are no options here: they keep their defaults.
    """

    section: str = ""
    leave_out: tuple[str, ...] = ()
