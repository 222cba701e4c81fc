"""``monai-fusion baseline``: what plain numbers of the recordings predict, without a network or beside one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monai_fusion.cli.opening_options import how_read
from monai_fusion.cli.several_values import SeveralValuesCommand
from monai_fusion.errors import InputError, Problem
from monai_fusion.messages import say
from monai_fusion.run_folder import BASELINE_FILE

if TYPE_CHECKING:
    from monai_fusion.baseline.baseline_file import Baseline
    from monai_fusion.baseline.evaluating import BaselineSettings


class BaselineCommand(SeveralValuesCommand):
    """``--covariates age tiv`` takes several words."""


def baseline(
    datalist: Annotated[Path, typer.Argument(metavar="DATALIST", help="The cohort (.json).", show_default=False)],
    run: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN_DIR", help="Compare with the predictions there, and write baseline.json and report.html there."
        ),
    ] = None,
    section: Annotated[str, typer.Option(metavar="PART", help="The part to test: test or validation.")] = "test",
    covariates: Annotated[
        list[str] | None,
        typer.Option(
            metavar="age tiv", help="Fields of the datalist that may explain the class.", show_default="all numbers"
        ),
    ] = None,
    residualise: Annotated[
        list[str] | None,
        typer.Option(
            metavar="head_volume age",
            help="Remove these from all numbers first, by a regression within the training part.",
            show_default=False,
        ),
    ] = None,
    cache_dir: Annotated[
        Path | None,
        typer.Option(
            "--cache-dir",
            "--cache_dir",
            help="The store of preprocessed recordings, which keeps the numbers too.",
            show_default="none",
        ),
    ] = None,
    eeg_shape: Annotated[
        str | None,
        typer.Option(
            "--eeg-shape",
            "--eeg_shape",
            metavar="F,T,E",
            help="Frequency x time x electrode of a scalogram file.",
            show_default="RUN_DIR's, else 224,224,17",
        ),
    ] = None,
    assume_orientation: Annotated[
        str | None,
        typer.Option(metavar="LAS", help="Axes of MRIs whose header states none.", show_default="RUN_DIR's, if given"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the result as JSON.", show_default=False)
    ] = None,
) -> None:
    """Test logistic regressions on plain numbers of the recordings: head volume, block means, EEG bands, covariates.

    They learn from the training and validation part, in seconds. A network that is not better than they are has not
    shown that it needs more than these numbers. Every evaluation does the same.

    \b
    monai-fusion baseline gender.json
    monai-fusion baseline gender.json --covariates age tiv --residualise head_volume
    monai-fusion baseline gender.json --run runs/first
    """  # noqa: D301 - click wants the character \b, not the two letters of a raw string
    from monai_fusion.baseline.baseline_file import save_baseline
    from monai_fusion.baseline.evaluating import LEARNED_FROM, BaselineSettings, evaluate_baselines
    from monai_fusion.baseline.participant_numbers import NumberSettings
    from monai_fusion.baseline.words import terminal_lines
    from monai_fusion.datalist import ModalityPolicy, read_datalist

    if section not in LEARNED_FROM or section == "training":
        raise InputError(Problem("--section", seen=repr(section), wanted="test or validation"))
    if residualise and run is not None:
        advice = "the network saw the whole recordings: compare it with the whole numbers"
        raise InputError(Problem("--residualise", seen="together with --run", advice=advice))
    files = how_read(eeg_shape, assume_orientation, run=run)
    settings = BaselineSettings(
        section=section,
        numbers=NumberSettings(cache_dir, files.eeg_shape, files.assume_orientation),
        covariates=None if not covariates else tuple(covariates),
        residualise=tuple(residualise or ()),
        use=ModalityPolicy(allow_missing=True),
    )
    network = None
    if run is not None:
        from monai_fusion.report.predictions_reader import network_predictions

        network = network_predictions(run)
        settings = _as_in(run, settings)
    found = evaluate_baselines(
        read_datalist(datalist, [section], modalities=settings.use.modalities), settings, network
    )
    for line in terminal_lines(found):
        say(line)
    for warning in found.warnings:
        say(f"warning: {warning}", err=True)
    if out is not None:
        say(f"wrote {save_baseline(found, out)}")
    if run is not None:
        _write_beside(run, found)


def _as_in(run: Path, settings: BaselineSettings) -> BaselineSettings:
    """The recordings that a run's network uses, of the participants whom it predicted."""
    from dataclasses import replace

    from monai_fusion.report.run_results import read_results

    modalities = read_results(run).modalities
    return replace(
        settings,
        numbers=replace(settings.numbers, modalities=modalities),
        use=replace(settings.use, modalities=modalities),
    )


def _write_beside(run: Path, found: Baseline) -> None:
    from monai_fusion.baseline.baseline_file import save_baseline
    from monai_fusion.report import write_report

    path = save_baseline(found, run / BASELINE_FILE)
    say(f"wrote {path} and {write_report(run)}")
