"""How often a model was evaluated: its ``manifest.json`` has an entry for each evaluation with scores.

Whoever looks at the scores of the test part, changes something, and looks again, has chosen by the test part. The
entries show it later: `monai_fusion.audit` lists them.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from monai_fusion.datalist import Datalist
from monai_fusion.files import write_json
from monai_fusion.fingerprint import content_hash, digest_of
from monai_fusion.metrics.predictions import Prediction
from monai_fusion.model_files import is_exported_file
from monai_fusion.reading import read_json_object
from monai_fusion.run_folder import EVALUATIONS, MANIFEST_FILE

logger = logging.getLogger(__name__)

_PATIENCE_SECONDS = 10.0


class EvaluationLog:
    """Append an entry to a model's ``manifest.json`` once an evaluation has scores; a receiver of predictions.

    A folder that cannot be written to costs a warning, not the results. Predictions without labels have no scores,
    and no entry. An exported file has no log.

    Args:
        folder: The run folder of the model, or the exported file.
        datalist: The evaluated datalist.
        section: The evaluated part.
        settings: What the user can choose at an evaluation and what changes its numbers, as plain values.
    """

    def __init__(
        self, folder: str | os.PathLike[str], datalist: Datalist, section: str, settings: Mapping[str, Any]
    ) -> None:
        self.folder = Path(folder)
        self.datalist = datalist
        self.section = section
        self.settings = json.loads(json.dumps(dict(settings), default=str))

    def __call__(self, predictions: Sequence[Prediction]) -> None:
        """Count one evaluation."""
        scored = sum(row.label is not None for row in predictions)
        if not scored or is_exported_file(self.folder):  # which keeps no log: it may be anywhere, in many copies
            return
        entry = {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "section": self.section,
            "participants": scored,
            "datalist": _digest_of_file(self.datalist.path),
            "settings": self.settings,
            "settings_digest": digest_of(self.settings),
        }
        try:
            self._append(entry)
        except (OSError, Timeout) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            logger.warning("this evaluation is not counted in %s: %s", self.folder / MANIFEST_FILE, reason)

    def _append(self, entry: Mapping[str, Any]) -> None:
        path = self.folder / MANIFEST_FILE
        lock = FileLock(self.folder / ".manifest.lock", timeout=_PATIENCE_SECONDS)
        with suppress(NotImplementedError):  # a file system without locks: two evaluations at once are rare
            lock.acquire()
        try:
            manifest = read_json_object(path)
            if manifest is None:
                logger.info("this evaluation is not counted: %s has no readable %s", self.folder, MANIFEST_FILE)
                return
            before = manifest.get(EVALUATIONS)
            manifest[EVALUATIONS] = [*(before if isinstance(before, list) else ()), entry]
            write_json(path, manifest)
        finally:
            lock.release()


def _digest_of_file(path: Path) -> str | None:
    try:
        return content_hash(path)
    except OSError:  # deleted during the evaluation
        return None
