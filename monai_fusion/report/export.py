"""Figures, tables and a Methods paragraph as files, for a paper."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from monai_fusion.errors import InputError, Problem
from monai_fusion.files import write_atomically
from monai_fusion.report.figures import figures_of
from monai_fusion.report.methods import METHODS_FILE, methods_of
from monai_fusion.report.run_results import read_results
from monai_fusion.report.style import Picture
from monai_fusion.report.tables import Table, tables_of
from monai_fusion.report.what_was_run import what_was_run

FORMATS = ("svg", "pdf", "png")

LIST_FILE = ".monai-fusion-figures"
"""The digests of the files that `write_files` wrote, in the format of ``sha256sum``: only these may be replaced."""


def write_figures(
    run: str | os.PathLike[str], folder: str | os.PathLike[str], formats: Sequence[str] = FORMATS
) -> list[Path]:
    """Write every figure and table of an evaluation's report, and a Methods paragraph, into a folder.

    Args:
        run: The folder of the evaluation.
        folder: The folder to write to; created if it does not exist.
        formats: Formats of the figures: `FORMATS`.

    Returns:
        The files written.

    Raises:
        InputError: ``run`` holds no predictions; ``folder`` is not a folder, is not writable, or has a
            file with one of these names that an earlier call did not write, or that was edited since.
    """
    results = read_results(run)
    pictures, tables = list(figures_of(results).all()), tables_of(results, what_was_run(results))
    return write_files(Path(folder), pictures, tables, {METHODS_FILE: methods_of(results)}, formats)


def write_files(
    folder: Path,
    pictures: Iterable[Picture],
    tables: Iterable[Table],
    methods: Mapping[str, str],
    formats: Sequence[str] = FORMATS,
) -> list[Path]:
    """Write figures, tables and texts (by file name); otherwise as `write_figures`."""
    drawn = {
        f"figure_{picture.name}.{file_format}": (picture, file_format)
        for picture in pictures
        for file_format in dict.fromkeys(formats)
    }
    rest = {f"table_{table.name}.csv": table.csv() for table in tables}
    rest |= {name: text.encode("utf-8") for name, text in methods.items()}
    before = _make(folder, [*drawn, *rest])  # drawing takes seconds
    content = {name: _drawn(*how) for name, how in drawn.items()} | rest
    digests = {name: {_digest(data)} for name, data in content.items()}
    try:
        # The list comes first: a file that it names and that does not exist yet can only come from this call.
        _write_list(folder, {name: before.get(name, set()) | digests.get(name, set()) for name in before | digests})
        for name, data in content.items():
            write_atomically(folder / name, data)
        _write_list(folder, before | digests)
    except OSError as error:
        raise InputError(Problem("--figures", seen=f"{folder}: {error.strerror or error}")) from error
    return [folder / name for name in content]


def _drawn(picture: Picture, file_format: str) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, file_format)
    return stream.getvalue()


def _make(folder: Path, names: Iterable[str]) -> dict[str, set[str]]:
    """Create the folder; refuse a file in its place, and files with these names that another program wrote or changed.

    Returns:
        The digests of earlier calls' files, by name.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(Problem("--figures", seen=f"{folder} is a file", wanted="a folder to write to"))
    own = _own(folder)
    try:
        foreign = [name for name in names if (folder / name).exists() and not _is_own(folder / name, own)]
        if not foreign:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(Problem("--figures", seen=f"{folder}: {error.strerror or error}")) from error
    if foreign:
        seen = "exists already, and this command did not write it, or it was edited since"
        seen += f" (and {len(foreign) - 1} more)" if len(foreign) > 1 else ""
        raise InputError(Problem(str(folder / foreign[0]), seen=seen, advice="choose another folder for --figures"))
    return own


def _is_own(path: Path, own: Mapping[str, set[str]]) -> bool:
    return path.name in own and path.is_file() and _digest(path.read_bytes()) in own[path.name]


def _own(folder: Path) -> dict[str, set[str]]:
    """The files that earlier calls wrote, with the digests of their content."""
    try:
        lines = (folder / LIST_FILE).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    own: dict[str, set[str]] = {}
    for digest, _, name in (line.partition("  ") for line in lines):
        own.setdefault(name, set()).add(digest)
    return own


def _write_list(folder: Path, own: Mapping[str, set[str]]) -> None:
    lines = [f"{digest}  {name}\n" for name in sorted(own) for digest in sorted(own[name])]
    write_atomically(folder / LIST_FILE, "".join(lines).encode("utf-8"))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
