"""``monai-fusion bundle``: where the MONAI bundle is, or a copy of it to edit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monai_fusion.messages import answer, say
from monai_fusion.shipped_bundle import copy_bundle, shipped_bundle


def bundle(
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write a copy to edit there.", show_default=False)
    ] = None,
) -> None:
    """Print the folder of the MONAI bundle that is installed, or write a copy of it to edit.

    Run its configs with `python -m monai.bundle run --config_file FOLDER/configs/train.yaml`. Exit code 0 if done,
    2 if a file of the copy already exists.

    \b
    monai-fusion bundle
    monai-fusion bundle --out my_bundle
    """  # noqa: D301 - click wants the character \b, not the two letters of a raw string
    if out is None:
        answer(str(shipped_bundle()))
        return
    files = copy_bundle(out)
    say(f"wrote {len(files)} files to {out}; edit {out / 'configs' / 'train.yaml'}")
