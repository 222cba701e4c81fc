"""Participants of an inference: each is read and prepared when its turn comes, and a fault costs one of them."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.utils.data import Dataset

from monai_fusion import ranks
from monai_fusion.causes import causes_of
from monai_fusion.data.evaluation_loading import EvaluationLoader
from monai_fusion.data.preprocessing import Preprocessing
from monai_fusion.datalist import ModalityPolicy, ParticipantRecord
from monai_fusion.datalist.availability import BOTH_REQUIRED
from monai_fusion.errors import InputError, Problem, input_error_behind
from monai_fusion.fingerprint import content_hash
from monai_fusion.keys import EEG, LABEL, MRI, PARTICIPANT_ID, STREAMED
from monai_fusion.opening import is_scarcity
from monai_fusion.options.knob_values import AUTO
from monai_fusion.store.preparing import PreparationChain

logger = logging.getLogger(__name__)

_SHOWN_PROBLEMS = 3
_OUT_OF_MEMORY = (MemoryError, torch.OutOfMemoryError)
_MOST_AHEAD = 2**30  # bytes of recordings that wait for the network


class Reading(NamedTuple):
    """What was read of one participant.

    Attributes:
        item: ``eeg`` [S, 17, F, T] and ``mri`` [1, T, H, W], as far as they exist; ``participant_id`` and, where known,
            ``label``.
        contents: The content hash of each recording in it, EEG segments first.
        record: The participant with the EEG segments that are in ``item``.
        refused: Why other EEG segments are not; by file.
    """

    item: dict[str, Any]
    contents: tuple[str, ...]
    record: ParticipantRecord
    refused: Mapping[Path, str] = {}


class Turn(NamedTuple):
    """One participant of a batch.

    Attributes:
        place: The place among the participants.
        contents: The content hash of each recording that was used, EEG segments first; empty if one cannot be read.
        known: What was found for these contents; the network need not compute it again. None if it must.
        error: Why the participant cannot be predicted; empty if it can.
        beside: What `StreamedLoader` was to compute beside the network; None without, or with an error.
        refused: Why EEG segments were not used; by file.
    """

    place: int
    contents: tuple[str, ...] = ()
    known: Any = None
    error: str = ""
    beside: Any = None
    refused: Mapping[Path, str] = {}


class StreamedParticipants(Dataset[dict[str, Any]]):
    """Whole participants, like a `FusionDataset` with ``segments="all"``, but nothing is prepared before its turn.

    What is prepared is kept in the store, and what is there is used.

    Args:
        data: The participants' records; ``left_out`` has those who do not take part.
        preprocessing: The transforms computed once for each recording, and where the results are kept.
        use: Which recordings are used, and which participants take part.

    Attributes:
        records: The participants who take part.
        files: How many files were ``prepared`` and ``reused``.
    """

    def __init__(
        self, data: Sequence[ParticipantRecord], preprocessing: Preprocessing, use: ModalityPolicy = BOTH_REQUIRED
    ) -> None:
        self.records, self.left_out = use.select(data)
        self.max_segments: int | None = None  # every segment counts
        self.files: Counter[str] = Counter()
        self._chains = preprocessing.chains
        self._lock = threading.Lock()
        self._told = False

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.read(index).item

    def read(self, index: int) -> Reading:
        """Read a participant's recordings; EEG segments that cannot be used are left out, if any can be.

        Raises:
            InputError: The MRI, or every EEG segment, cannot be read or is not what it should be; or a recording is
                known to be lost.
        """
        record = self.records[index]
        if record.lost:
            raise InputError(Problem("", seen=record.lost))
        item: dict[str, Any] = {PARTICIPANT_ID: record.participant_id}
        if record.label is not None:
            item[LABEL] = record.label
        segments, refused = self._segments(record)
        contents = [content for _, content in segments.values()]
        if segments:
            item[EEG] = torch.stack([segment for segment, _ in segments.values()])
        if record.mri is not None:
            item[MRI], content = self._recording(self._chains[MRI], record.mri)
            contents.append(content)
        return Reading(item, tuple(contents), replace(record, eeg=tuple(segments)), refused)

    def contents(self, index: int) -> tuple[str, ...]:
        """Return the content hash of each of a participant's files: the one that the store knows, or by reading it.

        Raises:
            OSError: A file cannot be read.
        """
        record = self.records[index]
        eeg = [self._content(self._chains[EEG], path) for path in record.eeg]
        mri = [] if record.mri is None else [self._content(self._chains[MRI], record.mri)]
        return (*eeg, *mri)

    def sizes(self) -> tuple[int, int]:
        """Return the bytes of a prepared EEG segment and the numbers of a volume; 0 for what no participant has.

        It reads participants until one can be read.
        """
        for index in range(len(self)):
            try:
                item = self.read(index).item
            except InputError:
                continue
            eeg, mri = item.get(EEG), item.get(MRI)
            return (0 if eeg is None else eeg[0].nbytes), (0 if mri is None else mri[0].numel())
        return 0, 0

    def _segments(self, record: ParticipantRecord) -> tuple[dict[Path, tuple[torch.Tensor, str]], dict[Path, str]]:
        """Each EEG segment with its content hash, and why others cannot be used; by file.

        Raises:
            Exception: None can be used: what is wrong with the first one.
        """
        found: dict[Path, tuple[torch.Tensor, str]] = {}
        errors: dict[Path, Exception] = {}
        for path in record.eeg:
            try:
                found[path] = self._recording(self._chains[EEG], path)
            except Exception as error:
                _refuse_scarcity(error)
                errors[path] = error
        if errors and not found:
            raise next(iter(errors.values()))
        return found, {path: _reason(error, record) for path, error in errors.items()}

    def _recording(self, chain: PreparationChain, path: Path) -> tuple[torch.Tensor, str]:
        if chain.stored is not None and chain.index is not None:
            known = chain.index.look_up(path) if path.exists() else None
            stored = chain.load(known.content) if known is not None and known.fresh else None
            if known is not None and stored is not None:
                self._count("reused")
                return torch.from_numpy(stored), known.content
        array, content = chain.read_and_compute({chain.recording: str(path)})
        self._count("prepared")
        if chain.stored is not None and chain.stored.state(content) != "sound":
            self._tell_of_full_store(chain.stored.folder)
        return torch.from_numpy(array), content

    def _content(self, chain: PreparationChain, path: Path) -> str:
        known = None if chain.index is None else chain.index.look_up(path)
        return known.content if known is not None and known.fresh else content_hash(path)

    def _count(self, what: str) -> None:
        with self._lock:  # several threads read
            self.files[what] += 1

    def _tell_of_full_store(self, folder: Path) -> None:
        with self._lock:
            told, self._told = self._told, True
        if not told:
            logger.warning(
                "continuing without the store for new files: cannot write to %s; files that are not stored are"
                " prepared whenever they are needed",
                folder,
            )


class StreamedLoader(EvaluationLoader):
    """Participants in batches, in the dataset's order, each read while the network computes the ones before it.

    A participant who cannot be read leaves a `Turn` with an error in the batch, which may have no participants then;
    the next ones are read all the same. Of one with EEG segments that cannot be used, the `Turn` names these. Every
    batch has ``streamed``: the turns of all its participants, in order.

    Args:
        dataset: The participants.
        batch_size: Participants in a batch, or ``auto``: see `EvaluationLoader`.
        device: Where the network runs.
        find: Returns what is known of a participant, by the place in the dataset, so that it need not be read; None
            for nothing. The second argument gives the contents of its files.
        beside: Computes more of a participant's files, in the thread that has read them, while the network computes
            others: `Turn.beside`. Several threads call it.
        readers: How many threads read; None: one for each core of this process's share.

    Raises:
        InputError: ``batch_size`` is neither ``auto`` nor a whole number from 1.
    """

    def __init__(
        self,
        dataset: StreamedParticipants,
        batch_size: int | str = AUTO,
        device: str | torch.device = "cpu",
        find: Callable[[int, Callable[[], tuple[str, ...]]], tuple[Any, tuple[str, ...]] | None] | None = None,
        beside: Callable[[ParticipantRecord], object] | None = None,
        readers: int | None = None,
    ) -> None:
        self._find, self._beside = find, beside
        own = readers or ranks.own_cores()
        super().__init__(dataset, batch_size, device, threads=own)  # type: ignore[arg-type] # it has what is needed
        self.ahead = _batches_ahead(dataset.records, self.batch_size or 1, self.threads)

    def __iter__(self) -> Any:
        """Iterate over the batches."""
        return self._read_ahead()

    def _read(self, index: int) -> dict[str, Any]:
        data = self.dataset
        assert isinstance(data, StreamedParticipants)  # noqa: S101 # the constructor's
        record = data.records[index]
        try:
            found = None if self._find is None or record.lost else self._find(index, lambda: data.contents(index))
            reading = data.read(index) if found is None else Reading({}, found[1], record)
            if reading.refused and self._find is not None:  # an earlier run may have computed it without them, too
                found = self._find(index, lambda: reading.contents)
            beside = None if self._beside is None else self._beside(reading.record)
        except Exception as error:
            return {STREAMED: Turn(index, error=_reason(error, record))}
        turn = Turn(index, reading.contents, found and found[0], beside=beside, refused=reading.refused)
        return {**(self._pinned(reading.item) if found is None else {}), STREAMED: turn}

    def _collate(self, items: Sequence[dict[str, Any]]) -> dict[str, Any]:
        turns = [item[STREAMED] for item in items]
        there = [item for item in items if PARTICIPANT_ID in item]
        return {**super()._collate(there), STREAMED: turns}


def _reason(error: Exception, record: ParticipantRecord) -> str:
    """Return in one line why a participant cannot be read, with the names of the files but not their folders.

    Raises:
        Exception: The error, if it is none of this participant: memory, or the system's limits.
    """
    _refuse_scarcity(error)
    cause = input_error_behind(error)
    if cause is None:
        logger.warning("%s: %s", record.participant_id, error, exc_info=error)
        return str(Problem("", seen=f"{type(error).__name__}: {error}"))
    shown = [str(problem) for problem in cause.problems[:_SHOWN_PROBLEMS]]
    more = len(cause.problems) - len(shown)
    text = "; ".join([*shown, *([f"and {more} more"] if more else [])])
    for path in record.files:  # the table may be passed on to people whom the folders do not concern
        text = text.replace(str(path), path.name)
    return text


def _refuse_scarcity(error: Exception) -> None:
    """Raise an error again that is none of a recording: memory, or the system's limits."""
    if any(is_scarcity(each) or isinstance(each, _OUT_OF_MEMORY) for each in causes_of(error)):
        raise error


def _batches_ahead(records: Sequence[ParticipantRecord], batch_size: int, readers: int) -> int:
    """How many batches are read ahead: work for all threads, within a bound of memory, at least 2."""
    largest = max(records, key=lambda record: len(record.eeg), default=None)
    bytes_each = 0
    if largest is not None and largest.eeg:
        try:
            bytes_each = len(largest.eeg) * largest.eeg[0].stat().st_size
        except OSError:  # reading it will report what is wrong
            bytes_each = 0
    within = _MOST_AHEAD // max(1, bytes_each * batch_size)
    return max(2, min(1 + -(-readers // batch_size), within))
