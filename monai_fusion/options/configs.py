"""Config files as plain data, merged as MONAI merges them; nothing of them is looked up or evaluated."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

# Ten times as fast where PyYAML was built with libyaml.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_configs(files: Sequence[str | os.PathLike[str]]) -> dict[str, Any]:
    """Load config files and merge them: a later one's entries replace an earlier one's.

    Keys may name a place within an entry (``train#trainer#max_epochs``) or add to one (``+imports``), as in MONAI's
    `ConfigParser.load_config_files`.

    Args:
        files: Paths of YAML or JSON files.

    Raises:
        OSError: A file cannot be read.
        ValueError: A file holds no mapping, or a key names a place that does not exist.
    """
    merged: dict[str, Any] = {}
    for path in files:
        for key, value in _load(Path(path)).items():
            _merge(merged, str(key), value)
    return merged


def _load(path: Path) -> Mapping[str, Any]:
    text = path.read_text(encoding="utf-8")
    try:
        content = json.loads(text) if path.suffix.lower() == ".json" else yaml.load(text, _LOADER)  # noqa: S506 # safe
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: {error}") from error
    if not isinstance(content, Mapping):
        raise ValueError(f"{path}: expected a mapping")
    return content


def _merge(config: dict[str, Any], key: str, value: Any) -> None:
    adds = key.startswith("+")
    *parents, last = key.removeprefix("+").replace("#", "::").split("::")
    place: Any = config
    try:
        for name in parents:
            place = place[int(name) if isinstance(place, list) else name]
        index: Any = int(last) if isinstance(place, list) else last
        there = place[index] if adds and (isinstance(place, list) or index in place) else None
        if isinstance(there, dict) and isinstance(value, Mapping):
            there.update(value)
        elif isinstance(there, list) and isinstance(value, list):
            there.extend(value)
        else:
            place[index] = value
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError(f"{key}: there is no such place in the config") from error
