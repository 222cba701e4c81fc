"""``monai-fusion explain``: what a trained model looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monai_fusion.cli.knob_help import ANYTHING, BundleRunCommand
from monai_fusion.cli.run_input import check_files, datalist_of_run
from monai_fusion.cli.several_values import one_flag_a_value
from monai_fusion.cli.starting import configs_of, print_and_start
from monai_fusion.errors import InputError, Problem

if TYPE_CHECKING:
    from monai_fusion.datalist.examination import Examination
    from monai_fusion.datalist.trained_model import TrainedModel

_LISTS = ("--participants", "--methods")


class ExplainCommand(BundleRunCommand):
    """``--participants sub-01 sub-02`` takes several words."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat the flag before each of its values."""
        return super().parse_args(ctx, list(one_flag_a_value(args, set(_LISTS))))


def explain(
    run_dir: Annotated[
        Path,
        typer.Argument(
            metavar="RUN_DIR", help="The --output_dir of a training, or of an evaluation.", show_default=False
        ),
    ],
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="--KNOB VALUE", help="Knobs of explain.yaml, see below.", show_default=False),
    ] = None,
    participants: Annotated[
        list[str] | None,
        typer.Option(metavar="ID...", help="Only these participants.", show_default="all of the section"),
    ] = None,
    methods: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME...",
            help="modality, eeg_occlusion, eeg_integrated_gradients, eeg_reference_gradients, mri_gradcam, "
            "mri_occlusion, mri_integrated_gradients, mri_smoothgrad_squared, mri_reference_gradients; or all.",
            show_default="modality eeg_occlusion mri_gradcam",
        ),
    ] = None,
    section: Annotated[
        str, typer.Option("--section", "--split", metavar="PART", help="The part of the datalist to explain.")
    ] = "test",
    datalist: Annotated[
        Path | None, typer.Option(help="The datalist.", show_default="that of the run, by its manifest")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the input, and only print the bundle run.")] = False,
) -> None:
    """Explain a trained model: which recording, electrodes, frequencies and voxels moved its predictions.

    It writes RUN_DIR/explanation: what each recording is worth for each participant, maps of the EEG (.tsv, .npz) and
    of the MRI (NIfTI, in the space of the original file), their means by class, checks of whether the maps can be
    believed, figures; and a section in report.html. What is computed is kept: a stopped run goes on. A map shows what
    the model used, not what is true of the disease or of the sexes.

    Every knob of explain.yaml is an option; the list below has the defaults. The command first prints the bundle run
    that it starts. Exit code 0 if done, 2 for wrong input.

    \b
    monai-fusion explain runs/first
    monai-fusion explain runs/first --participants sub-07 sub-12 --methods all
    monai-fusion explain runs/first --section validation --device cpu
    """  # noqa: D301 - click wants the character \b, not the two letters of a raw string
    from monai_fusion.datalist.trained_model import read_trained_model
    from monai_fusion.model_files import is_exported_file
    from monai_fusion.options.front import plan_run
    from monai_fusion.options.knob_values import as_word

    model = read_trained_model(run_dir, "RUN_DIR", need_classes=False)
    if is_exported_file(run_dir):
        advice = "give the run folder that it was exported from"
        raise InputError(Problem(str(run_dir), seen="an exported file, which has no gradients", advice=advice))
    given = ["--datalist", str(datalist or datalist_of_run(run_dir)), "--model_dir", str(run_dir)]
    given += ["--section", section, *(words or ())]
    for name, values in (("participants", participants), ("methods", methods)):
        if values:
            given += [f"--{name}", as_word(values)]
    run = plan_run(configs_of("explain"), given)
    _check_choices(run.knobs, model, check_files("explain", run.knobs, require_labels=False))
    print_and_start(run.words, dry_run)


def _check_choices(knobs: Mapping[str, Any], model: TrainedModel, examination: Examination) -> None:
    """Check whom and what the run explains, and how, before it starts: it checks the same.

    Raises:
        InputError: An unknown method, participant or class.
    """
    from monai_fusion.datalist.examination import parts_of
    from monai_fusion.options.explanation_choices import chosen_class, chosen_methods, chosen_participants

    cohort = examination.datalist()
    section = str(knobs["section"])
    part = [record.participant_id for record in cohort.records(section)]
    checks: dict[str, Callable[[Any], object]] = {
        "methods": lambda asked: chosen_methods(asked, model.modalities),
        "participants": lambda asked: chosen_participants(asked, part, section, lambda: parts_of(cohort)),
        "explained_class": lambda asked: chosen_class(asked, model.classes) if model.classes else None,
    }
    for name, check in checks.items():
        if not str(knobs[name]).startswith(("$", "@")):  # an expression of a config has its value in the run
            check(knobs[name])


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("explain", cls=ExplainCommand, context_settings=ANYTHING)(explain)
