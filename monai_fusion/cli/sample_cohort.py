"""``monai-fusion sample-cohort``: synthetic recordings to try everything out with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monai_fusion.cli.declared_options import with_declared_options
from monai_fusion.messages import say
from monai_fusion.options.declared import Group
from monai_fusion.sample_cohort import SampleCohortOptions


@with_declared_options
def sample_cohort(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write into.", show_default=False)],
    options: Annotated[SampleCohortOptions, Group("Participants")],
) -> None:
    """Write a synthetic cohort of real files, to try everything without data of your own.

    All participants are synthetic: MRIs are variations of the MNI152 template, EEGs are simulated. OUT/cohort.json
    has the best accuracy that is possible.

    \b
    monai-fusion sample-cohort runs/sample --participants 60 --size small --seed 1337
    monai-fusion sample-cohort runs/raw --raw-eeg
    """  # noqa: D301 - click wants the character \b, not the two letters of a raw string
    from monai_fusion.sample_cohort.write import write_sample_cohort

    write_sample_cohort(out, options)
    say(f"{out}: a synthetic cohort of {options.participants} participants, described in {out / 'cohort.json'}")
