"""``monai-fusion scalogram``: raw EEG recordings become the files that a datalist names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monai_fusion.cli.declared_options import with_declared_options
from monai_fusion.errors import InputError
from monai_fusion.messages import answer_json, say
from monai_fusion.options.declared import Group
from monai_fusion.recordings.options import ScalogramOptions
from monai_fusion.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monai_fusion.recordings.making import Made

_NOTES_SHOWN = 20
_FAILED = 1


@with_declared_options
def scalogram(
    raw: Annotated[
        list[Path],
        typer.Argument(
            metavar="RAW...",
            help="Recordings (.vhdr, .set, .edf, .bdf, .fif, .csv, .tsv), folders of them, or a BIDS dataset.",
            show_default=False,
        ),
    ],
    options: Annotated[ScalogramOptions, Group()],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON, for programs.", rich_help_panel="Output")
    ] = False,
) -> None:
    """Make scalograms (.npy) of raw EEG recordings, one for each segment of 10 s, and describe how in a JSON file.

    The command skips recordings that it has finished in the same way, so the same line resumes an interrupted run. It
    never writes into a dataset. Exit code 0: done; 1: recordings failed (the others are done); 2: wrong input.

    \b
    monai-fusion scalogram LEMON/raw --out LEMON/eeg --mode power --preview --summary
    monai-fusion scalogram exports --sampling-rate 250 --electrodes F3,Fz,F4,C3,Cz,C4 --out eeg
    monai-fusion scalogram my_study --task rest --condition EO --interpolate 2 --out my_study/derivatives/scalograms
    """  # noqa: D301 - click wants the character \b, not the two letters of a raw string
    from monai_fusion.recordings.job import run_job
    from monai_fusion.recordings.making import Made
    from monai_fusion.recordings.opening import find

    found = find(raw, options)
    for note in found.notes:
        say(f"note: {note}", err=True)
    refused = [Made(path=path, state="failed", problems=(problem,)) for path, problem in found.refused]
    if refused and options.job.on_error == "stop":
        raise InputError(problem for _, problem in found.refused)
    done = [*refused, *run_job(raw, found.recordings, options)]
    failed = [each for each in done if each.state == "failed"]
    if options.job.summary:
        from monai_fusion.report.recordings_page import write_recordings_page

        reasons = {
            each.path.name: [_without_folders(str(problem), done, options) for problem in each.problems]
            for each in failed
        }
        write_recordings_page(options.job.out, reasons)
    if as_json:
        answer_json(_as_json(done, options))
    else:
        _print(done, len(found.recordings) + len(refused), options)
    if failed:
        raise typer.Exit(_FAILED)


def _without_folders(text: str, done: Sequence[Made], options: ScalogramOptions) -> str:
    """A message as the summary page shows it: users pass the page on, and folders may name participants."""
    for path in (*(each.path for each in done), options.job.out.absolute(), options.job.out):
        text = text.replace(str(path), path.name)
    return text


def _print(done: Sequence[Made], wanted: int, options: ScalogramOptions) -> None:
    _print_notes(done)
    by_state = {state: [each for each in done if each.state == state] for state in ("made", "finished", "failed")}
    kept = sum(sum(each.kept.values()) for each in by_state["made"])
    say(f"{options.job.out}: {counted(kept, 'scalogram')} of {counted(len(by_state['made']), 'recording')} written")
    if by_state["finished"]:
        say(f"  {counted(len(by_state['finished']), 'recording')} finished before, with the same options")
    if dropped := _dropped(done):
        say(f"  dropped: {', '.join(f'{number} x {why}' for why, number in dropped.items())}")
    if options.job.summary:
        say(f"  {options.job.out / 'summary.html'}: all recordings on one page")
    if by_state["failed"]:
        say(f"error: {counted(len(by_state['failed']), 'recording')} failed:", err=True)
        texts = [
            text if each.path.name in (text := str(problem)) else f"{each.path}: {text}"
            for each in by_state["failed"]
            for problem in each.problems
        ]
        for text in dict.fromkeys(texts):  # two recordings of one name have one message
            say(f"  {text}", err=True)
    if (left := wanted - len(done)) > 0:
        say(f"{counted(left, 'recording')} not looked at (--on-error stop)", err=True)


def _print_notes(done: Sequence[Made]) -> None:
    """Each note once, with whose it is."""
    named: dict[str, list[str]] = {}
    for each in done:
        for note in each.notes:
            named.setdefault(note, []).append(each.path.name)
    for note, names in list(named.items())[:_NOTES_SHOWN]:
        whose = names[0] if len(names) == 1 else f"{names[0]} and {counted(len(names) - 1, 'recording')} more"
        say(f"note: {whose}: {note}", err=True)
    if len(named) > _NOTES_SHOWN:
        say(f"note: ... and {len(named) - _NOTES_SHOWN} more; the sidecars hold them", err=True)


def _dropped(done: Sequence[Made]) -> dict[str, int]:
    from collections import Counter

    total: Counter[str] = Counter()
    for each in done:
        total.update(each.dropped)
    return dict(total.most_common())


def _as_json(done: Sequence[Made], options: ScalogramOptions) -> dict[str, Any]:
    return {
        "out": str(options.job.out),
        "recordings": [
            {
                "path": str(each.path),
                "state": each.state,
                "kept": each.kept,
                "dropped": each.dropped,
                "sidecars": list(map(str, each.sidecars)),
                "notes": list(each.notes),
                "problems": list(map(str, each.problems)),
            }
            for each in done
        ],
    }
