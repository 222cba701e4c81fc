"""Where scalograms may be written: never into a dataset, nor among the recordings that they are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from monai_fusion.errors import InputError, Problem

_DESCRIPTION = "dataset_description.json"
# Folders of a BIDS dataset that are not its raw data.
_NOT_RAW = frozenset({"derivatives", "scratch", "tmp", "work"})


def refuse_dataset(out: Path, inputs: Iterable[Path], recordings: Sequence[Path]) -> None:
    """Refuse a folder in which only recordings belong.

    Args:
        out: Where scalograms are to be written.
        inputs: Files and folders that the user named.
        recordings: The recordings.

    Raises:
        InputError: It is part of a BIDS dataset's raw data, or a folder of recordings.
    """
    place = out.resolve()
    for root in (place, *place.parents):
        below = place.relative_to(root).parts
        if (root / _DESCRIPTION).is_file() and (not below or below[0] not in _NOT_RAW):
            advice = f"write to {root / 'derivatives' / 'scalograms'}, or elsewhere"
            raise InputError(Problem("--out", seen=f"{out}: inside the dataset {root.name}", advice=advice))
    folders = {each.resolve() for each in inputs if each.is_dir()} | {each.resolve().parent for each in recordings}
    if place in folders:
        seen = f"{out}: the folder of the recordings"
        raise InputError(Problem("--out", seen=seen, advice=f"name another: {out / 'scalograms'}"))
