"""``monai-fusion rerun``: repeat a training from its manifest and compare the numbers."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Annotated

import typer

from monai_fusion.errors import InputError
from monai_fusion.messages import pasteable, say


def rerun(
    manifest: Annotated[
        Path, typer.Argument(metavar="MANIFEST", help="A run's manifest.json, or its folder.", show_default=False)
    ],
    output_dir: Annotated[
        Path | None,
        typer.Option("--output-dir", "--output_dir", help="The new run's folder.", show_default="RUN-rerun"),
    ] = None,
    datalist: Annotated[
        Path | None, typer.Option(help="The datalist, if it moved.", show_default="its path in the manifest")
    ] = None,
    bundle_root: Annotated[
        Path | None,
        typer.Option(
            "--bundle-root", "--bundle_root", help="The bundle whose configs to run.", show_default="the shipped one"
        ),
    ] = None,
    config_file: Annotated[
        list[Path] | None,
        typer.Option("--config-file", help="A config of your own that the run used; repeatable.", show_default=False),
    ] = None,
    changed_config: Annotated[
        bool, typer.Option("--changed-config", help="Allow config files that changed since the original run.")
    ] = False,
    allow_expressions: Annotated[
        bool, typer.Option("--allow-expressions", help="Run overrides that are code ($...); read them first.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print what differs from the original run, and the command.")
    ] = False,
) -> None:
    """Repeat a finished training from its MANIFEST in a new folder, and report whether the numbers match.

    The program executes nothing from the manifest: it takes the config files from your own bundle, and they must be
    unchanged. Exit code 0 if the weights are identical, 1 if not (then it prints how far the metrics differ, and what
    else differs), 2 for wrong input.

    \b
    monai-fusion rerun runs/first/manifest.json
    monai-fusion rerun runs/first/manifest.json --output-dir runs/again --datalist gender.json
    """  # noqa: D301 - click wants the character \b, not the two letters of a raw string
    from monai_fusion.child_processes import child_environment
    from monai_fusion.fingerprint import content_hash
    from monai_fusion.runs.environment import git_revision, versions
    from monai_fusion.runs.matching import compare, environment_differences, same_weights
    from monai_fusion.runs.repeating import RerunOptions, plan_rerun, read_manifest

    then = read_manifest(manifest)
    options = RerunOptions(
        output_dir, datalist, bundle_root, tuple(config_file or ()), changed_config, allow_expressions
    )
    planned = plan_rerun(then, manifest, options)
    here = {"versions": versions(), "git": git_revision(), "datalist": {"digest": content_hash(planned.datalist)}}
    for line in environment_differences(then, here):
        say(f"differs:{line[1:]}")
    for name, value in planned.environment.items():
        say(f"{name}={os.environ.get(name, value)}")
    say(pasteable(planned.command))
    if dry_run:
        return
    # A list without a shell; its values were checked to be data, and fire reads them as Python literals.
    environment = {**planned.environment, **child_environment()}
    code = subprocess.run(planned.command, check=False, env=environment).returncode  # noqa: S603
    if code:
        say(f"the rerun ended with exit code {code}: there are no numbers to compare", err=True)
        raise typer.Exit(code if code == InputError.exit_code else 1)
    now = read_manifest(planned.output_dir)
    for line in compare(then, now):
        say(line)
    raise typer.Exit(0 if same_weights(then, now) else 1)
