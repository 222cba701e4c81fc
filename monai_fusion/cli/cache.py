"""``monai-fusion cache``: looking after the preprocessed store."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monai_fusion.cli.command_list import CommandList
from monai_fusion.errors import InputError, Problem
from monai_fusion.messages import answer, answer_json, is_quiet, say

if TYPE_CHECKING:
    from monai_fusion.store.maintenance import Verification

cache_app = typer.Typer(
    cls=CommandList,
    help="The preprocessed store: show its content, verify it, make room.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_AGES = {"m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


def _folder(path: Path) -> Path:
    if path.exists() and not path.is_dir():
        raise InputError(Problem("--cache-dir", seen=f"{path}: a file", wanted="the folder of a store"))
    return path


CacheDir = Annotated[
    Path,
    typer.Option("--cache-dir", help="Folder of the store, as the bundle's --cache_dir.", callback=_folder),
]
DEFAULT_CACHE_DIR = Path("runs/preprocessed")  # where the bundle's configs put it for an output_dir in runs/


_Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for programs; sizes in bytes.")]


@cache_app.command("status")
def status(cache_dir: CacheDir = DEFAULT_CACHE_DIR, as_json: _Json = False) -> None:
    """Show what the store holds: chains, entries, bytes, and how much the last run could reuse."""
    from monai_fusion.store.maintenance import status_of

    found = status_of(cache_dir)
    size = sum(entry.size for entry in found.entries)
    if as_json:
        chains = [
            {"name": each.name, "entries": len(each.entries), "bytes": each.size, "description": each.description}
            for each in found.chains
        ]
        total = {"folder": str(found.folder), "entries": len(found.entries), "bytes": size}
        answer_json({**total, "chains": chains, "last_run": found.last_run, "not_used": list(found.other_layouts)})
        return
    answer(f"{found.folder}: {len(found.entries)} entries, {human(size)}")
    for chain in found.chains:
        answer(f"  {chain.name}: {len(chain.entries)} entries, {human(chain.size)}: {chain.description}")
    files, reused = (found.last_run.get(name) for name in ("files", "reused"))
    if isinstance(files, int) and isinstance(reused, int) and files > 0:
        rate = f"{100 * reused / files:.0f} %"
        answer(f"last run ({found.last_run.get('finished')}): {reused} of {files} files reused ({rate})")
    if found.other_layouts:
        answer(f"of other versions, not used: {', '.join(found.other_layouts)}")


@cache_app.command("verify")
def verify(
    cache_dir: CacheDir = DEFAULT_CACHE_DIR,
    datalist: Annotated[
        Path | None, typer.Option(help="Also hash the recordings of this datalist again.", show_default=False)
    ] = None,
    as_json: _Json = False,
) -> None:
    """Check every entry's checksum and key and, with --datalist, that no recording was replaced unnoticed.

    The command removes damaged entries and notes replaced recordings: runs prepare both again when they need
    them. Exit code 1 if it found any.
    """
    from monai_fusion.store.maintenance import verify as verify_store

    sources: list[Path] = []
    if datalist is not None:
        from monai_fusion.datalist import read_datalist

        cohort = read_datalist(datalist, require_labels=False)
        sources = [path for record in cohort.all_records for path in record.files]
    found = verify_store(cache_dir, sources)
    if as_json:
        answer_json(_as_json(found))
    else:
        _print_verification(found, datalist is not None)
    if not found.sound:
        raise typer.Exit(1)


def _print_verification(found: Verification, hashed: bool) -> None:
    for path, reason in found.damaged.items():
        kept = "not removed" if path.exists() else "removed"
        say(f"damaged, {kept}: {path} ({reason})", err=is_quiet())
    for path in found.replaced:
        say(f"replaced by another file of the same size and times: {path}", err=is_quiet())
    for path in found.unreadable:
        say(f"cannot be read: {path}", err=is_quiet())
    summary = f"{found.checked} entries checked, {len(found.damaged)} damaged"
    if hashed:
        summary += f"; {found.sources} recordings hashed, {len(found.replaced)} replaced unnoticed"
    say(summary)


def _as_json(found: Verification) -> dict[str, Any]:
    return {
        "ok": found.sound,
        "checked": found.checked,
        "damaged": {str(path): reason for path, reason in found.damaged.items()},
        "hashed": found.sources,
        "replaced": list(map(str, found.replaced)),
        "unreadable": list(map(str, found.unreadable)),
    }


@cache_app.command("prune")
def prune(
    cache_dir: CacheDir = DEFAULT_CACHE_DIR,
    older_than: Annotated[str | None, typer.Option(metavar="30d", help="Not used for this long: m, h, d or w.")] = None,
    max_size: Annotated[
        str | None, typer.Option(metavar="50GB", help="Remove the least recently used entries beyond this size.")
    ] = None,
    delete: Annotated[
        bool, typer.Option("--delete", help="Remove them; without it, the command only counts them.")
    ] = False,
) -> None:
    """Make room: list the entries to remove and, with --delete, remove them. The command never touches other files.

    \b
    monai-fusion cache prune --older-than 30d --max-size 50GB
    monai-fusion cache prune --older-than 30d --max-size 50GB --delete
    """  # noqa: D301 - click wants the character \b, not the two letters of a raw string
    from monai_fusion.store.maintenance import choose_for_pruning, status_of
    from monai_fusion.store.maintenance import prune as remove

    if older_than is None and max_size is None:
        raise InputError(Problem("cache prune", seen="no limit", wanted="--older-than, --max-size or both"))
    age = None if older_than is None else _seconds(older_than)
    size = None if max_size is None else _bytes(max_size)
    found = status_of(cache_dir)
    chosen = choose_for_pruning(found, age, size)
    total = human(sum(entry.size for entry in chosen))
    of_all = f"{len(chosen)} of {len(found.entries)} entries, {total}"
    if delete:
        removed = remove(found, chosen)
        in_use = f"; {len(chosen) - removed} are in use and stay" if removed < len(chosen) else ""
        say(f"removed {of_all}{in_use}")
    else:
        say(f"would remove {of_all}; nothing was removed: add --delete to remove them")


def human(size: int) -> str:
    """``1.9 GB``."""
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1000 * _UNITS[unit] or unit == "GB":
            return f"{size / _UNITS[unit]:.{0 if unit == 'B' else 1}f} {unit}"
    raise AssertionError(size)


def _seconds(text: str) -> float:
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([mhdw])\s*", text)
    if match is None:
        raise InputError(Problem("--older-than", seen=repr(text), wanted="a time such as 12h, 30d or 8w"))
    return float(match[1]) * _AGES[match[2]]


def _bytes(text: str) -> int:
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?B?)\s*", text.upper())
    unit = match[2] if match else ""
    unit = f"{unit}B" if unit and not unit.endswith("B") else unit
    if match is None:
        raise InputError(Problem("--max-size", seen=repr(text), wanted="a size such as 500MB or 50GB"))
    return int(float(match[1]) * _UNITS[unit])
