"""The trainings of a comparison, and the commands that run them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monai_fusion import __version__
from monai_fusion.comparison.fold_datalists import FOLDER, Folds, make_folds, refuse_equal_folds, refuse_given_folds
from monai_fusion.comparison.run_configs import RunConfigs, plain
from monai_fusion.comparison.variants import NETWORK, REFERENCE, Variant, select_variants
from monai_fusion.datalist.schema import SECTIONS
from monai_fusion.datalist.split.ratio import SEED
from monai_fusion.errors import InputError, Problem
from monai_fusion.fingerprint import digest_of
from monai_fusion.wording import quoted

if TYPE_CHECKING:
    pass

_REPEAT_STEP = 1000  # between the seeds of two repeats: more than anyone's number of seeds
# Knobs that the comparison sets itself, and the options that set them.
_OWN = {
    "datalist": "DATALIST",
    "output_dir": "--output-dir",
    "cache_dir": "--cache-dir",
    "seed": "--seed",
    "bundle_root": "--bundle-root",
    "config_file": "--config-file",
    "overwrite": "--overwrite",
    "resume": "",
}


@dataclass(frozen=True)
class CompareOptions:
    """The options of a comparison.

    Attributes:
        datalist: The cohort.
        output_dir: The output folder.
        variants: Names of variants; none for the default ones.
        reference: The variant that the others are compared with.
        folds: The number of folds if the datalist has none.
        keep_test: Whether to leave out the test part.
        group_by: Fields whose groups stay together; none for those of the datalist.
        seed: Of folds and trainings.
        seeds: The number of trainings, with different seeds, of each variant in each fold.
        repeats: How often the cohort is divided into folds; see `_seed_of_repeat`.
        covariates: Fields that may explain the class; none for all that are numbers.
        config_files: Overlays on train.yaml.
        words: More options for every training, such as ``--num_epochs``, ``[5, 3]``.
        cache_dir: The preprocessed store; None for ``preprocessed`` beside ``output_dir``.
        bundle_root: The bundle; None for the one below this folder, or else the shipped one.
        ensemble: The variant whose models become an ensemble; None for none.
        keep_models: Whether to keep the weights of every run.
        overwrite: Whether to replace results with other settings.
    """

    datalist: Path
    output_dir: Path = Path("runs/compare")
    variants: Sequence[str] = ()
    reference: str = REFERENCE
    folds: int | None = None
    keep_test: bool = False
    group_by: Sequence[str] = ()
    seed: int = SEED
    seeds: int = 1
    repeats: int = 1
    covariates: Sequence[str] = ()
    config_files: Sequence[Path] = field(default=())
    words: Sequence[str] = ()
    cache_dir: Path | None = None
    bundle_root: Path | None = None
    ensemble: str | None = None
    keep_models: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class Run:
    """One training and its evaluation.

    Attributes:
        variant: The variant.
        fold: The tested fold.
        seed: Of the training.
        folder: The run folder.
        settings: Everything except the recordings that its scores depend on, in JSON types.
        train: The command that trains.
        evaluate: The command that evaluates.
        repeat: The repeat that the fold belongs to, from 1.
    """

    variant: Variant
    fold: int
    seed: int
    folder: Path
    settings: Mapping[str, Any]
    train: tuple[str, ...]
    evaluate: tuple[str, ...]
    repeat: int = 1

    @property
    def title(self) -> str:
        """``gated, fold 0, seed 1337``, or ``gated, repeat 2, fold 0, seed 2337``."""
        repeat = "" if self.repeat == 1 else f"repeat {self.repeat}, "
        return f"{self.variant.name}, {repeat}fold {self.fold}, seed {self.seed}"


@dataclass(frozen=True)
class Plan:
    """All runs of a comparison.

    Attributes:
        options: As given.
        folds: The cohort in folds, in the first repeat.
        variants: The variants, the reference first.
        shared: Knobs given for all variants.
        runs: In the order of execution: one fold and seed of all variants, then the next, then the next repeat.
        cache_dir: The preprocessed store.
        more_folds: The cohort in other folds, for each further repeat.
    """

    options: CompareOptions
    folds: Folds
    variants: tuple[Variant, ...]
    shared: Mapping[str, Any]
    runs: tuple[Run, ...]
    cache_dir: Path
    more_folds: tuple[Folds, ...] = ()

    @property
    def repeats(self) -> Mapping[int, Folds]:
        """The cohort in the folds of each repeat, by its number from 1."""
        return dict(enumerate((self.folds, *self.more_folds), start=1))

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the trainings of the first repeat."""
        return self.seeds_of(1)

    def seeds_of(self, repeat: int) -> tuple[int, ...]:
        """Seeds of the trainings of a repeat."""
        first = _seed_of_repeat(self.options.seed, repeat)
        return tuple(range(first, first + self.options.seeds))

    def folds_folder(self, repeat: int) -> Path:
        """The folder with the datalists of a repeat's folds."""
        return _folder_of_repeat(self.options.output_dir, repeat) / FOLDER

    @cached_property
    def contents(self) -> list[Any]:
        """The datalist of each fold of each repeat, as parsed JSON."""
        return [json.loads(text) for folds in self.repeats.values() for text in folds.texts.values()]

    def runs_of(self, variant: str) -> list[Run]:
        """The runs of a variant, by repeat, then by seed, then by fold."""
        own = [run for run in self.runs if run.variant.name == variant]
        return sorted(own, key=lambda run: (run.repeat, run.seed, run.fold))

    def is_member(self, run: Run) -> bool:
        """Whether the ensemble takes the model of a run: those of the first repeat are as many as its folds."""
        return run.variant.name == self.options.ensemble and run.repeat == 1


def _seed_of_repeat(seed: int, repeat: int) -> int:
    """The seed of a repeat's folds, and of its first training: that of the comparison, then 1000 more, and so on.

    It depends on nothing else, so that repeats and seeds can be added later; trainings of different repeats have
    different seeds, so that they share no random numbers.
    """
    return seed + _REPEAT_STEP * (repeat - 1)


def _folder_of_repeat(output_dir: Path, repeat: int) -> Path:
    """The folder of a repeat's runs: the output folder itself, then ``repeat2`` in it, and so on."""
    return output_dir if repeat == 1 else output_dir / f"repeat{repeat}"


def make_plan(options: CompareOptions) -> Plan:
    """Plan a comparison without writing or running.

    Raises:
        InputError: A variant, the datalist, a config or an option for the trainings is wrong.
    """
    variants = _variants(options)
    _refuse_own_words(options.words)
    repeats = _folds_of_repeats(options)
    _refuse_unknown_covariates(options, repeats[0])
    configs = RunConfigs(options)
    knobs = {variant.name: configs.knobs_of(variant) for variant in variants}
    cache = options.cache_dir or options.output_dir.absolute().parent / "preprocessed"
    runs = [
        run
        for repeat, folds in enumerate(repeats, start=1)
        for run in _runs(options, configs, knobs, variants, repeat, folds, cache)
    ]
    first, *more = repeats
    plan = Plan(options, first, variants, configs.given, tuple(runs), cache, tuple(more))
    _check_members(sum(map(plan.is_member, runs)))
    configs.check([run for run in runs if (run.fold, run.seed) == (0, options.seed)])
    return plan


def _folds_of_repeats(options: CompareOptions) -> list[Folds]:
    if options.repeats > 1:
        refuse_given_folds(options.datalist, options.repeats)
    found = []
    for repeat in range(1, options.repeats + 1):
        folder = _folder_of_repeat(options.output_dir, repeat) / FOLDER
        seed = _seed_of_repeat(options.seed, repeat)
        groups = tuple(options.group_by)
        found.append(make_folds(options.datalist, folder, options.folds, seed, options.keep_test, groups))
    refuse_equal_folds(found)
    return found


def _refuse_unknown_covariates(options: CompareOptions, folds: Folds) -> None:
    if options.covariates:
        from monai_fusion.baseline.evaluating import refuse_unknown_fields  # imports scikit-learn
        from monai_fusion.datalist.validation import ENTRY_FIELDS

        content = json.loads(next(iter(folds.texts.values())))
        fields = [name for part in SECTIONS for row in content[part] for name in row if name not in ENTRY_FIELDS]
        refuse_unknown_fields(options.covariates, fields, str(options.datalist), "--covariates")


def _runs(
    options: CompareOptions,
    configs: RunConfigs,
    knobs: Mapping[str, Mapping[str, Any]],
    variants: Sequence[Variant],
    repeat: int,
    folds: Folds,
    cache: Path,
) -> Iterator[Run]:
    """The runs of one repeat."""
    own = _folder_of_repeat(options.output_dir, repeat)
    digests = {name: digest_of(json.loads(text)) for name, text in folds.texts.items()}
    start = _seed_of_repeat(options.seed, repeat)
    for seed in range(start, start + options.seeds):
        for fold, name in enumerate(folds.texts):
            for variant in variants:
                run_folder = own / variant.name / f"seed{seed}_fold{fold}"
                settings = {
                    "monai_fusion": __version__,
                    "configs": configs.digests,
                    "datalist": digests[name],
                    "seed": seed,
                    "variant": knobs[variant.name],
                    "shared": configs.deciding,
                }
                common = {"datalist": own / FOLDER / name, "output_dir": run_folder, "cache_dir": cache}
                train = configs.command(configs.train, common | {"seed": seed}, options.words, knobs[variant.name])
                evaluate = configs.command(
                    configs.evaluate, common | {"thumbnails": False, "baseline": False}, configs.for_evaluation
                )
                yield Run(variant, fold, seed, run_folder, plain(settings), train, evaluate, repeat)


def _variants(options: CompareOptions) -> tuple[Variant, ...]:
    counts = {"--seeds": options.seeds, "--repeats": options.repeats}
    if few := {name: count for name, count in counts.items() if count < 1}:
        raise InputError(Problem(name, seen=str(count), wanted="1 or more") for name, count in few.items())
    if options.seeds > _REPEAT_STEP and options.repeats > 1:  # the seeds of two repeats would meet
        raise InputError(Problem("--seeds", seen=str(options.seeds), wanted=f"at most {_REPEAT_STEP} with --repeats"))
    variants = select_variants(options.variants, options.reference)
    if options.ensemble is not None and options.ensemble not in {variant.name for variant in variants}:
        wanted = f"one of {', '.join(variant.name for variant in variants)}"
        raise InputError(Problem("--ensemble-of", seen=quoted(options.ensemble), wanted=wanted))
    return variants


def _check_members(count: int) -> None:
    from monai_fusion.networks.ensemble_net import MOST_MEMBERS  # imports torch

    if count > MOST_MEMBERS:
        seen, wanted = f"{count} models", f"at most {MOST_MEMBERS}"
        raise InputError(Problem("--ensemble", seen=seen, wanted=wanted, advice="take fewer --seeds or --folds"))


def _refuse_own_words(words: Sequence[str]) -> None:
    """Refuse words that are not options, and options that the comparison sets itself."""
    if words and not words[0].startswith("--"):
        advice = 'give options for the trainings after --, as in: -- --num_epochs "[5, 3]"'
        raise InputError(Problem(words[0], seen="is neither an option nor the datalist", advice=advice))
    given = [word.lstrip("-").partition("=")[0].replace("-", "_") for word in words if word.startswith("--")]
    problems = [
        Problem(f"-- --{name}", seen="is set by the comparison", advice=_OWN[name] and f"give it as {_OWN[name]}")
        for name in given
        if name in _OWN
    ]
    problems += [
        Problem(f"-- --{name}", seen="differs between the variants", advice="choose them with --variants")
        for name in given
        if name in NETWORK
    ]
    if problems:
        raise InputError(problems)
