"""Removes the figures and tables of an earlier explanation that the new one in the same folder does not have."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from monai_fusion.explain.derived import FIGURES_FOLDER, GROUP_FOLDER
from monai_fusion.explain.modality_results import TABLE_FILE
from monai_fusion.files import remove_together
from monai_fusion.report.explanation_file import ExplanationFile

logger = logging.getLogger(__name__)

_FIGURES = (".png", ".svg")


def remove_stale(folder: Path, earlier: ExplanationFile | None, new: ExplanationFile) -> None:
    """Remove what only the earlier ``explanation.json`` names: with other settings, it would pass for a new result.

    Only figures, and tables and volumes of all participants together, are removed: files that the program has written
    itself, in its own folders. What it wrote of single participants stays, because each of them may be explained in a
    run of its own; so does any file that no ``explanation.json`` names.

    Args:
        folder: The explanation folder.
        earlier: What its ``explanation.json`` held; None without one.
        new: What it holds now.
    """
    if earlier is None:
        return
    kept = set(_files_of(new))
    stale = [folder / name for name in _files_of(earlier) if name not in kept]
    stale = [path for path in stale if not path.parent.is_symlink()]  # a link may lead to files of others
    try:
        remove_together(stale)
    except OSError as error:
        logger.warning("%s is of an earlier explanation, and cannot be removed: %s", error.filename, error.strerror)


def _files_of(content: ExplanationFile) -> Iterator[str]:
    """The figures and tables, relative to the folder; names that the program does not give are passed over."""
    for figure in content.figures:
        stem = figure.file.removesuffix(_FIGURES[0])
        yield from (name for ending in _FIGURES if _is_in(FIGURES_FOLDER, name := f"{stem}{ending}"))
    yield from (name for name in content.tables if name == TABLE_FILE or _is_in(GROUP_FOLDER, name))


def _is_in(folder: str, name: str) -> bool:
    """Whether a name is that of a file directly in this folder: the file may come from others."""
    parts = PurePosixPath(name).parts
    return len(parts) == 2 and parts[0] == folder and parts[1] != ".." and not set(name) & set("\\:\0")
