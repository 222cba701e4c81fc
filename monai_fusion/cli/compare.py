"""``monai-fusion compare``: is fusion worth it?"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monai_fusion.cli.command_words import with_hyphens
from monai_fusion.cli.several_values import SeveralValuesCommand, datalist_first
from monai_fusion.comparison.variants import DEFAULT, REFERENCE, variants_table
from monai_fusion.datalist.split.ratio import SEED
from monai_fusion.errors import InputError, Problem
from monai_fusion.messages import pasteable, say

if TYPE_CHECKING:
    from monai_fusion.comparison.planning import Plan

_INTERRUPTED = 130  # the exit code of a shell for a program that Ctrl-C ended

# An option under a heading of the help.
_variants_option = partial(typer.Option, rich_help_panel="Variants")
_folds_option = partial(typer.Option, rich_help_panel="Folds and seeds")
_trainings_option = partial(typer.Option, rich_help_panel="Trainings")
_output_option = partial(typer.Option, rich_help_panel="Output")


class CompareCommand(SeveralValuesCommand):
    """Options after ``--`` are for the trainings; this command does not parse them."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Set the options for the trainings aside; DATALIST may also follow ``--variants gated eeg``."""
        place = args.index("--") if "--" in args else len(args)
        ctx.obj = args[place + 1 :]
        self._refuse_knobs(args[:place])
        return super().parse_args(ctx, datalist_first(args[:place], ("--config-file", "--config_file")))

    def _refuse_knobs(self, own: list[str]) -> None:
        """Name the place of an option for the trainings that stands among the command's own.

        Raises:
            InputError: There is one.
        """
        known = {with_hyphens(option) for each in self.params for option in each.opts}
        typed = (word.partition("=")[0] for word in own if word.startswith("--"))
        strange = [word for word in typed if with_hyphens(word) not in {*known, "--help", "--quiet"}]
        if not strange:
            return
        from monai_fusion.options.knob_list import knobs_of_all
        from monai_fusion.shipped_bundle import config_files

        knobs = {knob.name for knob in knobs_of_all(config_files("train"))}
        if knob := next((word for word in strange if word[2:].replace("-", "_") in knobs), None):
            advice = f"write it at the end, after two hyphens: -- {knob} ..."
            raise InputError(Problem(knob, seen="an option of the trainings, not of compare", advice=advice))


def _print_variants(wanted: bool) -> None:
    if wanted:
        say(variants_table())
        raise typer.Exit


def compare(
    context: typer.Context,
    datalist: Annotated[Path, typer.Argument(metavar="DATALIST", help="The cohort (.json).", show_default=False)],
    variants: Annotated[
        list[str] | None,
        _variants_option(
            metavar="gated eeg",
            help="The variants to compare; all: those of --list.",
            show_default=" ".join(DEFAULT),
        ),
    ] = None,
    reference: Annotated[str, _variants_option(help="The variant that the others are compared with.")] = REFERENCE,
    list_variants: Annotated[
        bool,
        _variants_option("--list", callback=_print_variants, is_eager=True, help="List the variants."),
    ] = False,
    folds: Annotated[
        int | None,
        _folds_option(help="Number of folds if the datalist has none.", show_default="the datalist's, else 5"),
    ] = None,
    keep_test: Annotated[
        bool,
        _folds_option("--keep-test", help="Leave out the test part, for a final evaluation."),
    ] = False,
    group_by: Annotated[
        list[str] | None,
        _folds_option(
            metavar="family",
            help="Fields whose groups stay in one fold, and in one part of it, such as family or site.",
            show_default="the datalist's group_by",
        ),
    ] = None,
    seed: Annotated[int, _folds_option(help="Seed of folds and trainings.")] = SEED,
    seeds: Annotated[
        int,
        _folds_option(help="Trainings of each variant in each fold, with seed, seed + 1 ..."),
    ] = 1,
    covariates: Annotated[
        list[str] | None,
        _variants_option(
            metavar="age tiv",
            help="Fields of the datalist that may explain the class; the head volume is always one.",
            show_default="all that are numbers",
        ),
    ] = None,
    repeats: Annotated[
        int,
        _folds_option(help="Draw the folds so many times, each with its own trainings: the t-test detects more."),
    ] = 1,
    config_file: Annotated[
        list[Path] | None,
        _trainings_option(
            "--config-file", "--config_file", help="Overlay on train.yaml; repeatable.", show_default=False
        ),
    ] = None,
    bundle_root: Annotated[
        Path | None,
        _trainings_option(
            "--bundle-root", "--bundle_root", help="The bundle whose configs to run.", show_default="the shipped one"
        ),
    ] = None,
    cache_dir: Annotated[
        Path | None,
        _trainings_option(
            "--cache-dir",
            "--cache_dir",
            help="The store of preprocessed recordings.",
            show_default="preprocessed beside OUTPUT_DIR",
        ),
    ] = None,
    dry_run: Annotated[bool, _trainings_option("--dry-run", help="Only list the runs.")] = False,
    output_dir: Annotated[
        Path,
        _output_option("--output-dir", "--output_dir", help="Output folder; resumes a comparison found there."),
    ] = Path("runs/compare"),
    overwrite: Annotated[
        bool,
        _output_option("--overwrite", help="Repeat the runs whose settings differ; keep the others."),
    ] = False,
    ensemble: Annotated[
        bool,
        _output_option("--ensemble", help="Write OUTPUT_DIR/ensemble: the fold models of the reference, averaged."),
    ] = False,
    ensemble_of: Annotated[
        str | None,
        _output_option(metavar="VARIANT", help="The same for another variant.", show_default=False),
    ] = None,
    keep_models: Annotated[
        bool,
        _output_option("--keep-models", help="Keep the weights of all runs: about 0.5 GB each."),
    ] = False,
) -> None:
    """Train and evaluate variants on the same folds and seeds, and report their differences with intervals.

    By default: gated fusion, EEG only, MRI only, concatenation, ungated mean. Options after -- go to every training.
    Run the same command again to resume a stopped comparison. Exit code 0 if done, 2 for wrong input.

    \b
    monai-fusion compare gender.json
    monai-fusion compare gender.json --variants gated mri no-align --folds 5 --repeats 3 --ensemble
    monai-fusion compare gender.json --output-dir runs/quick -- --num_epochs "[5, 3]" --device cpu
    """  # noqa: D301 - click wants the character \b, not the two letters of a raw string
    from monai_fusion.comparison.planning import CompareOptions, make_plan

    plan = make_plan(
        CompareOptions(
            datalist=datalist,
            output_dir=output_dir,
            variants=tuple(variants or ()),
            reference=reference,
            folds=folds,
            keep_test=keep_test,
            group_by=tuple(group_by or ()),
            seed=seed,
            seeds=seeds,
            repeats=repeats,
            covariates=tuple(covariates or ()),
            config_files=tuple(config_file or ()),
            words=tuple(context.obj or ()),
            cache_dir=cache_dir,
            bundle_root=bundle_root,
            ensemble=ensemble_of or (reference if ensemble else None),
            keep_models=keep_models,
            overwrite=overwrite,
        )
    )
    for note in plan.folds.notes:
        say(f"note: {note}", err=True)
    if dry_run:
        _print_runs(plan)
    else:
        _run(plan)


def _print_runs(plan: Plan) -> None:
    from monai_fusion.comparison.training_runs import check_folder, missing_runs, space_needed

    missing = missing_runs(check_folder(plan))
    say(f"{len(missing)} of {len(plan.runs)} runs to do; {space_needed(plan)}")
    for record in missing:
        say(f"{record.run.title}:")
        say(f"  {pasteable(record.run.train)}")


def _run(plan: Plan) -> None:
    from monai_fusion.comparison.all_results import write_all_results
    from monai_fusion.comparison.children import ChildFailed, Stopped
    from monai_fusion.comparison.ensemble import keep_ensemble
    from monai_fusion.comparison.terminal_table import table_lines
    from monai_fusion.comparison.training_runs import run_missing

    try:
        records = run_missing(plan, say)
    except (Stopped, KeyboardInterrupt) as stopped:
        say("stopped; finished runs stay. To resume, run the same command", err=True)
        raise typer.Exit(stopped.code if isinstance(stopped, Stopped) else _INTERRUPTED) from None
    except ChildFailed as failed:
        say(f"error: {failed.message}\n  in {failed.log}; finished runs stay", err=True)
        raise typer.Exit(InputError.exit_code if failed.code == InputError.exit_code else 1) from None
    found, written = write_all_results(plan, records)
    for line in ("", *table_lines(found), ""):
        say(line)
    if (folder := keep_ensemble(plan, records)) is not None:
        say(f"ensemble: {folder}, a --model_dir for inference.yaml and evaluate.yaml")
    say(f"wrote {', '.join(map(str, written))}")
