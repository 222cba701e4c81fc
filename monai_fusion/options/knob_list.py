"""The knobs at the top of a config file, with their comments: what ``--help`` lists."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

_SECTION = re.compile(r"# -+ (?P<title>knobs?[^-]*?|the parts) -+")
_KNOB = re.compile(r"(?P<name>[A-Za-z_]\w*):(?P<rest>.*)")
_COMMENT = re.compile(r"(?P<default>(?:[^\s'\"]|'[^']*'|\"[^\"]*\"|\s(?!#))*)\s+# (?P<comment>.*)")


@dataclass(frozen=True)
class Knob:
    """One knob of a config.

    Attributes:
        section: The heading above it, e.g. ``training``.
        name: What follows ``--`` on the command line.
        default: As it is written in the config; empty if it goes over several lines.
        comment: Its comment in the config.
    """

    section: str
    name: str
    default: str
    comment: str


def read_knobs(config: Path) -> Iterator[Knob]:
    """Read the knobs of a config file from its text, in their order.

    Raises:
        OSError: The file cannot be read.
    """
    section = None
    for line in config.read_text(encoding="utf-8").splitlines():
        if heading := _SECTION.match(line):
            if heading["title"] == "the parts":
                return
            section = heading["title"].partition(":")[2].strip() or "general"
        elif section is not None and (knob := _KNOB.match(line)):
            found = _COMMENT.match(knob["rest"].strip()) or _COMMENT.match(" " + knob["rest"].strip())
            default, comment = (found["default"].strip(), found["comment"]) if found else ("", "")
            yield Knob(section, knob["name"], default, comment)


def knobs_of_all(configs: Sequence[Path]) -> list[Knob]:
    """Read the knobs of a config and its overlays: an overlay's own default and comment count, in the config's place.

    Raises:
        OSError: A file cannot be read.
    """
    found: dict[str, Knob] = {}
    for config in configs:
        for knob in read_knobs(config):
            before = found.get(knob.name)
            found[knob.name] = knob if before is None else replace(knob, section=before.section)
    return list(found.values())
