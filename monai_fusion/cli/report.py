"""``monai-fusion report``: writes the page of an evaluation or a comparison again from its files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monai_fusion.cli.several_values import SeveralValuesCommand
from monai_fusion.errors import InputError, Problem
from monai_fusion.files import latest
from monai_fusion.messages import say
from monai_fusion.run_folder import COMPARISON_FILE, PREDICTIONS_FILE

_FORMATS = ("svg", "pdf", "png")


class ReportCommand(SeveralValuesCommand):
    """``--figure-formats svg pdf``: several values after one flag."""


def report(
    run_dir: Annotated[
        Path,
        typer.Argument(
            metavar="RUN_DIR",
            help="The --output_dir of an evaluation or inference, or the --output-dir of a comparison.",
            show_default=False,
        ),
    ],
    figures: Annotated[
        Path | None,
        typer.Option(
            "--figures",
            metavar="DIR",
            help="Also write every figure, every table (CSV) and a Methods paragraph into DIR, for a paper.",
            show_default=False,
        ),
    ] = None,
    figure_formats: Annotated[
        list[str] | None,
        typer.Option(metavar="svg pdf", help="Formats of --figures.", show_default=" ".join(_FORMATS)),
    ] = None,
) -> None:
    """Write RUN_DIR/report.html, one self-contained file with all figures, from the files in RUN_DIR.

    For predictions without labels it writes predictions.html and predictions.xlsx, for a comparison comparison.html.
    evaluate, predict and compare write them too. It needs no recordings, no model and no GPU. PNGs have 300 dpi;
    --figures replaces only files in DIR that it wrote itself.

    \b
    monai-fusion report runs/first
    monai-fusion report runs/first/new
    monai-fusion report runs/first --figures paper
    monai-fusion report runs/compare --figures paper --figure-formats pdf
    """  # noqa: D301 - click wants the character \b, not the two letters of a raw string
    compared = _is_comparison(run_dir)
    formats = _formats(figures, figure_formats)
    if figures is not None and figures.exists() and not figures.is_dir():
        raise InputError(Problem("--figures", seen=f"{figures} is a file", wanted="a folder to write to"))
    if compared:
        from monai_fusion.comparison import saved_comparison

        found = saved_comparison.read_comparison(run_dir)
        say(f"wrote {saved_comparison.write_page(found, run_dir)}")
        if figures is not None:
            _say_written(figures, saved_comparison.write_comparison_figures(found, figures, formats))
        return
    from monai_fusion.report import write_pages

    for path in write_pages(run_dir):
        say(f"wrote {path}")
    if figures is not None:
        from monai_fusion.report.export import write_figures

        _say_written(figures, write_figures(run_dir, figures, formats))


def _is_comparison(folder: Path) -> bool:
    """Whether the folder is that of a comparison; other folders are refused before slow imports."""
    if not folder.exists():
        raise InputError(Problem(str(folder), seen="no such folder"))
    if not folder.is_dir():
        wanted = "the --output_dir of an evaluation (evaluate.yaml)"
        raise InputError(Problem(str(folder), seen="a file", wanted=wanted))
    if latest(folder / PREDICTIONS_FILE).exists():
        return False
    if latest(folder / COMPARISON_FILE).exists():
        return True
    advice = "give the --output_dir of an evaluation (evaluate.yaml)"
    raise InputError(Problem(str(folder), seen=f"no {PREDICTIONS_FILE}", advice=advice))


def _formats(figures: Path | None, wanted: list[str] | None) -> tuple[str, ...]:
    chosen = tuple(dict.fromkeys(name.lower().removeprefix(".") for name in wanted or _FORMATS))
    unknown = [name for name in chosen if name not in _FORMATS]
    if unknown:
        raise InputError(Problem("--figure-formats", seen=f'"{unknown[0]}"', wanted=f"some of {', '.join(_FORMATS)}"))
    if wanted and figures is None:
        raise InputError(
            Problem("--figure-formats", seen="given without --figures", advice="name a folder with --figures DIR")
        )
    return chosen


def _say_written(folder: Path, written: list[Path]) -> None:
    counts = [sum(path.name.startswith(kind) for path in written) for kind in ("figure_", "table_")]
    say(f"wrote {counts[0]} figures, {counts[1]} tables and {written[-1].name} to {folder}")
