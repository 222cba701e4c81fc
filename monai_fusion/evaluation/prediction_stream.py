"""`PredictionStream`: the predictions of an inference, written one by one as they come."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np
from ignite.engine import Engine, Events

from monai_fusion import stopping
from monai_fusion.cohort_profile.predicting import UnlikeTraining
from monai_fusion.data import StreamedParticipants
from monai_fusion.data.streamed_participants import Turn
from monai_fusion.datalist import ParticipantRecord
from monai_fusion.datalist.availability import modalities_of
from monai_fusion.datalist.groups import participant_groups
from monai_fusion.errors import InputError, Problem, RunFailed
from monai_fusion.evaluation.network_outputs import NetworkOutput, PredictionMaker, outputs_of
from monai_fusion.evaluation.output_journal import OutputJournal
from monai_fusion.evaluation.result_writer import ResultWriter
from monai_fusion.files import beside_of, remove_together, write_for_readers
from monai_fusion.keys import STREAMED
from monai_fusion.metrics.grouping import participant_strata
from monai_fusion.metrics.prediction_words import one_participant_lines, summary_line
from monai_fusion.metrics.predictions import Prediction, PredictionTable, refuse_nan
from monai_fusion.run_folder import (
    BASELINE_FILE,
    METRICS_FILE,
    NETWORK_OUTPUTS_FILE,
    PARTIAL_PREDICTIONS_FILE,
    PREDICTIONS_DATA_FILE,
    PREDICTIONS_FILE,
    PREDICTIONS_PAGE_FILE,
    PREDICTIONS_TABLE_FILE,
)
from monai_fusion.wording import counted

logger = logging.getLogger(__name__)

RowStep = Callable[[Prediction, ParticipantRecord], Prediction]
"""Adds something to a prediction before it is written, for instance what follows from its calibrated probabilities."""

_SHOWN_AT_MOST = 3
_EARLIER = (
    *(PREDICTIONS_FILE, PREDICTIONS_PAGE_FILE, PREDICTIONS_TABLE_FILE, PREDICTIONS_DATA_FILE),
    *(METRICS_FILE, BASELINE_FILE),
)


class PredictionStream:
    """Write a row for each participant to ``predictions.partial.csv``, which becomes ``predictions.csv`` at the end.

    A participant who cannot be predicted has a row with the reason in the column ``error``; those who lack a recording
    that the model needs come last. Of one who is predicted without some of the EEG, ``not_used`` says why. What the
    network gave is kept in ``network_outputs.jsonl``: the next run in the same folder computes only what is new. In
    memory is no recording and no embedding of a participant whose row is written.

    Args:
        folder: The output folder; it must exist.
        dataset: The participants.
        results: Scores predictions with labels; its calibration corrects all.
        run: What the network's numbers depend on besides the recordings; see `describe_run`.
        unlike: Says what differs between a participant's recordings and the training's; None compares nothing. The
            loader does it beside the network: `unlike_training`.
        steps: Applied to every prediction, in this order, before it is written; see `RowStep`.
        then: Receivers of all predictions at the end, if any has a label, e.g. an `EvaluationLog`.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        dataset: StreamedParticipants,
        results: ResultWriter,
        run: dict[str, object],
        unlike: UnlikeTraining | None = None,
        steps: Sequence[RowStep] = (),
        then: Sequence[Callable[[Sequence[Prediction]], None]] = (),
    ) -> None:
        self.folder = Path(folder)
        self.dataset = dataset
        self.results = results
        self.unlike = unlike if unlike is not None and unlike.profile is not None else None
        self.steps, self.then = list(steps), list(then)
        self.classes = results.classes
        self.journal = OutputJournal(self.folder / NETWORK_OUTPUTS_FILE, run, len(self.classes))
        self.failed: dict[str, str] = {}
        self.in_part: dict[str, str] = {}
        self._maker = PredictionMaker(dataset.records)
        self._labelled = any(record.label is not None for record in dataset.records)
        self._table, self._groups = self._plan()
        self._not_numbers = 0
        self._reused = 0
        self._rows: list[Prediction] = []  # without what is large
        self._stream: IO[str] | None = None

    def attach(self, engine: Engine) -> None:
        """Attach to an evaluator of a `StreamedLoader` that runs with ``decollate=False``."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.COMPLETED, self._finish)

    def find(self, index: int, contents: Callable[[], tuple[str, ...]]) -> tuple[NetworkOutput, tuple[str, ...]] | None:
        """Return what an earlier run computed from the same files of a participant, with their contents; or None."""
        participant = self.dataset.records[index].participant_id
        if participant not in self.journal:
            return None
        try:
            here = contents()
        except OSError:  # reading the file will report what is wrong
            return None
        found = self.journal.find(participant, here)
        return None if found is None else (found, here)

    def unlike_training(self, record: ParticipantRecord) -> str | None:
        """Return what differs between a participant's recordings and the training's; for ``beside`` of the loader."""
        # Participants are read by several threads: of one alone, the files are.
        return None if self.unlike is None else self.unlike(record, 1 if len(self.dataset.records) > 1 else None)

    def report_failures(self) -> None:
        """End the run with exit code 1 if recordings could not be used: the last step, after all is written.

        Raises:
            RunFailed: Participants could not be predicted, or only without some of their EEG; it names the first.
        """
        if not self.failed and not self.in_part:
            return
        total = len(self.dataset.records)
        if self._not_numbers == total:
            try:
                refuse_nan([_failed(record, len(self.classes), "") for record in self.dataset.records])
            except InputError as error:
                raise RunFailed(str(error)) from None
        whole = counted(total, "participant")
        columns = {"error": self.failed, "not_used": self.in_part}
        raise RunFailed(
            *_named(f"{len(self.failed)} of {whole} could not be predicted", self.failed),
            *_named(f"{len(self.in_part)} of {whole} predicted without some of their EEG", self.in_part),
            f"{PREDICTIONS_FILE} has the reasons ({', '.join(name for name, some in columns.items() if some)}); after a"
            " repair, the same command predicts these participants only",
        )

    def _plan(self) -> tuple[PredictionTable, dict[str, str | None]]:
        """The columns, which follow from the datalist and the calibration; and each participant's group."""
        records = [*self.dataset.records, *self.dataset.left_out]
        everyone = [_failed(record, len(self.classes), "") for record in records]
        group_by = self.results.settings.group_by
        groups = participant_groups({row.participant_id: row.fields for row in everyone}, group_by)
        calibration = self.results.calibration
        table = PredictionTable(
            self.classes,
            self._maker.condition_names,
            participant_strata(everyone, group_by)[0],
            complete=all(modalities_of(record) == "both" for record in self.dataset.records),
            by_shares=calibration is not None and calibration.shares is not None,
            grouped=any(groups.values()),
            removed=False,  # it takes the recordings of all participants
            compared=self.unlike is not None,
            sets=self.results.sets is not None,
            errors=True,
        )
        return table, groups

    def _collect(self, engine: Engine) -> None:
        batch = engine.state.batch
        computed = {each.participant_id: each for each in outputs_of(batch, engine.state.output["pred"])}
        for turn in batch[STREAMED]:
            record = self.dataset.records[turn.place]
            row = self._row(turn, record, turn.known or computed.get(record.participant_id))
            self._write(row)
            if row.error:
                self.failed[record.participant_id] = row.error
            elif row.not_used:
                self.in_part[record.participant_id] = row.not_used
            kept = row if self._labelled else replace(row, fields={}, by_condition={})
            self._rows.append(replace(kept, segment_probabilities=None) if len(self.dataset.records) > 1 else kept)

    def _row(self, turn: Turn, record: ParticipantRecord, output: NetworkOutput | None) -> Prediction:
        if output is None or turn.error:
            return _failed(record, len(self.classes), turn.error)
        if not output.is_finite:
            self._not_numbers += 1
            advice = "check the recordings: monai-fusion datalist check --deep"
            error = str(Problem("", "probabilities", "not a number", "0 to 1", advice))
            return _failed(record, len(self.classes), error)
        if turn.known is None:
            self.journal.append(output, turn.contents)
        self._reused += turn.known is not None
        row = self._maker.prediction(output, record.label, turn.refused)
        row = replace(row, not_used=_not_used(record, turn.refused))
        if self.results.calibration is not None:
            (row,) = self.results.calibration.apply([row])
        if self.results.sets is not None:
            row = self.results.sets.apply(row)
        row = replace(row, group=self._groups[row.participant_id], unlike_training=turn.beside)
        for step in self.steps:
            row = step(row, record)
        return row

    def _write(self, row: Prediction) -> None:
        if self._stream is None:
            self._remove_earlier()
            path = self.folder / PARTIAL_PREDICTIONS_FILE
            self._stream = path.open("w", encoding="utf-8", newline="", errors="surrogateescape")
            self._stream.write(self._table.header())
        self._stream.write(self._table.line(row))
        self._stream.flush()

    def _remove_earlier(self) -> None:
        """Remove earlier results: beside half of the new ones they would look like theirs."""
        names = [self.folder / name for name in _EARLIER]
        try:
            remove_together([*names, *map(beside_of, names)])
        except OSError as error:
            logger.warning(
                "%s is open in another program, and holds an earlier result; the new predictions are in %s until all"
                " are done",
                *(error.filename, PARTIAL_PREDICTIONS_FILE),
            )

    def _finish(self, engine: Engine) -> None:
        partial = self.folder / PARTIAL_PREDICTIONS_FILE
        for record in self.dataset.left_out:
            row = _failed(record, len(self.classes), _why_left_out(record))
            self._write(replace(row, group=self._groups[row.participant_id]))
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        done = [row for row in self._rows if not row.error]
        with stopping.held():  # scores never lie beside the predictions of another evaluation
            written = [write_for_readers(self.folder / PREDICTIONS_FILE, partial.read_bytes())]
            with suppress(OSError):  # open in another program
                partial.unlink()
            if any(row.label is not None for row in done):
                written.append(self.results.score(done))
                for receiver in self.then:
                    receiver(done)
        if not self._labelled:
            self.results.warn_of_unlabelled(done)
        self.results.warn_of_unlike(done)
        self.journal.keep_used()
        self._tell(done)
        logger.info("wrote %s", " and ".join(map(str, written)))

    def _tell(self, done: Sequence[Prediction]) -> None:
        if len(self._rows) == 1 and done:
            for line in one_participant_lines(done[0], self.classes):
                logger.info(line)
            return
        files = self.dataset.files
        logger.info("recordings: prepared %d, reused %d", files["prepared"], files["reused"])
        predicted = Counter(self.classes[row.predicted] for row in done)
        logger.info(summary_line(predicted, len(self._rows), self._reused, len(self.failed), len(self.in_part)))


def _failed(record: ParticipantRecord, classes: int, error: str) -> Prediction:
    """The row of a participant without a prediction."""
    return Prediction(
        participant_id=record.participant_id,
        label=record.label,
        probabilities=(np.nan,) * classes,
        gate=np.nan,
        segments=0 if record.lost else len(record.eeg),
        fields=record.extra,
        recordings=modalities_of(record) or "both",
        error=error,
    )


def _not_used(record: ParticipantRecord, refused: Mapping[Path, str]) -> str:
    """What of a participant's EEG was not used, and why; empty if all was."""
    reasons = [record.not_used] if record.not_used else []
    if refused:
        shown = list(refused.values())[:_SHOWN_AT_MOST]
        reasons += [f"{len(refused)} of {counted(len(record.eeg), 'EEG segment')}: {'; '.join(shown)}"]
        reasons += [f"and {more} more"] if (more := len(refused) - len(shown)) else []
    return "; ".join(reasons)


def _named(heading: str, reasons: Mapping[str, str]) -> list[str]:
    """The heading with the first participants and their reasons below it; nothing without participants."""
    shown = [f"{name}: {reason}" for name, reason in list(reasons.items())[:_SHOWN_AT_MOST]]
    more = len(reasons) - len(shown)
    return [heading, *shown, *([f"... and {more} more"] if more else [])] if reasons else []


def _why_left_out(record: ParticipantRecord) -> str:
    lacking = {"eeg": "MRI", "mri": "EEG"}.get(modalities_of(record) or "", "recording")
    return f"no {lacking}, which the model needs"
