"""``not_made.json``: which raw recordings became no scalograms, for the prediction that looks for these."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from monai_fusion.errors import Problem
from monai_fusion.files import write_atomically
from monai_fusion.reading import read_json_object
from monai_fusion.wording import cut

FILE = "not_made.json"
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'')
_SHOWN = 3
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class NotMade:
    """What of a participant's raw EEG became no scalograms.

    Attributes:
        reason: Why, in one line.
        made: The names of the scalograms that the participant's other recordings became.
    """

    reason: str
    made: tuple[str, ...] = ()


def reason_text(problems: Sequence[Problem], paths: Iterable[Path]) -> str:
    """Return in one line why recordings of a participant became no scalograms, for a table that may be passed on.

    File names stand without their folders. The advice is left out, and so is what is in quotation marks: it may be the
    text of a file's header.

    Args:
        problems: Why these recordings failed.
        paths: These recordings.
    """
    shown = [_QUOTED.sub("...", str(Problem(each.where, each.field, each.seen, each.wanted))) for each in problems]
    text = "; ".join([*shown[:_SHOWN], *([f"and {len(shown) - _SHOWN} more"] if len(shown) > _SHOWN else [])])
    for path in paths:
        text = text.replace(str(path), path.name)
    return cut(text, _LONGEST)


def write_not_made(folder: Path, not_made: Mapping[str, NotMade]) -> None:
    """Keep beside the scalograms what was not made; if all was, the file of an earlier run is removed.

    Args:
        folder: That of the scalograms; it must exist.
        not_made: By participant.
    """
    path = folder / FILE
    if not not_made:
        path.unlink(missing_ok=True)
        return
    content = {name: asdict(each) for name, each in not_made.items()}
    write_atomically(path, json.dumps(content, indent=1, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def read_not_made(folder: Path) -> dict[str, NotMade]:
    """Return what was not made, by participant; empty if there is no such file, or it holds something else."""
    found = {}
    for name, each in (read_json_object(folder / FILE, follow=False) or {}).items():
        reason, made = (each.get("reason"), each.get("made")) if isinstance(each, dict) else (None, None)
        if isinstance(reason, str) and isinstance(made, list):
            found[name] = NotMade(cut(reason, _LONGEST), tuple(map(str, made)))
    return found
