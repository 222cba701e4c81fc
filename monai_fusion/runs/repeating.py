"""Repeating a training from its manifest.

A manifest may come from another person, and a config is code. So the program executes nothing in a manifest: it only
names config files, which are taken from the user's own bundle (and must have the same content as in the original run),
and overrides, which must be plain values.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monai_fusion.errors import InputError, Problem
from monai_fusion.messages import pasteable
from monai_fusion.options.knob_values import as_word, without_expression
from monai_fusion.reading import read_json, reason_of, texts_in
from monai_fusion.run_folder import MANIFEST_FILE
from monai_fusion.runs.manifest import FORMAT, config_digest
from monai_fusion.shipped_bundle import default_bundle
from monai_fusion.wording import counted

# Overrides that set the place of a run, not its content: a rerun has its own.
_OWN = ("output_dir", "overwrite", "resume", "bundle_root", "datalist", "cache_dir", "tracking_uri", "run_name")
# Overrides that are paths, relative to the folder in which the run was started.
_PATHS = ("eeg_weights", "mri_weights")
# Options of `monai.bundle run` that do not change any number.
_HARMLESS = ("tracking", "args_file")


@dataclass(frozen=True)
class RerunOptions:
    """How to repeat a training.

    Attributes:
        output_dir: The new run's folder; None for one beside the old one.
        datalist: The place of the datalist now; None if it has not moved.
        bundle_root: The bundle whose configs to run; None for the one below this folder, or else the shipped one.
        config_files: Further config files that may be run, for overlays outside the bundle.
        changed_config: Whether config files may differ from the original run.
        allow_expressions: Whether overrides may be expressions, which are code.
    """

    output_dir: Path | None = None
    datalist: Path | None = None
    bundle_root: Path | None = None
    config_files: Sequence[Path] = field(default=())
    changed_config: bool = False
    allow_expressions: bool = False


def read_manifest(path: Path) -> dict[str, Any]:
    """Read the manifest of a finished training.

    Args:
        path: The file, or the run folder that holds it.

    Raises:
        InputError: It does not exist, is damaged, or its training did not finish.
    """
    path = path / MANIFEST_FILE if path.is_dir() else path
    where = str(path)
    try:
        content = read_json(path)
    except OSError as error:
        raise InputError(Problem(where, seen=reason_of(error), wanted=f"a {MANIFEST_FILE}")) from None
    except ValueError:
        raise InputError(Problem(where, seen="not JSON", wanted=f"a {MANIFEST_FILE}")) from None
    if not isinstance(content, dict) or content.get("manifest") != FORMAT:
        raise InputError(Problem(where, seen="not a manifest that this version reads"))
    if content.get("status") != "finished":
        advice = "only a finished training can be compared; --resume true finishes one that was stopped"
        raise InputError(Problem(where, "status", repr(content.get("status")), "'finished'", advice))
    if content.get("command") is None:
        advice = "the training was not started with `python -m monai.bundle run`: there is no command to repeat"
        raise InputError(Problem(where, "command", "none", advice=advice))
    if not _is_well_formed(content):
        raise InputError(Problem(where, seen="fields are missing or have another type", advice="was it edited?"))
    return content


@dataclass(frozen=True)
class Rerun:
    """A training to be repeated.

    Attributes:
        command: What to run.
        datalist: The datalist that it reads.
        output_dir: The folder that it writes.
        environment: What to set for it where it is not set.
    """

    command: tuple[str, ...]
    datalist: Path
    output_dir: Path
    environment: Mapping[str, str] = field(default_factory=dict)


def plan_rerun(manifest: Mapping[str, Any], path: Path, options: RerunOptions) -> Rerun:
    """Find everything needed to repeat a training; run nothing.

    If several processes of one machine trained, torchrun starts the same number of them again.

    Args:
        manifest: From `read_manifest`.
        path: The manifest's file or its run folder.
        options: How to repeat it.

    Raises:
        InputError: A config file is missing or differs, an override is code, the datalist is missing, or the training
            ran on several machines or in more processes than this machine has cores.
    """
    command = manifest["command"]
    root = options.bundle_root or default_bundle()
    problems, files = _find_configs(command["config_files"], root, options)
    problems += [] if options.allow_expressions else list(_code_in(command["overrides"]))
    problems += [
        Problem(
            "command", f"--{name}", repr(value), advice="a rerun does not accept this option: repeat the run by hand"
        )
        for name, value in command["options"].items()
        if name not in _HARMLESS
    ]
    datalist = options.datalist or _then(command, str(command["overrides"].get("datalist")))
    if not datalist.is_file():
        advice = "give its place: --datalist PATH"
        problems.append(Problem("datalist", seen=f"{datalist}: no such file", advice=advice))
    if problems:
        raise InputError(problems, heading=str(path))
    run_folder = (path if path.is_dir() else path.parent).resolve()
    output = options.output_dir or run_folder.with_name(f"{run_folder.name}-rerun")
    words = {name: _word(value) for name, value in _overrides(manifest, root).items()}
    words |= {"datalist": as_word(datalist), "output_dir": as_word(output)}
    run = ["-m", "monai.bundle", "run", "--config_file", repr([str(file) for file in files])]
    run += [part for name, word in words.items() for part in (f"--{name}", word)]
    launcher, environment = _launcher(manifest, run, path)
    return Rerun((sys.executable, *launcher, *run), datalist, output, environment)


def _launcher(manifest: Mapping[str, Any], run: Sequence[str], path: Path) -> tuple[list[str], dict[str, str]]:
    """The command that starts the original number of processes, and their share of the cores (torchrun would take one).

    Raises:
        InputError: They ran on several machines, or are too many for this one.
    """
    processes = manifest.get("processes") or {"count": 1, "machines": 1}
    count, machines = processes["count"], processes["machines"]
    if count == 1:
        return [], {}
    seen = f"{count} on {counted(machines, 'machine')}"
    if machines > 1:
        words = ["torchrun", f"--nnodes={machines}", f"--nproc_per_node={count // machines}", *run]
        advice = f"start them on the same number: {pasteable(words)}"
        raise InputError(Problem("processes", seen=seen, wanted="one machine", advice=advice), heading=str(path))
    if count > (os.cpu_count() or 1):
        wanted = f"at most {os.cpu_count()}, the cores of this machine"
        raise InputError(Problem("processes", seen=seen, wanted=wanted), heading=str(path))
    threads = (manifest.get("hardware") or {}).get("threads")
    environment = {"OMP_NUM_THREADS": str(threads)} if isinstance(threads, int) else {}
    # --standalone: a port of its own, also beside other runs on this machine.
    return ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={count}"], environment


def _overrides(manifest: Mapping[str, Any], root: Path) -> dict[str, Any]:
    command = manifest["command"]
    given = {name: value for name, value in command["overrides"].items() if value is not None}
    values = {name: value for name, value in given.items() if name not in _OWN} | {"bundle_root": str(root)}
    values |= {name: str(_then(command, values[name])) for name in _PATHS if isinstance(values.get(name), str)}
    cache = given.get("cache_dir") or (manifest.get("knobs") or {}).get("cache_dir")
    if cache == "$None":
        values["cache_dir"] = cache
    elif isinstance(cache, str) and (prepared := _then(command, cache)).is_dir():
        values["cache_dir"] = str(prepared)  # files that are prepared already are reused
    return values


def _is_well_formed(content: Mapping[str, Any]) -> bool:
    command, epochs, weights = content["command"], content.get("epochs"), content.get("weights")
    return (
        isinstance(command, dict)
        and all(isinstance(command.get(name), dict) for name in ("overrides", "options"))
        and isinstance(command.get("folder"), str)
        and _are_processes(content.get("processes", {"count": 1, "machines": 1}))
        and isinstance(command.get("config_files"), list)
        and all(
            isinstance(each, dict) and all(_is_line(each.get(name)) for name in ("path", "digest"))
            for each in command["config_files"]
        )
        and all(isinstance(content.get(name) or {}, dict) for name in ("hardware", "knobs"))
        and isinstance(epochs, list)
        and all(isinstance(row, dict) and "epoch" in row for row in epochs)
        and isinstance(weights, dict)
        and isinstance(weights.get("digest"), str)
        and isinstance(weights.get("parts"), dict)
    )


def _is_line(value: object) -> bool:
    return isinstance(value, str) and value.isprintable()


def _are_processes(content: object) -> bool:
    return isinstance(content, dict) and all(
        type(content.get(name)) is int and content[name] > 0 for name in ("count", "machines")
    )


def _find_configs(
    named: Sequence[Mapping[str, Any]], root: Path, options: RerunOptions
) -> tuple[list[Problem], list[Path]]:
    """Find the config files of a run by name, never at the place that the manifest names."""
    problems: list[Problem] = []
    found: list[Path] = []
    own = {path.name: path for path in options.config_files}
    for entry in named:
        name = re.split(r"[\\/]", str(entry["path"]))[-1]  # of either system
        path = own.get(name, root / "configs" / name)
        found.append(path)
        if not path.is_file():
            advice = "give --bundle-root or, for a config of your own that you trust, --config-file PATH"
            problems.append(Problem(name, seen=f"not in {root / 'configs'}", advice=advice))
        elif config_digest(path) != entry["digest"] and not options.changed_config:
            advice = "check out the version of the original run (see git in the manifest), or give --changed-config"
            problems.append(Problem(str(path), seen="its content differs from the original run", advice=advice))
    return problems, found


def _code_in(overrides: Mapping[str, Any]) -> Iterator[Problem]:
    advice = "read it, then give --allow-expressions if you trust it"
    for name, value in overrides.items():
        private = any(part.startswith("_") for part in re.split("#|::", name))
        if private or any(_is_code(part) for part in texts_in(value)):
            yield Problem(f"--{name}", seen=repr(value), wanted="a plain value", advice=f"this is code: {advice}")


def _is_code(text: str) -> bool:
    """Whether MONAI would evaluate, look up, or build a value; ``$None`` and literal expressions aside."""
    return (
        text != "$None"
        and without_expression(text) == text
        and (text.lstrip()[:1] in ("$", "@", "%") or text.startswith("_"))
    )


def _word(value: Any) -> str:
    """An override as the original run read it: values that MONAI interpreted stay so, all others arrive unchanged."""
    return value if isinstance(value, str) and value[:1] in ("$", "@", "%") else as_word(value)


def _then(command: Mapping[str, Any], path: str) -> Path:
    """A path, resolved in the folder in which the run was started."""
    meant = os.path.expanduser(without_expression(path))  # noqa: PTH111 # as expand_home, which the run itself used
    return Path(os.path.normpath(Path(command["folder"]) / meant))
