"""All that is measured about the maps of one method, and the warnings that follow from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from monai_fusion.explain import deletion, hits, weight_randomisation
from monai_fusion.explain.deletion import Curves
from monai_fusion.explain.hits import Hit, HitSummary
from monai_fusion.explain.maps import cells_of, own_map, point_map
from monai_fusion.explain.method import Arrays, Explained, Method, Step
from monai_fusion.explain.planted_truth import PlantedTruth
from monai_fusion.explain.scoring import Scorer
from monai_fusion.explain.similarity import Mean, mean_of
from monai_fusion.explain.weight_randomisation import RandomisedStage, chosen_participants

COMPLETENESS = "completeness_error"
"""The array of a method whose attributions add up to a difference of scores: how far off they are, relatively."""
LARGE_ERROR = 0.05
SMOOTHING = 2
"""Standard deviation, in voxels of the network's volume."""

WorldOfNetwork = Callable[[Explained], NDArray[np.floating] | None]
"""[4, 4] from indices of the network's volume to mm in the world of the participant's file; None if it is unknown."""


@dataclass(frozen=True)
class BelievingSettings:
    """How much is spent on the question whether a map can be believed.

    Attributes:
        randomisation_participants: Participants whose maps are made again with random weights; 0 for none.
        randomisation_stages: How often for each: from the head alone to all layers.
        curve_participants: Participants with deletion and insertion curves; 0 for none.
        curve_points: Steps of a curve.
        curve_orders: Random orders beside the map's.
        seed: Of the choice of participants, the random weights and the random orders.
    """

    randomisation_participants: int = weight_randomisation.PARTICIPANTS
    randomisation_stages: int = weight_randomisation.STAGES
    curve_participants: int = 8
    curve_points: int = deletion.POINTS
    curve_orders: int = deletion.SEEDS
    seed: int = 0

    def for_randomisation(self, ids: Sequence[str]) -> list[str]:
        """The participants whose maps are made again, of those who have the recording."""
        return chosen_participants(ids, self.randomisation_participants, self.seed)

    def for_curves(self, ids: Sequence[str]) -> list[str]:
        """The participants with curves, of those who have the recording."""
        return chosen_participants(ids, self.curve_participants, self.seed)

    def passes(self, method: Method, participants: Sequence[Explained]) -> int:
        """How many passes :func:`believing` costs, for the progress bar.

        Args:
            method: The method.
            participants: All who have its recording.
        """
        by_id = {each.participant_id: each for each in participants}
        again = [by_id[name] for name in self.for_randomisation(list(by_id))]
        rows = [_rows(by_id[name], method.recording) for name in self.for_curves(list(by_id))]
        curves = sum(deletion.passes(each, self.curve_points, self.curve_orders) for each in rows)
        return curves + weight_randomisation.passes(method, again, self.randomisation_stages)


@dataclass(frozen=True)
class Believing:
    """What is known about the maps of a method.

    Attributes:
        method: Its name.
        hits: How well they mark the planted region, by way to measure (see `_hits_in`); empty where nothing is planted.
        curves: Deletion and insertion; None if no participant has them.
        randomised: Weight randomisation, stage by stage.
        completeness: The relative completeness error of each participant; None for methods without one.
        typical_error: The median over participants, which a few tiny differences of scores do not move.
        largest_error: The largest of any participant.
    """

    method: str
    hits: Mapping[str, HitSummary] = field(default_factory=dict)
    curves: deletion.CurveSummary | None = None
    randomised: Sequence[RandomisedStage] = field(default_factory=tuple)
    completeness: Mean | None = None
    typical_error: float | None = None
    largest_error: float | None = None

    @property
    def warnings(self) -> list[str]:
        """What a reader of the maps has to know."""
        found = weight_randomisation.randomisation_warnings(self.method, self.randomised)
        if self.curves is not None:
            found += deletion.deletion_warnings(self.method, self.curves)
        error = self.typical_error
        if error is not None and error > LARGE_ERROR:
            found.append(
                f"{self.method}: the attributions miss the difference of scores that they share out by "
                f"{100 * error:.0f} % (median): give the method more steps"
            )
        return found

    def as_json(self) -> dict[str, Any]:
        """The entry of this method in ``explanation.json``."""
        return {
            "planted_region": {name: each.as_json() for name, each in self.hits.items()},
            "deletion_and_insertion": None if self.curves is None else self.curves.as_json(),
            "weight_randomisation": [stage.as_json() for stage in self.randomised],
            "completeness_error": None if self.completeness is None else self.completeness.as_json(),
            "median_completeness_error": self.typical_error,
            "largest_completeness_error": self.largest_error,
            "warnings": self.warnings,
        }


def believing(
    method: Method,
    scorer: Scorer,
    ids: Sequence[str],
    explained: Callable[[str], Explained],
    arrays: Callable[[str], Arrays],
    settings: BelievingSettings,
    planted: PlantedTruth | None = None,
    world_of_network: WorldOfNetwork = lambda _: None,
    step: Step = lambda _: None,
) -> Believing:
    """Measure all that says whether the maps of a method can be believed.

    Participants are read one at a time, but for those whose maps are made again with random weights.

    Args:
        method: The method.
        scorer: Scores of the trained network.
        ids: The participants whose maps the method has made.
        explained: Reads a participant's recordings.
        arrays: Reads what the method returned for a participant.
        settings: How much to do.
        planted: The truth of a sample cohort; None for other cohorts.
        world_of_network: Where the network's volume lies, for the planted region of an MRI.
        step: As for a method.
    """

    def hits_of(participant: Explained, made: Arrays) -> Mapping[str, Hit | None]:
        return _hits_in(planted, method, participant, made, world_of_network)

    everybody = [] if planted is None else [hits_of(explained(name), arrays(name)) for name in ids]
    found = [
        _curves_of(scorer, explained(name), arrays(name), method, settings, step) for name in settings.for_curves(ids)
    ]
    again = [explained(name) for name in settings.for_randomisation(ids)]
    own = {each.participant_id: own_map(arrays(each.participant_id)) for each in again}

    randomised = weight_randomisation.weight_randomisation(
        method, scorer, again, own_map, own, settings.randomisation_stages, settings.seed, step,
        None if planted is None else hits_of,
    ) if again else []  # fmt: skip
    kept = [np.asarray(made[COMPLETENESS], np.float64) for name in ids if COMPLETENESS in (made := arrays(name))]
    # Infinite where there is no difference of scores to share out.
    errors = [error for each in kept if np.isfinite(error := float(each.mean()))]
    return Believing(
        method.name,
        hits.summaries(everybody),
        deletion.summary(found) if found else None,
        randomised,
        mean_of(errors) if errors else None,
        float(np.median(errors)) if errors else None,
        max(errors) if errors else None,
    )


def _curves_of(
    scorer: Scorer,
    participant: Explained,
    arrays: Arrays,
    method: Method,
    settings: BelievingSettings,
    step: Step = lambda _: None,
) -> Curves:
    """Deletion and insertion curves of one participant; what is removed becomes 0: the mean of an electrode, or air."""
    embeddings = scorer.embed(participant.eeg, participant.mri)
    is_eeg = method.recording == "eeg"
    inputs = participant.eeg if is_eeg else participant.mri
    if inputs is None:
        raise ValueError(f"a participant without the {method.recording}")

    def score(batch: Any) -> Any:
        return scorer.of_segments(batch, embeddings) if is_eeg else scorer.of_volumes(batch, embeddings)

    return deletion.curves(
        score, inputs.to(scorer.device), point_map(arrays), cells_of(arrays, method.recording),
        points=settings.curve_points, seeds=settings.curve_orders, seed=settings.seed, step=step,
    )  # fmt: skip


def _hits_in(
    planted: PlantedTruth | None,
    method: Method,
    participant: Explained,
    arrays: Arrays,
    world_of_network: WorldOfNetwork,
) -> dict[str, Hit | None]:
    """How well one participant's map marks the planted region, in one or more ways; empty where nothing is planted.

    Of the EEG ``electrodes_rows``: the region lasts all the time, so its map is summed over time, and what has both
    signs within a row cancels. Of the MRI ``voxels``, among all; ``head``, among those above 0 in the network's volume
    (sample cohorts are skull-stripped); and ``head_smoothed``, where the signed map is first smoothed by a Gaussian of
    `SMOOTHING` voxels: gradients of a network whose filters go in steps alternate in sign from voxel to voxel.
    """
    values = point_map(arrays)
    if method.recording == "eeg":
        if planted is None or planted.eeg is None:
            return {}
        inside = planted.eeg.inside(values.shape)[:, :, 0]
        return {"electrodes_rows": hits.hit(values.sum(axis=2), inside)}
    if planted is None or planted.mri is None or participant.mri is None:
        return {}
    world = world_of_network(participant)
    region = None if world is None else planted.mri.inside(participant.participant_id, world, values.shape)
    if region is None:
        return {}
    head = (participant.mri[0] > 0).any(dim=0).cpu().numpy()
    smooth = gaussian_filter(values, SMOOTHING)
    return {
        "voxels": hits.hit(values, region),
        "head": hits.hit(values, region, among=head),
        "head_smoothed": hits.hit(smooth, region, among=head),
    }


def _rows(participant: Explained, recording: str) -> int:
    """Segments, or one volume."""
    return 1 if recording == "mri" or participant.eeg is None else len(participant.eeg)
