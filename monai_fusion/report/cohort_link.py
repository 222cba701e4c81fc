"""Whether a page of the cohort stands beside a report, made from the same predictions: the report then links to it."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

from monai_fusion.files import latest
from monai_fusion.run_folder import COHORT_PAGE_FILE, PREDICTIONS_FILE

_BEGINNING = 4_000  # bytes of the page, in which its head stands


def digest_of_predictions(folder: Path) -> str:
    """Return the SHA-256 of a run's ``predictions.csv``, hexadecimal; empty if it cannot be read."""
    with suppress(OSError):
        return hashlib.sha256(latest(folder / PREDICTIONS_FILE).read_bytes()).hexdigest()
    return ""


def has_cohort_page(folder: Path) -> bool:
    """Return whether ``cohort.html`` is in a run folder and shows its present predictions."""
    digest = digest_of_predictions(folder)
    with suppress(OSError), (folder / COHORT_PAGE_FILE).open("rb") as stream:
        return bool(digest) and digest.encode() in stream.read(_BEGINNING)
    return False
