"""Do the maps of a trained model mark the place where the signal was planted, and those of a random one not?

    python tests/benchmarks/bench_explanations.py RUN_DIR --datalist DATALIST [--participants 8] [--methods ...]

RUN_DIR is a run folder of a model that was trained on a sample cohort with a planted place, such as

    monai-fusion sample-cohort COHORT --participants 500 --eeg-effect 3 --mri-effect 3 --mri-signal local \
        --eeg-signal topography

at the demo's sizes; the run folder must still hold its model.pt. For each method: the share of the absolute attribution
in the planted region, over the region's share of points (1 is chance); the same of networks whose weights are random;
how alike the two maps are; and the area between deletion in the map's order and in random order.
Ends with code 1 unless the rate of the gradients from other participants' recordings is at least 5 (MRI, among all
voxels) and 3 (EEG, among electrodes x rows).
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from pathlib import Path
from typing import Literal

import numpy as np
from monai.bundle import ConfigParser
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from monai_fusion.data import FusionDataset
from monai_fusion.data.preprocessing import Preprocessing
from monai_fusion.datalist import ParticipantRecord, read_datalist
from monai_fusion.evaluation.model_loader import read_weights
from monai_fusion.explain.believing import Believing, BelievingSettings, believing
from monai_fusion.explain.method import Arrays, Explained, Method
from monai_fusion.explain.mri_space import SlabGeometry, VolumeSpace
from monai_fusion.explain.planted_truth import PlantedTruth, cohort_file, planted_truth
from monai_fusion.explain.reference_gradients import ReferenceGradients
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
REFERENCED = ("eeg_reference_gradients", "mri_reference_gradients")
REFERENCES_OF_EACH_CLASS = 2
WANTED = {"eeg": 3.0, "mri": 5.0}
WAYS = {"eeg": "electrodes_rows", "mri": "voxels"}


class Cohort:
    """The recordings of some participants of a run, as its network takes them."""

    def __init__(self, run: Path, datalist: Path, section: str, participants: int, segments: int | None) -> None:
        recipe = json.loads((run / RECIPE_FILE).read_text(encoding="utf-8"))
        parser = ConfigParser({"network": recipe["network"], **recipe["preprocessing"]})
        network = with_members(parser.get_parsed_content("network"), recipe.get("members"))
        network.load_state_dict(read_weights(run))
        self.scorer = Scorer(network.eval(), len(recipe["classes"]) - 1)
        self.modalities = recipe["modalities"]
        self.preprocessing = Preprocessing(parser.get_parsed_content("eeg"), parser.get_parsed_content("mri"))
        self.geometry = SlabGeometry.of_transforms(self.preprocessing.transforms["mri"])
        cohort = read_datalist(datalist)
        tested, self.trained_on = cohort.records(section), cohort.records("training")
        self.segments = segments
        self.ids = chosen_participants([each.participant_id for each in tested], participants)
        wanted = {*self.ids, *(each.participant_id for each in self._first_of_classes())}
        self.records = {
            each.participant_id: each for each in (*tested, *self.trained_on) if each.participant_id in wanted
        }
        self.data = FusionDataset(list(self.records.values()), self.preprocessing, segments="all")

    def _first_of_classes(self) -> list[ParticipantRecord]:
        by_class: dict[object, list[ParticipantRecord]] = {}
        for each in sorted(self.trained_on, key=lambda record: record.participant_id):
            by_class.setdefault(each.label, []).append(each)
        return [each for group in by_class.values() for each in group[:REFERENCES_OF_EACH_CLASS]]

    def references(self, recording: str) -> dict[str, Tensor]:
        """Recordings of a few participants of each class from the training part."""
        every = {each.participant_id: self.explained(each.participant_id) for each in self._first_of_classes()}
        found = {name: each.eeg if recording == "eeg" else each.mri for name, each in every.items()}
        return {name: each for name, each in found.items() if each is not None}

    def explained(self, name: str) -> Explained:
        """A participant's recordings; a network of one recording never gets the other."""
        item, record = self.data[list(self.records).index(name)], self.records[name]
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


def method_named(name: str, steps: int | None, cohort: Cohort) -> Method:
    """The method, with its defaults but for the steps of gradients."""
    settings = {"steps": steps} if steps is not None and name.endswith("_gradients") else {}
    if name in REFERENCED:
        recording: Literal["eeg", "mri"] = "eeg" if name == REFERENCED[0] else "mri"
        return ReferenceGradients(recording, cohort.references(recording), **settings)
    module, kind = METHODS[name]
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


def row(way: str, found: Believing) -> str:
    """A line of the table, as Markdown."""
    marked, last = found.hits[way], found.randomised[-1] if found.randomised else None
    columns = [
        found.method,
        way,
        shown(marked.rate),
        "-" if last is None else shown(last.hit_summaries[way].rate),
        f"{shown(marked.rank)}, chance {shown(Mean(marked.share.value, None, 0), 3)}",
        "-" if last is None else f"{shown(last.signed)} / {shown(last.magnitude)}",
        "-" if found.curves is None else shown(found.curves.deletion_gain),
        "-" if found.curves is None else shown(found.curves.insertion_gain),
        "-" if found.completeness is None else shown(found.completeness),
    ]
    return f"| {' | '.join(columns)} |"


HEADINGS = (
    "method",
    "among",
    "hit rate",
    "of random weights",
    "rank accuracy",
    "similarity to random: signed / magnitude",
    "deletion: area between (logits)",
    "insertion",
    "completeness error",
)


def main() -> int:
    """Measure and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--datalist", type=Path, required=True)
    parser.add_argument("--section", default="test")
    parser.add_argument("--participants", type=int, default=8)
    parser.add_argument("--methods", nargs="*", choices=[*METHODS, *REFERENCED], default=[*METHODS, *REFERENCED])
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
        if cohort.modalities not in ("both", name[:3]):
            continue
        method = method_named(name, given.steps, cohort)
        started = time.monotonic()
        found = measured(cohort, method, truth, settings)
        rows = [row(way, found) for way in found.hits]
        lines += rows
        warnings += found.warnings
        rate = found.hits[WAYS[method.recording]].rate.value
        if name in REFERENCED:
            enough &= rate is not None and rate >= WANTED[method.recording]
        print(json.dumps({name: found.as_json()}))
        print(f"{name}: {(time.monotonic() - started) / 60:.1f} minutes", *rows, sep="\n", flush=True)
    print(f"\n| {' | '.join(HEADINGS)} |\n|{' --- |' * len(HEADINGS)}")
    print("\n".join([*lines, "", *warnings, "", "found" if enough else "NOT found"]))
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
