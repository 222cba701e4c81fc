"""``monai-fusion sample-cohort``: synthetic recordings to try everything out with."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from monai_fusion.messages import say

# An option under a heading of the help. They are not declared in `SampleCohortOptions`: its package imports numpy.
_people_option = partial(typer.Option, rich_help_panel="Participants")
_eeg_option = partial(typer.Option, rich_help_panel="EEG")
_mri_option = partial(typer.Option, rich_help_panel="MRI")


def sample_cohort(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write into.", show_default=False)],
    participants: Annotated[int, _people_option(help="How many people, those with one recording included.")] = 60,
    only_eeg: Annotated[int, _people_option(help="How many people have no MRI.")] = 0,
    only_mri: Annotated[int, _people_option(help="How many people have no EEG.")] = 0,
    fewer_females: Annotated[float, _people_option(help="0.25: a quarter fewer females than males.")] = 0.0,
    seed: Annotated[int, _people_option(help="Equal options and seed give equal recordings.")] = 1337,
    eeg_effect: Annotated[
        float,
        _eeg_option(help="How far apart the classes are in the EEG, in standard deviations (0 to 4)."),
    ] = 2.5,
    segments_per_condition: Annotated[int, _eeg_option(help="EEG segments of 10 s per person and condition.")] = 2,
    conditions: Annotated[
        list[str] | None,
        _eeg_option(metavar="EO|EC", help="Only eyes open (EO) or eyes closed (EC).", show_default="both"),
    ] = None,
    mri_effect: Annotated[float, _mri_option(help="How far apart the classes are in the MRI, in the same unit.")] = 3.0,
    size: Annotated[
        str,
        _mri_option(metavar="small|full", help="MRIs of 70 x 96 x 102 at 2.5 mm, or 176 x 240 x 256 at 1 mm."),
    ] = "small",
    mixed_orientations: Annotated[
        bool,
        _mri_option("--mixed-orientations", help="Store MRIs as RAS, LAS or LPI at random, not all as RAS."),
    ] = False,
    dtype: Annotated[
        str,
        _mri_option(metavar="int16|float32|mixed", help="How the MRIs' values are stored."),
    ] = "int16",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a sample cohort in OUT; other files are never touched.")
    ] = False,
) -> None:
    """Write a synthetic cohort of real files, to try everything out without data of your own.

    People are made up: MRIs are variations of the MNI152 template, EEGs are simulated. The best possible accuracy is
    known and stands in OUT/cohort.json.

    \b
    monai-fusion sample-cohort runs/sample --participants 60 --size small --seed 1337
    """  # noqa: D301 - click wants the character \b, not the two letters of a raw string
    from monai_fusion.sample_cohort import SampleCohortOptions, write_sample_cohort

    options = SampleCohortOptions(
        participants=participants,
        size=cast(Literal["small", "full"], size),  # checked there, with a message of our own
        seed=seed,
        eeg_effect=eeg_effect,
        mri_effect=mri_effect,
        segments_per_condition=segments_per_condition,
        conditions=tuple(conditions) if conditions else SampleCohortOptions.conditions,
        only_eeg=only_eeg,
        only_mri=only_mri,
        mixed_orientations=mixed_orientations,
        dtype=cast(Literal["int16", "float32", "mixed"], dtype),
        fewer_females=fewer_females,
        overwrite=overwrite,
    )
    write_sample_cohort(out, options)
    say(f"{out}: a synthetic cohort of {participants} participants, described in {out / 'cohort.json'}")
