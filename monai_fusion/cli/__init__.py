"""The command line, ``monai-fusion``: what a MONAI bundle cannot do. Training and evaluation are bundle runs.

Every command imports what it needs when it runs, so that the light ones answer at once. Wrong input is one short text
on stderr and exit code 2; a fault of the program keeps its traceback and exit code 1.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any

import typer

from monai_fusion import __version__
from monai_fusion.causes import causes_of
from monai_fusion.cli import (  # noqa: F401 -- registers its commands on datalist_app
    bundle_runs,
    datalist_changes,
    datalist_check,
    datalist_page,
    explain,
)
from monai_fusion.cli.audit import audit
from monai_fusion.cli.baseline import BaselineCommand, baseline
from monai_fusion.cli.bundle import bundle
from monai_fusion.cli.cache import cache_app
from monai_fusion.cli.command_list import CommandList
from monai_fusion.cli.command_words import as_meant, with_hyphens
from monai_fusion.cli.compare import CompareCommand, compare
from monai_fusion.cli.completion import completion, enable_completion
from monai_fusion.cli.datalist import datalist_app
from monai_fusion.cli.doctor import doctor
from monai_fusion.cli.export import export
from monai_fusion.cli.preprocess import preprocess
from monai_fusion.cli.quiet import add_quiet
from monai_fusion.cli.report import ReportCommand, report
from monai_fusion.cli.rerun import rerun
from monai_fusion.cli.sample_cohort import sample_cohort
from monai_fusion.cli.scalogram import scalogram
from monai_fusion.cli.sections import SectionedCommand
from monai_fusion.errors import InputError, RunFailed
from monai_fusion.files import is_full
from monai_fusion.messages import PRINTED_TO, answer, be_quiet, let_all_characters_through, say
from monai_fusion.stopping import StopAsked, listening
from monai_fusion.waiting import wait_asleep

PROGRAM = "monai-fusion"
# In the order of use: from a look at it, over the cohort and the runs, to what is seldom needed.
_ORDER = (
    *(
        "sample-cohort",
        "scalogram",
        "datalist",
        "train",
        "evaluate",
        "predict",
        "explain",
        "compare",
        "baseline",
        "report",
        "audit",
        "export",
        "rerun",
    ),
    *("preprocess", "cache", "bundle", "doctor", "completion"),
)


class _AllCommands(CommandList):
    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx), key=_ORDER.index)


app = typer.Typer(
    cls=_AllCommands,
    help="Classify participants from an EEG scalogram and a T1 MRI: from two folders of recordings to a report.",
    add_completion=False,  # typer's installer changes the execution policy of PowerShell; `completion` only prints
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "token_normalize_func": with_hyphens},
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(datalist_app, name="datalist")
bundle_runs.register(app)
explain.register(app)
app.command("sample-cohort", cls=SectionedCommand)(sample_cohort)
app.command("scalogram", cls=SectionedCommand)(scalogram)
app.command("preprocess", cls=SectionedCommand)(preprocess)
app.command("rerun")(rerun)
app.add_typer(cache_app, name="cache")
app.command("report", cls=ReportCommand)(report)
app.command("audit")(audit)
app.command("export", cls=SectionedCommand)(export)
app.command("compare", cls=CompareCommand)(compare)
app.command("baseline", cls=BaselineCommand)(baseline)
app.command("bundle")(bundle)
app.command("doctor")(doctor)
app.command("completion")(completion)


def _print_version(wanted: bool) -> None:
    if wanted:
        answer(f"monai-fusion {__version__}")
        raise typer.Exit


@app.callback()
def _options_of_all_commands(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", callback=be_quiet, help="Only warnings and errors; also after COMMAND."),
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; the entry point of ``monai-fusion``.

    Args:
        arguments: The words after the command's name; ``None`` takes it from ``sys.argv``.

    Raises:
        SystemExit: Always; code 0 if done, 2 if the input or the command line is wrong.
    """
    wait_asleep()  # before a command imports torch
    let_all_characters_through()  # a Windows console may have no character for a letter of a file name
    enable_completion()
    try:
        with listening():
            _command()(args=as_meant(sys.argv[1:] if arguments is None else arguments), prog_name=PROGRAM)
    except (InputError, RunFailed) as error:
        say(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except Exception as error:
        full = next(filter(is_full, causes_of(error)), None)
        if not isinstance(full, OSError):
            raise
        say(f"error: {_of_full_disk(full)}", err=True)
        sys.exit(RunFailed.exit_code)
    except StopAsked as stop:
        _say_stop(str(stop))
        sys.exit(stop.exit_code)
    except SystemExit as end:
        # Typer ends silently after Ctrl-C; a command with its own message ends otherwise.
        if isinstance(getattr(end.__context__, "__cause__", None), KeyboardInterrupt):
            _say_stop("interrupted: finished work is kept")
        raise


def _of_full_disk(error: OSError) -> str:
    if error.filename in PRINTED_TO:
        return f"what this command prints cannot be written ({error.strerror})"
    name = f" to: {os.fsdecode(error.filename)}" if error.filename else ""
    return str(RunFailed(f"no space left to write{name}", "free some space and run the same command again"))


@functools.cache  # a program that calls `main` again pays for the reading of 60 signatures once
def _command() -> Any:
    command = typer.main.get_command(app)
    add_quiet(command)
    return command


def _say_stop(message: str) -> None:
    with suppress(OSError, ValueError):  # a terminal that is gone
        say(message, err=True)
