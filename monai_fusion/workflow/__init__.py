"""What a bundle run does around its engines: check the input, prepare the files, pass settings to later runs."""

from monai_fusion.options.command_line import CommandLine
from monai_fusion.options.knob_values import expand_home
from monai_fusion.options.overrides import as_auto, as_bool, as_resume, check_overrides
from monai_fusion.run_folder import inference_folder
from monai_fusion.workflow.cohort_profiles import compare_with_training, unlike_training, write_cohort_profile
from monai_fusion.workflow.end_message import announce_training
from monai_fusion.workflow.engine import run_engine
from monai_fusion.workflow.gpu_memory import warn_of_small_gpu
from monai_fusion.workflow.input_checks import check_command_line, preflight, report_input_errors
from monai_fusion.workflow.missing_recordings import recordings_for, warn_of_unseen_absence
from monai_fusion.workflow.places import beside
from monai_fusion.workflow.preparation import prepare
from monai_fusion.workflow.processes import leave, same_for_all
from monai_fusion.workflow.start_message import summarize_training

__all__ = [
    "CommandLine",
    "announce_training",
    "as_auto",
    "as_bool",
    "as_resume",
    "beside",
    "check_command_line",
    "check_overrides",
    "compare_with_training",
    "expand_home",
    "inference_folder",
    "leave",
    "preflight",
    "prepare",
    "recordings_for",
    "report_input_errors",
    "run_engine",
    "same_for_all",
    "summarize_training",
    "unlike_training",
    "warn_of_small_gpu",
    "warn_of_unseen_absence",
    "write_cohort_profile",
]
