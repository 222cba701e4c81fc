"""The checks of a bundle run before it builds anything: one short message reports what is wrong with its input."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

import torch
from tqdm import tqdm

from monai_fusion import ranks, stopping
from monai_fusion.causes import causes_of
from monai_fusion.datalist import Datalist, read_datalist
from monai_fusion.datalist.availability import check_modalities
from monai_fusion.errors import InputError, Problem, RunFailed
from monai_fusion.evaluation.model_loader import check_model, read_weights, refuse_other_weights
from monai_fusion.messages import is_quiet, let_all_characters_through, make_visible, visible
from monai_fusion.model_files import read_model_object
from monai_fusion.options.command_line import CommandLine
from monai_fusion.options.overrides import check_overrides, check_values
from monai_fusion.output_folder import lock_folder, make_writable, refuse_trained_model
from monai_fusion.run_folder import (
    MANIFEST_FILE,
    MODEL_FILE,
    NETWORK_OUTPUTS_FILE,
    PARTIAL_PREDICTIONS_FILE,
    RESULTS,
)
from monai_fusion.runs.recipe import read_recipe
from monai_fusion.runs.resolved import building_parser
from monai_fusion.runs.unfinished import unfinished
from monai_fusion.workflow import processes
from monai_fusion.workflow.components import component_arguments
from monai_fusion.workflow.gpu_reasons import check_device, memory_failure_behind
from monai_fusion.workflow.lost_recordings import tell_of_lost, with_reasons
from monai_fusion.workflow.reasons import failure_behind
from monai_fusion.workflow.tracking import check_tracking

logger = logging.getLogger(__name__)


def check_command_line() -> None:
    """Check the options of a bundle run; the first expression of every shipped config.

    It refers to no knob: MONAI looks up a reference before it evaluates the expression, and a wrong option may have put
    a reference there that does not exist. From here on wrong input ends the process with a short message and exit code
    2 (see :func:`report_input_errors`). In a workflow that was not started by `python -m monai.bundle run`, the
    function checks the values of the config.

    Raises:
        InputError: An option is not defined by any config, has the wrong type, or would arrive as another text.
    """
    report_input_errors()
    command = CommandLine.parse(sys.argv)
    if command is None:
        parser = building_parser()
        if parser is not None and (problems := check_values(parser.get())):
            raise InputError(problems)
        return
    stopping.listen()
    if problems := check_overrides(command, component_arguments):
        raise InputError(problems)
    check_tracking(command)


def preflight(
    *,
    datalist: str | None,
    output_dir: str | os.PathLike[str],
    sections: Sequence[str],
    device: str | torch.device,
    model_dir: str | os.PathLike[str] | None = None,
    require_labels: bool = True,
    overwrite: bool = True,
    resume: bool = False,
    clears: bool = False,
    log_name: str = "train.log",
    process_group: Mapping[str, Any] | None = None,
    modalities: str = "both",
    may_be_empty: Sequence[str] = (),
    may_lose: bool = False,
) -> Datalist:
    """Check a run's input and open its log; the second expression of every shipped config.

    Args:
        datalist: Path of the datalist.
        output_dir: Folder of the results; created here.
        sections: The parts of the datalist that the run uses; each must have participants.
        device: Where the network runs.
        model_dir: Folder of the trained model that the run uses, if any.
        require_labels: Whether every participant needs a label.
        overwrite: Whether existing results may be replaced.
        resume: Whether the run continues what is in the output folder.
        clears: Whether the run removes an earlier run's results from the output folder: only in one that the command
            line, or a config laid over the first one, names.
        log_name: The log's file name in the output folder; one of an earlier run is replaced, unless it is resumed.
        process_group: How the processes of `torchrun` join (the arguments of
            :func:`~monai_fusion.workflow.processes.join`); None for a run in one process.
        modalities: Which recordings the run uses: the files of others need not exist. With a ``model_dir``, the
            model's own setting applies.
        may_be_empty: Those of ``sections`` that need no participants.
        may_lose: Whether the run goes on if files of some participants, not of all, are not there: these have the
            reason in `ParticipantRecord.lost`.

    Returns:
        The checked datalist: no other part of the run has to read it again.

    Raises:
        InputError: What is wrong; all faults of one kind at once, before anything but the empty output folder exists.
    """
    check_command_line()
    if process_group is None:
        processes.refuse_several()
    _check_types({"datalist": datalist, "output_dir": output_dir, "model_dir": model_dir})
    if not datalist:
        raise InputError(
            Problem("--datalist", seen="not given", wanted="the path of a datalist (monai-fusion datalist)")
        )
    if model_dir is not None:
        recipe = read_recipe(model_dir)
        modalities = recipe.get("modalities", modalities)
        check_model(model_dir, recipe.get("members"), recipe.get("member_weights"))
        if left := unfinished(read_model_object(model_dir, MANIFEST_FILE)):
            logger.warning("%s: %s", model_dir, left)
    check_modalities(modalities)
    cohort = read_datalist(
        datalist,
        sections,
        require_labels=require_labels,
        modalities=modalities,
        may_be_empty=may_be_empty,
        may_lose=may_lose,
    )
    if may_lose:
        cohort = with_reasons(cohort)
    check_device(device, use=processes.process_count() == 1)
    if process_group is not None:
        processes.join(device, **process_group)
    if clears and not resume:
        _refuse_unnamed(Path(output_dir))
    ranks.main_first(lambda: _open_output(Path(output_dir), overwrite, resume, log_name))
    tell_of_lost(cohort)
    return cohort


def _check_types(paths: Mapping[str, object]) -> None:
    """Check that the result of an expression or a reference in a config is a path."""
    problems = [
        Problem(f"--{name}", seen=repr(value), wanted="a path")
        for name, value in paths.items()
        if not isinstance(value, str | os.PathLike | None)
    ]
    if problems:
        raise InputError(problems)


def report_input_errors() -> None:
    """Let an uncaught `InputError` or `RunFailed` end the process with its message and its exit code.

    It has no traceback then, and the engines do not repeat it. An unexpected error keeps its traceback. The log file
    receives both.
    """
    let_all_characters_through()
    sys.excepthook = _report
    threading.excepthook = _report_thread
    for handler in logging.getLogger().handlers:
        handler.addFilter(_is_no_echo)
        handler.addFilter(make_visible)
        if is_quiet():
            handler.setLevel(logging.WARNING)


def _is_no_echo(record: logging.LogRecord) -> bool:
    """Whether a line is not just ignite's repetition of an exception, which is reported when it arrives here."""
    return not (record.name.startswith("ignite.") and "terminating due to exception" in record.getMessage())


def _report(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    for number in (signal.SIGINT, *stopping.signals_heard()):  # a further one would end the message, not the program
        signal.signal(number, signal.SIG_IGN)
    with suppress(OSError, ValueError):  # the reader of the output may be gone
        sys.stdout.flush()
    if isinstance(error, KeyboardInterrupt):
        _report_stop("interrupted: finished work is kept", 128 + signal.SIGINT)
    if isinstance(error, stopping.StopAsked):
        _report_stop(str(error), error.exit_code)
    cause = next((each for each in causes_of(error) if isinstance(each, InputError | RunFailed)), None)
    expected = cause is not None
    cause = cause or failure_behind(error) or memory_failure_behind(error)
    if cause is None and (reason := processes.lost_contact(error)):
        _say(f"process {ranks.rank()} is exiting: another process failed (see above) or was killed ({reason})")
        sys.exit(1)
    # For a cause that was recognised only by its text, the log file keeps the traceback: the name may be wrong.
    _log_failure(str(cause or kind.__name__), None if expected else (kind, error, traceback))
    if cause is None:
        with processes.say_once(f"{kind.__name__}: {error}") as mine:
            if ranks.is_distributed():
                _say(f"process {ranks.rank()} failed" + (":" if mine else ", like the other"))
            if mine:
                sys.__excepthook__(kind, error, traceback)
        return
    message = f"error: {cause}"
    with processes.say_once(message) as mine:
        if mine:
            with tqdm.external_write_mode(file=sys.stderr):  # a progress bar may be on the line
                _say(message)
    processes.note_failure(message)
    sys.exit(cause.exit_code)  # the interpreter honours it also inside the hook


def _report_thread(failed: threading.ExceptHookArgs) -> None:
    """Ignore a thread that could not write, such as TensorBoard's: the main thread reports the same error."""
    if failure_behind(failed.exc_value) is None:
        threading.__excepthook__(failed)


def _report_stop(what: str, exit_code: int) -> NoReturn:
    """Report what ended the run at once, and end as a shell expects."""
    message = f"{what}; to resume, run the same command (a training with --resume true)"
    _log_failure(message, None)
    with suppress(OSError, ValueError), processes.say_once(message) as mine:  # the terminal may be gone
        if mine:
            with tqdm.external_write_mode(file=sys.stderr):
                _say(message)
    processes.note_failure(message)
    logging.shutdown()
    sys.exit(exit_code)


def _log_failure(message: str, traceback: Any) -> None:
    """Record in the log file what ended the run; the terminal shows it in any case."""
    record = logger.makeRecord(logger.name, logging.ERROR, __file__, 0, message, (), traceback)
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler):
            handler.handle(record)


def _say(message: str) -> None:
    # In one piece, because other processes may write to the same terminal.
    sys.stderr.write(f"{visible(message, keep=chr(10))}\n")
    sys.stderr.flush()


def _refuse_unnamed(folder: Path) -> None:
    """Refuse to clear a folder that only the config's default names: the user may mean another one."""
    command = CommandLine.parse(sys.argv)
    if command is None or command.names("output_dir"):
        return
    if any((folder / name).exists() for name in RESULTS):
        advice = f"name the folder: --output_dir {folder} --overwrite true, or another one"
        raise InputError(Problem("--output_dir", seen=f"not given; {folder} holds an earlier run", advice=advice))


def _refuse_what_is_in_the_way(folder: Path, log_name: str) -> None:
    """Refuse a folder or a named pipe under a result's name: it is neither deleted nor written to.

    A link is replaced by a result, except under the name of a file that grows: a run folder from another person could
    lead the log into any file of the user's.
    """
    found = {folder / name: "is not a file" for name in (*RESULTS, log_name)}
    found = {path: seen for path, seen in found.items() if path.exists() and not path.is_file()}
    growing = [folder / name for name in (log_name, PARTIAL_PREDICTIONS_FILE, NETWORK_OUTPUTS_FILE)]
    found |= {path: "is a link" for path in growing if path.is_symlink()}
    if found:
        raise InputError(
            Problem(str(path), "", seen, "a file, or nothing", "move it away") for path, seen in found.items()
        )


def _open_output(folder: Path, overwrite: bool, resume: bool, log_name: str) -> None:
    """Create the output folder, check that it can be written to, and open the log there."""
    if not (overwrite or resume):
        refuse_trained_model(folder)
    _refuse_what_is_in_the_way(folder, log_name)
    if resume and (folder / MODEL_FILE).exists():
        # The training may never improve on the epoch that it holds. A killed training may have replaced it since its
        # manifest was written; the manifest then has the status "running".
        refuse_other_weights(folder, read_weights(folder), ("finished", "stopped", "failed"))
    make_writable(folder, "--output_dir")
    if ranks.is_main():
        lock_folder(
            folder, Path(log_name).stem, "--output_dir"
        )  # before the log of the run that holds the lock is replaced
    _close_log(folder / log_name)
    log = logging.FileHandler(folder / log_name, mode="a" if resume else "w", encoding="utf-8")
    log.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    log.addFilter(_is_no_echo)
    log.addFilter(make_visible)
    logging.getLogger().addHandler(log)


def _close_log(path: Path) -> None:
    """Close the log that an earlier workflow of this process has opened there: each line is written once."""
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, logging.FileHandler)]:
        if Path(handler.baseFilename) == Path(os.path.abspath(path)):  # noqa: PTH100 # as logging makes it
            root.removeHandler(handler)
            handler.close()
