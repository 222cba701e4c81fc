"""The trainings of a comparison, and the commands that run them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monai_fusion import __version__
from monai_fusion.comparison.fold_datalists import FOLDER, Folds, make_folds
from monai_fusion.comparison.variants import NETWORK, REFERENCE, Variant, select_variants
from monai_fusion.datalist.split.ratio import SEED
from monai_fusion.errors import InputError, Problem
from monai_fusion.fingerprint import digest_of
from monai_fusion.shipped_bundle import config_files, default_bundle
from monai_fusion.wording import quoted

if TYPE_CHECKING:
    from monai_fusion.options.command_line import CommandLine

_NOTHING: Mapping[str, Any] = {}
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
# Knobs that cannot change a score: a comparison may resume with other values.
_HARMLESS = (
    "cuda_graphs",
    "device_data",
    "num_workers",
    "start_method",
    "segment_batch_size",
    "eval_batch_size",
    "time_limit_minutes",
)
# Knobs of the training that its evaluation needs too.
_ALSO_EVALUATION = ("device", "segment_batch_size", "eval_batch_size")


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
    """

    variant: Variant
    fold: int
    seed: int
    folder: Path
    settings: Mapping[str, Any]
    train: tuple[str, ...]
    evaluate: tuple[str, ...]

    @property
    def title(self) -> str:
        """``gated, fold 0, seed 1337``."""
        return f"{self.variant.name}, fold {self.fold}, seed {self.seed}"


@dataclass(frozen=True)
class Plan:
    """All runs of a comparison.

    Attributes:
        options: As given.
        folds: The cohort in folds.
        variants: The variants, the reference first.
        shared: Knobs given for all variants.
        runs: In the order of execution: one fold and seed of all variants, then the next.
        cache_dir: The preprocessed store.
    """

    options: CompareOptions
    folds: Folds
    variants: tuple[Variant, ...]
    shared: Mapping[str, Any]
    runs: tuple[Run, ...]
    cache_dir: Path

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the trainings."""
        return tuple(range(self.options.seed, self.options.seed + self.options.seeds))

    @cached_property
    def contents(self) -> list[Any]:
        """The datalist of each fold, as parsed JSON."""
        return [json.loads(text) for text in self.folds.texts.values()]

    def runs_of(self, variant: str) -> list[Run]:
        """The runs of a variant, by seed, then by fold."""
        return sorted((run for run in self.runs if run.variant.name == variant), key=lambda run: (run.seed, run.fold))


def make_plan(options: CompareOptions) -> Plan:
    """Plan a comparison without writing or running.

    Raises:
        InputError: A variant, the datalist, a config or an option for the trainings is wrong.
    """
    variants = _variants(options)
    _refuse_own_words(options.words)
    folder = options.output_dir / FOLDER
    folds = make_folds(
        options.datalist, folder, options.folds, options.seed, options.keep_test, tuple(options.group_by)
    )
    configs = _Configs(options)
    knobs = {variant.name: configs.knobs_of(variant) for variant in variants}
    digests = {name: digest_of(json.loads(text)) for name, text in folds.texts.items()}
    cache = options.cache_dir or options.output_dir.absolute().parent / "preprocessed"
    runs = []
    for seed in range(options.seed, options.seed + options.seeds):
        for fold, name in enumerate(folds.texts):
            for variant in variants:
                run_folder = options.output_dir / variant.name / f"seed{seed}_fold{fold}"
                settings = {
                    "monai_fusion": __version__,
                    "configs": configs.digests,
                    "datalist": digests[name],
                    "seed": seed,
                    "variant": knobs[variant.name],
                    "shared": configs.deciding,
                }
                common = {"datalist": folder / name, "output_dir": run_folder, "cache_dir": cache}
                train = configs.command(configs.train, common | {"seed": seed}, options.words, knobs[variant.name])
                evaluate = configs.command(
                    configs.evaluate, common | {"thumbnails": False, "baseline": False}, configs.for_evaluation
                )
                runs.append(Run(variant, fold, seed, run_folder, _plain(settings), train, evaluate))
    _check_members(sum(run.variant.name == options.ensemble for run in runs))
    configs.check([run for run in runs if (run.fold, run.seed) == (0, options.seed)])
    return Plan(options, folds, variants, configs.given, tuple(runs), cache)


def _variants(options: CompareOptions) -> tuple[Variant, ...]:
    if options.seeds < 1:
        raise InputError(Problem("--seeds", seen=str(options.seeds), wanted="1 or more"))
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


class _Configs:
    """The bundle's configs, and the options given for all trainings."""

    def __init__(self, options: CompareOptions) -> None:
        from monai_fusion.runs.manifest import config_digest  # imports torch: only after all other checks
        from monai_fusion.runs.resolved import merged_config

        self.root = options.bundle_root or default_bundle()
        self.evaluate = config_files("evaluate", self.root)
        self.train = [*config_files("train", self.root), *options.config_files]
        missing = [path for path in (*self.train, *self.evaluate) if not path.is_file()]
        if missing:
            advice = "give --bundle-root, or another --config-file"
            raise InputError(Problem(str(path), seen="no such file", advice=advice) for path in missing)
        command = _parsed(self.command(self.train, {}, options.words))
        given = {name: value for name, value in command.overrides.items() if name != "bundle_root"}
        self.given = _plain(given)
        self.deciding = {name: value for name, value in self.given.items() if name not in _HARMLESS}
        self._config = merged_config(command)
        self.digests = [[path.name, config_digest(path)] for path in (*self.train, *self.evaluate)]
        words = {name: command.overrides[name] for name in _ALSO_EVALUATION if name in command.overrides}
        self.for_evaluation = list(_options(words))

    def knobs_of(self, variant: Variant) -> dict[str, Any]:
        """Return the knobs that a variant sets; the knobs of all trainings may contain expressions.

        Raises:
            InputError: The user gave one of these knobs for all variants.
        """
        problems = [
            Problem(f"-- --{name}", seen=f"is set by {variant.name}", advice=f"leave out the option, or {variant.name}")
            for name in variant.knobs
            if name in self.given
        ]
        if problems:
            raise InputError(problems)
        return variant.settings(self._config)

    def command(
        self, files: Sequence[Path], values: Mapping[str, Any], words: Sequence[str], last: Mapping[str, Any] = _NOTHING
    ) -> tuple[str, ...]:
        """The command of a bundle run; if an option is given twice, the last one counts."""
        start = [sys.executable, "-m", "monai.bundle", "run", "--config_file", repr([str(file) for file in files])]
        return (*start, *_options({"bundle_root": self.root, **values}), *words, *_options(last))

    def check(self, runs: Sequence[Run]) -> None:
        """Check the options of every variant against the configs, before any file is written."""
        from monai_fusion.options.overrides import check_overrides
        from monai_fusion.workflow.components import component_arguments

        problems: dict[str, Problem] = {}
        for run in runs:
            for problem in check_overrides(_parsed(run.train), component_arguments):
                problems.setdefault(str(problem), problem)
        if problems:
            raise InputError(problems.values())


def _parsed(command: Sequence[str]) -> CommandLine:
    """The command of a bundle run as the run parses it."""
    from monai_fusion.options.command_line import CommandLine

    _python, _module, _bundle, *words = command
    parsed = CommandLine.parse([str(Path("monai") / "bundle" / "__main__.py"), *words])
    if parsed is None:
        raise ValueError(f"not a bundle run: {command}")
    return parsed


def _options(values: Mapping[str, Any]) -> Iterator[str]:
    """Options of a bundle run, quoted so that their values arrive unchanged."""
    from monai_fusion.options.knob_values import NOTHING, as_word

    for name, value in values.items():
        yield f"--{name}"
        yield str(value) if str(value) == NOTHING else as_word(value)


def _plain(value: Any) -> Any:
    """The value after a round trip through JSON."""
    return json.loads(json.dumps(value, default=str))
