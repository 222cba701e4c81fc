"""All that is measured about the maps of one method, and the warnings that follow from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
        hits: The planted region among all points; None where nothing is planted.
        head_hits: The same among the voxels of the head, for the MRI.
        curves: Deletion and insertion; None if no participant has them.
        randomised: Weight randomisation, stage by stage.
        completeness: The relative completeness error of each participant; None for methods without one.
        largest_error: The largest of any participant.
    """

    method: str
    hits: HitSummary | None = None
    head_hits: HitSummary | None = None
    curves: deletion.CurveSummary | None = None
    randomised: Sequence[RandomisedStage] = field(default_factory=tuple)
    completeness: Mean | None = None
    largest_error: float | None = None

    @property
    def warnings(self) -> list[str]:
        """What a reader of the maps has to know."""
        found = weight_randomisation.randomisation_warnings(self.method, self.randomised)
        if self.curves is not None:
            found += deletion.deletion_warnings(self.method, self.curves)
        error = None if self.completeness is None else self.completeness.value
        if error is not None and error > LARGE_ERROR:
            found.append(
                f"{self.method}: the attributions miss the difference of scores that they share out by "
                f"{100 * error:.0f} % on average: give the method more steps"
            )
        return found

    def as_json(self) -> dict[str, Any]:
        """The entry of this method in ``explanation.json``."""
        return {
            "planted_region": None if self.hits is None else self.hits.as_json(),
            "planted_region_among_head": None if self.head_hits is None else self.head_hits.as_json(),
            "deletion_and_insertion": None if self.curves is None else self.curves.as_json(),
            "weight_randomisation": [stage.as_json() for stage in self.randomised],
            "completeness_error": None if self.completeness is None else self.completeness.as_json(),
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
    everywhere, head = _hits(method, ids, explained, arrays, planted, world_of_network)
    found = [
        curves_of(scorer, explained(name), arrays(name), method, settings, step) for name in settings.for_curves(ids)
    ]
    again = [explained(name) for name in settings.for_randomisation(ids)]
    own = {each.participant_id: own_map(arrays(each.participant_id)) for each in again}

    def hit_of(participant: Explained, made: Arrays) -> Hit | None:
        return hit_in(planted, method, participant, made, world_of_network)[1 if method.recording == "mri" else 0]

    randomised = weight_randomisation.weight_randomisation(
        method, scorer, again, own_map, own, settings.randomisation_stages, settings.seed, step,
        None if planted is None else hit_of,
    ) if again else []  # fmt: skip
    errors = [
        float(np.asarray(arrays(name)[COMPLETENESS], np.float64).mean()) for name in ids if COMPLETENESS in arrays(name)
    ]
    return Believing(
        method.name,
        everywhere,
        head,
        deletion.summary(found) if found else None,
        randomised,
        mean_of(errors) if errors else None,
        max(errors) if errors else None,
    )


def curves_of(
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


def hit_in(
    planted: PlantedTruth | None,
    method: Method,
    participant: Explained,
    arrays: Arrays,
    world_of_network: WorldOfNetwork,
) -> tuple[Hit | None, Hit | None]:
    """How well one participant's map marks the planted region: among all points, and among the voxels of the head.

    The EEG's region lasts all the time, so its map is one of electrodes x rows: the sum over time, in which what has
    both signs within a row cancels. The head are the voxels above 0 in the network's volume: sample cohorts are
    skull-stripped. Of the EEG, and where nothing is planted, the second is None.
    """
    values = point_map(arrays)
    if method.recording == "eeg":
        region = None if planted is None else planted.eeg
        if region is None:
            return None, None
        return hits.hit(values.sum(axis=2), region.inside(values.shape)[:, :, 0]), None
    if planted is None or planted.mri is None or participant.mri is None:
        return None, None
    world = world_of_network(participant)
    inside = None if world is None else planted.mri.inside(participant.participant_id, world, values.shape)
    if inside is None:
        return None, None
    head = (participant.mri[0] > 0).any(dim=0).cpu().numpy()
    return hits.hit(values, inside), hits.hit(values, inside, among=head)


def _hits(
    method: Method,
    ids: Sequence[str],
    explained: Callable[[str], Explained],
    arrays: Callable[[str], Arrays],
    planted: PlantedTruth | None,
    world_of_network: WorldOfNetwork,
) -> tuple[HitSummary | None, HitSummary | None]:
    if planted is None or (planted.eeg if method.recording == "eeg" else planted.mri) is None:
        return None, None
    each = [hit_in(planted, method, explained(name), arrays(name), world_of_network) for name in ids]
    everywhere, head = ([pair[place] for pair in each] for place in (0, 1))
    return hits.summary(everywhere), None if method.recording == "eeg" else hits.summary(head)


def _rows(participant: Explained, recording: str) -> int:
    """Segments, or one volume."""
    return 1 if recording == "mri" or participant.eeg is None else len(participant.eeg)
