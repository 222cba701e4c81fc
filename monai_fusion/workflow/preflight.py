"""What a bundle run does before anything is built: say in one short message what is wrong with its input."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from tqdm import tqdm

from monai_fusion import ranks
from monai_fusion.datalist import DatalistError, check_datalist
from monai_fusion.datalist.availability import check_modalities
from monai_fusion.errors import InputError, Problem, RunFailed, causes_of
from monai_fusion.messages import make_visible, visible
from monai_fusion.output_folder import claim, make_writable
from monai_fusion.run_folder import MODEL_FILE
from monai_fusion.workflow import processes
from monai_fusion.workflow.overrides import CommandLine, check_overrides
from monai_fusion.workflow.recipe import read_recipe
from monai_fusion.workflow.tracking import check_tracking

logger = logging.getLogger(__name__)


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
    log_name: str = "train.log",
    process_group: Mapping[str, Any] | None = None,
    modalities: str = "both",
) -> None:
    """Check a run's input and open its log; the first expression of every shipped config.

    From here on wrong input ends the process with a short message and exit code 2 (see :func:`report_input_errors`).

    Args:
        datalist: Path of the datalist.
        output_dir: Folder of the results; made here.
        sections: The parts of the datalist that the run uses; each must have participants.
        device: Where the network runs.
        model_dir: Folder of the trained model that the run uses, if any.
        require_labels: Whether every participant needs a label.
        overwrite: Whether results that are there already may be replaced.
        resume: Whether the run continues what is in the output folder.
        log_name: The log's file name in the output folder; one of an earlier run is replaced, unless it is resumed.
        process_group: How the processes of `torchrun` join (the arguments of
            :func:`~monai_fusion.workflow.processes.join`); None for a run in one process.
        modalities: Which recordings the run uses: the files of others need not be there. With a ``model_dir``, the
            model's own count.

    Raises:
        InputError: What is wrong; everything of one kind at once, nothing written yet but the empty output folder.
    """
    report_input_errors()
    command = CommandLine.parse(sys.argv)
    if command is not None and (problems := check_overrides(command)):
        raise InputError(problems)
    if process_group is None:
        processes.refuse_several()
    if command is not None:
        check_tracking(command)
    if not datalist:
        raise InputError(
            Problem("--datalist", seen="not given", wanted="the path of a datalist (monai-fusion datalist)")
        )
    if model_dir is not None:
        modalities = read_recipe(model_dir).get("modalities", modalities)
    check_modalities(modalities)
    if problems := check_datalist(datalist, sections, require_labels=require_labels, modalities=modalities):
        raise DatalistError(problems, heading=str(datalist))
    _check_device(device)
    if process_group is not None:
        processes.join(device, **process_group)
    ranks.main_first(lambda: _open_output(Path(output_dir), overwrite, resume, log_name))


def report_input_errors() -> None:
    """Let an `InputError` or a `RunFailed` that nobody catches end the process with its message and its exit code.

    There is no traceback then, and the engines do not repeat it. What nobody expected keeps its traceback. Either goes
    to the log file as well.
    """
    sys.excepthook = _report
    for handler in logging.getLogger().handlers:
        handler.addFilter(_is_no_echo)
        handler.addFilter(make_visible)


def _is_no_echo(record: logging.LogRecord) -> bool:
    """Whether a line is more than ignite's repetition of an exception, which is reported when it arrives here."""
    return not (record.name.startswith("ignite.") and "terminating due to exception" in record.getMessage())


def _report(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    cause = next((each for each in causes_of(error) if isinstance(each, InputError | RunFailed)), None)
    sys.stdout.flush()
    if cause is None and (reason := processes.lost_contact(error)):
        _say(f"process {ranks.rank()} ends: it lost another one, which says why above, or was killed ({reason})")
        sys.exit(1)
    _log_failure(str(cause or kind.__name__), None if cause else (kind, error, traceback))
    if cause is None and not isinstance(error, Exception):  # Ctrl-C
        sys.__excepthook__(kind, error, traceback)
        return
    if cause is None:
        with processes.speaking(f"{kind.__name__}: {error}") as mine:
            if ranks.joined():
                _say(f"process {ranks.rank()} failed" + (":" if mine else ", like the other"))
            if mine:
                sys.__excepthook__(kind, error, traceback)
        return
    message = f"error: {cause}"
    with processes.speaking(message) as mine:
        if mine:
            with tqdm.external_write_mode(file=sys.stderr):  # a progress bar may stand there
                _say(message)
    processes.note_failure(message)
    sys.exit(cause.exit_code)  # honoured by the interpreter also inside the hook


def _log_failure(message: str, traceback: Any) -> None:
    """Note in the log file what ended the run; the terminal shows it anyway."""
    record = logger.makeRecord(logger.name, logging.ERROR, __file__, 0, message, (), traceback)
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler):
            handler.handle(record)


def _say(message: str) -> None:
    # In one piece, as other processes may write to the same terminal.
    sys.stderr.write(f"{visible(message, keep=chr(10))}\n")
    sys.stderr.flush()


def _check_device(device: str | torch.device) -> None:
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise InputError(Problem("--device", seen=repr(device), wanted="cpu, cuda or cuda:NUMBER")) from None
    if chosen.type != "cuda":
        return
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count == 0:
        raise InputError(Problem("--device", seen=str(device), wanted="cpu", advice="this machine shows torch no GPU"))
    if chosen.index is not None and chosen.index >= count:
        raise InputError(Problem("--device", seen=str(device), wanted=f"cuda:0 to cuda:{count - 1}"))


def _open_output(folder: Path, overwrite: bool, resume: bool, log_name: str) -> None:
    """Make the output folder, see that it can be written to, and let the log go there as well."""
    if (folder / MODEL_FILE).exists() and not (overwrite or resume):
        advice = "choose another --output_dir, or give --resume true or --overwrite true"
        raise InputError(Problem(str(folder), seen=f"holds a trained model already ({MODEL_FILE})", advice=advice))
    make_writable(folder, "--output_dir")
    if ranks.is_main():
        claim(folder, Path(log_name).stem, "--output_dir")  # before the log of the run that holds it is replaced
    log = logging.FileHandler(folder / log_name, mode="a" if resume else "w", encoding="utf-8")
    log.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    log.addFilter(_is_no_echo)
    log.addFilter(make_visible)
    logging.getLogger().addHandler(log)
