"""Do the maps of a trained model mark the place where the signal was planted, and those of a random one not?

    python tests/benchmarks/bench_explanations.py RUN_DIR --datalist DATALIST [--participants 8] [--methods ...]

RUN_DIR is a run folder of a model that was trained on a sample cohort with a planted place, such as

    monai-fusion sample-cohort COHORT --participants 500 --eeg-effect 3 --mri-effect 3 --mri-signal local \
        --eeg-signal topography

at the demo's sizes; `bench_planted_effects.py --hidden --folder FOLDER` leaves two. For each method: the share of the
absolute attribution in the planted region, over the region's share of points (1 is chance); the same of networks whose
weights are random; how alike the two maps are; and the area between deletion in the map's order and in random order.
Ends with code 1 unless the trained model's rate is at least 5 (MRI) or 3 (EEG) in each method.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from monai.bundle import ConfigParser
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from monai_fusion.data import FusionDataset
from monai_fusion.data.preprocessing import Preprocessing
from monai_fusion.datalist import read_datalist
from monai_fusion.evaluation.model_loader import read_weights
from monai_fusion.explain.believing import Believing, BelievingSettings, believing
from monai_fusion.explain.method import Arrays, Explained, Method
from monai_fusion.explain.mri_space import SlabGeometry, VolumeSpace
from monai_fusion.explain.planted_truth import PlantedTruth, cohort_file, planted_truth
from monai_fusion.explain.scoring import Scorer
from monai_fusion.explain.similarity import Mean
from monai_fusion.explain.weight_randomisation import chosen_participants
from monai_fusion.networks import with_members
from monai_fusion.run_folder import RECIPE_FILE

METHODS = {
    "eeg_occlusion": ("eeg_occlusion", "EegOcclusion"),
    "eeg_integrated_gradients": ("eeg_gradients", "EegIntegratedGradients"),
    "mri_gradcam": ("mri_gradcam", "MriGradCam"),
    "mri_occlusion": ("mri_occlusion", "MriOcclusion"),
    "mri_integrated_gradients": ("mri_gradients", "MriIntegratedGradients"),
    "mri_smoothgrad_squared": ("mri_gradients", "MriSmoothGradSquared"),
}
WANTED = {"eeg": 3.0, "mri": 5.0}


class Cohort:
    """The recordings of some participants of a run, as its network takes them."""

    def __init__(self, run: Path, datalist: Path, section: str, participants: int, segments: int | None) -> None:
        recipe = json.loads((run / RECIPE_FILE).read_text(encoding="utf-8"))
        parser = ConfigParser({"network": recipe["network"], **recipe["preprocessing"]})
        network = with_members(parser.get_parsed_content("network"), recipe.get("members"))
        network.load_state_dict(read_weights(run))
        self.scorer = Scorer(network.eval(), len(recipe["classes"]) - 1)
        self.modalities = recipe["modalities"]
        preprocessing = Preprocessing(parser.get_parsed_content("eeg"), parser.get_parsed_content("mri"))
        self.geometry = SlabGeometry.of_transforms(preprocessing.transforms["mri"])
        records = read_datalist(datalist).records(section)
        chosen = set(chosen_participants([each.participant_id for each in records], participants))
        self.records = {each.participant_id: each for each in records if each.participant_id in chosen}
        self.data = FusionDataset(list(self.records.values()), preprocessing, segments="all")
        self.ids = list(self.records)
        self.segments = segments

    def explained(self, name: str) -> Explained:
        """A participant's recordings; a network of one recording never gets the other."""
        item, record = self.data[self.ids.index(name)], self.records[name]
        eeg = None if self.modalities == "mri" else item["eeg"][: self.segments].as_subclass(Tensor)
        mri = None if self.modalities == "eeg" else item["mri"][None].as_subclass(Tensor)
        files = tuple(map(Path, record.eeg))[: self.segments]
        return Explained(name, eeg, mri, files, None if mri is None else Path(str(record.mri)))

    def world(self, participant: Explained) -> NDArray[np.float64] | None:
        """Where the network's volume lies."""
        if self.geometry is None or participant.mri_file is None:
            return None
        return VolumeSpace.of_file(participant.mri_file, self.geometry).network_affine

    def truth(self, datalist: Path) -> PlantedTruth:
        """Where the signal is."""
        found = cohort_file(datalist, [Path(str(each.mri)) for each in self.records.values()])
        if found is None:
            sys.exit(f"{datalist}: no sample cohort")
        return planted_truth(found)


def method_named(name: str, steps: int | None) -> Method:
    """The method, with its defaults but for the steps of integrated gradients."""
    module, kind = METHODS[name]
    settings = {"steps": steps} if steps is not None and name.endswith("integrated_gradients") else {}
    return getattr(importlib.import_module(f"monai_fusion.explain.{module}"), kind)(**settings)  # type: ignore[no-any-return]


def measured(cohort: Cohort, method: Method, truth: PlantedTruth, settings: BelievingSettings) -> Believing:
    """Make the maps, then all that is measured about them."""
    with tqdm(desc=method.name, unit="pass", mininterval=10, maxinterval=60) as bar:

        def step(passes: int) -> None:
            bar.update(passes)

        made: dict[str, Arrays] = {}
        for name in cohort.ids:
            each = cohort.explained(name)
            made[name] = method(cohort.scorer, each, cohort.scorer.embed(each.eeg, each.mri), step)
        return believing(
            method, cohort.scorer, cohort.ids, cohort.explained, made.__getitem__, settings, truth, cohort.world, step
        )


def shown(mean: Mean | None, digits: int = 2) -> str:
    """``5.10 (3.90 to 6.30)``."""
    if mean is None or mean.value is None:
        return "-"
    ends = "" if mean.interval is None else f" ({mean.interval[0]:.{digits}f} to {mean.interval[1]:.{digits}f})"
    return f"{mean.value:.{digits}f}{ends}"


def row(recording: str, found: Believing) -> str:
    """A line of the table, as Markdown."""
    fair = found.head_hits if recording == "mri" else found.hits
    random_hits = found.randomised[-1].as_json()["hits"] if found.randomised else None
    random_rate: Any = None if not isinstance(random_hits, dict) else random_hits["rate"]
    random_mean = None if random_rate is None else Mean(random_rate["value"], random_rate["interval"], 0)
    last = found.randomised[-1] if found.randomised else None
    columns = [
        found.method,
        "-" if found.hits is None else shown(found.hits.rate),
        "-" if fair is None else shown(fair.rate),
        shown(random_mean),
        "-" if fair is None else f"{shown(fair.rank)}, chance {fair.share.value:.3f}",
        "-" if last is None else f"{shown(last.signed)} / {shown(last.magnitude)}",
        "-" if found.curves is None else shown(found.curves.deletion_gain),
        "-" if found.curves is None else shown(found.curves.insertion_gain),
    ]
    return f"| {' | '.join(columns)} |"


HEADINGS = (
    "method",
    "rate, all points",
    "rate, head (MRI)",
    "random weights",
    "rank accuracy",
    "similarity to random: signed / magnitude",
    "deletion: area between (logits)",
    "insertion",
)


def main() -> int:
    """Measure and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--datalist", type=Path, required=True)
    parser.add_argument("--section", default="test")
    parser.add_argument("--participants", type=int, default=8)
    parser.add_argument("--methods", nargs="*", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--random-participants", type=int, default=4, help="whose maps are made with random weights")
    parser.add_argument("--curve-participants", type=int, default=4)
    parser.add_argument("--stages", type=int, default=3, help="of the weight randomisation")
    parser.add_argument("--segments", type=int, help="the first ones of each participant; all")
    parser.add_argument("--steps", type=int, help="of integrated gradients; the methods' own")
    given = parser.parse_args()
    cohort = Cohort(given.run, given.datalist, given.section, given.participants, given.segments)
    truth = cohort.truth(given.datalist)
    settings = BelievingSettings(given.random_participants, given.stages, given.curve_participants)
    print(f"{len(cohort.ids)} participants: {', '.join(cohort.ids)}", flush=True)
    lines, warnings, enough = [], [], True
    for name in given.methods:
        method = method_named(name, given.steps)
        if cohort.modalities not in ("both", method.recording):
            continue
        started = time.monotonic()
        found = measured(cohort, method, truth, settings)
        lines.append(row(method.recording, found))
        warnings += found.warnings
        rate = None if found.hits is None else found.hits.rate.value
        enough &= rate is not None and rate >= WANTED[method.recording]
        print(json.dumps({name: found.as_json()}))
        print(f"{name}: {(time.monotonic() - started) / 60:.1f} minutes\n{lines[-1]}", flush=True)
    print(f"\n| {' | '.join(HEADINGS)} |\n|{' --- |' * len(HEADINGS)}")
    print("\n".join([*lines, "", *warnings, "", "found" if enough else "NOT found"]))
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
