"""The log of changes that somebody made by hand to a datalist: what the page for clinicians saves, as JSON.

A change is one field of one participant, with the value before: so a log can be applied to a newer datalist, and what
somebody else has changed in the meantime shows.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from monai_fusion.datalist.schema import is_participant_id
from monai_fusion.errors import InputError, Problem
from monai_fusion.reading import read_json, reason_of

PART = "part"
"""The field of a change that moves a participant: the part is no field of the row."""

LOG_FORMAT: Literal[1] = 1

_MOST_TEXT = 2_000  # characters of a reason or a note
Text = Annotated[str, Field(max_length=_MOST_TEXT)]


class Change(BaseModel):
    """One change.

    Attributes:
        participant_id: Whose.
        field: ``label``, ``exclude`` (the reason), ``part`` or ``note``.
        before: The value before; null if there was none.
        after: The value now; null removes the field.
        why: The reason, if one was given; that of an exclusion is the value itself.
        who: Who made the change, if that was given.
        when: The time, ISO 8601 with the offset from UTC.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    participant_id: Text
    field: Literal["label", "exclude", "part", "note"]
    before: Text | None = None
    after: Text | None = None
    why: Text = ""
    who: Text = ""
    when: Text = ""


class ChangeLog(BaseModel):
    """Changes in the order in which they were made.

    Attributes:
        change_log: The format of the file, 1.
        datalist: The name of the file that was edited, without its folder.
        datalist_sha256: SHA-256 of that file's bytes, hexadecimal.
        changes: The changes.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    change_log: Literal[1] = LOG_FORMAT
    datalist: Text = ""
    datalist_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$|^$")] = ""
    changes: Annotated[list[Change], Field(max_length=100_000)]


def read_change_log(path: Path) -> ChangeLog:
    """Read a log.

    Raises:
        InputError: It cannot be read, is something else, or names something that cannot be a participant.
    """
    wanted = "a log of changes, as the page of `monai-fusion datalist page` saves it"
    try:
        content: Any = read_json(path)
    except FileNotFoundError:
        raise InputError(Problem(str(path), seen="file not found", wanted=wanted)) from None
    except OSError as error:
        raise InputError(Problem(str(path), seen=reason_of(error), wanted=wanted)) from None
    except ValueError:
        raise InputError(Problem(str(path), seen="not JSON", wanted=wanted)) from None
    try:
        log = ChangeLog.model_validate_json(json.dumps(content))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = " ".join(str(step + 1) if isinstance(step, int) else step for step in first["loc"])
        raise InputError(Problem(str(path), where, first["msg"], wanted)) from None
    for number, change in enumerate(log.changes, start=1):
        if problem := _wrong_change(change):
            raise InputError(Problem(str(path), f"change {number} {problem[0]}", *problem[1:]))
    return log


def _wrong_change(change: Change) -> tuple[str, str, str] | None:
    if not is_participant_id(change.participant_id):
        return "participant_id", repr(change.participant_id), "the id of a participant"
    if change.field in ("label", PART) and change.after is None:
        return change.field, "null", "a class" if change.field == "label" else "training, validation or test"
    if change.field == "exclude" and change.after is not None and change.after != " ".join(change.after.split()):
        return "exclude", repr(change.after), "a reason, on one line and without spaces at its ends"
    if change.when:
        try:
            datetime.fromisoformat(change.when)
        except ValueError:
            return "when", repr(change.when), "a time such as 2026-11-28T14:05:00+01:00"
    return None
