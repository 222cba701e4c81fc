"""``monai-fusion preprocess``: filling the preprocessed store ahead of time."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer

from monai_fusion.cli.cache import DEFAULT_CACHE_DIR, CacheDir
from monai_fusion.cli.declared_options import with_declared_options
from monai_fusion.cli.lengths import three_lengths
from monai_fusion.errors import RunFailed
from monai_fusion.messages import say
from monai_fusion.options.declared import Group, Option
from monai_fusion.wording import counted

_EEG, _MRI = (f"{name} (what you leave out is as in train.yaml)" for name in ("EEG", "MRI"))
_LENGTHS = ("eeg_shape", "mri_size")


@dataclass(frozen=True, slots=True)
class RecordingKnobs:
    """Knobs of train.yaml that decide what a recording becomes; None is the config's own value."""

    eeg_shape: Annotated[
        str | None,
        Option("Frequency x time x electrode of a scalogram file.", "", "F,T,E", "", _EEG),
    ] = None
    eeg_store_dtype: Annotated[str | None, Option("How EEGs are kept.", "", "float32|float16", "", _EEG)] = None
    orientation: Annotated[str | None, Option("Axis codes of the volumes.", "", "RAS", "", _MRI)] = None
    assume_orientation: Annotated[str | None, Option("Axes of MRIs whose header states none.", "", "LAS", "", _MRI)] = (
        None
    )
    percentiles_over: Annotated[
        str | None, Option("Voxels whose percentiles become 0 and 1.", "", "all|nonzero", "", _MRI)
    ] = None
    mri_size: Annotated[str | None, Option("Voxels after resampling.", "", "D,H,W", "", _MRI)] = None
    slab_depth: Annotated[int | None, Option("Voxels kept along the depth axis.", "", "VOXELS", "", _MRI)] = None
    mri_store_dtype: Annotated[str | None, Option("How MRIs are kept.", "", "float32|uint16", "", _MRI)] = None

    @property
    def given(self) -> dict[str, Any]:
        """What was typed, as a config holds it.

        Raises:
            InputError: A value is not three lengths.
        """
        typed = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            name: three_lengths(value, f"--{name.replace('_', '-')}") if name in _LENGTHS else value
            for name, value in typed.items()
            if value is not None
        }


@with_declared_options
def preprocess(
    datalist: Annotated[Path, typer.Argument(metavar="DATALIST", help="The datalist (.json).", show_default=False)],
    knobs: Annotated[RecordingKnobs, Group()],
    backend: Annotated[
        str,
        typer.Option(
            metavar="processes|threads|dask", help="Where files are prepared.", rich_help_panel="Processes and machines"
        ),
    ] = "processes",
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How many files at once.",
            show_default="one a core",
            rich_help_panel="Processes and machines",
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="tcp://HOST:PORT",
            help="A running Dask scheduler, for --backend dask.",
            rich_help_panel="Processes and machines",
        ),
    ] = None,
    cache_dir: CacheDir = DEFAULT_CACHE_DIR,
    config_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A bundle config over train.yaml, with transforms of your own; the program runs the code in it.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Prepare every recording of DATALIST ahead of time, so that trainings start at once.

    The program prepares nothing twice, and resumes after an interruption. Give the same values here as to train.yaml,
    whose knobs have the same names.

    \b
    monai-fusion preprocess my_cohort.json --cache-dir runs/preprocessed
    monai-fusion preprocess my_cohort.json --backend dask --scheduler tcp://node1:8786
    """  # noqa: D301 - click wants the character \b, not the two letters of a raw string
    from monai_fusion.datalist import read_datalist
    from monai_fusion.store.runners import DaskCluster, make_runner
    from monai_fusion.workflow.preparation import configured_preprocessing
    from monai_fusion.workflow.preparation import preprocess as prepare_all

    cohort = read_datalist(datalist, require_labels=False)
    preprocessing = configured_preprocessing(knobs.given, cache_dir, config_file)
    runner = make_runner(cast(Literal["threads", "processes", "dask"], backend), workers, scheduler)
    try:
        report = prepare_all(cohort, preprocessing, runner)
    finally:
        if isinstance(runner, DaskCluster):
            runner.close()
    say(f"{report}; store: {cache_dir}")
    if report.unstored:  # a training goes on without them; here they were all that was wanted
        advice = "free some space there, or name another folder by --cache-dir, and run the same command again"
        raise RunFailed(f"{cache_dir}: {counted(report.unstored, 'file')} could not be stored", advice)
