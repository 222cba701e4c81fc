"""``manifest.json``: the inputs and the results of a training, so that it can be repeated and compared exactly.

It contains only data: the program never executes anything in it. It holds no field of a patient's file, and ids only if
the command line contains them.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ignite.engine import Engine
from monai.bundle import ConfigParser

from monai_fusion import ranks
from monai_fusion.datalist import Datalist
from monai_fusion.errors import RunFailed
from monai_fusion.files import latest, write_atomically
from monai_fusion.fingerprint import content_hash, digest_of
from monai_fusion.networks import fusion
from monai_fusion.options.command_line import CommandLine
from monai_fusion.reading import read_bytes, read_json_object
from monai_fusion.run_folder import EVALUATIONS, HISTORY_FILE, MANIFEST_FILE, MODEL_FILE
from monai_fusion.runs.environment import git_revision, hardware, peak_gpu_memory, versions
from monai_fusion.runs.identity import loggable
from monai_fusion.runs.resolved import RunConfig
from monai_fusion.runs.run_digests import data_digests, weights_digests
from monai_fusion.saved_tensors import DamagedError

FORMAT = 1


class RunManifest:
    """Write ``manifest.json`` when a training starts and complete it when it ends.

    Its ``status`` is ``running`` (also of a training that was killed), then ``finished``, ``stopped`` (by Ctrl-C,
    SIGTERM or ``time_limit_minutes``; ``--resume true`` continues) or ``failed``. A finished training that is resumed
    has nothing to do: its manifest does not change. It trains, and is described, again only if its checkpoints are
    gone.

    Args:
        folder: The run folder; it must exist.
        cohort: The datalist.
        cache_dir: Folder of the preprocessed store, whose index knows the recordings' contents; None leaves their
            digests out.
        run_config: The run's config, with the knobs ``device`` and ``seed``.
        identity: What the numbers depend on, as `training_identity` describes it.
        evaluator: The engine that validates.
        resume: Whether the run continues the training in the folder; the manifest then keeps its start.
        modalities: Which recordings are used; the files of others are not read.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        cohort: Datalist,
        cache_dir: str | os.PathLike[str] | None,
        run_config: RunConfig,
        identity: Mapping[str, Any],
        evaluator: Engine,
        resume: bool = False,
        modalities: str = "both",
    ) -> None:
        self.folder = Path(folder)
        self.cohort = cohort
        self.cache_dir = cache_dir
        self.run_config = run_config
        self.identity = dict(identity)
        self.evaluator = evaluator
        self.resume = resume
        self.modalities = modalities
        self._content: dict[str, Any] = {}

    def begin(self) -> None:
        """Write what is known at the start."""
        before = _read(self.folder / MANIFEST_FILE) if self.resume else {}
        if before.get("status") == "finished":
            return
        self._content = self._describe(before)
        self._write()

    def _describe(self, before: Mapping[str, Any]) -> dict[str, Any]:
        now = _now()
        times = {"started": before.get("times", {}).get("started", now), "ended": None}
        if before:
            times["resumed"] = [*before["times"].get("resumed", []), now]
        return {
            "manifest": FORMAT,
            "status": "running",
            "times": times,
            "command": _describe_command(),
            "datalist": {"name": self.cohort.name, "digest": content_hash(self.cohort.path)},
            "data": None if self.cache_dir is None else data_digests(self.cohort, self.cache_dir, self.modalities),
            "seed": self.run_config.knobs["seed"],
            "versions": versions(),
            "git": git_revision(),
            "hardware": hardware(self.run_config.knobs["device"]),
            "processes": {"count": ranks.world_size(), "machines": ranks.machines()},
            "identity": loggable(self.identity),
            "knobs": self.run_config.knobs,
            "config": self.run_config.config,
            **{name: before.get(name) for name in ("epochs", "best", "weights")},
            **({EVALUATIONS: before[EVALUATIONS]} if EVALUATIONS in before else {}),
        }

    def finish(self, engine: Engine, error: BaseException | None) -> None:
        """Add the outcome: epochs, metrics of the epoch that was kept, digests of its weights."""
        if not self._content:
            if not self.evaluator.state.iteration:  # no validation took place, so no model was written
                return
            self._content = self._describe(_read(self.folder / MANIFEST_FILE))
        by_signal = getattr(engine.state, "stopped_by", None) is not None or isinstance(error, KeyboardInterrupt)
        stopped = by_signal or getattr(engine.state, "out_of_time", False)
        self._content["status"] = "stopped" if stopped else "failed" if error is not None else "finished"
        if error is not None and not stopped:
            # Not the rest of other messages: they may name participants. train.log has all of it.
            self._content["failure"] = error.lines[0] if isinstance(error, RunFailed) else type(error).__name__
        self._content["times"]["ended"] = _now()
        self._content["epochs"] = rows = _history(latest(self.folder / HISTORY_FILE))
        best = getattr(self.evaluator.state, "best_metric_epoch", -1)
        model = self.folder / MODEL_FILE
        self._content["weights"] = None  # those of the run that was resumed may have been replaced
        if model.exists():
            self._content["best"] = next((row for row in rows if row.get("epoch") == best), None)
            with suppress(DamagedError):  # the reader of the model reports it; it is not the reason why the run failed
                self._content["weights"] = {"file": MODEL_FILE, **weights_digests(model, fusion.PARTS)}
        self._content["hardware"]["gpu_memory_peak"] = peak_gpu_memory()
        if self.resume and EVALUATIONS in (now := _read(self.folder / MANIFEST_FILE)):  # its model may have been scored
            self._content[EVALUATIONS] = now[EVALUATIONS]
        self._write()

    def _write(self) -> None:
        if not ranks.is_main():
            return
        text = json.dumps(self._content, indent=2, ensure_ascii=False, default=str)
        write_atomically(self.folder / MANIFEST_FILE, text.encode("utf-8"))


def _describe_command() -> dict[str, Any] | None:
    """Describe how this process was called; None if not by `python -m monai.bundle run`."""
    command = CommandLine.parse(sys.argv)
    if command is None:
        return None
    return {
        "argv": ["python", "-m", "monai.bundle", *sys.argv[1:]],
        "folder": str(Path.cwd()),
        "config_files": [{"path": path, "digest": config_digest(path)} for path in command.config_files],
        "overrides": dict(command.overrides),
        "options": dict(command.options),
    }


def config_digest(path: str | os.PathLike[str]) -> str:
    """Digest the content of a config file; its comments and line endings do not count."""
    return digest_of(ConfigParser.load_config_file(path))


def _read(path: Path) -> dict[str, Any]:
    """Read the manifest of the run that is resumed; empty without a usable one."""
    content = read_json_object(path) or {}
    times = content.get("times")
    return content if isinstance(times, dict) and isinstance(times.get("resumed", []), list) else {}


def _history(path: Path) -> list[dict[str, Any]]:
    """Read ``history.csv``, numbers as numbers."""
    try:
        rows = list(csv.DictReader(io.StringIO(read_bytes(path).decode("utf-8"), newline="")))
    except (OSError, ValueError, csv.Error):
        return []
    return [{name: _number(value) for name, value in row.items()} for row in rows]


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        return number if math.isfinite(number) else text  # JSON has no NaN
    return text or None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
