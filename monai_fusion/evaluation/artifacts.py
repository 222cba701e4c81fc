"""Files that an evaluation writes beside the predictions: embeddings and thumbnails.

Both files contain only numbers and ids (``allow_pickle=False`` reads them), so that a report or a notebook can use them
later without the recordings, the model or a GPU.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from ignite.engine import Engine, Events
from nibabel.orientations import apply_orientation, axcodes2ornt, ornt_transform
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from monai_fusion.data.collation import collate_participants, eeg_of_each, presence_of
from monai_fusion.data.streamed_participants import StreamedParticipants, Turn
from monai_fusion.errors import InputError
from monai_fusion.files import write_atomically
from monai_fusion.fingerprint import digest_of
from monai_fusion.keys import EEG, EEG_EMBEDDING, FUSED_EMBEDDING, MRI, MRI_EMBEDDING, PARTICIPANT_ID, STREAMED
from monai_fusion.output_folder import remove_all
from monai_fusion.run_folder import EMBEDDINGS_FILE, MOST_PICTURES, THUMBNAILS_FILE
from monai_fusion.stored_arrays import read_arrays

THUMBNAIL_SIZE = 96
"""Pixels along each side of a thumbnail."""
_MOST_BYTES = 1 << 30  # of thumbnails.npz: those of 29,000 participants

# The brightest and the darkest 1 % of the pixels are clipped: one bright vessel must not darken a whole slice.
_CLIPPED_PERCENT = 1.0


class _Rows:
    """Collect arrays from an evaluator, one row for each participant, and write them to an .npz file at the end."""

    file: str

    def __init__(self, folder: str | os.PathLike[str], enabled: bool = True) -> None:
        self.path = Path(folder) / self.file
        self.enabled = enabled
        self._ids: list[str] = []
        self._rows: dict[str, list[npt.NDArray[Any]]] = {}

    def attach(self, engine: Engine) -> None:
        """Attach to an evaluator that runs with ``decollate=False``."""
        if not self.enabled:
            engine.add_event_handler(Events.COMPLETED, self._remove)
            return
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.COMPLETED, self._write)

    def _remove(self, engine: Engine) -> None:
        remove_all([self.path])

    def _start(self, engine: Engine) -> None:
        self._ids, self._rows = [], {}

    def _collect(self, engine: Engine) -> None:
        self._ids += list(engine.state.batch[PARTICIPANT_ID])
        for name, values in self._of(engine.state.batch, engine.state.output["pred"]).items():
            self._rows.setdefault(name, []).append(values)

    def _of(self, batch: Mapping[str, Any], predicted: Mapping[str, Tensor]) -> dict[str, npt.NDArray[Any]]:
        """The arrays of a batch by name, each with the participants as its first axis."""
        raise NotImplementedError

    def _further(self) -> dict[str, npt.NDArray[Any]]:
        """Further arrays of the file."""
        return {}

    def _write(self, engine: Engine) -> None:
        arrays: dict[str, Any] = {name: np.concatenate(rows) for name, rows in self._rows.items()} | self._further()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        ids = np.array(self._ids, dtype=np.str_)
        write_atomically(self.path, lambda stream: np.savez_compressed(stream, participant_id=ids, **arrays))


class EmbeddingWriter(_Rows):
    """Write ``embeddings.npz``: ``participant_id`` [N] and ``eeg``, ``mri``, ``fused``, each [N, D] float32.

    Each is the mean over a participant's EEG segments; ``fused`` is the mean of g e + (1 - g) m. Rows of missing
    recordings are NaN.

    Args:
        folder: The folder to write to; created if it does not exist.
        enabled: If False, the writer writes no file and removes that of an earlier evaluation.
    """

    file = EMBEDDINGS_FILE

    def _of(self, batch: Mapping[str, Any], predicted: Mapping[str, Tensor]) -> dict[str, npt.NDArray[Any]]:
        named = {"eeg": EEG_EMBEDDING, "mri": MRI_EMBEDDING, "fused": FUSED_EMBEDDING}
        return {name: predicted[key].float().cpu().numpy() for name, key in named.items()}


class ThumbnailWriter(_Rows):
    """Write ``thumbnails.npz``: ``participant_id`` [N], ``mri`` [N, 3, 96, 96] and ``eeg`` [N, 96, 96], uint8.

    They show the network's input, after preprocessing: the middle sagittal, coronal and axial slice of the slab, and
    the mean scalogram over segments and electrodes. Each picture is scaled to its own 1st to 99th percentile; the
    picture of a missing recording is black.

    Args:
        folder: The folder to write to; created if it does not exist.
        orientation: Axis codes of the volumes, e.g. ``RAS``.
        enabled: If False, the writer writes no file and removes that of an earlier evaluation.
    """

    file = THUMBNAILS_FILE

    def __init__(self, folder: str | os.PathLike[str], orientation: str = "RAS", enabled: bool = True) -> None:
        super().__init__(folder, enabled)
        self.orientation = orientation

    def _of(self, batch: Mapping[str, Any], predicted: Mapping[str, Tensor]) -> dict[str, npt.NDArray[Any]]:
        side, present = THUMBNAIL_SIZE, presence_of(batch)
        pictures = {
            "mri": np.zeros((len(present), 3, side, side), np.uint8),
            "eeg": np.zeros((len(present), side, side), np.uint8),
        }
        with_eeg, with_mri = ([row for row, there in enumerate(present) if there[kind]] for kind in (0, 1))
        for row, volume in zip(with_mri, batch.get(MRI, ()), strict=True):
            pictures["mri"][row] = _thumbnails(middle_slices(volume[0].float().cpu().numpy(), self.orientation))
        for row, segments in zip(with_eeg, eeg_of_each(batch), strict=True):
            pictures["eeg"][row] = _thumbnails([segments.float().mean(dim=(0, 1)).cpu().numpy()])[0]
        return pictures


class StreamedThumbnailWriter(ThumbnailWriter):
    """Write ``thumbnails.npz`` for the first participants of an inference, whose page shows no more of them.

    A picture of an earlier run is kept where the recordings are the same: ``contents`` [N], a digest of each
    participant's files. Participants who were not read in this run are read for it otherwise.

    Args:
        folder: The folder to write to; created if it does not exist.
        dataset: The participants.
        orientation: Axis codes of the volumes, e.g. ``RAS``.
        enabled: If False, the writer writes no file and removes that of an earlier run.
        most: How many participants get pictures.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        dataset: StreamedParticipants,
        orientation: str = "RAS",
        enabled: bool = True,
        most: int = MOST_PICTURES,
    ) -> None:
        super().__init__(folder, orientation, enabled)
        self.dataset = dataset
        self.most = most
        self._contents: list[str] = []
        self._earlier: dict[tuple[str, str], dict[str, npt.NDArray[Any]]] = {}

    def _start(self, engine: Engine) -> None:
        super()._start(engine)
        self._contents = []
        self._earlier = _stored_pictures(self.path)

    def _collect(self, engine: Engine) -> None:
        turns = [turn for turn in engine.state.batch[STREAMED] if not turn.error]
        read = [turn for turn in turns if turn.known is None]
        if not turns or turns[0].place >= self.most:
            return
        made = self._of(engine.state.batch, {}) if read else {}
        rows = {turn.place: {name: made[name][row] for name in made} for row, turn in enumerate(read)}
        for turn in turns:
            if turn.place < self.most:
                self._add(turn, rows.get(turn.place))

    def _add(self, turn: Turn, pictures: dict[str, npt.NDArray[Any]] | None) -> None:
        participant, digest = self.dataset.records[turn.place].participant_id, digest_of(list(turn.contents))
        if pictures is None:
            pictures = self._earlier.get((participant, digest))
        if pictures is None:
            try:
                item = self.dataset.read(turn.place).item
            except InputError:  # changed a moment ago: it has its prediction, and no picture
                return
            pictures = {name: values[0] for name, values in self._of(collate_participants([item]), {}).items()}
        self._ids.append(participant)
        self._contents.append(digest)
        for name, values in pictures.items():
            self._rows.setdefault(name, []).append(values[None])

    def _further(self) -> dict[str, npt.NDArray[Any]]:
        return {"contents": np.array(self._contents, dtype=np.str_)}


def _stored_pictures(path: Path) -> dict[tuple[str, str], dict[str, npt.NDArray[Any]]]:
    """The pictures in ``thumbnails.npz`` by participant and digest; none if there is no such file."""
    side = THUMBNAIL_SIZE
    stored = read_arrays(path, (PARTICIPANT_ID, "contents", MRI, EEG), _MOST_BYTES)
    if len(stored) < 4:
        return {}
    ids, contents, mri, eeg = stored.values()
    number = len(ids)
    if contents.shape != (number,) or mri.shape != (number, 3, side, side) or eeg.shape != (number, side, side):
        return {}
    return {
        (str(name), str(digest)): {MRI: mri[row], EEG: eeg[row]}
        for row, (name, digest) in enumerate(zip(ids, contents, strict=True))
        if mri.dtype == eeg.dtype == np.uint8
    }


def middle_slices(volume: npt.NDArray[np.float32], orientation: str) -> list[npt.NDArray[np.float32]]:
    """Cut a volume in the middle of its three axes.

    Args:
        volume: [T, H, W].
        orientation: Its axis codes.

    Returns:
        The sagittal slice (nose to the right), the coronal and the axial one (the participant's left on the left),
        each as rows from the top of the picture.
    """
    # nibabel has no types
    here, ras = (axcodes2ornt(tuple(codes)) for codes in (orientation, "RAS"))  # type: ignore[no-untyped-call] # of nibabel
    turned = apply_orientation(volume, ornt_transform(here, ras))  # type: ignore[no-untyped-call] # of nibabel
    right, front, top = (size // 2 for size in turned.shape)
    return [plane.T[::-1] for plane in (turned[right], turned[:, front], turned[:, :, top])]


def _thumbnails(planes: list[npt.NDArray[np.float32]]) -> npt.NDArray[np.uint8]:
    """[number, 96, 96]: each plane reduced by averaging, centred on black, with values scaled to 0 to 255."""
    scale = THUMBNAIL_SIZE / max(max(plane.shape) for plane in planes)
    pictures = np.zeros((len(planes), THUMBNAIL_SIZE, THUMBNAIL_SIZE), np.uint8)
    for picture, plane in zip(pictures, planes, strict=True):
        height, width = (max(1, round(scale * length)) for length in plane.shape)
        top, left = (THUMBNAIL_SIZE - height) // 2, (THUMBNAIL_SIZE - width) // 2
        picture[top : top + height, left : left + width] = _to_bytes(_resized(plane, (height, width)))
    return pictures


def _resized(plane: npt.NDArray[np.float32], shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    small = adaptive_avg_pool2d(torch.from_numpy(np.ascontiguousarray(plane))[None], shape)
    return np.asarray(small[0].numpy())


def _to_bytes(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    low, high = np.percentile(values, [_CLIPPED_PERCENT, 100 - _CLIPPED_PERCENT])
    scaled = (values - low) / (high - low) if high > low else np.zeros_like(values)
    return np.round(np.clip(scaled, 0, 1) * 255).astype(np.uint8)
