"""A training continues only from a checkpoint of the same training; a refusal names the differences in user's words."""

import copy
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.transforms import RandFlipd
from torch import nn

from monai_fusion.data import Preprocessing
from monai_fusion.datalist import Datalist, ModalityPolicy, ParticipantRecord
from monai_fusion.losses import AlignedCrossEntropy
from monai_fusion.runs import identity_settings, training_identity
from monai_fusion.runs.identity_differences import differences
from monai_fusion.transforms import LoadScalogramd, LoadVolumed, RandSpecAugmentd, ResampleSlabd, ZScoreElectrodesd
from monai_fusion.workflow import prepare
from tests.runs.test_knobs_that_count import knobs_of_training
from tests.support import EEG_SHAPE, AddOne, TinyFusionNet, write_scalogram, write_volume

KNOBS: dict[str, Any] = {"seed": 1, "num_epochs": [2, 1], "class_weights": None, "pretrained": False}


def chains(depth: int = 4, size: int = 6, more: Sequence[Any] = ()) -> dict[str, list[Any]]:
    return {
        "eeg": [LoadScalogramd(shape=EEG_SHAPE), ZScoreElectrodesd()],
        "mri": [LoadVolumed(), ResampleSlabd(size=(size, size, size), depth=depth), *more],
    }


def flips(*probabilities: float) -> list[Any]:
    return [RandFlipd("mri", prob, axis) for axis, prob in enumerate(probabilities)]


class Case:
    """A training of four participants whose parts a test exchanges."""

    def __init__(self, records: Sequence[ParticipantRecord], folder: Path) -> None:
        self.records = [
            replace(record, section="validation" if number > 2 else "training") for number, record in enumerate(records)
        ]
        self.folder = folder
        self.classes: tuple[str, ...] = ("M", "F")
        self.preprocessing = chains()
        self.augmentation: dict[str, list[Any]] = {"eeg": [RandSpecAugmentd()], "mri": flips(0.5, 0.5)}
        self.knobs = dict(KNOBS)
        self.network: nn.Module = TinyFusionNet(dropout=0.3)
        self.loss: nn.Module = AlignedCrossEntropy()
        self.optimizer: type[torch.optim.Optimizer] = torch.optim.AdamW
        self.betas = (0.9, 0.999)
        self.weights: str | None = None
        self.cache_dir: Path | None = None
        self.use = ModalityPolicy()

    @property
    def cohort(self) -> Datalist:
        sections = ("training", "validation", "test")
        by_section = {name: tuple(one for one in self.records if one.section == name) for name in sections}
        return Datalist(self.folder / "list.json", "test", "gender", self.classes, self.folder, by_section)

    @property
    def stored(self) -> Preprocessing:
        return Preprocessing(self.preprocessing["eeg"], self.preprocessing["mri"], self.cache_dir)

    def identity(self) -> dict[str, Any]:
        optimizer = self.optimizer(self.network.parameters(), lr=0.1, betas=self.betas)  # type: ignore[call-arg] # Adam
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=3)
        components = {"network": self.network, "loss": self.loss, "optimizer": optimizer, "lr_scheduler": schedule}
        return training_identity(
            self.cohort,
            self.stored,
            self.augmentation,
            self.knobs,
            components,
            {"eeg_weights": self.weights, "mri_weights": None},
            self.use,
        )


@pytest.fixture
def case(tiny_records: tuple[ParticipantRecord, ...], tmp_path: Path) -> Case:
    return Case(tiny_records, tmp_path)


def messages(saved: dict[str, Any], case: Case) -> list[str]:
    return [str(problem) for problem in differences(saved, case.identity())]


def test_the_same_training_does_not_differ_also_after_a_way_through_a_checkpoint(case: Case, tmp_path: Path) -> None:
    saved = case.identity()
    torch.save(saved, tmp_path / "checkpoint.pt")
    loaded = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert messages(loaded, case) == []
    assert loaded == saved


def mri_of(case: Case, number: int) -> Path:
    path = case.records[number].mri
    assert path is not None
    return path


def change_a_knob(case: Case) -> None:
    case.knobs |= {"seed": 2, "num_epochs": [2, 2], "class_weights": "balanced"}


def change_the_mri(case: Case) -> None:
    write_volume(mri_of(case, 1), seed=99)


def change_one_segment(case: Case) -> None:
    write_scalogram(case.records[2].eeg[1], seed=99)


def exchange_two_files(case: Case) -> None:
    first, second = mri_of(case, 0), mri_of(case, 1)
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)


def leave_out_a_segment(case: Case) -> None:
    case.records[2] = replace(case.records[2], eeg=case.records[2].eeg[:-1])


def correct_a_label(case: Case) -> None:
    case.records[0] = replace(case.records[0], label=1)


def move_to_the_validation_part(case: Case) -> None:
    case.records[0] = replace(case.records[0], section="validation")


def exclude_a_participant(case: Case) -> None:
    del case.records[1]


def move_to_the_test_part(case: Case) -> None:
    case.records[1] = replace(case.records[1], section="test")


def add_a_participant(case: Case) -> None:
    case.records.append(replace(case.records[0], participant_id="sub-99"))


def sort_otherwise(case: Case) -> None:
    case.records[:2] = case.records[1::-1]


def turn_the_classes(case: Case) -> None:
    case.classes = ("F", "M")


def take_a_thinner_slab(case: Case) -> None:
    case.preprocessing = chains(depth=3)


def insert_a_transform(case: Case) -> None:
    case.preprocessing = chains(more=[AddOne()])


def flip_less_often(case: Case) -> None:
    case.augmentation["mri"] = flips(0.5, 0.25)


def drop_out_more(case: Case) -> None:
    case.network = TinyFusionNet(dropout=0.5)


def widen_the_network(case: Case) -> None:
    case.network = TinyFusionNet(width=8)


def take_another_optimiser(case: Case) -> None:
    case.optimizer, case.betas = torch.optim.Adam, (0.8, 0.999)


def weight_the_loss(case: Case) -> None:
    case.loss = AlignedCrossEntropy(class_weights=[1.0, 2.0])


CHANGED = "the file's content has changed since the checkpoint was written"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            change_a_knob,
            [
                "class_weights: 'balanced', expected None as in the checkpoint",
                "num_epochs: [2, 2], expected [2, 1] as in the checkpoint",
                "seed: 2, expected 1 as in the checkpoint",
            ],
        ),
        (change_the_mri, [f"sub-01 mri: {CHANGED}"]),
        (change_one_segment, [f"sub-02 eeg: {CHANGED}"]),
        (exchange_two_files, [f"sub-00 mri: {CHANGED}", f"sub-01 mri: {CHANGED}"]),
        (leave_out_a_segment, ["sub-02 segments: 2, expected 3 as in the checkpoint"]),
        (correct_a_label, ["sub-00 label: F, expected M as in the checkpoint"]),
        (
            move_to_the_validation_part,
            [
                "sub-00 section: validation, expected training as in the checkpoint",
            ],
        ),
        (exclude_a_participant, ["sub-01: missing, expected in training as in the checkpoint"]),
        (move_to_the_test_part, ["sub-01: missing, expected in training as in the checkpoint"]),
        (add_a_participant, ["sub-99: in training, expected absent as in the checkpoint"]),
        (sort_otherwise, ["participants: the datalist lists them in another order than for the checkpoint"]),
        (
            take_a_thinner_slab,
            ["mri_preprocessing ResampleSlabd depth: 3, expected 4 as in the checkpoint"],
        ),
        (
            insert_a_transform,
            [
                "mri_preprocessing: LoadVolumed, ResampleSlabd, AddOne, "
                "expected LoadVolumed, ResampleSlabd as in the checkpoint"
            ],
        ),
        (
            drop_out_more,
            [
                "network: (dropout): Dropout(p=0.5, inplace=False), "
                "expected (dropout): Dropout(p=0.3, inplace=False) as in the checkpoint"
            ],
        ),
        (
            weight_the_loss,
            ["loss class_weights: [1.0, 2.0], expected None as in the checkpoint"],
        ),
    ],
)
def test_what_differs_is_named(case: Case, change: Callable[[Case], None], expected: list[str]) -> None:
    saved = case.identity()
    change(case)
    assert messages(saved, case) == expected


def test_the_turned_classes_are_named_first(case: Case) -> None:
    saved = case.identity()
    turn_the_classes(case)
    assert messages(saved, case)[0] == "classes: ['F', 'M'], expected ['M', 'F'] as in the checkpoint"


def test_of_several_equal_transforms_the_place_is_named(case: Case) -> None:
    saved = case.identity()
    flip_less_often(case)
    assert "mri_augmentation RandFlipd 2 prob: 0.25, expected 0.5 as in the checkpoint" in messages(saved, case)
    assert all(message.startswith("mri_augmentation RandFlipd 2 ") for message in messages(saved, case))


def test_another_architecture_is_shown_by_its_first_layer_that_differs(case: Case) -> None:
    saved = case.identity()
    widen_the_network(case)
    (message,) = messages(saved, case)
    assert message.startswith("network: (stage2): Linear(in_features=8, out_features=8, bias=True), expected (stage2)")


def test_another_optimiser_or_another_of_its_values_is_named(case: Case) -> None:
    saved = case.identity()
    take_another_optimiser(case)
    found = "\n".join(messages(saved, case))
    assert "optimizer: 'torch.optim.adam.Adam', expected 'torch.optim.adamw.AdamW'" in found
    assert "optimizer defaults betas: [0.8, 0.999], expected [0.9, 0.999]" in found


def test_components_are_named_only_where_no_knob_explains_them(case: Case) -> None:
    saved = case.identity()
    weight_the_loss(case)
    change_a_knob(case)
    assert not [message for message in messages(saved, case) if message.startswith("loss")]


def test_a_transform_whose_code_was_edited_is_named(case: Case) -> None:
    first, second = (type("Smoothed", (AddOne,), {"version": version}) for version in (1, 2))
    case.preprocessing = chains(more=[first()])
    saved = case.identity()
    case.preprocessing = chains(more=[second()])
    assert messages(saved, case) == [
        "mri_preprocessing Smoothed: its code has changed since the checkpoint was written"
    ]


def test_another_version_of_a_library_is_named_once(case: Case) -> None:
    saved = copy.deepcopy(case.identity())
    saved["library"]["numpy"] = "1.0"
    (message,) = messages(saved, case)
    assert message.startswith("library numpy: '") and message.endswith("expected '1.0' as in the checkpoint")


def test_pretrained_weights_are_known_by_their_content(case: Case, tmp_path: Path) -> None:
    first, moved = tmp_path / "convnext.pth", tmp_path / "elsewhere.pth"
    first.write_bytes(b"weights")
    shutil.copy(first, moved)
    without = case.identity()
    case.weights = str(first)
    saved = case.identity()
    assert messages(without, case) == ["eeg_weights: given, but not in the checkpoint's training"]
    case.weights = str(moved)
    assert messages(saved, case) == []
    moved.write_bytes(b"other weights")
    assert messages(saved, case) == [f"eeg_weights: {CHANGED}"]
    case.weights = None
    assert messages(saved, case) == ["eeg_weights: not given, but in the checkpoint's training"]


def test_renamed_and_moved_recordings_are_the_same(case: Case, tmp_path: Path) -> None:
    saved = case.identity()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    record = case.records[1]
    eeg = tuple(Path(shutil.copy(path, elsewhere / f"renamed_{path.name}")) for path in record.eeg)
    case.records[1] = replace(record, eeg=eeg, mri=Path(shutil.move(mri_of(case, 1), elsewhere)))
    assert messages(saved, case) == []


def test_participants_of_the_test_part_or_with_one_recording_do_not_count(case: Case) -> None:
    saved = case.identity()
    new = replace(case.records[0], participant_id="sub-98")
    case.records += [replace(new, section="test"), replace(new, participant_id="sub-99", mri=None)]
    assert messages(saved, case) == []


def test_what_the_store_has_seen_is_not_read_again(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The contents come from the index, as long as a file's size and time of change are those in the index."""
    monkeypatch.setattr("monai_fusion.store.stamps.SETTLED_AFTER_NS", -(10**12))  # no file is too young
    case.cache_dir = tmp_path / "store"
    saved = case.identity()  # nothing is stored yet
    prepare(case.cohort, ["training", "validation"], case.stored)
    read: list[Path] = []
    monkeypatch.setattr("monai_fusion.store.file_index.content_hash", lambda path: read.append(Path(path)) or "changed")
    assert messages(saved, case) == [] and read == []
    change_the_mri(case)
    assert messages(saved, case) == [f"sub-01 mri: {CHANGED}"] and read == [mri_of(case, 1)]


def test_participants_with_one_recording_count_if_they_take_part(case: Case) -> None:
    case.records[0], case.records[1] = replace(case.records[0], mri=None), replace(case.records[1], eeg=())
    assert list(case.identity()["participants"]) == ["sub-02", "sub-03"]
    case.use = ModalityPolicy(allow_missing=True)
    rows = case.identity()["participants"]
    assert list(rows) == ["sub-00", "sub-01", "sub-02", "sub-03"]
    assert (rows["sub-00"]["segments"], rows["sub-00"]["mri"]) == (1, None) and rows["sub-01"]["segments"] == 0
    saved = case.identity()
    write_scalogram(case.records[0].eeg[0], 99)
    assert [str(each) for each in differences(saved, case.identity())] == [f"sub-00 eeg: {CHANGED}"]


def test_a_recording_that_is_there_no_more_is_named(case: Case) -> None:
    case.use = ModalityPolicy(allow_missing=True)
    saved = case.identity()
    case.records[0] = replace(case.records[0], mri=None)
    assert [str(each) for each in differences(saved, case.identity())] == [
        "sub-00 mri: not given, but in the checkpoint's training"
    ]


def test_files_of_a_recording_that_is_not_used_do_not_count(case: Case) -> None:
    case.use = ModalityPolicy("eeg")
    before = case.identity()
    for record in case.records:
        assert record.mri is not None
        record.mri.unlink()
    assert case.identity() == before and before["participants"]["sub-01"]["mri"] is None


def test_a_training_with_any_other_value_of_a_knob_that_counts_is_another_training(case: Case) -> None:
    case.knobs = identity_settings(knobs_of_training())
    saved = case.identity()
    assert messages(saved, case) == []
    for name, value in case.knobs.items():
        changed = copy.copy(case)
        changed.knobs = case.knobs | {name: [value, "another"]}
        [message] = messages(saved, changed)
        assert message.startswith(f"{name}: ")
