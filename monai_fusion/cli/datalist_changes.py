"""``monai-fusion datalist diff`` and ``apply``: what changed between two datalists, and a log of changes made again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monai_fusion.cli.asking import before_it_is_lost
from monai_fusion.cli.datalist import datalist_app
from monai_fusion.errors import InputError, Problem, noted
from monai_fusion.files import is_private, write_atomically
from monai_fusion.messages import answer, answer_json, say
from monai_fusion.wording import counted

if TYPE_CHECKING:
    from monai_fusion.datalist.changes.applying import Merge
    from monai_fusion.datalist.changes.change_log import ChangeLog
    from monai_fusion.datalist.examination import Examination

_Datalist = Annotated[Path, typer.Argument(metavar="DATALIST", help="The datalist (.json).", show_default=False)]


@datalist_app.command("diff")
def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="A datalist (.json).", show_default=False)],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Another one.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON, for programs.")] = False,
) -> None:
    """Show in words what changed between two datalists: who was left out, relabelled, moved, added or removed.

    Ends with the participants of each part by class, before and after, and warns if the test part has changed. The
    recordings need not be on this machine. Exit code 0, whether anything differs or not; 2 if one of the files has
    problems.

    \b
    monai-fusion datalist diff gender.json gender_edited.json
    """  # noqa: D301 - click wants the character \b, not the two letters of a raw string
    from monai_fusion.datalist.changes.comparing import compare

    found = compare(_examined(old).json.value, _examined(new).json.value)
    if as_json:
        answer_json({"same": found.same, **asdict(found), "warning": found.test_part_warning})
        return
    for line in found.lines():
        answer(line)


@datalist_app.command("apply")
def apply(
    log: Annotated[
        Path, typer.Argument(metavar="LOG", help="The log of changes (.json) that the page saved.", show_default=False)
    ],
    datalist: _Datalist,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write another file.", show_default="DATALIST; the old file is kept as .1.bak"
        ),
    ] = None,
    skip_conflicts: Annotated[
        bool, typer.Option("--skip-conflicts", help="Make the other changes if some cannot be made.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before DATALIST is changed.")] = False,
) -> None:
    """Make the changes of a log in a datalist that may be newer than the one they were made in.

    A change whose participant is gone, or whose field somebody else has changed in the meantime, is a conflict: the
    command lists all conflicts, and writes nothing unless you give --skip-conflicts. Lines without a change stay as
    they are. Exit code 0 if done, 2 if there are conflicts or the result would have problems.

    \b
    monai-fusion datalist apply gender_changes.json gender.json --dry-run
    """  # noqa: D301 - as in diff
    from monai_fusion.datalist.changes.change_log import read_change_log
    from monai_fusion.datalist.saving.backups import replace_edited
    from monai_fusion.datalist.saving.writing import write_text

    changes = read_change_log(log)
    _refuse_out(out, datalist)
    before = _examined(datalist)
    merge = _merged(before, changes, skip_conflicts)
    after = _examined_text(merge.text, datalist, f"{datalist} with these changes")
    _print_merge(merge, before, after)
    if dry_run or not merge.made:
        say(f"{out or datalist}: {'not written (--dry-run)' if merge.made else 'there is nothing to change'}")
        return
    if out is not None:
        write_text(merge.text, out, private=is_private(datalist))
        say(f"{out}: written")
        return
    if (ask := before_it_is_lost(yes)) is not None:
        ask(f"Write this to {datalist}?")
    backup = replace_edited(datalist, before.json.content, merge.text)
    say(f"{datalist}: changed; the old file is {backup}")


@datalist_app.command("table")
def table(
    datalist: _Datalist,
    out: Annotated[Path, typer.Option(metavar="FILE.xlsx", help="The workbook to write.", show_default=False)],
    force: Annotated[bool, typer.Option("--force", help="Replace a workbook that is there.")] = False,
) -> None:
    """Write a datalist as an Excel workbook to edit: a row for each participant.

    Correct labels, give reasons in the column exclude, move participants with the column part, add rows and columns;
    then `datalist build --from-table` writes the datalist. Cells that nobody edited change nothing. Exit code 0 if
    done, 2 if the datalist has problems.

    \b
    monai-fusion datalist table gender.json --out gender.xlsx
    monai-fusion datalist build --from-table gender.xlsx --out gender_edited.json
    """  # noqa: D301 - as in diff
    from monai_fusion.datalist.changes.workbook import workbook_of

    if out.suffix.lower() != ".xlsx":
        raise InputError(Problem("--out", seen=str(out), wanted="a name that ends in .xlsx"))
    if out.exists() and not force:
        raise InputError(Problem("--out", seen=f"{out} already exists", advice="choose another name, or give --force"))
    examination = _examined(datalist)
    content = workbook_of(examination.json.content.decode(), examination.json.value)
    try:
        write_atomically(out, content, private=is_private(datalist))
    except OSError as error:
        raise InputError(Problem(str(out), seen=f"cannot be written ({error.strerror or error})")) from None
    say(f"{out}: written; after your edits: monai-fusion datalist build --from-table {out} --out NEW.json")


def build_from_table(source: Path, out: Path, force: bool, yes: bool) -> None:
    """``datalist build --from-table``: the datalist with the edits of a workbook.

    Raises:
        InputError: The workbook, its edits, or the datalist that they give are wrong.
    """
    from monai_fusion.datalist.changes.from_workbook import datalist_of
    from monai_fusion.datalist.saving.backups import replace_edited
    from monai_fusion.datalist.saving.replacing import refuse_what_is_no_datalist
    from monai_fusion.datalist.saving.writing import write_text

    refuse_what_is_no_datalist([out])
    if out.exists() and not force:
        advice = "choose another --out, or give --force: the old file is kept beside the new one"
        raise InputError(Problem("--out", seen=f"{out} already exists", advice=advice))
    text, notes = datalist_of(source)
    examination = _examined_text(text, out, f"the datalist of {source}")
    for note in notes:
        say(f"note: {note}", err=True)
    if not out.exists():
        write_text(text, out, private=is_private(source))
    elif (before := out.read_bytes()) != text.encode():
        if (ask := before_it_is_lost(yes)) is not None:
            ask(f"{out} already exists. Replace it?")
        backup = replace_edited(out, before, text)
        say(f"{out}: the old file is {backup}", err=True)
    rows = len(examination.participants) + len(examination.left_out)
    say(f"{out}: {counted(rows, 'participant')}; what changed: monai-fusion datalist diff OLD.json {out}")
    say(f"no recording was looked for; to check labels and files: monai-fusion datalist check {out}")


def _refuse_out(out: Path | None, datalist: Path) -> None:
    if out is None:
        return
    if out.exists():
        raise InputError(Problem("--out", seen=f"{out} already exists", advice="choose another name"))
    if out.resolve().parent != datalist.resolve().parent:
        advice = "the paths in it start from its folder: write it beside the datalist, and move both"
        raise InputError(Problem("--out", seen=str(out), wanted=f"a file in {datalist.parent}", advice=advice))


def _examined(path: Path) -> Examination:
    """A datalist without problems; its recordings need not be on this machine.

    Raises:
        DatalistError: It has problems.
    """
    from monai_fusion.datalist.examination import Requirements, examine
    from monai_fusion.datalist.json_text import read_json_file

    return _sound(examine(read_json_file(path), path, Requirements(labels=False, files=False)), str(path))


def _examined_text(text: str, path: Path, heading: str) -> Examination:
    """The same of a text that would be written to a path."""
    from monai_fusion.datalist.examination import Requirements, examine
    from monai_fusion.datalist.json_text import parse_bytes

    asked = Requirements(labels=False, files=False)
    return _sound(examine(parse_bytes(text.encode()), path, asked), heading, "nothing was written")


def _sound(examination: Examination, heading: str, *notes: str) -> Examination:
    from monai_fusion.datalist.reporting import DatalistError

    if examination.problems:
        with noted(notes):
            raise DatalistError(examination.problems, heading=heading)
    return examination


def _merged(before: Examination, changes: ChangeLog, skip_conflicts: bool) -> Merge:
    from monai_fusion.datalist.changes.applying import apply_changes

    merge = apply_changes(before.json.content.decode(), changes)
    if merge.conflicts:
        problems = [Problem(each.change.participant_id, each.change.field, each.reason) for each in merge.conflicts]
        if not skip_conflicts:
            with noted(["nothing was written; --skip-conflicts makes the other changes"]):
                raise InputError(problems, heading=str(before.path))
        for problem in problems:
            say(f"not changed: {problem}", err=True)
    return merge


def _print_merge(merge: Merge, before: Examination, after: Examination) -> None:
    from monai_fusion.datalist.changes.comparing import compare

    for line in compare(before.json.value, after.json.value).lines() if merge.made else ():
        say(line)
    already = f", {merge.already} made already" if merge.already else ""
    say(f"{counted(merge.made, 'change')}{already}")
