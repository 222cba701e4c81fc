"""``network_outputs.jsonl``: what the network gave for each participant of an inference, a line each, as it comes.

A run that was stopped, or is started again, finds there what it need not compute again. A line counts only for the same
contents of the participant's files and the same model; what follows from the numbers without the network (calibration,
decision, other columns) is computed again each time, so that those settings may change.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from monai_fusion import __version__
from monai_fusion.datalist import AVAILABLE_MODALITIES, AvailableModalities
from monai_fusion.evaluation.network_outputs import NetworkOutput
from monai_fusion.files import write_atomically
from monai_fusion.fingerprint import content_hash, digest_of
from monai_fusion.model_files import weights_file
from monai_fusion.run_folder import MODEL_FILE, RECIPE_FILE

_LONGEST_LINE = 2**24  # thousands of segments of a participant


class _Place(NamedTuple):
    key: str
    offset: int


class OutputJournal:
    """Appends network outputs to a file, and finds those that are there; in memory it holds only their places.

    Args:
        path: The file; its folder must exist when the first line is written.
        run: What the numbers depend on besides the recordings: the model and the precision, as JSON's types.
        classes: The number of classes.
    """

    def __init__(self, path: Path, run: Mapping[str, Any], classes: int) -> None:
        self.path = path
        self._run = digest_of(run)
        self._classes = classes
        self._used: dict[str, None] = {}
        self._lines = 0
        self._places = self._read_places()
        self._stream: IO[bytes] | None = None

    def __contains__(self, participant: str) -> bool:
        """Whether there is any line of a participant, perhaps of other recordings."""
        return participant in self._places

    def find(self, participant: str, contents: Sequence[str]) -> NetworkOutput | None:
        """Return what the network gave for these contents of a participant's files; None if that is not known."""
        place = self._places.get(participant)
        if place is None or place.key != self._key(contents):
            return None
        try:
            with self.path.open("rb") as stream:
                stream.seek(place.offset)
                found = _output(_parsed(stream.readline(_LONGEST_LINE)), self._classes)
        except OSError:
            return None
        if found is not None:
            self._used[participant] = None
        return found

    def append(self, output: NetworkOutput, contents: Sequence[str]) -> None:
        """Write a line for a participant, at once.

        Raises:
            OSError: The disk is full, or the folder is gone.
        """
        if self._stream is None:
            self._stream = self._open()
        key = self._key(contents)
        line = {
            "participant": output.participant_id,
            "key": key,
            "recordings": output.recordings,
            "probabilities": output.probabilities,
            "gate": output.gate,
            "segments": output.segments.tolist(),
        }
        offset = self._stream.seek(0, 2)
        self._stream.write(json.dumps(line, ensure_ascii=False).encode("utf-8", errors="surrogatepass") + b"\n")
        self._stream.flush()
        self._lines += 1
        self._places[output.participant_id] = _Place(key, offset)
        self._used[output.participant_id] = None

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def keep_used(self) -> None:
        """Drop the lines that this run has neither found nor written, and older ones of the same participants.

        Raises:
            OSError: The disk is full; the file stays as it was.
        """
        self.close()
        if not self._used or self._lines == len(self._used):
            return

        def write(target: IO[bytes]) -> None:
            with self.path.open("rb") as source:
                for name in self._used:
                    source.seek(self._places[name].offset)
                    target.write(source.readline(_LONGEST_LINE))

        write_atomically(self.path, write)
        self._places = self._read_places()

    def _key(self, contents: Sequence[str]) -> str:
        return digest_of([self._run, list(contents)])

    def _open(self) -> IO[bytes]:
        stream = self.path.open("a+b")
        if end := stream.seek(0, 2):
            stream.seek(end - 1)
            if stream.read(1) != b"\n":  # a line that a kill has torn
                stream.write(b"\n")
        return stream

    def _read_places(self) -> dict[str, _Place]:
        places: dict[str, _Place] = {}
        self._lines = 0
        with suppress(OSError), self.path.open("rb") as stream:
            offset = 0
            while line := stream.readline(_LONGEST_LINE):
                found = _parsed(line)
                name, key = found.get("participant"), found.get("key")
                if isinstance(name, str) and isinstance(key, str):
                    places[name] = _Place(key, offset)
                offset += len(line)
                self._lines += 1
        return places


def describe_run(model: str | os.PathLike[str], precision: str) -> dict[str, Any]:
    """Describe what the network's numbers depend on besides the recordings.

    Args:
        model: The run folder of the model, or its file.
        precision: The precision of the computation.

    Returns:
        JSON's types, for `OutputJournal`.
    """
    path = Path(model)
    files = [path / RECIPE_FILE, weights_file(path) or path / MODEL_FILE] if path.is_dir() else [path]
    contents = [content_hash(file) for file in files]
    return {"monai_fusion": __version__, "model": contents, "precision": precision}


def _parsed(line: bytes) -> dict[str, Any]:
    """The object on a line; empty if it is none."""
    try:
        found = json.loads(line.decode("utf-8", errors="surrogatepass"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _output(line: Mapping[str, Any], classes: int) -> NetworkOutput | None:
    """The numbers on a line; None if it holds anything else."""
    probabilities, segments, gate = line.get("probabilities"), line.get("segments"), line.get("gate")
    recordings: AvailableModalities | None = next(
        (known for known in AVAILABLE_MODALITIES if known == line.get("recordings")), None
    )
    if not isinstance(segments, list) or recordings is None or not _are_shares([gate], 1):
        return None
    if not all(_are_shares(values, classes) for values in (probabilities, *segments)):
        return None
    found = np.array(segments, dtype=np.float64).reshape(len(segments), classes)
    return NetworkOutput(str(line["participant"]), tuple(line["probabilities"]), float(line["gate"]), found, recordings)


def _are_shares(values: Any, count: int) -> bool:
    return (
        isinstance(values, list)
        and len(values) == count
        and all(type(value) in (int, float) and math.isfinite(value) and 0 <= value <= 1.001 for value in values)
    )
