"""Does a map depend on what the network learned? Its weights become random, layer by layer, and the map is made again.

Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018: the cascade begins at the head, because a map that is
made from the last layers alone must change there already. A map that stays alike shows the recording, not the network.
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from monai_fusion.explain.hits import Hit, HitSummary, summaries
from monai_fusion.explain.method import Arrays, Explained, Method, Step
from monai_fusion.explain.scoring import Scorer
from monai_fusion.explain.similarity import Mean, Similarity, mean_of, similarity

Recording = Literal["eeg", "mri"]
MapOf = Callable[[Arrays], NDArray[np.generic]]
"""The map among a method's arrays that is compared."""
ALIKE = 0.5
"""A rank correlation with the map of a random network, above which a map carries a warning."""
STAGES = 3
PARTICIPANTS = 4
HEAD = "head"
HitsOf = Callable[[Explained, Arrays], Mapping[str, Hit | None]]
"""How well the map in a method's arrays marks the place where the signal of a participant is, in one or more ways."""


@dataclass(frozen=True)
class RandomisedStage:
    """The maps of networks that are random from the head down to a block, compared with those of the trained network.

    Attributes:
        down_to: The last block that became random: ``head``, ``eeg_enc.projection``, ...
        blocks: How many blocks are random.
        compared: By participant.
        hits: By participant and way to measure, where the place of the signal is known; empty otherwise.
    """

    down_to: str
    blocks: int
    compared: Mapping[str, Similarity]
    hits: Mapping[str, Mapping[str, Hit | None]] = field(default_factory=dict)

    @property
    def signed(self) -> Mean:
        """The mean rank correlation over participants."""
        return mean_of([each.signed for each in self.compared.values()])

    @property
    def magnitude(self) -> Mean:
        """The same of the absolute values."""
        return mean_of([each.magnitude for each in self.compared.values()])

    @property
    def hit_summaries(self) -> dict[str, HitSummary]:
        """The means over participants of each way to measure."""
        return summaries(list(self.hits.values()))

    def as_json(self) -> dict[str, object]:
        """A row of the table."""
        return {
            "down_to": self.down_to,
            "blocks": self.blocks,
            "signed": self.signed.as_json(),
            "magnitude": self.magnitude.as_json(),
            "planted_region": {name: each.as_json() for name, each in self.hit_summaries.items()},
        }


def chosen_participants(ids: Sequence[str], count: int = PARTICIPANTS, seed: int = 0) -> list[str]:
    """Choose participants by chance, the same ones for the same ids and seed, whatever the order of the ids."""
    every = sorted(set(ids))
    return sorted(random.Random(seed).sample(every, min(max(count, 0), len(every))))


def cascade(network: nn.Module, recording: Recording) -> dict[str, tuple[nn.Module, ...]]:
    """The blocks that a map of a recording depends on, from the head down to the stem of the recording's encoder.

    Args:
        network: A `FusionNet`, or an `EnsembleNet`, whose members' blocks of one name go together.
        recording: Whose encoder.
    """
    members: Any = network.members if hasattr(network, "members") else [network]
    every: list[dict[str, tuple[nn.Module, ...]]] = [member.blocks() for member in members]
    encoder = [name for name in every[0] if name.startswith(f"{recording}_enc.")]
    names = [HEAD, *reversed(encoder)]
    return {name: tuple(module for blocks in every for module in blocks[name]) for name in names}


def stages_of(blocks: Sequence[str], count: int = STAGES) -> list[str]:
    """The blocks after whose randomisation the maps are made again: the first, the last, and evenly between."""
    last = len(blocks) - 1
    places = {round(last * step / max(count - 1, 1)) for step in range(count - 1)} | {last}
    return [blocks[place] for place in sorted(places)]


@torch.no_grad()
def draw_again(modules: Sequence[nn.Module], seed: int) -> None:
    """Replace all weights of some modules, in place, by random ones.

    Every layer that can initialise itself (convolutions, linear layers, norms; BatchNorm with its statistics) does so,
    as PyTorch does by default. The entries of other parameters, such as a block's own scales, are permuted, which keeps
    their distribution. The numbers do not depend on the device, and no other generator moves.
    """
    state = torch.default_generator.get_state()
    torch.default_generator.manual_seed(seed)
    try:
        for layer in (layer for module in modules for layer in module.modules()):
            reset = getattr(layer, "reset_parameters", None)
            own = [*layer.parameters(recurse=False), *layer.buffers(recurse=False)]
            if not own:
                continue
            device = own[0].device
            if callable(reset):
                layer.to("cpu")
                reset()
                layer.to(device)
            else:
                for parameter in layer.parameters(recurse=False):
                    _permute(parameter)
    finally:
        torch.default_generator.set_state(state)


def _permute(parameter: Tensor) -> None:
    order = torch.randperm(parameter.numel()).to(parameter.device)
    parameter.copy_(parameter.flatten()[order].view(parameter.shape))


def randomised(network: nn.Module, recording: Recording, seed: int = 0) -> Iterator[tuple[str, nn.Module]]:
    """Yield a copy of the network with the head random, then the next block as well, down to the stem.

    It is one copy that changes: use it before the next one is asked for. The network itself does not change.
    """
    changed = copy.deepcopy(network).eval().requires_grad_(False)
    for place, (name, modules) in enumerate(cascade(changed, recording).items()):
        draw_again(modules, _seed(seed, place))
        yield name, changed


def _seed(seed: int, place: int) -> int:
    return int(np.random.SeedSequence([seed, place]).generate_state(1)[0])


def passes(method: Method, participants: Sequence[Explained], stages: int = STAGES) -> int:
    """How many passes :func:`weight_randomisation` costs, without the maps of the trained network."""
    return stages * sum(method.passes(each) for each in participants)


def weight_randomisation(
    method: Method,
    scorer: Scorer,
    participants: Sequence[Explained],
    map_of: MapOf,
    maps: Mapping[str, NDArray[np.generic]],
    stages: int = STAGES,
    seed: int = 0,
    step: Step = lambda _: None,
    hits_of: HitsOf | None = None,
) -> list[RandomisedStage]:
    """Make the maps of some participants again with random weights, and compare.

    Args:
        method: The method.
        scorer: Scores of the trained network.
        participants: All of whom have the recording of the method.
        map_of: Which of the method's arrays is compared.
        maps: The trained network's map of each participant, by id.
        stages: How many stages of the cascade, see :func:`stages_of`.
        seed: Of the random weights.
        step: As for a method.
        hits_of: Measures each random network's map as well, where the place of the signal is known.

    Returns:
        The stages, from the head down.
    """
    rows = []
    network = scorer.module
    wanted = stages_of(list(cascade(network, method.recording)), stages)
    for place, (name, changed) in enumerate(randomised(network, method.recording, seed)):
        if name not in wanted:
            continue
        random_scorer = scorer.of(changed)
        compared: dict[str, Similarity] = {}
        hits: dict[str, Mapping[str, Hit | None]] = {}
        for each in participants:
            arrays = method(random_scorer, each, random_scorer.embed(each.eeg, each.mri), step)
            compared[each.participant_id] = similarity(maps[each.participant_id], map_of(arrays))
            if hits_of is not None:
                hits[each.participant_id] = hits_of(each, arrays)
        rows.append(RandomisedStage(name, place + 1, compared, hits))
    return rows


def randomisation_warnings(method: str, rows: Sequence[RandomisedStage]) -> list[str]:
    """Warn of a map that is much the same when all weights it depends on are random."""
    if not rows:
        return []
    signed, magnitude = rows[-1].signed.value, rows[-1].magnitude.value
    if signed is not None and signed > ALIKE:
        return [
            f"{method}: a network with random weights has much the same map (rank correlation {signed:.2f}): the map "
            "shows the recording, not what the network has learned"
        ]
    if magnitude is not None and magnitude > ALIKE:
        return [
            f"{method}: with random weights the map is large in much the same places (rank correlation of magnitudes "
            f"{magnitude:.2f}, of signed values {_two_digits(signed)}): read its signs, and differences between "
            "groups, not its size"
        ]
    return []


def _two_digits(value: float | None) -> str:
    return "none" if value is None or not math.isfinite(value) else f"{value:.2f}"
