"""A training that diverges stops before any of the bad weights are saved."""

from __future__ import annotations

import math

import torch
from ignite.engine import Engine, Events
from torch import nn

from monai_fusion import ranks
from monai_fusion.errors import RunFailed
from monai_fusion.keys import PARTICIPANT_ID


class FiniteCheck:
    """Stop a training whose loss or weights contain NaN or Inf, before any of it is saved.

    The losses stay on the device; the handler reads them together every few iterations, so that the host does not wait
    for the GPU in each. Place it before the `ValidationHandler`: at the end of an epoch it checks the remaining losses
    and the weights, and no later handler runs if they are wrong. All ranks check the same iterations and stop together,
    whichever of them found a fault.

    Args:
        network: The network that is trained.
        evaluator: The engine that validates; it knows the epoch that ``model.pt`` holds.
        precision: The precision of the network's computation, for the message.
        every: The number of iterations between two checks.

    Raises:
        RunFailed: In the trainer, the same on every rank; it names the participants of the first such batch over all
            ranks, the epochs that are kept, and what to do.
    """

    def __init__(self, network: nn.Module, evaluator: Engine, precision: str = "float32", every: int = 32) -> None:
        self.network = network
        self.evaluator = evaluator
        self.precision = precision
        self.every = every
        self._pending: list[tuple[int, torch.Tensor, list[str]]] = []
        self._last_people: list[str] = []

    def attach(self, engine: Engine) -> None:
        """Attach to a trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._finish)

    def _start(self, engine: Engine) -> None:
        self._pending = []

    def _collect(self, engine: Engine) -> None:
        loss = engine.state.output["loss"].detach()
        self._pending.append((engine.state.iteration, loss, list(engine.state.batch[PARTICIPANT_ID])))
        if len(self._pending) >= self.every:
            self._check_losses(engine)

    def _finish(self, engine: Engine) -> None:
        self._check_losses(engine)
        # The epoch's last step may have spoilt the weights after a loss that was still finite.
        values = (value for value in self.network.state_dict().values() if value.is_floating_point())
        norms = torch.stack([torch.linalg.vector_norm(value.detach().float()) for value in values])
        if ranks.max_over_ranks(int(not norms.isfinite().all().item())):
            self._fail(engine, f"the weights contain NaN or Inf after epoch {engine.state.epoch}", self._last_people)

    def _check_losses(self, engine: Engine) -> None:
        if not self._pending:
            return
        losses = torch.stack([loss for _, loss, _ in self._pending]).tolist()
        good = next((place for place, loss in enumerate(losses) if not math.isfinite(loss)), len(losses))
        good = len(losses) - ranks.max_over_ranks(len(losses) - good)  # before the first that is bad on any rank
        if good < len(losses):
            iteration, _, participants = self._pending[good]
            loss = next(loss for loss in ranks.gather(losses[good]) if not math.isfinite(loss))
            length = engine.state.epoch_length
            place = f"epoch {engine.state.epoch}, batch {(iteration - 1) % length + 1} of {length}"
            self._fail(engine, f"the training loss is {loss} in {place}", participants)
        self._last_people, self._pending = self._pending[-1][2], []

    def _fail(self, engine: Engine, what: str, participants: list[str]) -> None:
        """Every rank must call this; ``participants`` are those of its slice of the batch."""
        # In the batch's order; a rank may repeat another's participant if a last batch has too few for all.
        all_participants = dict.fromkeys(each for slice_ in ranks.gather(participants) for each in slice_)
        best = getattr(self.evaluator.state, "best_metric_epoch", -1)
        kept = [f"model.pt keeps epoch {best}"] if best > 0 else []
        kept += [f"checkpoints/ keeps epoch {engine.state.epoch - 1}"] if engine.state.epoch > 1 else []
        precision = "" if self.precision == "float32" else ", or with --precision float32"
        raise RunFailed(
            what,
            f"participants of the batch: {', '.join(all_participants)}",
            ", ".join(kept) or "no epoch was completed: nothing is kept",
            "to continue: check their files with `monai-fusion datalist check --deep`, or train again with a lower "
            f"--head_lr and --encoder_lr{precision}",
        )
