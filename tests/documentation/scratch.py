"""What the pages of the documentation take for granted: small cohorts under the names that they use."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection
from pathlib import Path

import numpy as np

from monai_fusion.comparison.planning import CompareOptions, make_plan
from monai_fusion.comparison.results import compare_runs, read_runs, write_results
from monai_fusion.recordings.montage import ELECTRODES_1020_17
from monai_fusion.run_folder import COMPARISON_FILE
from monai_fusion.runs.manifest import config_digest
from monai_fusion.sample_cohort import SampleCohortOptions
from monai_fusion.sample_cohort.participant import describe
from monai_fusion.sample_cohort.raw_recordings import write_raw_recording
from monai_fusion.sample_cohort.scalograms import simulate_eeg
from tests.comparison.finished import finished
from tests.documentation.pages import ROOT
from tests.onnx_files import write_onnx
from tests.support import write_volume

AGES = ("20-25", "25-30", "60-65", "65-70")
PARTICIPANTS = 24
_HEAD: dict[str, object] = {"name": "cohort", "target": "gender", "classes": ["M", "F"]}
_SCALOGRAMS = {
    "mode": "power", "rows": "microvolts", "electrodes": ["Fz", "Cz"], "seconds": 10.0, "reject": None,
    "reference": "average", "demean": "yes", "high_pass": "0.5", "line": "auto", "interpolate": 0,
    "digest": "0" * 32,
}  # fmt: skip
_RECIPE = json.dumps({"modalities": "both", "classes": ["M", "F"], "scalogram_recipe": _SCALOGRAMS})
_CONFIGS = ROOT / "bundles/brain_eeg_mri_classification/configs"


def write_cohorts(folder: Path) -> None:
    """``LEMON``, ``site2``, the BIDS datasets ``my_study`` and ``ds000221``, and tables beside them."""
    tables = []
    for number, name in enumerate(("LEMON", "site2", "site_b")):
        ids = [f"sub-{number + 1}{index:05d}" for index in range(PARTICIPANTS)]
        rows = [f"{one},{'MF'[index % 2]},{AGES[index // 2 % 4]}" for index, one in enumerate(ids)]
        tables.append(rows)
        for kind in ("eeg", "mri"):
            (folder / name / kind).mkdir(parents=True)
        for index, one in enumerate(ids):
            _scalogram(folder / name / f"eeg/{one}_EO_seg0.npy", 100 * number + index)
            write_volume(folder / name / f"mri/{one}_T1w.nii.gz", 100 * number + index, (24, 26, 28))
        _table(folder / name / "participants.csv", rows)
    _table(folder / "both.csv", [row for rows in tables[:2] for row in rows])
    for kind in ("eeg", "mri"):
        shutil.copytree(folder / "site_b" / kind, folder / "new_participants" / kind)
    for segment in range(2):
        _scalogram(folder / f"new/sub-07_EO_seg{segment}.npy", 900 + segment)
    write_volume(folder / "new/sub-07_T1w.nii.gz", 900, (24, 26, 28))
    (folder / "new_participants/raw").mkdir()
    for name in ("new/sub-07.vhdr", "new_participants/raw/sub-07.vhdr"):
        (folder / name).write_text("Brain Vision Data Exchange Header File Version 1.0", encoding="utf-8")
    _bids(folder / "my_study", folder / "my_study/derivatives/scalograms", "gender", "")
    _bids(folder / "ds000221", folder / "scalograms", "age (5-year bins)", "sub-0323")
    _raw_recordings(folder)
    (folder / "data_manifests").mkdir()
    pairs = [f"sub-0323{index:02d},sub-{index:02d}" for index in range(PARTICIPANTS)]
    (folder / "name_match.csv").write_text("\n".join(["INDI_ID,Initial_ID", *pairs]) + "\n", encoding="utf-8")
    # No page's own commands make these two, which take seconds.
    (folder / "runs/first/export").mkdir(parents=True)
    write_onnx(folder / "runs/first/export/model.onnx", {"recipe.json": _RECIPE})
    _datalist(folder / "compared.json", _HEAD, _parts())
    _comparison(folder / "compared.json", folder / "runs/compare")
    (folder / "compared.json").unlink()


def write_what_pages_have(folder: Path, made: Collection[str]) -> None:
    """Datalists and runs that a page begins with, as far as its own commands do not make them."""
    parts = _parts()
    new = {"test": [{**row, "label": None} for row in parts["test"]]}
    for name in ("gender.json", "my_cohort.json", "my.json", "cohort.json", "moved/gender.json", "gender_edited.json"):
        if name not in made:
            _datalist(folder / name, _HEAD, parts)
    for name in ("new.json", "new_participants.json"):
        if name not in made:
            _datalist(folder / name, _HEAD, new)
    for name in ("site-1.json", "site-2.json"):
        _datalist(folder / name, _HEAD, parts)
    if "data_manifests/gender.json" not in made:
        _datalist(folder / "data_manifests/gender.json", _HEAD, parts)
    change = {
        "participant_id": parts["training"][-1]["participant_id"],
        "field": "note",
        "before": None,
        "after": "a remark",
    }
    log = {"change_log": 1, "changes": [change]}
    (folder / "gender_changes.json").write_text(json.dumps(log), encoding="utf-8")
    shutil.copy(_CONFIGS / "train.yaml", folder / "my_train.yaml")
    shutil.copytree(ROOT / "examples", folder / "examples")
    for name in (
        "runs/first",
        "runs/second",
        "runs/demo/run",
        "runs/tutorial/run",
        "runs/compare/ensemble",
        "runs/fold0",
        "runs/densenet",
        "runs/federated/global",
        "runs/own",
    ):
        _run(folder, folder / name)
    shutil.copytree(ROOT / "tests/report/examples/unlabelled", folder / "runs/new")


def _parts() -> dict[str, list[dict[str, object]]]:
    rows: list[dict[str, object]] = [
        {
            "participant_id": f"sub-1{index:05d}", "label": "MF"[index % 2], "eeg": f"eeg/sub-1{index:05d}_*.npy",
            "mri": f"mri/sub-1{index:05d}_T1w.nii.gz", "age": AGES[index // 2 % 4],
        }
        for index in range(PARTICIPANTS)
    ]  # fmt: skip
    for row, name in zip(rows, ("sub-07", "sub-12"), strict=False):  # the pages' own examples
        row["participant_id"] = name
    return {"training": rows[8:], "validation": rows[4:8], "test": rows[:4]}


def _scalogram(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.random.default_rng(seed).random((224, 224, 17), dtype=np.float32))


def _raw_recordings(folder: Path) -> None:
    """``LEMON/raw`` and ``exports``, and an EEG of two participants in ``my_study``."""
    options = SampleCohortOptions(participants=2, segments_per_condition=1, raw_eeg=True)
    (folder / "LEMON/raw").mkdir()
    (folder / "exports").mkdir()
    for index in range(2):
        participant = describe(index, options)
        write_raw_recording(folder / f"LEMON/raw/sub-10000{index}.vhdr", participant, options)
        eeg = folder / f"my_study/sub-0{index}/eeg"
        eeg.mkdir()
        write_raw_recording(eeg / f"sub-0{index}_task-rest_eeg.vhdr", participant, options)
        values = simulate_eeg(participant, options, "EO", 0)
        head = ",".join(ELECTRODES_1020_17)
        path = folder / f"exports/sub-10000{index}_EO.csv"
        np.savetxt(path, values.T, fmt="%.4f", delimiter=",", header=head, comments="")


def _table(path: Path, rows: list[str]) -> None:
    path.write_text("\n".join(["participant_id,gender,age", *rows]) + "\n", encoding="utf-8")


def _bids(root: Path, scalograms: Path, further: str, eeg_id: str) -> None:
    lines = ["participant_id\tgender" + ("" if further == "gender" else f"\t{further}")]
    for index in range(PARTICIPANTS):
        name = f"sub-{index:02d}"
        (root / name / "anat").mkdir(parents=True)
        write_volume(root / name / f"anat/{name}_T1w.nii.gz", 500 + index)
        scalograms.mkdir(parents=True, exist_ok=True)
        (scalograms / f"{f'{eeg_id}{index:02d}' if eeg_id else name}_EO_seg0.npy").write_bytes(b"\x93NUMPY")
        lines.append(f"{name}\t{'MF'[index % 2]}" + ("" if further == "gender" else f"\t{AGES[index // 2 % 4]}"))
    (root / "participants.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _datalist(path: Path, head: dict[str, object], parts: dict[str, list[dict[str, object]]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    root = "LEMON" if path.parent.name not in ("moved", "data_manifests") else "../LEMON"
    path.write_text(json.dumps({**head, "data_root": root, **parts}, indent=1), encoding="utf-8")


def _run(scratch: Path, folder: Path) -> None:
    """A finished training and evaluation, as far as commands look at one without loading its model."""
    shutil.copytree(ROOT / "tests/report/examples/two_classes", folder, dirs_exist_ok=True)
    (folder / "recipe.json").write_text(_RECIPE, encoding="utf-8")
    (folder / "model.pt").write_bytes(b"")
    train = {"path": str(_CONFIGS / "train.yaml"), "digest": config_digest(_CONFIGS / "train.yaml")}
    epoch = {"epoch": 1, "stage": "A", "train_loss": 0.5, "cross_entropy": 0.25, "data_wait": 0.1, "seconds": 3.0}
    manifest = {
        "manifest": 1, "status": "finished",
        "command": {
            "folder": str(scratch), "config_files": [train], "options": {},
            "overrides": {"datalist": "gender.json", "output_dir": folder.relative_to(scratch).as_posix()},
        },
        "versions": {"torch": "0.0"}, "data": {"training": {"digest": "aa"}}, "epochs": [epoch],
        "weights": {"digest": "11", "parts": {"eeg_enc": "1", "mri_enc": "2", "head": "3"}},
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def _comparison(datalist: Path, folder: Path) -> None:
    """The numbers of a comparison of made-up predictions; not its runs, which another one would go on with."""
    options = CompareOptions(datalist, folder / "made", bundle_root=_CONFIGS.parent, variants=("eeg", "mri"), folds=2)
    plan = make_plan(options)
    runs = read_runs(finished(plan))
    write_results(plan, runs, compare_runs(plan, runs, draws=100))
    shutil.copy(folder / "made" / COMPARISON_FILE, folder / COMPARISON_FILE)
    shutil.rmtree(folder / "made")
