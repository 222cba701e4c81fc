"""Options of ``datalist build`` by their fields' names, whatever groups these are in."""

from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from monai_fusion.datalist.building.build_options import BuildOptions, OutputOptions


def build_options(out: Path, **values: Any) -> BuildOptions:
    """What ``datalist build --out OUT`` builds from, with these fields."""
    return changed(BuildOptions(output=OutputOptions(out)), **values)


def changed(options: BuildOptions, **values: Any) -> BuildOptions:
    """The options with these fields changed; a group (``split=...``) may be given whole."""
    groups = {field.name for field in fields(options)}
    for name, value in values.items():
        if name in groups:
            options = replace(options, **{name: value})
            continue
        [group] = [each for each in groups if name in _names(getattr(options, each))]
        options = replace(options, **{group: replace(getattr(options, group), **{name: value})})
    return options


def _names(group: Any) -> set[str]:
    return {field.name for field in fields(group)} if is_dataclass(group) else set()
