"""``explanation.json``: what was explained, of whom, and which files show it; read without torch."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from monai_fusion.files import latest, write_for_readers
from monai_fusion.opening import NotReadableError
from monai_fusion.reading import read_bytes, read_json_object
from monai_fusion.run_folder import EXPLANATION_FILE, EXPLANATION_FOLDER

SCHEMA_VERSION: Literal[1] = 1
_PNG = b"\x89PNG\r\n\x1a\n"
_LARGEST_FIGURE = 8 * 2**20


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Values(_Part):
    """The scores of one participant with each set of recordings, and what each recording is worth, in logit.

    Attributes:
        both: The score with all recordings that the participant has.
        eeg: With the EEG alone; None without one.
        mri: With the MRI alone; None without one.
        neither: The mean score of the reference participants.
        value_eeg: Shapley value of the EEG; None without one.
        value_mri: Shapley value of the MRI; None without one.
        interaction: v(both) - v(EEG) - v(MRI) + v(neither); None for a participant with one recording.
    """

    both: float
    eeg: float | None
    mri: float | None
    neither: float
    value_eeg: float | None
    value_mri: float | None
    interaction: float | None


class Participant(_Part):
    """One explained participant.

    Attributes:
        participant_id: The id.
        files: The beginning of the names of the participant's files.
        label: The class, if it is known.
        recordings: What the participant has.
        segments: How many EEG segments were explained.
        score: Log-odds of the explained class, the mean over these segments.
        values: What each recording is worth, if that was asked for.
    """

    participant_id: str
    files: str
    label: str | None
    recordings: Literal["both", "eeg", "mri"]
    segments: int
    score: float
    values: Values | None = None


class ModalityGroup(_Part):
    """Means over the participants of a class, or over all, who have both recordings, in logit.

    Attributes:
        name: ``all``, or the class.
        participants: Their number.
        value_eeg: Mean Shapley value of the EEG.
        value_mri: Mean Shapley value of the MRI.
        interaction: Mean interaction.
        size_eeg: Mean absolute value of the EEG.
        size_mri: Mean absolute value of the MRI.
        share_eeg: ``size_eeg / (size_eeg + size_mri)``; None where both are 0.
    """

    name: str
    participants: int
    value_eeg: float
    value_mri: float
    interaction: float
    size_eeg: float
    size_mri: float
    share_eeg: float | None


class FigureFile(_Part):
    """A figure in the explanation folder.

    Attributes:
        file: Its path in the folder, a PNG; an SVG of the same name lies beside it.
        title: What it shows.
        words: Its content in sentences, for screen readers.
        participant_id: Whose figure it is; None for one of all participants.
    """

    file: str
    title: str
    words: list[str]
    participant_id: str | None = None


class ResultTable(_Part):
    """A small table for the report.

    Attributes:
        title: What it shows.
        columns: Names of the columns.
        rows: The cells of each row, as text.
        note: How to read it.
    """

    title: str
    columns: list[str]
    rows: list[list[str]]
    note: str = ""


class ExplanationFile(_Part):
    """The content of ``explanation.json``.

    Attributes:
        schema_version: Of this layout.
        program: The version of the program.
        section: The explained part of the datalist.
        classes: The class names.
        explained_class: Positive values speak for this class.
        methods: What was computed.
        modality_reference: What stood for a recording that was taken away.
        references: The number of reference participants.
        settings: The settings of each method.
        participants: The explained participants.
        modalities: What the recordings are worth, by group.
        figures: The figures.
        tables: Tables and other files, by their paths in the folder.
        results: Results over participants, as tables.
        checks: Whether the maps can be believed, as tables.
        measures: The numbers of the checks, by name.
        notes: What a reader must know.
        warnings: What makes the maps doubtful.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    program: str
    section: str
    classes: list[str]
    explained_class: str
    methods: list[str]
    modality_reference: str
    references: int
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)
    participants: list[Participant]
    modalities: list[ModalityGroup] = Field(default_factory=list)
    figures: list[FigureFile] = Field(default_factory=list)
    tables: list[str] = Field(default_factory=list)
    results: list[ResultTable] = Field(default_factory=list)
    checks: list[ResultTable] = Field(default_factory=list)
    measures: dict[str, Any] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)


def write_explanation(content: ExplanationFile, folder: Path) -> Path:
    """Write the file; returns its path, a new name if another program keeps the old file open."""
    return write_for_readers(folder / EXPLANATION_FILE, content.model_dump_json(indent=2).encode("utf-8"))


def read_explanation(folder: Path) -> ExplanationFile | None:
    """Read the file of an explanation folder; None if there is none, or it is damaged or of another version."""
    content = read_json_object(latest(folder / EXPLANATION_FILE))
    if content is None:
        return None
    try:
        return ExplanationFile.model_validate(content)
    except ValidationError:
        return None


@dataclass(frozen=True)
class ShownFigure:
    """A figure for a page.

    Attributes:
        title: What it shows.
        words: Its content in sentences.
        address: The picture as a ``data:`` address.
        participant_id: Whose figure it is; None for one of all participants.
    """

    title: str
    words: tuple[str, ...]
    address: str
    participant_id: str | None


@dataclass(frozen=True)
class ShownExplanation:
    """An explanation for a page: the content of its file, and the figures that are there."""

    content: ExplanationFile
    figures: tuple[ShownFigure, ...]

    @property
    def of_all(self) -> list[ShownFigure]:
        """The figures of all participants together."""
        return [figure for figure in self.figures if figure.participant_id is None]

    @property
    def of_participants(self) -> dict[str, list[ShownFigure]]:
        """The figures of single participants, by id."""
        found: dict[str, list[ShownFigure]] = {}
        for figure in self.figures:
            if figure.participant_id is not None:
                found.setdefault(figure.participant_id, []).append(figure)
        return found


def shown_explanation(run: Path) -> ShownExplanation | None:
    """Read the explanation in the folder of an evaluation, with its figures; None without one."""
    folder = run / EXPLANATION_FOLDER
    content = read_explanation(folder)
    if content is None:
        return None
    figures = [
        ShownFigure(figure.title, tuple(figure.words), address, figure.participant_id)
        for figure in content.figures
        if (address := _png_address(folder, figure.file)) is not None
    ]
    return ShownExplanation(content, tuple(figures))


def _png_address(folder: Path, name: str) -> str | None:
    """A PNG within the folder as a ``data:`` address; None if it is not there, too large, or something else."""
    place = PurePosixPath(name)
    if place.is_absolute() or ".." in place.parts or "\\" in name or ":" in name or "\0" in name:
        return None
    try:
        content = read_bytes(folder / place, _LARGEST_FIGURE)
    except (OSError, NotReadableError):
        return None
    if not content.startswith(_PNG):
        return None
    return "data:image/png;base64," + base64.b64encode(content).decode("ascii")
