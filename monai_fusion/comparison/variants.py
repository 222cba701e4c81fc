"""The variants of the training that can be compared, each a few knobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from monai_fusion.errors import InputError, Problem
from monai_fusion.wording import did_you_mean, quoted

Knobs = Mapping[str, Any]

REFERENCE = "gated"
DEFAULT = ("gated", "eeg", "mri", "concat", "mean")
ALL = "all"
NUMBERS = "numbers"
"""The name of the logistic regressions on plain numbers, which every comparison has: they need no training run."""
# Every variant sets these knobs, so that no overlay can change its network.
NETWORK = ("modalities", "fusion")
_AXES = ("depth", "height", "width")


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to train.

    Attributes:
        name: As the user types it.
        description: What it is, for the user.
        knobs: The knobs of train.yaml that it sets.
        derived: Computes more knobs from those that all variants share.
    """

    name: str
    description: str
    knobs: Knobs = field(hash=False)
    derived: Callable[[Knobs], Knobs] | None = None

    def settings(self, shared: Knobs) -> dict[str, Any]:
        """Return the knobs that this variant sets.

        Args:
            shared: The values of the knobs that all variants share.

        Raises:
            InputError: The variant cannot be computed from them.
        """
        return {**self.knobs, **({} if self.derived is None else self.derived(shared))}


def _one_stage(stage: int) -> Callable[[Knobs], Knobs]:
    def epochs(shared: Knobs) -> Knobs:
        both = shared.get("num_epochs")
        if not isinstance(both, list | tuple) or len(both) != 2 or not all(isinstance(each, int) for each in both):
            raise InputError(Problem("--num_epochs", seen=repr(both), wanted='epochs of two stages: "[15, 10]"'))
        return {"num_epochs": [sum(both), 0] if stage == 0 else [0, sum(both)]}

    return epochs


def _without_flip(axis: int) -> Callable[[Knobs], Knobs]:
    def chances(shared: Knobs) -> Knobs:
        three = shared.get("flip_prob")
        if not isinstance(three, list | tuple) or len(three) != len(_AXES):
            raise InputError(Problem("--flip_prob", seen=repr(three), wanted='three numbers: "[0.5, 0.5, 0.5]"'))
        return {"flip_prob": [0.0 if place == axis else chance for place, chance in enumerate(three)]}

    return chances


# As configs/original.yaml.
ORIGINAL = {"train_stem": False, "mri_input_norm": "none", "balanced_sampling": False, "keep_epoch": "last"}
_GATED = {"modalities": "both", "fusion": "gated"}

VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("gated", "both recordings, gated fusion", _GATED),
        Variant("eeg", "the EEG only", _GATED | {"modalities": "eeg"}),
        Variant("mri", "the MRI only", _GATED | {"modalities": "mri"}),
        Variant("concat", "both, a classifier on the concatenated embeddings", _GATED | {"fusion": "concat"}),
        Variant("mean", "both, a classifier on the mean of the embeddings", _GATED | {"fusion": "mean"}),
        Variant("no-align", "gated without the alignment loss", _GATED | {"lambda_align": 0.0}),
        Variant("stage-a", "gated, all epochs in stage A", _GATED, _one_stage(0)),
        Variant("stage-b", "gated, all epochs in stage B", _GATED, _one_stage(1)),
        Variant("frozen-stem", "gated, the EEG stem is not trained", _GATED | {"train_stem": False}),
        Variant("original", "gated, with the settings of the script that this replaces", _GATED | ORIGINAL),
        Variant("no-kinetics", "gated, the MRI is not scaled as for Kinetics", _GATED | {"mri_input_norm": "none"}),
        *(
            Variant(f"no-flip-{name}", f"gated, no flips along the {name} axis", _GATED, _without_flip(axis))
            for axis, name in enumerate(_AXES)
        ),
    )
}


def select_variants(names: Sequence[str], reference: str) -> tuple[Variant, ...]:
    """Find variants by name; the reference comes first, and is always among them.

    Args:
        names: As typed; ``all`` for all variants, none for `DEFAULT`.
        reference: The variant that the others are compared with.

    Raises:
        InputError: A name is unknown.
    """
    given = [name for name in names if name != NUMBERS] or ([] if names else DEFAULT)
    wanted = [each for name in given for each in (VARIANTS if name == ALL else [name])]
    unknown = [("--reference", reference)] if reference not in VARIANTS else []
    unknown += [("--variants", name) for name in dict.fromkeys(wanted) if name not in VARIANTS]
    if unknown:
        wanted_text = f"one of {', '.join(VARIANTS)}"
        raise InputError(
            Problem(option, seen=quoted(name), wanted=wanted_text, advice=did_you_mean(name, VARIANTS))
            for option, name in unknown
        )
    return tuple(VARIANTS[name] for name in dict.fromkeys([reference, *wanted]))


def variants_table() -> str:
    """One line for each variant: its name, its description, and whether it is a default."""
    width = max(map(len, VARIANTS))
    lines = [
        f"{name:<{width}}  {variant.description}{' (by default)' if name in DEFAULT else ''}"
        for name, variant in VARIANTS.items()
    ]
    lines.append(f"{NUMBERS:<{width}}  logistic regressions on plain numbers, without training (always)")
    return "\n".join(lines)
