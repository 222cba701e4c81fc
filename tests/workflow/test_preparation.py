"""A run reads, checks and prepares all its files before it trains."""

import json
import logging
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ignite.engine import Engine

from monai_fusion.data import Preprocessing
from monai_fusion.datalist import Datalist, ModalityPolicy, ParticipantRecord, read_datalist
from monai_fusion.errors import InputError
from monai_fusion.messages import pasteable
from monai_fusion.transforms import LoadScalogramd, LoadVolumed, ResampleSlabd, ZScoreElectrodesd
from monai_fusion.workflow import announce_training, prepare
from tests.message_parts import assert_parts
from tests.support import EEG_SHAPE, write_scalogram, write_volume


def over(store: Path | None) -> Preprocessing:
    eeg = [LoadScalogramd(shape=EEG_SHAPE), ZScoreElectrodesd()]
    return Preprocessing(eeg, [LoadVolumed(), ResampleSlabd(size=(6, 6, 6), depth=4)], store)


def cohort_of(folder: Path, **sections: Sequence[ParticipantRecord]) -> Datalist:
    by_section = {name: tuple(records) for name, records in sections.items()}
    return Datalist(folder / "list.json", "test", "gender", ("M", "F"), folder, by_section)


def infos(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.startswith("monai_fusion.workflow")]


def test_every_file_of_the_sections_is_prepared_once_and_reused_afterwards(
    tiny_records: tuple[ParticipantRecord, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cohort = cohort_of(tmp_path, training=tiny_records[:3], test=tiny_records[3:])
    store = tmp_path / "store"
    with caplog.at_level(logging.INFO, logger="monai_fusion"):
        prepare(cohort, ["training", "test"], over(store))
        assert infos(caplog)[:-1] == [
            "training: 3 participants (2 M, 1 F), 6 EEG segments",
            "test: 1 participant (0 M, 1 F), 4 EEG segments",
            f"preprocessed files: {store}",
        ]
        assert infos(caplog)[-1].startswith("prepared 14, reused 0, ")
        assert len(list(store.rglob("*.npy"))) == 14
        caplog.clear()
        prepare(cohort, ["training"], over(store))
        assert infos(caplog)[-1].startswith("prepared 0, reused 9, ")


@pytest.mark.parametrize("with_store", [True, False])
def test_the_same_recordings_in_two_parts_are_refused_under_any_name(
    tiny_records: tuple[ParticipantRecord, ...], tmp_path: Path, with_store: bool
) -> None:
    learned, tested = replace(tiny_records[3], section="training"), replace(tiny_records[2], section="test")
    assert tested.mri and learned.mri
    tested.mri.write_bytes(learned.mri.read_bytes())
    for k in range(2):
        tested.eeg[k].write_bytes(learned.eeg[k].read_bytes())
    cohort = cohort_of(tmp_path, training=[learned, replace(tiny_records[1], section="training")], test=[tested])
    with pytest.raises(InputError) as caught:
        prepare(cohort, ["training", "test"], over(tmp_path / "store" if with_store else None))
    (problem,) = caught.value.problems
    assert str(problem) == (
        "sub-02 eeg: sub-02_seg0.npy in test has the same content as sub-03_seg0.npy of sub-03 in training (and 2"
        " more), expected recordings of one part only: find out whose it is, and keep each person in one part"
    )
    mri_only = ModalityPolicy("mri", True)  # of the recordings that are not used, nothing is compared
    write_volume(tested.mri, 77)
    prepare(cohort, ["training", "test"], over(None), mri_only)


def test_an_evaluation_finds_the_recordings_of_other_parts_that_the_store_knows(
    tiny_records: tuple[ParticipantRecord, ...], tmp_path: Path
) -> None:
    rows: dict[str, list[dict[str, object]]] = {"training": [], "test": []}
    for record in tiny_records:
        section = "test" if record.participant_id in ("sub-00", "sub-01") else "training"
        files = {"eeg": [path.name for path in record.eeg], "mri": record.mri.name if record.mri else None}
        rows[section].append({"participant_id": record.participant_id, "label": "MF"[record.label or 0], **files})
    path = tmp_path / "cohort.json"
    path.write_text(json.dumps({"classes": ["M", "F"], **rows}), encoding="utf-8")
    store = over(tmp_path / "store")
    prepare(read_datalist(path), ["training", "test"], store)
    prepare(read_datalist(path, ["test"]), ["test"], store)
    tested, learned = (next(r for r in tiny_records if r.participant_id == name).mri for name in ("sub-00", "sub-02"))
    assert tested and learned
    tested.write_bytes(learned.read_bytes())
    with pytest.raises(InputError, match=r"sub-00 mri: .* in test has the same content as .* of sub-02 in training"):
        prepare(read_datalist(path, ["test"]), ["test"], store)


def test_a_file_in_the_place_of_the_store_is_refused(
    tiny_records: tuple[ParticipantRecord, ...], tmp_path: Path
) -> None:
    place = tmp_path / "store"
    place.write_text("notes")
    with pytest.raises(InputError) as caught:
        prepare(cohort_of(tmp_path, training=tiny_records), ["training"], over(place))
    assert str(caught.value).startswith(f"--cache_dir: {place} is a file, expected a folder")
    assert place.read_text() == "notes"


def test_bad_eeg_and_bad_mri_files_are_reported_together(
    tiny_records: tuple[ParticipantRecord, ...], tmp_path: Path
) -> None:
    write_scalogram(tiny_records[1].eeg[0], 0, shape=(8, 10, 2))
    np.save(tiny_records[2].eeg[1], np.full(EEG_SHAPE, np.nan, dtype=np.float32))
    volume = tiny_records[3].mri
    assert volume is not None
    volume.write_bytes(b"this is no NIfTI file")
    cohort = cohort_of(tmp_path, training=tiny_records)
    with pytest.raises(InputError) as caught:
        prepare(cohort, ["training"], over(tmp_path / "store"))
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{cohort.path}: 3 problems"
    for line, participant, file in zip(
        lines[1:],
        ("sub-03", "sub-01", "sub-02"),
        (volume.name, tiny_records[1].eeg[0].name, tiny_records[2].eeg[1].name),
        strict=True,
    ):
        assert line.startswith(f"  {participant} ") and file in line
    assert "(8, 10, 2)" in lines[2] and "(8, 10, 3)" in lines[2]


def test_participants_with_one_recording_are_left_out_and_named(
    tiny_records: tuple[ParticipantRecord, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one_only = [replace(tiny_records[1], mri=None), replace(tiny_records[2], eeg=())]
    cohort = cohort_of(tmp_path, training=[tiny_records[0], *one_only, replace(tiny_records[3], label=None)])
    with caplog.at_level(logging.INFO, logger="monai_fusion"):
        prepare(cohort, ["training"], over(tmp_path / "store"))
    assert infos(caplog)[:2] == [
        "training: 2 participants (1 M, 0 F, 1 without a label), 5 EEG segments",
        "training: left out, one recording only: 2 (sub-01, sub-02)",
    ]
    assert caplog.records[1].levelno == logging.WARNING


def test_a_section_in_which_no_participant_has_both_recordings_is_refused(
    tiny_records: tuple[ParticipantRecord, ...], tmp_path: Path
) -> None:
    cohort = cohort_of(tmp_path, training=tiny_records, test=[replace(tiny_records[0], mri=None)])
    message = f"{cohort.path} test: none, expected participants who have both an EEG and an MRI"
    with pytest.raises(InputError) as caught:
        prepare(cohort, ["training", "test"], over(tmp_path / "store"))
    assert str(caught.value) == message
    assert not (tmp_path / "store").exists()


def test_participants_with_one_recording_take_part_if_allowed_and_are_counted(
    tiny_records: tuple[ParticipantRecord, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    some_lack = [replace(tiny_records[0], mri=None), tiny_records[1], replace(tiny_records[2], eeg=()), tiny_records[3]]
    cohort = cohort_of(tmp_path, training=some_lack)
    for path in (tiny_records[0].mri, *tiny_records[2].eeg):
        assert path is not None
        path.unlink()
    with caplog.at_level(logging.INFO, logger="monai_fusion"):
        use = ModalityPolicy(allow_missing=True)
        prepare(cohort, ["training"], over(tmp_path / "store"), use)
        assert infos(caplog)[:2] == [
            "training: 4 participants (2 M, 2 F), 7 EEG segments",
            "training: 2 with both recordings, 1 with EEG only, 1 with MRI only",
        ]
        assert infos(caplog)[-1].startswith("prepared 10, reused 0, ")
        caplog.clear()
        prepare(cohort, ["training"], over(tmp_path / "eegs"), ModalityPolicy("eeg", True))
        assert infos(caplog)[:3] == [
            "training: 3 participants (1 M, 2 F), 7 EEG segments",
            "training: --modalities eeg: the other recording is not used",
            "training: left out, without EEG: 1 (sub-02)",
        ]
        assert infos(caplog)[-1].startswith("prepared 7, reused 0, ")
    with pytest.raises(InputError, match="test: none, expected participants who have an MRI"):
        prepare(cohort_of(tmp_path, test=some_lack[:1]), ["test"], over(None), ModalityPolicy("mri", True))


def test_recordings_that_go_with_the_class_are_warned_of(
    tiny_records: tuple[ParticipantRecord, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    records = [replace(tiny_records[n % 4], participant_id=f"sub-{n:02d}", label=int(n >= 10)) for n in range(20)]
    mixed = [replace(record, mri=None) if n % 2 else record for n, record in enumerate(records)]
    telling = [replace(record, mri=None) if record.label else record for record in records]
    use = ModalityPolicy(allow_missing=True)
    prepare(cohort_of(tmp_path, training=mixed), ["training"], over(None), use)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    prepare(cohort_of(tmp_path, training=telling), ["training"], over(None), use)
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert_parts(warning, "training: ", "recordings", "class (0 % of M, 100 % of F")


def test_without_a_store_nothing_is_written(tiny_records: tuple[ParticipantRecord, ...], tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    prepare(cohort_of(tmp_path, training=tiny_records), ["training"], over(None))
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("select", "first"), [("best", "kept epoch 4: validation cross_entropy 0.2500"), ("last", "kept the last epoch, 7")]
)
def test_a_trainings_last_message_names_what_was_kept_and_where(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, select: str, first: str
) -> None:
    trainer, evaluator = Engine(lambda engine, batch: None), Engine(lambda engine, batch: None)
    trainer.state.epoch = 7
    for name, value in {"best_metric_epoch": 4, "best_metric": 0.25, "key_metric_name": "cross_entropy"}.items():
        setattr(evaluator.state, name, value)
    with caplog.at_level(logging.INFO, logger="monai_fusion"):
        announce_training(tmp_path, trainer, evaluator, select, "my list.json")
    lines = infos(caplog)
    assert lines[0] == first
    assert str(tmp_path / "model.pt") in lines[1]
    assert str(tmp_path / "fusion_convnext_r3d18_gated_align.pth") in lines[1]
    assert lines[2] == "next, to score the test part: " + pasteable(
        ["monai-fusion", "evaluate", "my list.json", "--output_dir", tmp_path]
    )


@pytest.mark.parametrize(
    ("stopped_by", "out_of_time", "code"), [(None, True, 124), (signal.SIGTERM, False, 143), (signal.SIGINT, True, 130)]
)
def test_a_stopped_training_reports_how_to_resume_and_returns_a_code_for_scripts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, stopped_by: object, out_of_time: bool, code: int
) -> None:
    trainer, evaluator = Engine(lambda engine, batch: None), Engine(lambda engine, batch: None)
    trainer.state.epoch, trainer.state.max_epochs = 7, 25
    for name, value in {"stopped_by": stopped_by, "out_of_time": out_of_time}.items():
        setattr(trainer.state, name, value)
    with caplog.at_level(logging.INFO, logger="monai_fusion"), pytest.raises(SystemExit) as ended:
        announce_training(tmp_path, trainer, evaluator, "best", "my list.json")
    assert ended.value.code == code
    assert infos(caplog) == ["stopped in epoch 7 of 25", "To resume, run the same command with --resume true"]


def test_after_early_stopping_the_last_epoch_is_the_one_that_was_validated(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trainer, evaluator = Engine(lambda engine, batch: None), Engine(lambda engine, batch: None)
    trainer.state.epoch, evaluator.state.epoch = 25, 18
    with caplog.at_level(logging.INFO, logger="monai_fusion"):
        announce_training(tmp_path, trainer, evaluator, "last", "my list.json")
    assert infos(caplog)[0] == "kept the last epoch, 18"
