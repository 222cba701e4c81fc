"""Run folders as a finished training and its evaluation leave them, of made-up predictions."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from monai_fusion.comparison.planning import Plan, Run
from monai_fusion.comparison.run_records import RunRecord
from monai_fusion.datalist import read_datalist
from monai_fusion.evaluation.result_writer import ResultWriter
from monai_fusion.metrics.calibration_file import StoredPrediction, fit_calibration_file
from monai_fusion.metrics.predictions import Prediction
from monai_fusion.networks.digests import tensors_digest
from monai_fusion.run_folder import CALIBRATION_FILE, MANIFEST_FILE, MODEL_FILE, RECIPE_FILE
from monai_fusion.runs.run_digests import data_digests

RECIPE = {"classes": ["M", "F"], "preprocessing": {"eeg": [], "mri": []}, "fusion": "gated"}
# How far apart the classes are for each variant.
EFFECTS = {"gated": 1.5, "concat": 0.5, "eeg": 0.2}


def write_folds(plan: Plan) -> None:
    """The datalists of the folds."""
    for repeat, folds in plan.repeats.items():
        plan.folds_folder(repeat).mkdir(parents=True, exist_ok=True)
        for name, text in folds.texts.items():
            (plan.folds_folder(repeat) / name).write_text(text, encoding="utf-8")


def predictions_of(run: Run, plan: Plan) -> list[Prediction]:
    """A variant's predictions for its fold: noise and an effect, keyed by variant, fold and seed."""
    generator = np.random.default_rng([run.fold, run.seed, len(run.variant.name)])
    records = read_datalist(plan.folds_folder(run.repeat) / f"fold{run.fold}.json").records("test")
    found = []
    for record in records:
        assert record.label is not None
        logit = generator.normal(EFFECTS.get(run.variant.name, 0.0) * (2 * record.label - 1))
        second = float(1 / (1 + np.exp(-logit)))
        found.append(Prediction(record.participant_id, record.label, (1 - second, second), gate=0.5, segments=1))
    return found


def write_training(run: Run, plan: Plan, **more: Any) -> None:
    """What train.yaml leaves; the weights are a few bytes."""
    run.folder.mkdir(parents=True, exist_ok=True)
    cohort = read_datalist(plan.folds_folder(run.repeat) / f"fold{run.fold}.json")
    manifest = {
        "status": "finished",
        "data": data_digests(cohort, plan.cache_dir, run.settings["variant"]["modalities"]),
        "best": {"epoch": 1 + run.fold},
    }
    manifest["weights"] = {"digest": f"{run.variant.name}{run.seed}{run.fold}"}
    stored = [StoredPrediction(label=0, probabilities=[0.6, 0.4])]
    calibration = fit_calibration_file(["M", "F"], [7, 5], [0.5, 0.5], stored, "validation")
    texts: Mapping[str, str] = {
        MANIFEST_FILE: json.dumps(manifest | more),
        RECIPE_FILE: json.dumps(RECIPE | {"seed": run.seed}),
        CALIBRATION_FILE: calibration.model_dump_json(),
        MODEL_FILE: "weights",
    }
    for name, text in texts.items():
        (run.folder / name).write_text(text, encoding="utf-8")


def leave_weights(record: RunRecord, state: dict[str, torch.Tensor]) -> None:
    """Give a run that is done these weights, as its training would have left them."""
    torch.save(state, record.run.folder / MODEL_FILE)
    path = record.run.folder / MANIFEST_FILE
    manifest = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(manifest | {"weights": {"digest": tensors_digest(state)}}), encoding="utf-8")


def finish(run: Run, plan: Plan) -> RunRecord:
    """Leave what a finished run leaves."""
    record = RunRecord(run)
    record.begin()
    write_training(run, plan)
    ResultWriter(run.folder, ["M", "F"])(predictions_of(run, plan))
    record.add_time(60.0, evaluated=True)
    return RunRecord(run)


def finished(plan: Plan) -> list[RunRecord]:
    """All runs of a plan, done."""
    write_folds(plan)
    return [finish(run, plan) for run in plan.runs]


def with_programs(plan: Plan, train: str, evaluate: str) -> Plan:
    """The same plan with other programs in place of the bundle: they find the run folder in ``sys.argv[1]``."""
    root = str(Path(__file__).parents[2])
    start = f"import json, pathlib, shutil, sys; sys.path.insert(0, {root!r}); here = pathlib.Path(sys.argv[1])\n"

    def command(text: str, run: Run) -> tuple[str, ...]:
        return (sys.executable, "-c", start + text, str(run.folder))

    runs = [replace(run, train=command(train, run), evaluate=command(evaluate, run)) for run in plan.runs]
    return replace(plan, runs=tuple(runs))
