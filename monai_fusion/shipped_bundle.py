"""Where the MONAI bundle of this version is, in a checkout and in an installation, and how to make a copy of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import monai_fusion
from monai_fusion.errors import InputError, Problem

NAME = "brain_eeg_mri_classification"
_CONFIGS = {
    "train": ("train.yaml",),
    "predict": ("inference.yaml",),
    "evaluate": ("inference.yaml", "evaluate.yaml"),
    "explain": ("inference.yaml", "explain.yaml"),
}
_NOT_SHIPPED = ("__pycache__", "models")


def shipped_bundle() -> Path:
    """Return the folder of the bundle that this version of the program ships."""
    # An installation has bundles/ within the package, a checkout next to it: __path__ names both places.
    places = [Path(place) / "bundles" / NAME for place in monai_fusion.__path__]
    return next((place for place in places if place.is_dir()), places[0])


def config_files(run: str, bundle: Path | None = None) -> tuple[Path, ...]:
    """Return the config files of a run of the bundle, each but the first an overlay on those before it.

    Args:
        run: ``train``, ``evaluate``, ``predict`` or ``explain``.
        bundle: The bundle's folder; None for the one that this version ships.
    """
    folder = (bundle or shipped_bundle()) / "configs"
    return tuple(folder / name for name in _CONFIGS[run])


def default_bundle() -> Path:
    """Return the bundle below the working folder, as in a checkout, or else the one that this version ships."""
    here = Path("bundles") / NAME
    return here if here.is_dir() else shipped_bundle()


def copy_bundle(folder: Path) -> list[Path]:
    """Copy the shipped bundle, to be edited; no existing file is replaced.

    Args:
        folder: Where the copy is written; made if it is not there.

    Returns:
        The files written.

    Raises:
        InputError: A file of the bundle already exists, or the folder cannot be written to.
    """
    source = shipped_bundle()
    files = list(_files(source))
    taken = [path for path in files if (folder / path).exists()]
    if taken:
        advice = "choose another --out: a bundle that you may have edited is not replaced"
        raise InputError(Problem(str(folder / path), seen="already exists", advice=advice) for path in taken[:1])
    try:
        for path in files:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / path, folder / path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(Problem("--out", seen=f"{folder}: {reason}", wanted="a folder to write to")) from None
    return [folder / path for path in files]


def _files(bundle: Path) -> Iterator[Path]:
    for path in sorted(bundle.rglob("*")):
        inside = path.relative_to(bundle)
        if path.is_file() and not set(_NOT_SHIPPED) & set(inside.parts):
            yield inside
