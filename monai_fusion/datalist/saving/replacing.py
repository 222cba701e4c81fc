"""Writes datalists where older ones may be: no work is overwritten without being reported and kept.

The existing file is compared with the new one. Without ``--force`` it stays, and the message lists
what would be lost and how to keep it; with it, the older file is kept beside the new one under a number.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_fusion.datalist.examination import check_datalist
from monai_fusion.datalist.saving.backups import behind_link, next_backup, write_backup
from monai_fusion.datalist.saving.what_is_lost import losses
from monai_fusion.datalist.saving.writing import document_text, write_text
from monai_fusion.errors import InputError, Problem
from monai_fusion.files import is_private
from monai_fusion.messages import pasteable
from monai_fusion.wording import a_few, counted, shortened


@dataclass(frozen=True, slots=True)
class Replacing:
    """What may be done to an existing file.

    Attributes:
        force: Whether it may be replaced.
        ask: Called before anything is lost, with what would be; it raises if the answer is no. ``None`` does not ask.
        source: Where the new labels come from, for messages.
        extendable: Whether ``--extend`` is a way to keep what is there, which a message then names.
    """

    force: bool = False
    ask: Callable[[str], None] | None = None
    source: str = "the new ones"
    extendable: bool = False


@dataclass(frozen=True, slots=True)
class _Older:
    """An existing file: its place behind links, its content, who may read it, what would be lost."""

    path: Path
    real: Path
    content: bytes
    private: bool
    lost: tuple[str, ...]

    def __str__(self) -> str:
        return ", ".join(self.lost)


def refuse_what_is_no_datalist(paths: Sequence[Path]) -> None:
    """Refuse to replace a folder, a file of another kind, or a datalist that its owner is still correcting.

    Raises:
        InputError: There is such a file or folder.
    """
    problems = []
    for path in paths:
        try:
            is_folder, is_there = path.is_dir(), path.exists()
        except OSError as error:
            seen = f"cannot be written ({error.strerror or error})"
            problems.append(Problem(shortened(str(path)), seen=seen, advice="choose another --out"))
            continue
        if is_folder:
            example = path / "datalist.json"
            problems.append(Problem(str(path), seen="a folder", wanted=f"a file to write, such as {example}"))
        elif is_there and (found := check_datalist(path, require_labels=False, require_files=False)):
            seen = f"already exists, and is not a valid datalist ({counted(len(found), 'problem')})"
            advice = "it is not replaced: correct it, move it away, or choose another --out"
            problems.append(Problem(str(path), seen=seen, advice=advice))
    if problems:
        raise InputError(problems)


def write_datalists(documents: Mapping[Path, Mapping[str, Any]], how: Replacing) -> tuple[str, ...]:
    """Write datalists, each at once or not at all, and keep the older ones that they replace.

    Args:
        documents: What to write, by file.
        how: What may be done to files that are there.

    Returns:
        Notes: which files were replaced, and where the older ones are.

    Raises:
        InputError: A file is there and may not be replaced, or cannot be written. What is there then stays.
    """
    refuse_what_is_no_datalist(list(documents))
    texts = {path: document_text(content) for path, content in documents.items()}
    older = [found for path in documents if (found := _older(path, documents[path], texts[path], how)) is not None]
    if older and not how.force:
        raise InputError(_refused(older, how))
    losing = [each for each in older if each.lost]
    if losing and how.ask is not None:
        kept = a_few(next_backup(each.real).name for each in losing)
        question = "\n".join(f"{each.path} already exists, with {each}." for each in losing)
        how.ask(f"{question}\nReplace it? The old {'file is' if len(losing) == 1 else 'files are'} kept as {kept}.")
    return _written(texts, {each.path: each for each in older})


def _written(texts: Mapping[Path, str], older: Mapping[Path, _Older]) -> tuple[str, ...]:
    """Keep all older files before the first is replaced; leave no copy of a file that is not replaced."""
    backups: dict[Path, Path] = {}
    replaced = []
    try:
        for path, each in older.items():
            if each.content != texts[path].encode(errors="surrogatepass"):
                backups[path] = _kept(each)
        for path, text in texts.items():
            there = older.get(path)
            write_text(text, path if there is None else there.real, private=there is not None and there.private)
            replaced.append(path)
    except BaseException:
        for path, backup in backups.items():
            if path not in replaced:
                with suppress(OSError):
                    backup.unlink()
        raise
    return tuple(
        f"{path}: the old file{f', with {older[path]},' if older[path].lost else ''} is {backup}"
        for path, backup in backups.items()
    )


def _kept(older: _Older) -> Path:
    try:
        if older.real.read_bytes() != older.content:
            seen = "the file was changed in the meantime"
            raise InputError(Problem(str(older.path), seen=seen, advice="nothing was written: try again"))
        return write_backup(older.real, older.content)
    except OSError as error:
        seen = f"the old file cannot be kept as {next_backup(older.real).name} ({error.strerror or error})"
        raise InputError(Problem(str(older.path), seen=seen, advice="nothing was changed")) from None


def _older(path: Path, document: Mapping[str, Any], text: str, how: Replacing) -> _Older | None:
    try:
        real = behind_link(path)
        content = real.read_bytes()
        private = is_private(real)
    except FileNotFoundError:
        return None
    except OSError as error:
        seen = f"already exists, and cannot be read ({error.strerror or error})"
        raise InputError(Problem(str(path), seen=seen, advice="choose another --out")) from None
    old = json.loads(content.decode("utf-8-sig"))
    return _Older(path, real, content, private, tuple(losses(old, json.loads(text), how.source)))


def _refused(older: Sequence[_Older], how: Replacing) -> list[Problem]:
    """What would be lost of each, and how it is kept: the way that keeps everything first."""
    if len(older) == 1:
        return [Problem("", seen=f"{_there(older[0])}. {_advice(older[0], how)}")]
    problems = [Problem("", seen=_there(each)) for each in older]
    return [*problems, Problem("all of them", advice=_advice(older[0], how))]


def _there(older: _Older) -> str:
    return f"{older.path} already exists" + (f", with {older}" if older.lost else "")


def _advice(older: _Older, how: Replacing) -> str:
    begins = "starts again" if how.extendable else "replaces it"
    forced = f"--force {begins} and keeps the old file as {next_backup(older.real)}"
    if not how.extendable:
        return f"To write another file, choose another --out. {forced}."
    words = pasteable(["--extend", older.path, "--out", _free(older.path)])
    return f"To keep everything in it and add new participants: {words}. {forced}."


def _free(path: Path) -> Path:
    """A new name in the folder of the file."""
    number = 1
    while (other := path.with_name("new.json" if number == 1 else f"new_{number}.json")).exists():
        number += 1
    return other
