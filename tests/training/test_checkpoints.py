import os
import signal
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events
from torch import nn

from monai_fusion.errors import InputError
from monai_fusion.run_folder import MODEL_FILE, saved_epochs
from monai_fusion.training import Checkpoints, GracefulStop
from monai_fusion.training.interruption import is_killed_worker
from tests.message_parts import assert_parts

IDENTITY = {"seed": 1, "batch_size": 4}


class Training:
    """A training of one weight whose steps depend on Adam's state and on the schedule; each epoch is recorded."""

    def __init__(self, folder: Path, resume: bool = False, identity: dict[str, Any] | None = None) -> None:
        torch.manual_seed(0)
        self.network = nn.Linear(3, 1)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=0.1)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, T_max=6)
        self.evaluator = Engine(lambda engine, batch: None)
        self.evaluator.state.best_metric = -1.0
        self.evaluator.state.best_metric_epoch = -1
        self.epochs: list[int] = []
        self.trainer = Engine(self.step)
        self.trainer.scaler = None  # type: ignore[attr-defined] # as MONAI's trainer has without mixed precision
        self.trainer.add_event_handler(Events.EPOCH_COMPLETED, self.after_epoch)
        parts = {"network": self.network, "optimizer": self.optimizer, "schedule": self.schedule}
        Checkpoints(parts, self.evaluator, folder, identity or IDENTITY, resume).attach(self.trainer)

    def step(self, engine: Engine, batch: int) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        self.network(torch.tensor([1.0, batch, engine.state.epoch])).pow(2).sum().backward()
        self.optimizer.step()

    def after_epoch(self, engine: Engine) -> None:
        self.epochs.append(engine.state.epoch)
        self.schedule.step()
        if engine.state.epoch == 2:
            self.evaluator.state.best_metric, self.evaluator.state.best_metric_epoch = 0.5, 2

    def run(self, epochs: int = 6) -> "Training":
        self.trainer.run([1, 2, 3], max_epochs=epochs)
        return self


class KilledError(Exception):
    """Stands for a kill -9: nothing gets a chance to clean up."""


def killed_in_epoch(folder: Path, epoch: int) -> None:
    training = Training(folder)

    @training.trainer.on(Events.ITERATION_COMPLETED)
    def kill(engine: Engine) -> None:
        if engine.state.epoch == epoch:
            raise KilledError

    with pytest.raises(KilledError):
        training.run()


@pytest.mark.parametrize("epoch", [2, 3, 4, 6])
def test_a_killed_training_ends_with_the_same_bits(tmp_path: Path, epoch: int) -> None:
    whole = Training(tmp_path / "whole").run()
    killed_in_epoch(tmp_path / "killed", epoch)
    resumed = Training(tmp_path / "killed", resume=True).run()
    assert resumed.epochs == list(range(epoch, 7))
    assert torch.equal(resumed.network.weight, whole.network.weight)
    assert resumed.schedule.get_last_lr() == whole.schedule.get_last_lr()
    assert resumed.evaluator.state.best_metric_epoch == 2 and resumed.evaluator.state.best_metric == 0.5


def test_an_unreadable_checkpoint_is_skipped_for_the_previous_one(tmp_path: Path) -> None:
    whole = Training(tmp_path / "whole").run()
    killed_in_epoch(tmp_path / "killed", 5)
    newest = tmp_path / "killed" / "checkpoints" / "epoch_0004.pt"
    os.truncate(newest, newest.stat().st_size // 2)
    resumed = Training(tmp_path / "killed", resume=True).run()
    assert resumed.epochs == [4, 5, 6]
    assert torch.equal(resumed.network.weight, whole.network.weight)


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        part = max(archive.infolist(), key=lambda info: info.file_size if "/data/" in info.filename else 0)
        with archive.open(part) as opened:
            place = content.index(opened.read())
    content[place] ^= 1
    path.write_bytes(content)


def test_one_flipped_bit_is_seen_and_the_one_before_is_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = Training(tmp_path / "whole").run()
    killed_in_epoch(tmp_path / "killed", 5)
    newest = tmp_path / "killed" / "checkpoints" / "epoch_0004.pt"
    flip_a_bit(newest)
    torch.load(newest, weights_only=True)  # which sees nothing
    resumed = Training(tmp_path / "killed", resume=True).run()
    assert resumed.epochs == [4, 5, 6]
    assert torch.equal(resumed.network.weight, whole.network.weight)
    (line,) = (record.message for record in caplog.records if "before" in record.message)
    assert "checksums" in line and "weights_only" not in line


@pytest.mark.parametrize("content", [[1, 2], {"identity": IDENTITY}, torch.zeros(2)])
def test_another_file_under_a_checkpoints_name_is_skipped(tmp_path: Path, content: object) -> None:
    killed_in_epoch(tmp_path, 5)
    torch.save(content, tmp_path / "checkpoints" / "epoch_0004.pt")
    assert Training(tmp_path, resume=True).run().epochs == [4, 5, 6]


def test_without_a_readable_checkpoint_it_reports_so_and_starts_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    killed_in_epoch(tmp_path, 5)
    for epoch in (3, 4):
        flip_a_bit(tmp_path / "checkpoints" / f"epoch_{epoch:04d}.pt")
    assert Training(tmp_path, resume=True).run(2).epochs == [1, 2]
    assert "can be read: starting from the beginning" in caplog.text


@pytest.mark.parametrize("resume", [False, True])
def test_a_folder_in_place_of_a_checkpoint_is_refused_and_left_alone(tmp_path: Path, resume: bool) -> None:
    (tmp_path / "checkpoints" / "epoch_0004.pt").mkdir(parents=True)
    with pytest.raises(InputError, match=r"epoch_0004.pt: is not a file, expected a checkpoint: move it away"):
        Training(tmp_path, resume=resume)
    assert (tmp_path / "checkpoints" / "epoch_0004.pt").is_dir()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no named pipes in folders")
def test_a_named_pipe_in_place_of_a_checkpoint_does_not_hang(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    os.mkfifo(tmp_path / "checkpoints" / "epoch_0004.pt")
    with pytest.raises(InputError, match="is not a file"):
        Training(tmp_path, resume=True)


def test_parts_of_another_shape_are_refused_in_one_line(tmp_path: Path) -> None:
    Training(tmp_path).run(2)
    path = tmp_path / "checkpoints" / "epoch_0002.pt"
    state = torch.load(path, weights_only=True)
    state["parts"]["network"] = nn.Linear(4, 1).state_dict()
    torch.save(state, path)
    with pytest.raises(InputError, match="does not fit this training's parts"):
        Training(tmp_path, resume=True).run()


def test_the_two_newest_are_kept_and_leftovers_of_a_killed_writer_go(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    (folder / ".0123456789abcdef.part").write_bytes(b"half")
    (folder / "notes.txt").write_text("a user's own file")
    half_a_model, just_written = tmp_path / ".0000000000000000.part", tmp_path / ".ffffffffffffffff.part"
    for path in (half_a_model, just_written):
        path.write_bytes(b"half")
    os.utime(half_a_model, (0, 0))
    Training(tmp_path).run()
    assert not half_a_model.exists()
    assert just_written.exists(), "an evaluation may be writing it"
    assert sorted(path.name for path in folder.iterdir()) == ["epoch_0005.pt", "epoch_0006.pt", "notes.txt"]


def test_a_new_training_in_the_same_folder_does_not_take_up_the_old_one(tmp_path: Path) -> None:
    Training(tmp_path).run()
    assert Training(tmp_path).run(3).epochs == [1, 2, 3]
    assert sorted(saved_epochs(tmp_path / "checkpoints")) == [2, 3]


def test_nothing_to_resume_starts_from_the_beginning(tmp_path: Path) -> None:
    assert Training(tmp_path, resume=True).run(2).epochs == [1, 2]


def test_a_finished_training_is_not_trained_again(tmp_path: Path) -> None:
    weight = Training(tmp_path).run().network.weight
    (tmp_path / MODEL_FILE).write_bytes(b"the model")
    resumed = Training(tmp_path, resume=True).run()
    assert resumed.epochs == [] and torch.equal(resumed.network.weight, weight)


def test_a_finished_training_whose_model_is_gone_is_refused_in_one_line(tmp_path: Path) -> None:
    Training(tmp_path).run()
    with pytest.raises(InputError) as raised:
        Training(tmp_path, resume=True).run()
    (line,) = str(raised.value).splitlines()
    assert_parts(line, f"{tmp_path / MODEL_FILE}: ", "missing", "all epochs are done", "run folder")


def without_epoch(state: dict[str, Any]) -> dict[str, Any]:
    """As checkpoints were before they recorded their epoch; the schedule has its name of train.yaml."""
    parts = {**state["parts"], "lr_scheduler": state["parts"]["schedule"]}
    return {name: value for name, value in state.items() if name != "epoch"} | {"parts": parts}


@pytest.mark.parametrize("older", [False, True])
def test_a_checkpoint_under_the_name_of_another_epoch_is_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, older: bool
) -> None:
    whole = Training(tmp_path / "whole").run()
    killed_in_epoch(tmp_path / "killed", 5)
    folder = tmp_path / "killed" / "checkpoints"
    state = torch.load(folder / "epoch_0004.pt", weights_only=True)
    assert state["epoch"] == 4
    torch.save(without_epoch(state) if older else state, folder / "epoch_0005.pt")
    resumed = Training(tmp_path / "killed", resume=True).run()
    assert resumed.epochs == [5, 6] and torch.equal(resumed.network.weight, whole.network.weight)
    (line,) = (record.message for record in caplog.records if "before" in record.message)
    assert_parts(line, "epoch_0005.pt", "checkpoint of epoch 4")


def test_an_older_checkpoint_that_does_not_record_its_epoch_is_loaded(tmp_path: Path) -> None:
    whole = Training(tmp_path / "whole").run()
    killed_in_epoch(tmp_path / "killed", 5)
    path = tmp_path / "killed" / "checkpoints" / "epoch_0004.pt"
    torch.save(without_epoch(torch.load(path, weights_only=True)), path)
    resumed = Training(tmp_path / "killed", resume=True).run()
    assert resumed.epochs == [5, 6] and torch.equal(resumed.network.weight, whole.network.weight)


def test_another_training_is_refused_with_what_differs(tmp_path: Path) -> None:
    Training(tmp_path).run(2)
    with pytest.raises(InputError) as raised:
        Training(tmp_path, resume=True, identity={"seed": 2, "batch_size": 4}).run()
    assert "seed: 2, expected 1 as in the checkpoint" in str(raised.value)
    assert "batch_size" not in str(raised.value)


def test_a_checkpoint_of_another_number_of_devices_is_loaded_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Training(tmp_path).run(2)
    path = tmp_path / "checkpoints" / "epoch_0002.pt"
    state = torch.load(path, weights_only=True)
    assert state["devices"] == 1
    torch.save({**state, "devices": 4}, path)
    assert Training(tmp_path, resume=True).run(4).epochs == [3, 4]
    assert_parts(caplog.text, "made on 4 devices", "this run uses 1")


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send these signals to itself")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_training_after_its_iteration(number: signal.Signals) -> None:
    seen: list[int] = []
    before = signal.getsignal(number)

    def step(engine: Engine, batch: int) -> None:
        if engine.state.iteration == 5:
            os.kill(os.getpid(), number)
        seen.append(engine.state.iteration)  # the iteration in which the signal came is finished

    trainer = Engine(step)
    GracefulStop().attach(trainer)
    trainer.run(range(3), max_epochs=4)
    assert seen == [1, 2, 3, 4, 5]
    assert trainer.state.stopped_by == number
    assert signal.getsignal(number) == before


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGHUP")
@pytest.mark.parametrize("ignored", [False, True], ids=["terminal", "nohup"])
def test_a_closed_terminal_stops_a_training_unless_it_runs_below_nohup(ignored: bool) -> None:
    def step(engine: Engine, batch: int) -> None:
        if engine.state.iteration == 2:
            os.kill(os.getpid(), signal.SIGHUP)

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        trainer = Engine(step)
        GracefulStop().attach(trainer)
        trainer.run(range(3), max_epochs=2)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert trainer.state.iteration == (6 if ignored else 2)


def test_a_worker_that_ends_with_the_signal_is_recorded_as_a_stop() -> None:
    error = RuntimeError("DataLoader worker (pid 12) is killed by signal: Terminated. ")

    def step(engine: Engine, batch: int) -> None:
        if engine.state.iteration == 2:
            signal.raise_signal(signal.SIGTERM)
            raise error

    trainer = Engine(step)
    GracefulStop().attach(trainer)
    with pytest.raises(RuntimeError, match="DataLoader worker"):
        trainer.run(range(3), max_epochs=2)
    assert trainer.state.stopped_by == signal.SIGTERM and is_killed_worker(error)


def test_without_a_signal_nothing_is_stopped() -> None:
    trainer = Engine(lambda engine, batch: None)
    GracefulStop().attach(trainer)
    trainer.run(range(3), max_epochs=2)
    assert trainer.state.iteration == 6 and not hasattr(trainer.state, "stopped_by")
