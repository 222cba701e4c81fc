"""The bundle's configs of a comparison, and the commands made of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monai_fusion.comparison.variants import Variant
from monai_fusion.errors import InputError, Problem
from monai_fusion.options.command_line import CommandLine
from monai_fusion.options.knob_values import NOTHING, as_word
from monai_fusion.options.overrides import check_overrides
from monai_fusion.shipped_bundle import config_files, default_bundle

if TYPE_CHECKING:
    from monai_fusion.comparison.planning import CompareOptions, Run

_NOTHING: Mapping[str, Any] = {}
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


class RunConfigs:
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
        self.given = plain(given)
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
        """Check the options of every variant against the configs, before any file is written.

        Raises:
            InputError: An option is misspelt, or has a value that it cannot have.
        """
        from monai_fusion.workflow.components import component_arguments

        problems: dict[str, Problem] = {}
        for run in runs:
            for problem in check_overrides(_parsed(run.train), component_arguments):
                problems.setdefault(str(problem), problem)
        if problems:
            raise InputError(problems.values())


def _parsed(command: Sequence[str]) -> CommandLine:
    """The command of a bundle run as the run parses it."""
    _python, _module, _bundle, *words = command
    parsed = CommandLine.parse([str(Path("monai") / "bundle" / "__main__.py"), *words])
    if parsed is None:
        raise ValueError(f"not a bundle run: {command}")
    return parsed


def _options(values: Mapping[str, Any]) -> Iterator[str]:
    """Options of a bundle run, quoted so that their values arrive unchanged."""
    for name, value in values.items():
        yield f"--{name}"
        yield str(value) if str(value) == NOTHING else as_word(value)


def plain(value: Any) -> Any:
    """Return the value after a round trip through JSON."""
    return json.loads(json.dumps(value, default=str))
