"""One recording under two names: the same bytes, or the same values compressed or stored in another way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import xxhash

from monai_fusion.datalist.contents.recording_files import Recording
from monai_fusion.datalist.reporting import Finding


@dataclass(frozen=True, slots=True)
class Digests:
    """What a file is compared by.

    Attributes:
        content: Of its bytes.
        values: Of its values in an order that does not depend on how they are stored, from `values_digest`.
    """

    content: str
    values: str


def values_digest(values: np.ndarray) -> str:
    """Hash what an array means: its shape and its values, rounded to float32, whatever their type and memory layout.

    Args:
        values: Axes in the order and direction in which they are used, so that a volume stored LAS equals the same one
            stored RAS. One slice is converted at a time; the last axis is the slowest, as in NIfTI files.
    """
    digest = xxhash.xxh3_128(repr(values.shape).encode())
    for place in range(values.shape[-1]):
        with np.errstate(over="ignore"):
            slice_ = np.array(values[..., place].T, dtype=np.float32, order="C")
        slice_ += np.float32(0)  # -0 equals 0
        digest.update(slice_.data)
    return digest.hexdigest()


def equal_recordings(examined: Iterable[tuple[Recording, Digests | None]]) -> Iterator[Finding]:
    """One recording under two participants is both trained and tested on, whatever its file is called.

    Args:
        examined: Every recording; files that cannot be used, which are not compared, with None.
    """
    first_with: dict[tuple[str, str], tuple[Recording, Digests]] = {}
    pairs: dict[tuple[str, str, str], list[tuple[Recording, Recording, bool]]] = {}
    for recording, digests in examined:
        if digests is None:
            continue
        other, of_other = first_with.setdefault((recording.field, digests.values), (recording, digests))
        if other.path != recording.path:
            pair = (other.row.participant_id, recording.row.participant_id, recording.field)
            pairs.setdefault(pair, []).append((recording, other, of_other.content == digests.content))
    for equal in pairs.values():  # one message a pair, however many files the two have in common
        yield _equal(*equal[0], more=len(equal) - 1)


def _equal(recording: Recording, other: Recording, bytes_too: bool, more: int) -> Finding:
    further = f" (and {more} more)" if more else ""
    how = "byte for byte the same file as" if bytes_too else "the same values, stored in another way, as"
    if other.row.participant_id == recording.row.participant_id:
        finding = recording.finding(f"{how} {other.name}{further}", advice="it counts twice: leave one of them out")
        return replace(finding, warning=True)
    seen = f"{how} {other.name} of {other.row.participant_id}{further}"
    return recording.finding(seen, advice="find out whose it is: one of the two has the other's recording")
