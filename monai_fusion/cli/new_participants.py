"""``monai-fusion predict`` of participants who are in no datalist: it is made, kept with the results, and predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monai_fusion.cli.run_input import refuse_results_of_others
from monai_fusion.errors import InputError, Problem
from monai_fusion.messages import pasteable, say
from monai_fusion.run_folder import inference_folder
from monai_fusion.wording import a_few, counted

if TYPE_CHECKING:
    from monai_fusion.cli.raw_recordings import RawRecordings
    from monai_fusion.datalist.building.build_options import BuildOptions
    from monai_fusion.datalist.building.unlabelled import UnlabelledList
    from monai_fusion.datalist.trained_model import TrainedModel
    from monai_fusion.options.front import BundleRun

LIST_FILE = "datalist.json"
FIRST = "model_dir"
"""The knob that the first word of ``predict`` is for."""
_DEFAULT_OUTPUT = "$monai_fusion.workflow.inference_folder(@model_dir)"  # of inference.yaml


@dataclass(frozen=True, slots=True)
class NewParticipants:
    """Where the recordings are.

    Attributes:
        eeg_dir: Folder of scalograms.
        raw_eeg_dir: Folder of raw recordings instead.
        mri_dir: Folder of MRIs.
        bids: A BIDS dataset instead of ``mri_dir``.
        participants: A table or list of ids: only these participants.
        eeg: The scalograms, or raw recordings, of one participant.
        mri: The MRI of one participant.
        id: Who that is.
    """

    eeg_dir: Path | None = None
    raw_eeg_dir: Path | None = None
    mri_dir: Path | None = None
    bids: Path | None = None
    participants: Path | None = None
    eeg: tuple[Path, ...] = ()
    mri: Path | None = None
    id: str | None = None

    @property
    def given(self) -> list[str]:
        """The options that are given."""
        return [f"--{field.name.replace('_', '-')}" for field in fields(self) if getattr(self, field.name)]


_FOLDERS = ("--eeg-dir", "--raw-eeg-dir", "--mri-dir", "--bids", "--participants")
OPTIONS = tuple(field.name.replace("_", "-") for field in fields(NewParticipants))
"""The options of ``predict`` for them, without the dashes in front."""


@dataclass(frozen=True, slots=True)
class PredictionOfNewParticipants:
    """A list that is not written yet, and what is made of it.

    Attributes:
        run: The bundle run that predicts it.
        planned: The list.
        not_predicted: Ids in it who lack a recording that the model needs.
    """

    run: BundleRun
    planned: UnlabelledList
    not_predicted: tuple[str, ...]


def plan_new_participants(
    new: NewParticipants, configs: Sequence[Path], words: Sequence[str]
) -> PredictionOfNewParticipants:
    """Make the list and the run that predicts it; nothing is written.

    Args:
        new: Where the recordings are.
        configs: The shipped config files of inference.
        words: The model, if it comes first, and the knobs.

    Raises:
        InputError: Something is wrong with the options, the model, the recordings, or another list is in the way.
    """
    from monai_fusion.datalist.building.unlabelled import plan_one, plan_unlabelled
    from monai_fusion.datalist.trained_model import read_trained_model
    from monai_fusion.options.front import plan_run

    _refuse_contradictions(new)
    run = plan_run(configs, words, OPTIONS, first=FIRST)
    if run.knobs["datalist"] is not None:
        raise InputError(_two_sources("--datalist", new))
    if run.knobs["section"] != "test":
        advice = "leave it out: all participants of the new list are in the part test"
        raise InputError(Problem("--section", seen=str(run.knobs["section"]), advice=advice))
    options = _options(new, run.knobs)
    assert options.labels.model is not None  # noqa: S101 # it is one of the knobs
    one = bool(new.eeg or new.mri)
    planned = plan_one(options, new.eeg, new.mri, new.id) if one else plan_unlabelled(options, with_incomplete=True)
    model = read_trained_model(options.labels.model, "MODEL")
    _check(planned, model)
    _refuse_another_list(planned, model)
    words = [*words, "--datalist", str(planned.path)]
    if run.knobs["allow_missing"] is None and model.modalities != "both" and any(planned.lacking.values()):
        words += ["--allow_missing", "true"]  # a model of one recording has no use for the other
    return PredictionOfNewParticipants(
        plan_run(configs, words, first=FIRST), planned, _not_predicted(planned, model, run.knobs)
    )


def plan_raw_recordings(new: NewParticipants, configs: Sequence[Path], words: Sequence[str]) -> RawRecordings:
    """Check everything that can be checked before raw recordings become scalograms; nothing is written.

    Args:
        new: Where the recordings are.
        configs: The shipped config files of inference.
        words: The model, if it comes first, and the knobs.

    Raises:
        InputError: Something is wrong with the options or the model, or the folder holds results of another kind.
    """
    from monai_fusion.cli.raw_recordings import plan_scalograms
    from monai_fusion.datalist.trained_model import read_trained_model
    from monai_fusion.options.front import plan_run

    _refuse_contradictions(new)
    run = plan_run(configs, words, OPTIONS, first=FIRST)
    if run.knobs["datalist"] is not None:
        raise InputError(_two_sources("--datalist", new))
    options = _options(new, run.knobs)
    assert options.labels.model is not None  # noqa: S101 # it is one of the knobs
    refuse_results_of_others(options.output.out.parent)
    return plan_scalograms(new, read_trained_model(options.labels.model, "MODEL"), options.output.out.parent)


def files_of(patterns: Sequence[Path]) -> tuple[Path, ...]:
    """The files: cmd and PowerShell leave patterns such as ``sub-07_*.npy`` to the program.

    Raises:
        InputError: A pattern finds nothing.
    """
    found: list[Path] = []
    for path in patterns:
        if path.exists() or not set("*?[") & set(path.name):
            found.append(path)
        elif matches := sorted(path.parent.glob(path.name)):
            found += matches
        else:
            raise InputError(Problem("--eeg", seen=f"{path}: no file has this name"))
    return tuple(dict.fromkeys(found))


def write_list(planned: UnlabelledList) -> None:
    """Write the list to the folder of the results, and report who is in it.

    Raises:
        InputError: The folder cannot be made or written to.
    """
    from monai_fusion.datalist.saving.writing import write_text

    folder = planned.path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        seen = f"{folder}: {error.strerror or error}"
        raise InputError(Problem("--output_dir", seen=seen, wanted="a folder to write to")) from None
    write_text(planned.text, planned.path)


def print_plan(prediction: PredictionOfNewParticipants, *, written: bool) -> None:
    """Print who is in the list, and who of them is not predicted."""
    from monai_fusion.datalist.building.unlabelled import list_summary

    planned, lacking = prediction.planned, prediction.not_predicted
    not_written = "" if written else " (not written with --dry-run)"
    say(f"{planned.path}: {counted(planned.participants, 'participant')}{not_written}")
    for line in list_summary(planned):
        say(line)
    if lacking:
        say(f"{counted(len(lacking), 'participant')} not predicted, the model needs what they lack: {a_few(lacking)}")
    for note in planned.notes:
        say(f"note: {note}", err=True)


def _refuse_contradictions(new: NewParticipants) -> None:
    problems = []
    folders = [name for name in new.given if name in _FOLDERS]
    files = [name for name in new.given if name in ("--eeg", "--mri", "--id")]
    if folders and files:
        advice = "give folders of many participants, or the files of one"
        problems.append(Problem(", ".join(files), seen=f"together with {', '.join(folders)}", advice=advice))
    elif files == ["--id"] or folders == ["--participants"]:
        lone = new.given[0]
        wanted = "--eeg or --mri with it" if lone == "--id" else "--eeg-dir or --mri-dir with it"
        problems.append(Problem(lone, seen="alone", wanted=wanted))
    if problems:
        raise InputError(problems)


def _two_sources(where: str, new: NewParticipants) -> Problem:
    return Problem(where, seen=f"a datalist, together with {', '.join(new.given)}", wanted="one of the two")


def _options(new: NewParticipants, knobs: dict[str, Any]) -> BuildOptions:
    from monai_fusion.datalist.building import build_options as options
    from monai_fusion.datalist.split.split_options import SplitOptions

    model = str(knobs["model_dir"])
    output = str(knobs["output_dir"])
    if model.startswith(("$", "@")) or (output.startswith(("$", "@")) and output != _DEFAULT_OUTPUT):
        name = "--model_dir" if model.startswith(("$", "@")) else "--output_dir"
        raise InputError(Problem(name, seen="an expression of a config", wanted="a folder on the command line"))
    folder = Path(model).expanduser()
    out = Path(inference_folder(folder) if output == _DEFAULT_OUTPUT else output).expanduser()
    eeg_dir, mri_dir = (() if each is None else (each,) for each in (new.eeg_dir, new.mri_dir))
    return options.BuildOptions(
        folders=options.FolderOptions(eeg_dir, mri_dir, new.bids),
        table=options.TableOptions(new.participants),
        labels=options.LabelOptions(model=folder, model_option="MODEL"),
        split=SplitOptions(allow_missing=knobs["allow_missing"] is True),
        output=options.OutputOptions(out / LIST_FILE, name=out.name),
    )


def _not_predicted(planned: UnlabelledList, model: TrainedModel, knobs: dict[str, Any]) -> tuple[str, ...]:
    """Participants without a recording that the model needs; ``--allow_missing false`` asks for both."""
    eeg, mri = planned.lacking["eeg"], planned.lacking["mri"]
    if knobs["allow_missing"] is False or (model.modalities == "both" and not model.learned_absence):
        return (*eeg, *mri)
    return {"both": (), "eeg": mri, "mri": eeg}[model.modalities]


def _check(planned: UnlabelledList, model: TrainedModel) -> None:
    """What `datalist check` would report about the list, worded for the recordings: there is no file yet."""
    from monai_fusion.datalist.examination import Requirements, examine
    from monai_fusion.datalist.json_text import parse_json

    asked = Requirements(["test"], labels=False, modalities=model.modalities)
    found = examine(parse_json(planned.text), planned.path, asked)
    if found.problems:
        raise InputError(
            Problem(each.participant_id or each.where, each.field, each.seen, each.wanted, each.advice)
            for each in found.problems
        )


def _refuse_another_list(planned: UnlabelledList, model: TrainedModel) -> None:
    """A list that is there may have been edited by hand: it is not replaced."""
    try:
        there = planned.path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):  # the code that makes the folder reports a file in its place
        return
    except OSError as error:
        raise InputError(Problem(str(planned.path), seen=f"cannot be read ({error.strerror or error})")) from None
    if there != planned.text.encode("utf-8", errors="surrogatepass"):
        folder = planned.path.parent
        there_too = () if folder == Path(inference_folder(model.folder)) else ("--output_dir", folder)
        command = pasteable(("monai-fusion", "predict", model.folder, "--datalist", planned.path, *there_too))
        advice = f"predict that list ({command}), or choose another --output_dir"
        raise InputError(Problem(str(planned.path), seen="already exists, and holds something else", advice=advice))
