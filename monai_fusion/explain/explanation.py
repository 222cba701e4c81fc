"""The component of explain.yaml, and of evaluate.yaml with ``explain: true``."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from monai_fusion import __version__, ranks, stopping
from monai_fusion.errors import InputError
from monai_fusion.explain.believing_results import believing_results
from monai_fusion.explain.derived import FIGURES_FOLDER, Derived, most_and_least_certain
from monai_fusion.explain.earlier_results import remove_stale
from monai_fusion.explain.eeg_results import eeg_results
from monai_fusion.explain.method import Method
from monai_fusion.explain.methods import build_methods
from monai_fusion.explain.modality_results import TABLE_FILE, draw_modality_values, modality_summary, modality_table
from monai_fusion.explain.modality_values import ModalityValues
from monai_fusion.explain.model_doubts import model_doubts, recording_doubts
from monai_fusion.explain.mri_gradcam import MriGradCam
from monai_fusion.explain.mri_results import mri_results
from monai_fusion.explain.mri_space import SlabGeometry
from monai_fusion.explain.planted_truth import PlantedTruth, cohort_file, planted_truth
from monai_fusion.explain.reference_gradients import ReferenceRecordings
from monai_fusion.explain.running import ExplainedParticipant, ExplanationRun
from monai_fusion.explain.scoring import Scorer
from monai_fusion.explain.settings import ExplanationSettings
from monai_fusion.explain.subject import ExplainedModel, ExplainedPart
from monai_fusion.files import latest, write_atomically, write_for_readers
from monai_fusion.keys import EEG, MRI
from monai_fusion.options.explanation_choices import MODALITY
from monai_fusion.reading import read_json_object
from monai_fusion.report import explanation_file as schema
from monai_fusion.report.style import Picture
from monai_fusion.run_folder import CALIBRATION_FILE, MANIFEST_FILE, METRICS_FILE
from monai_fusion.wording import counted

logger = logging.getLogger(__name__)


class Explanation:
    """Explains a trained model and writes the explanation folder.

    Args:
        model: Whose predictions are explained.
        part: The participants.
        folder: Where to write; made if it does not exist.
        settings: What is explained.
        evidence: The folders that show whether the model predicts: that of the model, and that of its evaluation.

    Raises:
        InputError: An option of a method is out of range, or does not suit the network.
    """

    def __init__(
        self,
        model: ExplainedModel,
        part: ExplainedPart,
        folder: str | os.PathLike[str],
        settings: ExplanationSettings,
        evidence: tuple[str | os.PathLike[str], str | os.PathLike[str]] | None = None,
    ) -> None:
        self.model, self.part = model, part
        self.folder = Path(folder)
        self.classes = list(model.classes)
        self.settings = settings
        self.evidence = None if evidence is None else (Path(evidence[0]), Path(evidence[1]))
        self.methods: list[Method] = build_methods(settings, self._references)
        for method in self.methods:
            if isinstance(method, MriGradCam):
                method.check(model.network)
        transforms = () if part.preprocessing is None else part.preprocessing.transforms[MRI]
        self.geometry = SlabGeometry.of_transforms(transforms)
        scorer = Scorer(model.network, settings.target, model.device, model.precision)
        self.run_of_methods = ExplanationRun(
            scorer, part.dataset, self.folder, settings, self.methods, model.segment_batch_size
        )

    def _references(self, recording: Literal["eeg", "mri"], count: int) -> ReferenceRecordings:
        """Recordings of so many participants of the explained part, read when a method needs them."""
        labels = {
            record.participant_id: record.label
            for record in self.part.dataset.records
            if (record.eeg if recording == EEG else record.mri is not None)
        }
        return ReferenceRecordings(recording, labels, lambda name: self.run_of_methods.participant(name), count)

    def run(self) -> Path | None:
        """Explain, and write the folder; returns ``explanation.json``, None on a rank that writes nothing.

        Raises:
            OSError: The disk is full or read-only.
        """
        if not ranks.is_main():
            return None
        self.folder.mkdir(parents=True, exist_ok=True)
        explained = self.classes[self.settings.target]
        logger.info("explaining: %s; positive values speak for %s", ", ".join(self.settings.methods), explained)
        participants = self.run_of_methods.run()
        derived = self._derive(participants, explained)
        with stopping.held():  # figures lie beside the file that names them
            path = self._write(participants, derived, explained)
        for warning in derived.warnings:
            logger.warning(warning)
        logger.info("wrote %s and its tables and figures, of %s", path, counted(len(participants), "participant"))
        return path

    def _write(self, participants: Sequence[ExplainedParticipant], derived: Derived, explained: str) -> Path:
        content = schema.ExplanationFile(
            program=__version__,
            section=self.part.section,
            classes=self.classes,
            explained_class=explained,
            methods=list(self.settings.methods),
            modality_reference=self.settings.modality_reference,
            references=self.run_of_methods.references,
            settings={method.name: dict(method.settings()) for method in self.methods},
            participants=[participant_of(each, self.classes) for each in participants],
        )
        content.modalities = [schema.ModalityGroup(**group) for group in modality_summary(participants, self.classes)]
        content.figures = self._save(derived.figures)
        for name, pictures in derived.of_participants.items():
            content.figures += self._save(pictures, name)
        content.tables = [path.relative_to(self.folder).as_posix() for path in derived.files]
        content.results, content.checks, content.measures = derived.tables, derived.checks, derived.measures
        content.notes, content.warnings = derived.notes, derived.warnings
        earlier = schema.read_explanation(self.folder)
        path = schema.write_explanation(content, self.folder)
        remove_stale(self.folder, earlier, content)
        return path

    def _derive(self, participants: Sequence[ExplainedParticipant], explained: str) -> Derived:
        derived = Derived()
        if MODALITY in self.settings.methods:
            table = write_for_readers(self.folder / TABLE_FILE, modality_table(participants, self.classes))
            derived.files.append(table)
            picture = draw_modality_values(participants, self.classes, explained)
            derived.figures += [] if picture is None else [picture]
        shown = most_and_least_certain([(each.participant_id, each.score) for each in participants])
        for method in self.methods:
            given = (self.run_of_methods, method.name, participants, self.classes, shown)
            derived.add(eeg_results(*given) if method.recording == "eeg" else mri_results(*given, self.geometry))
        derived.add(
            believing_results(self.run_of_methods, self.methods, self.settings.checks, self._planted(), self.geometry)
        )
        derived.warnings = [*self._doubts(), *derived.warnings]
        derived.of_participants = {
            name: derived.of_participants[name] for name in shown if name in derived.of_participants
        }
        return derived

    def _planted(self) -> PlantedTruth | None:
        """The truth of a sample cohort; None for other cohorts, and for sample cohorts of an older version."""
        if self.part.datalist is None:
            return None
        path = cohort_file(
            Path(self.part.datalist), [file for record in self.part.dataset.records[:1] for file in record.files]
        )
        try:
            return None if path is None else planted_truth(path)
        except InputError as error:
            logger.warning("the maps are not compared with the planted signal: %s", error)
            return None

    def _doubts(self) -> list[str]:
        """What is known about the model before any map."""
        if self.evidence is None:
            return []
        model, results = self.evidence
        metrics = read_json_object(latest(results / METRICS_FILE))
        manifest, calibration = (read_json_object(model / name) for name in (MANIFEST_FILE, CALIBRATION_FILE))
        used = {method.recording for method in self.methods}
        of_recordings = recording_doubts(metrics)
        return [
            *model_doubts(manifest, metrics, calibration),
            *(of_recordings[name] for name in (EEG, MRI) if name in used and name in of_recordings),
        ]

    def _save(self, pictures: Iterable[Picture], participant: str | None = None) -> list[schema.FigureFile]:
        folder = self.folder / FIGURES_FOLDER
        saved = []
        for picture in pictures:
            folder.mkdir(exist_ok=True)
            for ending in ("svg", "png"):
                name = f"{picture.name}.{ending}"
                write_atomically(folder / name, lambda stream, picture=picture, kind=ending: picture.save(stream, kind))  # type: ignore[misc] # mypy infers no lambda with defaults
            file = f"{FIGURES_FOLDER}/{picture.name}.png"
            words = list(picture.values)
            saved.append(
                schema.FigureFile(file=file, title=picture.description, words=words, participant_id=participant)
            )
        return saved


def participant_of(found: ExplainedParticipant, classes: Sequence[str]) -> schema.Participant:
    """A participant as ``explanation.json`` has it."""
    return schema.Participant(
        participant_id=found.participant_id,
        files=found.stem,
        label=None if found.label is None else classes[found.label],
        recordings=found.recordings,  # type: ignore[arg-type] # pydantic checks it
        segments=found.segments,
        score=found.score,
        values=None if found.values is None else _values(found.values),
    )


def _values(values: ModalityValues) -> schema.Values:
    known: dict[str, Any] = {
        "both": values.both,
        "eeg": values.eeg,
        "mri": values.mri,
        "neither": values.neither,
        "value_eeg": values.of_eeg,
        "value_mri": values.of_mri,
        "interaction": values.interaction,
    }
    return schema.Values.model_validate({name: None if math.isnan(value) else value for name, value in known.items()})
