"""``not_made.json``: why participants have no scalograms in a folder, for the prediction that looks for them there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from monai_fusion.errors import Problem
from monai_fusion.files import write_atomically
from monai_fusion.reading import read_json_object
from monai_fusion.wording import cut

FILE = "not_made.json"
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'')
_SHOWN = 3
_LONGEST = 300


def reason_text(problems: Sequence[Problem], paths: Iterable[Path]) -> str:
    """Return in one line why a participant has no scalograms, for a table that may be passed on.

    File names stand without their folders. The advice is left out, and so is what is in quotation marks: it may be the
    text of a file's header.

    Args:
        problems: Why its recordings failed.
        paths: These recordings.
    """
    shown = [_QUOTED.sub("...", str(Problem(each.where, each.field, each.seen, each.wanted))) for each in problems]
    text = "; ".join([*shown[:_SHOWN], *([f"and {len(shown) - _SHOWN} more"] if len(shown) > _SHOWN else [])])
    for path in paths:
        text = text.replace(str(path), path.name)
    return cut(text, _LONGEST)


def write_reasons(folder: Path, reasons: Mapping[str, str]) -> None:
    """Keep the reasons beside the scalograms; without any, the file of an earlier run is removed.

    Args:
        folder: That of the scalograms; it must exist.
        reasons: By participant.
    """
    path = folder / FILE
    if not reasons:
        path.unlink(missing_ok=True)
        return
    write_atomically(path, json.dumps(reasons, indent=1, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def read_reasons(folder: Path) -> dict[str, str]:
    """Return the reasons by participant; empty if there is no such file, or it holds something else."""
    content = read_json_object(folder / FILE, follow=False) or {}
    return {name: cut(reason, _LONGEST) for name, reason in content.items() if isinstance(reason, str)}
