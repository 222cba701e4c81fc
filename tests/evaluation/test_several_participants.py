"""Several participants in one batch are predicted as one at a time: none gets another one's results."""

import csv
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.engines import SupervisedEvaluator
from torch import Tensor, nn

from monai_fusion.data import EvaluationLoader, EvaluationPrepareBatch, FusionDataset, Preprocessing
from monai_fusion.data.collation import collate_participants
from monai_fusion.data.evaluation_loading import most_in, participants_at_once
from monai_fusion.datalist import ModalityPolicy, ParticipantRecord
from monai_fusion.errors import InputError
from monai_fusion.evaluation import ParticipantInferer, ParticipantMetric, PredictionCollector, segments_at_once
from monai_fusion.evaluation.artifacts import EmbeddingWriter, ThumbnailWriter
from monai_fusion.evaluation.result_writer import ResultWriter
from monai_fusion.networks import Encoder, FusionNet, GatedFusionHead
from monai_fusion.transforms import LoadScalogramd, LoadVolumed, ResampleSlabd, ZScoreElectrodesd
from tests.support import EEG_SHAPE, write_scalogram

Records = Sequence[ParticipantRecord]


class Voxels(Encoder):
    """An encoder that looks at ten values of a recording, so that no two recordings look the same."""

    def __init__(self, scale: float) -> None:
        super().__init__(nn.Identity(), nn.Linear(10, 8), 8)
        self.scale = scale

    def blocks(self) -> dict[str, tuple[nn.Module, ...]]:
        """The one layer."""
        return {"projection": (self.projection,)}

    def forward(self, x: Tensor) -> Tensor:
        """[B, ...] -> [B, 8] of L2 norm 1."""
        return self.embed(torch.tanh(self.scale * x.flatten(1)[:, 20:30]))


@pytest.fixture
def network() -> FusionNet:
    """A network with distinct answers, also where a recording is absent."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        head = GatedFusionHead(8, gate_hidden=8, hidden=8, dropout=0.0)
        network = FusionNet(Voxels(1.0), Voxels(0.003), head, absence=True)
        for token in (network.head.absent_eeg, network.head.absent_mri):
            assert token is not None
            torch.nn.init.normal_(token)
        with torch.no_grad():
            network.head.classifier[-1].weight.mul_(10)  # type: ignore[operator, index, union-attr] # a layer
    return network.eval()


@pytest.fixture
def people(tiny_records: Records, tmp_path: Path) -> list[ParticipantRecord]:
    """Seven with 1, 2, 3, 4, 3, 5 and 2 segments; the fifth lacks the MRI, the seventh the EEG; conditions in names."""
    numbers = (1, 2, 3, 4, 3, 5, 2)
    found = []
    for place, number in enumerate(numbers):
        names = [f"new-{place}_{('EO', 'EC')[segment % 2]}_seg{segment}.npy" for segment in range(number)]
        eeg = tuple(write_scalogram(tmp_path / name, 100 * place + at) for at, name in enumerate(names))
        like = tiny_records[place % 4]
        found.append(replace(like, participant_id=f"new-{place}", label=place % 2, eeg=eeg))
    found[4], found[6] = replace(found[4], mri=None), replace(found[6], eeg=())
    return found


def dataset(records: Records, folder: Path, **options: Any) -> FusionDataset:
    eeg = [LoadScalogramd(shape=EEG_SHAPE), ZScoreElectrodesd()]
    preprocessing = Preprocessing(eeg, [LoadVolumed(), ResampleSlabd(size=(6, 6, 6), depth=4)], folder / "store")
    use = ModalityPolicy(allow_missing=True)
    return FusionDataset(records, preprocessing, segments="all", progress=False, use=use, **options)


def evaluate(
    records: Records, network: FusionNet, folder: Path, at_once: int, threads: int = 0, segments: int = 4
) -> SupervisedEvaluator:
    """Evaluate as the shipped configs do, and write everything into a folder."""
    writer = ResultWriter(folder / "out", ["M", "F"], None, "cohort", "test")
    labelled = all(record.label is not None for record in records)
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=EvaluationLoader(dataset(records, folder), at_once, threads=threads),
        network=network,
        prepare_batch=EvaluationPrepareBatch(),
        inferer=ParticipantInferer(segment_batch_size=segments),
        key_val_metric={"cross_entropy": ParticipantMetric("cross_entropy")} if labelled else None,
        val_handlers=[
            PredictionCollector([writer], records, network),
            EmbeddingWriter(folder / "out"),
            ThumbnailWriter(folder / "out"),
        ],
        decollate=False,
    )
    evaluator.run()
    return evaluator


def cells(folder: Path) -> list[list[str]]:
    with (folder / "out" / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


def agree(one: str, other: str) -> bool:
    try:
        return float(one) == pytest.approx(float(other), abs=1e-5)
    except ValueError:
        return one == other


@pytest.mark.parametrize(("at_once", "threads", "segments"), [(3, 0, 4), (3, 2, 4), (7, 1, 100), (2, 3, 1)])
def test_files_and_scores_are_those_of_one_participant_at_a_time(
    people: Records, network: FusionNet, tmp_path: Path, at_once: int, threads: int, segments: int
) -> None:
    alone = evaluate(people, network, tmp_path / "one", 1)
    together = evaluate(people, network, tmp_path / "several", at_once, threads, segments)
    assert together.state.metrics["cross_entropy"] == pytest.approx(alone.state.metrics["cross_entropy"], abs=1e-5)
    one, several = cells(tmp_path / "one"), cells(tmp_path / "several")
    assert len(one) == len(several) == 8 and len({row[4] for row in one}) == 8  # all participants differ
    for wanted, found in zip(one, several, strict=True):
        assert all(map(agree, found, wanted)), (found, wanted)
    for file, tolerance in (("embeddings.npz", 1e-5), ("thumbnails.npz", 0)):
        with np.load(tmp_path / "one" / "out" / file) as wanted, np.load(tmp_path / "several" / "out" / file) as found:
            assert wanted.files == found.files
            assert wanted["participant_id"].tolist() == found["participant_id"].tolist()
            for name in wanted.files[1:]:
                np.testing.assert_allclose(found[name], wanted[name], rtol=0, atol=tolerance)


@pytest.mark.parametrize("as_one_tensor", [False, True])
def test_every_row_is_the_prediction_for_its_own_participant(network: FusionNet, as_one_tensor: bool) -> None:
    """Segments and MRIs as a loader on the device gives them: lists of tensors, or one tensor of all segments."""
    generator = torch.Generator().manual_seed(5)
    numbers, with_mri = [3, 0, 1, 5, 2], [True, True, False, True, True]
    eeg = [torch.randn(number, 3, 8, 10, generator=generator) for number in numbers if number]
    mri = [torch.rand(1, 1, 4, 6, 6, generator=generator) for there in with_mri if there]
    own_eeg, own_mri = iter(eeg), iter(mri)
    with torch.no_grad():
        alone = [
            ParticipantInferer(4)(next(own_eeg) if number else None, network, next(own_mri) if there else None)
            for number, there in zip(numbers, with_mri, strict=True)
        ]
        inputs: Any = torch.cat(eeg) if as_one_tensor else eeg
        present = torch.tensor([[number > 0, there] for number, there in zip(numbers, with_mri, strict=True)])
        found = ParticipantInferer(4)(
            inputs,
            network,
            torch.cat(mri),
            segments=torch.tensor(numbers) if as_one_tensor else numbers,
            present=present,
        )
    for name, values in found.items():
        wanted = torch.cat([each[name] for each in alone])
        torch.testing.assert_close(values, wanted, rtol=0, atol=1e-5, equal_nan=True)
    assert (found["probabilities"][:, None] - found["probabilities"]).abs().sum(-1).fill_diagonal_(1).min() > 1e-3
    assert found["gate"].flatten().tolist()[1:3] == [0.0, 1.0] and found["segment_probabilities"].shape == (11, 2)


@pytest.mark.parametrize(
    ("segments", "mris", "present", "message"),
    [
        ([2, 2], 2, None, "5 segments"),
        ([2, 3], 1, None, "1 MRIs of 2 participants"),
        ([5, 0], 1, [[True, True], [False, False]], "neither an EEG nor an MRI"),
    ],
)
def test_recordings_that_do_not_fit_the_participants_are_an_error(
    network: FusionNet, segments: list[int], mris: int, present: Any, message: str
) -> None:
    eeg, mri = torch.zeros(5, 3, 8, 10), torch.zeros(mris, 1, 4, 6, 6)
    here = None if present is None else torch.tensor(present)
    with pytest.raises(ValueError, match=message):
        ParticipantInferer()(eeg, network, mri, segments=segments, present=here)


def test_mris_are_encoded_together_and_segments_without_regard_to_participants(
    people: Records, network: FusionNet, tmp_path: Path
) -> None:
    seen: dict[str, list[int]] = {"eeg": [], "mri": []}
    network.eeg_enc.register_forward_pre_hook(lambda _, inputs: seen["eeg"].append(len(inputs[0])))
    network.mri_enc.register_forward_pre_hook(lambda _, inputs: seen["mri"].append(len(inputs[0])))
    evaluate(people[:4], network, tmp_path, at_once=4, segments=4)
    assert seen == {"eeg": [4, 4, 2], "mri": [4]}


def test_participants_with_and_without_a_label_may_share_a_batch(
    people: Records, network: FusionNet, tmp_path: Path
) -> None:
    some = [replace(record, label=None) if place % 3 else record for place, record in enumerate(people)]
    evaluate(some, network, tmp_path, at_once=3)
    labels = [row[1] for row in cells(tmp_path)[1:]]
    assert labels == ["M", "", "", "F", "", "", "M"]
    metric = ParticipantMetric("accuracy")
    metric.reset()
    with pytest.raises(ValueError, match="without a label"):
        metric.update((["a"], torch.tensor([[0.5, 0.5]]), torch.tensor([-1])))


# --- the loader ---------------------------------------------------------------


class Stub(torch.utils.data.Dataset[dict[str, Any]]):
    """Ten participants; it notes which thread read which of them."""

    def __init__(self, broken: int | None = None) -> None:
        self.broken, self.read, self.hold = broken, [], threading.Event()  # type: ignore[var-annotated]
        self.hold.set()

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> dict[str, Tensor | str]:
        self.hold.wait(10)
        self.read.append((index, threading.current_thread()))
        if index == self.broken:
            raise InputError([])
        return {"participant_id": str(index), "eeg": torch.full((2, 1, 1, 1), index), "mri": torch.full((1,), index)}


@pytest.mark.parametrize("threads", [0, 1, 4])
def test_batches_come_in_the_order_of_the_dataset_however_they_are_read(threads: int) -> None:
    loader: Any = EvaluationLoader(Stub(), 4, threads=threads)  # type: ignore[arg-type] # reads items alone
    for _ in range(2):
        batches = list(loader)
        assert [batch["participant_id"] for batch in batches] == [list("0123"), list("4567"), list("89")]
        assert [len(batch["eeg"]) for batch in batches] == [4, 4, 2] and len(loader) == 3


def test_a_sampler_chooses_the_participants() -> None:
    loader = EvaluationLoader(Stub(), 2, sampler=range(1, 10, 4), threads=2)  # type: ignore[arg-type] # as above
    assert [batch["participant_id"] for batch in loader] == [["1", "5"], ["9"]]


def test_the_next_batch_is_read_while_one_is_used_but_no_more() -> None:
    people = Stub()
    batches = iter(EvaluationLoader(people, 2, threads=2))  # type: ignore[arg-type] # as above
    next(batches)
    waiting = threading.Event()
    for _ in range(6000):  # a minute, on a machine whose cores are busy
        if len(people.read) >= 6:
            break
        waiting.wait(0.01)
    waiting.wait(0.05)
    assert sorted(index for index, _ in people.read) == list(range(6))
    assert all(thread is not threading.main_thread() for _, thread in people.read)


def test_an_evaluation_that_ends_early_leaves_no_thread_behind() -> None:
    people = Stub()
    before = set(threading.enumerate())
    batches = iter(EvaluationLoader(people, 2, threads=2))  # type: ignore[arg-type] # as above
    next(batches)
    own = set(threading.enumerate()) - before
    people.hold.clear()
    batches.close()
    people.hold.set()
    for thread in own:
        thread.join(timeout=60.0)
    # Only its own threads count: another test's may end or begin meanwhile.
    assert own and not any(thread.is_alive() for thread in own)
    assert len(people.read) <= 8


def test_a_fault_of_a_recording_arrives_in_the_main_thread() -> None:
    loader = EvaluationLoader(Stub(broken=5), 2, threads=2)  # type: ignore[arg-type] # as above
    seen: list[list[str]] = []
    with pytest.raises(InputError):
        seen.extend(batch["participant_id"] for batch in loader)
    assert seen == [["0", "1"], ["2", "3"]]


# --- how many -----------------------------------------------------------------


def test_a_cpu_takes_one_participant_and_sixteen_segments(people: Records, tmp_path: Path) -> None:
    assert participants_at_once("auto", dataset(people, tmp_path), "cpu") == 1
    assert participants_at_once(5, dataset(people, tmp_path), "cpu") == 5
    assert (segments_at_once("auto", "cpu"), segments_at_once(7, "cpu")) == (16, 7)
    assert EvaluationLoader(dataset(people, tmp_path)).threads == 0


def test_processes_of_one_machine_share_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monai_fusion.ranks.usable_cores", lambda: 6)
    assert EvaluationLoader(Stub(), 2, "cuda").threads == 6  # type: ignore[arg-type] # as above
    monkeypatch.setattr("monai_fusion.ranks.on_this_machine", lambda: 4)
    assert EvaluationLoader(Stub(), 2, "cuda").threads == 1  # type: ignore[arg-type] # as above


@pytest.mark.parametrize("wrong", [0, -1, "many", True, 1.5])
def test_what_is_not_a_number_of_participants_is_refused(people: Records, tmp_path: Path, wrong: Any) -> None:
    with pytest.raises(InputError, match=r"eval_batch_size: .*, expected auto or a whole number from 1"):
        participants_at_once(wrong, dataset(people, tmp_path), "cpu")
    with pytest.raises(InputError, match="segment_batch_size"):
        segments_at_once(wrong, "cpu")


def test_memory_limits_how_many_participants_share_a_batch(people: Records, tmp_path: Path) -> None:
    found = dataset(people, tmp_path)  # at most 5 segments of 3 x 8 x 10 float32, volumes of 4 x 6 x 6
    segments, volume = 5 * 3 * 8 * 10 * 4, 4 * 6 * 6 * 4
    assert most_in(found, 2**40, 2**40) == 8
    assert most_in(found, 16 * 3 * segments, 2**40) == 3
    assert most_in(found, 2**40, 4 * 64 * 2 * volume) == 2
    assert most_in(found, 1, 1) == 1
    assert most_in(dataset(people, tmp_path, max_segments=2), 16 * 3 * segments, 2**40) == 7
    assert collate_participants([found[6]]).keys() == {"mri", "segments", "present", "participant_id", "label"}
