"""An inference writes each prediction as it comes, goes on after a stop, and loses one participant to one fault."""

from __future__ import annotations

import csv
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events
from monai.engines import SupervisedEvaluator
from torch import Tensor

from monai_fusion.data import EvaluationPrepareBatch, Preprocessing, StreamedLoader, StreamedParticipants
from monai_fusion.datalist import ModalityPolicy, ParticipantRecord
from monai_fusion.errors import RunFailed
from monai_fusion.evaluation import ParticipantInferer
from monai_fusion.evaluation.artifacts import StreamedThumbnailWriter
from monai_fusion.evaluation.prediction_stream import PredictionStream
from monai_fusion.evaluation.result_writer import ResultWriter
from monai_fusion.keys import STREAMED
from monai_fusion.metrics import Calibration, Prediction
from monai_fusion.networks import FusionNet
from monai_fusion.transforms import LoadScalogramd, LoadVolumed, ResampleSlabd, ZScoreElectrodesd
from tests.benchmarks.bench_predict import measure_growth
from tests.evaluation.test_several_participants import evaluate, network, people
from tests.support import EEG_SHAPE

__all__ = ["network", "people"]  # fixtures

Records = Sequence[ParticipantRecord]
CALIBRATION = Calibration((0.5, 0.5), (0.5, 0.5), slope=2.0, threshold=0.5, fitted=True)


class Counting(ParticipantInferer):
    """Notes how many participants the network has computed."""

    computed = 0

    def __call__(self, inputs: Any, network: Any, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """Predict a batch."""
        self.computed += len(kwargs["segments"])
        return super().__call__(inputs, network, *args, **kwargs)


class Run:
    """An inference as the shipped config wires it."""

    def __init__(
        self, records: Records, network: FusionNet, folder: Path, at_once: int = 2, store: bool = True, **options: Any
    ) -> None:
        self.out = folder / "out"
        self.out.mkdir(parents=True, exist_ok=True)
        eeg = [LoadScalogramd(shape=EEG_SHAPE), ZScoreElectrodesd()]
        mri = [LoadVolumed(), ResampleSlabd(size=(6, 6, 6), depth=4)]
        preprocessing = Preprocessing(eeg, mri, folder / "store" if store else None)
        data = StreamedParticipants(records, preprocessing, ModalityPolicy(allow_missing=options.pop("missing", True)))
        model = options.pop("model", "one")
        calibration = options.pop("calibration", None)
        results = ResultWriter(self.out, ["M", "F"], calibration, "new", "test")
        self.stream = PredictionStream(self.out, data, results, {"model": model}, **options)
        self.inferer = Counting(segment_batch_size=4)
        self.engine = SupervisedEvaluator(
            device=torch.device("cpu"),
            val_data_loader=StreamedLoader(
                data, at_once, find=self.stream.find, beside=self.stream.unlike_training, readers=2
            ),
            network=network,
            prepare_batch=EvaluationPrepareBatch(),
            inferer=self.inferer,
            val_handlers=[self.stream, StreamedThumbnailWriter(self.out, data, most=3)],
            decollate=False,
        )

    def __call__(self) -> Run:
        """Run it to the end."""
        self.engine.run()
        return self

    @property
    def table(self) -> Path:
        """The predictions."""
        return self.out / "predictions.csv"

    @property
    def partial(self) -> Path:
        """The predictions of an inference that goes on."""
        return self.out / "predictions.partial.csv"


class Stop(Exception):  # noqa: N818 # it stands for a kill
    """Ends a run in the middle."""


def stop_after(run: Run, batches: int) -> None:
    """End a run as a kill does: nothing is tidied up."""

    def stop(engine: Engine) -> None:
        if engine.state.iteration == batches:
            raise Stop

    run.engine.add_event_handler(Events.ITERATION_COMPLETED, stop)
    with pytest.raises(Stop):
        run()


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def unlabelled(records: Records) -> list[ParticipantRecord]:
    return [replace(record, label=None) for record in records]


@pytest.mark.parametrize(("at_once", "store"), [(1, True), (3, True), (2, False)])
def test_the_numbers_are_those_of_an_evaluation(
    people: Records, network: FusionNet, tmp_path: Path, at_once: int, store: bool
) -> None:
    evaluate(people, network, tmp_path / "evaluated", 1)
    found = rows_of(Run(unlabelled(people), network, tmp_path / "new", at_once, store)().table)
    wanted = rows_of(tmp_path / "evaluated" / "out" / "predictions.csv")
    names = [name for name in found[0] if name in wanted[0] and name not in ("label", "correct")]
    assert {"probability_M", "gate", "segments", "recordings", "segment_spread", "probability_F_in_EO"} <= set(names)
    for one, other in zip(found, wanted, strict=True):
        for name in names:
            agree = one[name] == other[name]
            assert agree or float(one[name]) == pytest.approx(float(other[name]), abs=1e-6), (name, one, other)


def test_who_lacks_a_recording_that_the_model_needs_has_a_row_that_says_so(
    people: Records, network: FusionNet, tmp_path: Path
) -> None:
    complete = [record for record in unlabelled(people) if record.eeg and record.mri]
    without = [
        replace(complete[0], participant_id="no-mri", mri=None),
        replace(complete[1], participant_id="no-eeg", eeg=()),
    ]
    run = Run([without[0], *complete, without[1]], network, tmp_path, missing=False)()
    rows = rows_of(run.table)
    assert [row["participant_id"] for row in rows] == [*(each.participant_id for each in complete), "no-mri", "no-eeg"]
    assert [row["error"] for row in rows[-2:]] == ["no MRI, which the model needs", "no EEG, which the model needs"]
    assert all(row["predicted"] == row["probability_M"] == row["gate"] == "" for row in rows[-2:])
    run.stream.report_failures()  # they did not fail: they were known before


def test_each_row_is_on_the_disk_when_its_batch_is_done(people: Records, network: FusionNet, tmp_path: Path) -> None:
    run = Run(unlabelled(people), network, tmp_path)
    seen: list[tuple[int, bool]] = []

    def look(_: Engine) -> None:
        seen.append((len(rows_of(run.partial)), run.table.exists()))

    run.engine.add_event_handler(Events.ITERATION_COMPLETED, look)
    run()
    assert seen == [(2, False), (4, False), (6, False), (7, False)]
    assert not run.partial.exists() and [row["participant_id"] for row in rows_of(run.table)] == [
        record.participant_id for record in people
    ]


def test_a_stopped_run_goes_on_and_ends_with_the_same_table(
    people: Records, network: FusionNet, tmp_path: Path
) -> None:
    whole = Run(unlabelled(people), network, tmp_path / "whole")().table.read_bytes()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "predictions.csv").write_text("of an earlier run", encoding="utf-8")
    stopped = Run(unlabelled(people), network, tmp_path)
    stop_after(stopped, 2)
    assert not stopped.table.exists() and len(rows_of(stopped.partial)) == 4  # nothing looks like a whole result
    with (tmp_path / "out" / "network_outputs.jsonl").open("ab") as stream:
        stream.write(b'{"participant": "new-4", "key": "to')  # a line that the kill has torn
    resumed = Run(unlabelled(people), network, tmp_path)()
    assert resumed.inferer.computed == 3 and resumed.table.read_bytes() == whole
    again = Run(unlabelled(people), network, tmp_path)()
    assert again.inferer.computed == 0 and again.table.read_bytes() == whole
    assert len((tmp_path / "out" / "network_outputs.jsonl").read_text(encoding="utf-8").splitlines()) == 7


def test_other_recordings_or_another_model_are_computed_again(
    people: Records, network: FusionNet, tmp_path: Path
) -> None:
    new = unlabelled(people)
    first = rows_of(Run(new, network, tmp_path)().table)
    values = np.load(new[1].eeg[0])
    np.save(new[1].eeg[0], values[::-1].copy())
    changed = Run(new, network, tmp_path)()
    assert changed.inferer.computed == 1
    differ = [place for place, row in enumerate(rows_of(changed.table)) if row != first[place]]
    assert differ == [1]
    assert Run(new, network, tmp_path, model="other")().inferer.computed == 7


def test_another_calibration_needs_no_network(people: Records, network: FusionNet, tmp_path: Path) -> None:
    plain = rows_of(Run(unlabelled(people), network, tmp_path)().table)
    run = Run(unlabelled(people), network, tmp_path, calibration=CALIBRATION)()
    calibrated = rows_of(run.table)
    assert run.inferer.computed == 0
    fresh = Run(unlabelled(people), network, tmp_path / "fresh", calibration=CALIBRATION)()
    assert run.table.read_bytes() == fresh.table.read_bytes()
    assert all(one["network_M"] == other["probability_M"] for one, other in zip(calibrated, plain, strict=True))
    assert calibrated[1]["segment_spread"] != plain[1]["segment_spread"]


def test_damaged_files_cost_their_participants_only_and_a_repair_needs_only_those(
    people: Records, network: FusionNet, tmp_path: Path
) -> None:
    new = unlabelled(people)
    whole = rows_of(Run(new, network, tmp_path / "whole", 1)().table)
    damaged = {0: new[0].mri, 1: new[1].eeg[0], 3: new[3].mri}
    good = {path: path.read_bytes() for path in (*damaged.values(), *new[1].eeg) if path is not None}
    for path, content in good.items():
        path.write_bytes(content[:100])
    run = Run(new, network, tmp_path, 1)()
    rows = rows_of(run.table)
    assert [bool(row["error"]) for row in rows] == [place in damaged for place in range(7)]
    for place, path in damaged.items():
        assert path is not None
        assert rows[place]["predicted"] == rows[place]["probability_M"] == rows[place]["gate"] == ""
        assert path.name in rows[place]["error"] and str(path.parent) not in rows[place]["error"]
    assert [rows[place] for place in (2, 4, 5, 6)] == [whole[place] for place in (2, 4, 5, 6)]
    with pytest.raises(RunFailed) as failed:
        run.stream.report_failures()
    assert failed.value.exit_code == 1 and "3 of 7 participants could not be predicted" in str(failed.value)
    assert "new-0: " in str(failed.value) and "same command" in str(failed.value)
    for path, content in good.items():
        path.write_bytes(content)
    repaired = Run(new, network, tmp_path, 1)()
    assert repaired.inferer.computed == 3 and rows_of(repaired.table) == whole
    repaired.stream.report_failures()


def test_a_participant_is_predicted_without_segments_that_cannot_be_used_and_its_row_names_them(
    people: Records, network: FusionNet, tmp_path: Path
) -> None:
    new = unlabelled(people)
    whole = rows_of(Run(new, network, tmp_path / "whole", 1)().table)
    fewer = [*new[:3], replace(new[3], eeg=new[3].eeg[1:]), *new[4:]]
    wanted = rows_of(Run(fewer, network, tmp_path / "fewer", 1)().table)
    damaged = new[3].eeg[0]
    good = damaged.read_bytes()
    damaged.write_bytes(good[:100])
    run = Run(new, network, tmp_path, 1)()
    rows = rows_of(run.table)
    named = rows[3].pop("not_used")
    assert named.startswith(f"1 of 4 EEG segments: {damaged.name}") and str(damaged.parent) not in named
    assert wanted[3].pop("not_used") == "" and rows == wanted, "segments, spread and conditions are those of the others"
    with pytest.raises(RunFailed, match="1 of 7 participants predicted without some of their EEG") as failed:
        run.stream.report_failures()
    assert failed.value.exit_code == 1 and "new-3: 1 of 4" in str(failed.value) and "(not_used)" in str(failed.value)
    stop_after(Run(new, network, tmp_path / "stopped", 1), 4)
    for folder, computed in ((tmp_path, 0), (tmp_path / "stopped", 3)):
        again = Run(new, network, folder, 1)()
        assert again.inferer.computed == computed and again.table.read_bytes() == run.table.read_bytes()
    damaged.write_bytes(good)
    repaired = Run(new, network, tmp_path, 1)()
    assert repaired.inferer.computed == 1 and rows_of(repaired.table) == whole
    repaired.stream.report_failures()


class Diverging(torch.nn.Module):
    """A network whose answers are not numbers for some participants."""

    def __init__(self, network: FusionNet, bad: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.network, self.bad = network, bad
        self.encode_eeg, self.encode_mri = network.encode_eeg, network.encode_mri

    def fuse(self, eeg: Tensor | None, mri: Tensor | None, present: Tensor | None = None) -> dict[str, Tensor]:
        """As the network, but for the logits."""
        found = self.network.fuse(eeg, mri, present)
        return {**found, "logits": self.bad(found["logits"])}


def test_probabilities_that_are_no_numbers_are_an_error_of_the_participant(
    people: Records, network: FusionNet, tmp_path: Path
) -> None:
    calls = iter(range(100))

    def second(logits: Tensor) -> Tensor:
        return logits * torch.nan if next(calls) == 1 else logits

    run = Run(unlabelled(people)[:3], Diverging(network, second), tmp_path, at_once=1)()  # type: ignore[arg-type] # its methods
    rows = rows_of(run.table)
    assert [row["error"][:27] for row in rows] == ["", "probabilities: not a number", ""]
    assert rows[1]["predicted"] == rows[1]["probability_M"] == ""
    with pytest.raises(RunFailed, match="1 of 3 participants"):
        run.stream.report_failures()


def test_if_no_probability_is_a_number_the_network_has_diverged(
    people: Records, network: FusionNet, tmp_path: Path
) -> None:
    run = Run(unlabelled(people), Diverging(network, lambda logits: logits * torch.nan), tmp_path)()  # type: ignore[arg-type] # as above
    with pytest.raises(RunFailed, match="the network has diverged"):
        run.stream.report_failures()


def test_labels_give_scores_of_those_who_were_predicted(people: Records, network: FusionNet, tmp_path: Path) -> None:
    path = people[0].mri
    assert path is not None
    path.write_bytes(b"damaged")
    received: list[Sequence[Prediction]] = []
    run = Run(people, network, tmp_path, then=[received.append])()
    assert (run.out / "metrics.json").is_file() and len(received[0]) == 6
    assert rows_of(run.table)[0]["correct"] == ""


def test_steps_see_the_calibrated_prediction_and_the_record_of_every_participant(
    people: Records, network: FusionNet, tmp_path: Path
) -> None:
    def step(row: Prediction, record: ParticipantRecord) -> Prediction:
        assert row.network_probabilities is not None and row.participant_id == record.participant_id
        return replace(row, group=f"of {record.participant_id}")

    new = unlabelled(people)[:3]
    run = Run(new, network, tmp_path, steps=[step], calibration=CALIBRATION)()
    run = Run(new, network, tmp_path, steps=[step], calibration=CALIBRATION)()  # also where nothing is computed
    assert run.inferer.computed == 0
    assert [row.group for row in run.stream._rows] == ["of new-0", "of new-1", "of new-2"]


def test_the_first_participants_have_pictures_also_after_a_stop(
    people: Records, network: FusionNet, tmp_path: Path
) -> None:
    new = unlabelled(people)
    whole = np.load(Run(new, network, tmp_path / "whole")().out / "thumbnails.npz")
    stop_after(Run(new, network, tmp_path), 1)
    resumed = np.load(Run(new, network, tmp_path)().out / "thumbnails.npz")
    assert whole["participant_id"].tolist() == ["new-0", "new-1", "new-2"]
    for name in whole.files:
        np.testing.assert_array_equal(resumed[name], whole[name])


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    caplog.set_level("INFO", "monai_fusion")
    yield caplog


def test_one_person_has_everything_in_the_terminal(
    people: Records, network: FusionNet, tmp_path: Path, said: pytest.LogCaptureFixture
) -> None:
    person = replace(unlabelled(people)[3], not_used="new-3_EC.edf: damaged")  # raw EEG that became no scalogram
    (row,) = rows_of(Run([person], network, tmp_path, calibration=CALIBRATION)().table)
    assert row["not_used"] == person.not_used and f"not used: {person.not_used}" in said.text
    predicted, gate = row["predicted"], float(row["gate"])
    assert f"new-3: {predicted}, with a probability of {float(row[f'probability_{predicted}']):.3f}" in said.text
    assert f"spread: {float(row['segment_spread']):.3f}, the standard deviation" in said.text
    assert f"gate: EEG {gate:.0%}".replace("%", " %") in said.text and "research software" in said.text


@pytest.mark.slow
def test_memory_does_not_grow_with_the_participants(tmp_path: Path) -> None:
    grown, peak = measure_growth(tmp_path, 2000)
    # 11 MiB are the pictures of the first 500; an embedding of 512 numbers a segment would be 8 MiB more.
    assert grown < 20 and peak < 20


def test_what_is_computed_beside_the_network_comes_in_order_from_the_threads_that_read(
    people: Records, network: FusionNet, tmp_path: Path
) -> None:
    lost = replace(people[0], lost="mri: there is no file")
    data = Run([lost, *people[1:]], network, tmp_path).stream.dataset

    def beside(record: ParticipantRecord) -> tuple[str, bool]:
        return record.participant_id, threading.current_thread() is threading.main_thread()

    batches = StreamedLoader(data, 2, find=lambda place, _: ("known", ()) if place == 1 else None, beside=beside)
    turns = [turn for batch in batches for turn in batch[STREAMED]]
    assert [turn.place for turn in turns] == list(range(len(people)))
    assert turns[0].error == "mri: there is no file" and turns[0].beside is None
    assert [turn.beside for turn in turns[1:]] == [(record.participant_id, False) for record in people[1:]]
    assert [turn.known for turn in turns] == [None, "known", *[None] * (len(people) - 2)]
