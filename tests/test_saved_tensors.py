"""What `torch.save` wrote is read whole, or not at all."""

import os
import pickle
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from monai_fusion.saved_tensors import DamagedError, check_saved, load_saved, load_state

STATE = {"a.weight": torch.arange(200_000, dtype=torch.float32), "b": torch.ones(3)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A state dict of 0.8 MB."""
    torch.save(STATE, tmp_path / "model.pt")
    return tmp_path / "model.pt"


def spoil(path: Path, change: Callable[[bytearray], None]) -> None:
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(content)


def one_bit(content: bytearray) -> None:
    content[len(content) // 2] ^= 1


def twenty_bits(content: bytearray) -> None:
    for place in random.Random(0).sample(range(10_000, 700_000), 20):
        content[place] ^= 1 << place % 8


def zeros(content: bytearray) -> None:
    content[300_000:500_000] = bytes(200_000)


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_a_good_file_reads_back(path: Path) -> None:
    check_saved(path)
    state = load_state(path)
    assert state.keys() == STATE.keys() and all(torch.equal(state[name], STATE[name]) for name in STATE)


@pytest.mark.parametrize("change", [one_bit, twenty_bits, zeros])
def test_damage_in_the_middle_which_torch_does_not_see_is_found(
    path: Path, change: Callable[[bytearray], None]
) -> None:
    spoil(path, change)
    torch.load(path, weights_only=True)  # without a word
    for read in (check_saved, load_saved, load_state):
        with pytest.raises(DamagedError, match="checksums"):
            read(path)


@pytest.mark.parametrize("place", [0.05, 0.3, 0.6, 0.95])
def test_a_file_that_is_cut_off_is_found(path: Path, place: float) -> None:
    os.truncate(path, int(path.stat().st_size * place))
    with pytest.raises(DamagedError):
        load_saved(path)


def test_a_pickle_is_never_run_and_the_advice_to_run_it_never_given(tmp_path: Path) -> None:
    torch.save({"a": Trap(tmp_path / "ran")}, tmp_path / "trap.pt")
    (tmp_path / "bare.pt").write_bytes(pickle.dumps(Trap(tmp_path / "ran")))
    for name in ("trap.pt", "bare.pt"):
        with pytest.raises(DamagedError) as caught:
            load_saved(tmp_path / name)
        assert "weights_only" not in str(caught.value) and len(str(caught.value)) < 100
    assert not (tmp_path / "ran").exists()
    torch.load(tmp_path / "trap.pt", weights_only=False)
    assert (tmp_path / "ran").exists()  # the trap is real


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_a_torchscript_archive_is_refused_as_what_it_is(tmp_path: Path) -> None:
    torch.jit.script(nn.Linear(2, 2)).save(str(tmp_path / "model.pt"))
    with pytest.raises(DamagedError, match="TorchScript"):
        load_saved(tmp_path / "model.pt")


@pytest.mark.parametrize(
    "content", [[1, 2], {}, {"a": 1}, {"a": torch.eye(2).to_sparse()}, {"a": torch.empty(2, device="meta")}, {1: STATE}]
)
def test_other_content_is_no_state_dict(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(DamagedError):
        load_state(tmp_path / "model.pt")


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match="no such file"):
        load_saved(tmp_path / "missing.pt")
    (tmp_path / "empty.pt").touch()
    with pytest.raises(DamagedError, match="empty"):
        load_saved(tmp_path / "empty.pt")
    with pytest.raises(DamagedError, match="is a folder"):
        load_saved(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no named pipes in folders")
def test_a_named_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.pt")
    with pytest.raises(DamagedError, match="is a named pipe"):
        load_saved(tmp_path / "model.pt")
