"""``monai-fusion predict`` of raw EEG: it becomes scalograms as those of the training were made, and these are kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from monai_fusion.errors import InputError, Problem
from monai_fusion.messages import pasteable, say
from monai_fusion.reading import read_json_object
from monai_fusion.wording import counted

if TYPE_CHECKING:
    from monai_fusion.cli.new_participants import NewParticipants
    from monai_fusion.datalist.trained_model import TrainedModel
    from monai_fusion.recordings.finding import FoundAll
    from monai_fusion.recordings.making import Made
    from monai_fusion.recordings.not_made import NotMade
    from monai_fusion.recordings.scalogram_recipe import ScalogramRecipe

FOLDER = "scalograms"
"""Where they are, below the folder of the results."""


@dataclass(frozen=True, slots=True)
class RawRecordings:
    """Raw recordings, and how they become scalograms.

    Attributes:
        inputs: Files, or a folder of them.
        recipe: How the scalograms of the training were made.
        out: The folder of the scalograms.
        participant: Whose they are, if files of one participant are given; None for those of a folder.
    """

    inputs: tuple[Path, ...]
    recipe: ScalogramRecipe
    out: Path
    participant: str | None = None

    @property
    def command(self) -> str:
        """The command that makes the same scalograms."""
        return pasteable(("monai-fusion", "scalogram", *self.inputs, "--out", self.out, *self.recipe.words()))


def has_raw(new: NewParticipants) -> bool:
    """Whether raw recordings are among the files, or a folder of them is given."""
    others = [path.name.lower() for path in new.eeg if path.suffix.lower() != ".npy"]
    if new.raw_eeg_dir is not None or not others:
        return new.raw_eeg_dir is not None
    from monai_fusion.recordings.reading.opened import ENDINGS

    return any(name.endswith(ENDINGS) for name in others)


def plan_scalograms(new: NewParticipants, model: TrainedModel, results: Path) -> RawRecordings:
    """Check that raw recordings can become scalograms of the model's kind; nothing is written.

    Args:
        new: Where the recordings are.
        model: The model that predicts them.
        results: The folder of the results.

    Raises:
        InputError: Raw recordings and scalograms are mixed, a path does not exist, the files of one participant have
            the names of several, or the model does not know how its scalograms were made.
    """
    from monai_fusion.datalist.building.unlabelled import one_participant
    from monai_fusion.recordings.finding import participant_of
    from monai_fusion.recordings.scalogram_recipe import read_recipe_entry

    if new.raw_eeg_dir is not None and new.eeg_dir is not None:
        raise InputError(Problem("--raw-eeg-dir", seen="together with --eeg-dir", wanted="one of the two"))
    if scalograms := [path for path in new.eeg if path.suffix.lower() == ".npy"]:
        seen = f"{scalograms[0].name}, a scalogram, together with raw recordings"
        raise InputError(Problem("--eeg", seen=seen, wanted="either scalograms or raw recordings"))
    inputs = new.eeg if new.raw_eeg_dir is None else (new.raw_eeg_dir,)
    option = "--eeg" if new.raw_eeg_dir is None else "--raw-eeg-dir"
    if absent := [path for path in inputs if not path.exists()]:
        raise InputError(Problem(option, seen=f"{absent[0]}: there is no such file or folder"))
    recipe = read_recipe_entry(model.scalogram_recipe)
    if recipe is None:
        seen = f"raw EEG, but {model.folder} does not record how the scalograms of its training were made"
        advice = "run monai-fusion scalogram with the settings of the training, and give its files"
        raise InputError(Problem(option, seen=seen, wanted="scalograms (.npy)", advice=advice))
    participant = None
    if new.raw_eeg_dir is None:
        participant = new.id or one_participant({participant_of(path) for path in inputs})
    return RawRecordings(tuple(inputs), recipe, results / FOLDER, participant)


@dataclass(frozen=True, slots=True)
class MadeScalograms:
    """What became of raw recordings.

    Attributes:
        done: Each of them.
        not_made: What became no scalograms, by participant.
    """

    done: Sequence[Made]
    not_made: Mapping[str, NotMade]

    @property
    def lost(self) -> list[str]:
        """The participants with raw recordings who have no scalogram at all."""
        return [name for name, each in self.not_made.items() if not each.made]

    @property
    def failed(self) -> bool:
        """Whether a recording became no scalogram."""
        return any(each.state == "failed" for each in self.done)


def make_scalograms(raw: RawRecordings) -> MadeScalograms:
    """Make the scalograms that are not there yet, and print which recordings failed.

    Why recordings of a participant became none is kept beside the scalograms, for the prediction's table.

    Raises:
        InputError: Every recording fails, or this version makes other scalograms.
    """
    from monai_fusion.recordings.job import run_job
    from monai_fusion.recordings.making import Made
    from monai_fusion.recordings.not_made import write_not_made
    from monai_fusion.recordings.opening import find
    from monai_fusion.recordings.scalogram_recipe import refuse_other_scalograms

    options = raw.recipe.options(raw.out)
    try:
        found = find(raw.inputs, options)
        done = run_job(raw.inputs, found.recordings, options)
    except InputError as error:
        raise _noted(error, raw) from None
    done += [Made(path=path, state="failed", problems=(problem,)) for path, problem in found.refused]
    failed = [each for each in done if each.state == "failed"]
    if failed and len(failed) == len(done):
        raise _noted(InputError(problem for each in failed for problem in each.problems), raw)
    made = [each for each in done if each.state != "failed"]
    refuse_other_scalograms(raw.recipe, (sidecar for each in made for sidecar in each.sidecars))
    say(f"{raw.out}: scalograms of {counted(len(made), 'raw recording')}, as those of the training")
    for each in failed:
        text = "; ".join(map(str, each.problems))
        say(f"error: {text if each.path.name in text else f'{each.path}: {text}'}", err=True)
    if failed:
        say(f"note: {_about_options(raw)}", err=True)
    not_made = _not_made(raw, found, done)
    write_not_made(raw.out, not_made)
    return MadeScalograms(done, not_made)


def _not_made(raw: RawRecordings, found: FoundAll, done: Sequence[Made]) -> dict[str, NotMade]:
    """What of each participant's recordings failed, or is in a format that is not read."""
    from monai_fusion.datalist.schema import is_participant_id
    from monai_fusion.recordings.finding import participant_of
    from monai_fusion.recordings.not_made import NotMade, reason_text
    from monai_fusion.recordings.reading.other_files import refusal

    problems: dict[str, list[tuple[Path, Problem]]] = defaultdict(list)
    made: dict[str, list[str]] = defaultdict(list)
    for each in done:
        name = raw.participant or participant_of(each.path)
        problems[name] += [(each.path, problem) for problem in each.problems]
        made[name] += [path.name for path in _scalograms(each, raw)]
    exported = {_stem(each.path) for each in done if each.state != "failed"}
    for path in found.not_read:
        if _stem(path) not in exported:
            problem = refusal(path, None) or Problem(path.name, seen="not read")
            problems[participant_of(path)].append((path, problem))
    return {
        name: NotMade(reason_text([problem for _, problem in of_one], [path for path, _ in of_one]), tuple(made[name]))
        for name, of_one in sorted(problems.items())
        if of_one and is_participant_id(name)
    }


def _stem(path: Path) -> str:
    """A file's name without its ending: that of an export beside the original is the same."""
    return path.name.partition(".")[0].casefold()


def _scalograms(made: Made, raw: RawRecordings) -> list[Path]:
    """The scalograms that a recording became."""
    from monai_fusion.sidecar import MOST_BYTES

    sidecars = [read_json_object(path, MOST_BYTES) or {} for path in made.sidecars]
    return [raw.out / str(name) for content in sidecars for name in content.get("Files", ())]


def with_scalograms(new: NewParticipants, raw: RawRecordings, done: Sequence[Made]) -> NewParticipants:
    """Return the new participants with their scalograms in place of the raw recordings."""
    if new.raw_eeg_dir is not None:
        return replace(new, raw_eeg_dir=None, eeg_dir=raw.out)
    return replace(new, eeg=tuple(path for each in done for path in _scalograms(each, raw)))


def _noted(error: InputError, raw: RawRecordings) -> InputError:
    """The scalogram command's own message, with the command that it is about."""
    error.add_note(_about_options(raw))
    return error


def _about_options(raw: RawRecordings) -> str:
    return f"the options are those of {raw.command}: run it with what is missing, and give its files"
