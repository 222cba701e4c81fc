"""Reading files of `torch.save`, whole and undamaged or not at all.

A file of `torch.save` is a zip archive with the CRC-32 of every part, which `torch.load` does not compare: a flipped
bit silently becomes another weight. The functions here compare the parts with their CRCs first.
"""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Mapping
from typing import Any, BinaryIO

import torch
from torch import Tensor

from monai_fusion.opening import open_regular
from monai_fusion.reading import reason_of

_PIECE = 2**24
_PICKLE, _ZIP = b"\x80", b"PK"


class DamagedError(ValueError):
    """A file of tensors that cannot be used; its text is the reason, in a few words of this program."""


def load_saved(path: str | os.PathLike[str]) -> Any:
    """Read tensors and plain values that `torch.save` wrote, onto the CPU.

    Args:
        path: The file. Nothing in it is executed (``weights_only=True``).

    Raises:
        DamagedError: It does not exist, is not a regular file, is damaged, of another kind, or holds other objects.
    """
    try:
        with io.BufferedReader(open_regular(path)) as stream:
            _check_archive(stream)
            stream.seek(0)
            return torch.load(stream, map_location="cpu", weights_only=True)
    except DamagedError:
        raise
    except FileNotFoundError:
        raise DamagedError("no such file") from None
    except OSError as error:
        raise DamagedError(reason_of(error)) from None
    except pickle.UnpicklingError:  # its text advises to read the file with weights_only=False
        raise DamagedError("holds other objects than tensors and plain values; they are never loaded") from None
    except MemoryError:
        raise DamagedError("larger than the memory") from None
    except Exception as error:  # a file can be wrong in many ways, none of them a fault of this program
        reason = "larger than the memory" if "DefaultCPUAllocator" in str(error) else "damaged"
        raise DamagedError(reason) from None


def check_saved(path: str | os.PathLike[str], *, old_format: bool = False) -> None:
    """Make sure that a file is whole, as `torch.save` wrote it, without loading it.

    Args:
        path: The file.
        old_format: Whether files from before PyTorch 1.6 also pass; they have no CRCs.

    Raises:
        DamagedError: The file is not whole.
    """
    try:
        with io.BufferedReader(open_regular(path)) as stream:
            if not (old_format and stream.read(1) == _PICKLE):
                _check_archive(stream)
    except FileNotFoundError:
        raise DamagedError("no such file") from None
    except OSError as error:
        raise DamagedError(reason_of(error)) from None


def _check_archive(stream: BinaryIO) -> None:
    """Compare all parts of an archive of `torch.save` with their CRCs.

    Raises:
        DamagedError: A part differs, or the file is not such an archive.
    """
    stream.seek(0)
    start = stream.read(2)
    if not start:
        raise DamagedError("empty")
    if start != _ZIP:
        raise DamagedError("not what torch.save writes")
    try:
        with zipfile.ZipFile(stream) as archive:
            parts = archive.infolist()
            if any(part.filename.rpartition("/")[2] == "constants.pkl" for part in parts):
                raise DamagedError("a TorchScript archive, which is a program")
            # torch.save compresses nothing: a compressed part may unpack to any size.
            if any(part.compress_type != zipfile.ZIP_STORED or part.flag_bits & 1 for part in parts):
                raise DamagedError("not what torch.save writes")
            for part in parts:
                with archive.open(part) as opened:
                    while opened.read(_PIECE):
                        pass
    except DamagedError:
        raise
    except Exception:  # zipfile.BadZipFile for a wrong CRC; a damaged directory raises almost anything
        raise DamagedError("damaged: its content does not match its checksums") from None


def load_state(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Read a state dict: names and dense tensors.

    Raises:
        DamagedError: It cannot be read, or is not a state dict.
    """
    state = load_saved(path)
    if not is_state_dict(state):
        raise DamagedError(f"holds {kind_of(state)}, not the tensors of a network")
    return dict(state)


def is_state_dict(state: object) -> bool:
    """Whether a value is a mapping of names to dense tensors with at least one entry."""
    return (
        isinstance(state, Mapping)
        and len(state) > 0
        and all(isinstance(name, str) and _is_plain_tensor(value) for name, value in state.items())
    )


def _is_plain_tensor(value: object) -> bool:
    """Whether a value is a tensor of numbers in memory: not sparse, quantised or without data."""
    return (
        isinstance(value, Tensor)
        and value.layout is torch.strided
        and value.device.type == "cpu"
        and not value.is_quantized
        and not value.is_complex()
    )


def kind_of(value: object) -> str:
    """The kind of a value, in a word or two, for a message."""
    return f"a {type(value).__name__}" if not isinstance(value, Mapping) else "other entries"
