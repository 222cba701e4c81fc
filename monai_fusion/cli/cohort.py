"""``monai-fusion sample-cohort``: synthetic recordings to try everything out with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from monai_fusion.messages import say


def sample_cohort(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write into.", show_default=False)],
    participants: Annotated[int, typer.Option(help="How many people, those with one recording included.")] = 60,
    size: Annotated[
        str, typer.Option(metavar="small|full", help="MRIs of 70 x 96 x 102 at 2.5 mm, or 176 x 240 x 256 at 1 mm.")
    ] = "small",
    seed: Annotated[int, typer.Option(help="Equal options and seed give equal recordings.")] = 1337,
    eeg_effect: Annotated[
        float, typer.Option(help="How far apart the classes are in the EEG, in standard deviations (0 to 4).")
    ] = 2.5,
    mri_effect: Annotated[float, typer.Option(help="The same in the MRI.")] = 3.0,
    segments_per_condition: Annotated[int, typer.Option(help="EEG segments of 10 s per person and condition.")] = 2,
    conditions: Annotated[
        list[str] | None,
        typer.Option(metavar="EO|EC", help="Only eyes open (EO) or eyes closed (EC).", show_default="both"),
    ] = None,
    only_eeg: Annotated[int, typer.Option(help="How many people have no MRI.")] = 0,
    only_mri: Annotated[int, typer.Option(help="How many people have no EEG.")] = 0,
    mixed_orientations: Annotated[
        bool, typer.Option("--mixed-orientations", help="Store MRIs as RAS, LAS or LPI at random, not all as RAS.")
    ] = False,
    dtype: Annotated[
        str, typer.Option(metavar="int16|float32|mixed", help="How the MRIs' values are stored.")
    ] = "int16",
    fewer_females: Annotated[float, typer.Option(help="0.25: a quarter fewer females than males.")] = 0.0,
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
