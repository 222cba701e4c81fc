"""What a bundle run does around its engines: check the input, prepare the files, hand settings on to later runs."""

from monai_fusion.options.command_line import CommandLine
from monai_fusion.options.overrides import check_overrides, flag, resumes
from monai_fusion.options.words import expand_home
from monai_fusion.workflow.absence import absence_settings, recordings_for, warn_of_unseen_absence
from monai_fusion.workflow.closing import announce_training
from monai_fusion.workflow.identity import condensed, training_identity
from monai_fusion.workflow.known import warnings_of_known
from monai_fusion.workflow.manifest import RunManifest
from monai_fusion.workflow.preflight import check_command_line, preflight, report_input_errors
from monai_fusion.workflow.preparation import prepare
from monai_fusion.workflow.processes import leave, same_for_all
from monai_fusion.workflow.recipe import check_recipe, clear_results, read_recipe, write_recipe
from monai_fusion.workflow.running import run_engine
from monai_fusion.workflow.summary import summarize_training

__all__ = [
    "CommandLine",
    "RunManifest",
    "absence_settings",
    "announce_training",
    "check_command_line",
    "check_overrides",
    "check_recipe",
    "clear_results",
    "condensed",
    "expand_home",
    "flag",
    "leave",
    "preflight",
    "prepare",
    "read_recipe",
    "recordings_for",
    "report_input_errors",
    "resumes",
    "run_engine",
    "same_for_all",
    "summarize_training",
    "training_identity",
    "warn_of_unseen_absence",
    "warnings_of_known",
    "write_recipe",
]
